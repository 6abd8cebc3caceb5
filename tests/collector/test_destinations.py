"""Each destination gets the exporter that it understands, with a queue and without a secret."""

from __future__ import annotations

from typing import Any

import pytest

from slo.collector.destinations import exporter_of
from slo.spec.telemetry import DESTINATION_KINDS
from slo.telemetry import Tier
from tests.collector.documents import read

TIER = Tier(memory_limit_mib=512, queue_size=77, storage="/data")
VERSION = "0.161"


def exporter(settings: str, version: str = VERSION) -> tuple[str, Any, Any]:
    """Return id, settings and extensions of the exporter of a destination."""
    text = f"version: slo/v1\nkind: Telemetry\ndestinations:\n  - {{name: aa, {settings}}}\n"
    specs, found = read(text)
    assert [] == found
    made = exporter_of(specs.telemetry[0].destinations[0], TIER, version)
    return made.id, made.settings, made.extensions


@pytest.mark.parametrize(
    ("settings", "name", "endpoint"),
    [
        ('kind: prometheus, url: "http://p:9090"', "otlp_http/aa", "http://p:9090/api/v1/otlp"),
        ('kind: mimir, url: "http://m/"', "otlp_http/aa", "http://m/otlp"),
        ('kind: loki, url: "http://l:3100"', "otlp_http/aa", "http://l:3100/otlp"),
        ('kind: jaeger, url: "http://j:4317"', "otlp_grpc/aa", "j:4317"),
        ('kind: tempo, url: "https://t"', "otlp_grpc/aa", "t:4317"),
        ('kind: tempo, url: "http://t:4318", protocol: http', "otlp_http/aa", "http://t:4318"),
        ('kind: zipkin, url: "http://z:9411"', "zipkin/aa", "http://z:9411/api/v2/spans"),
        ('kind: otlp, url: "https://v.example"', "otlp_http/aa", "https://v.example"),
    ],
)
def test_address_is_where_the_backend_listens(settings: str, name: str, endpoint: str) -> None:
    made, found, _ = exporter(settings)

    assert (name, endpoint) == (made, found["endpoint"])


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("prometheus", "/api/v1/write"),
        ("victoriametrics", "/api/v1/write"),
        ("mimir", "/api/v1/push"),
    ],
)
def test_remote_write_never_gives_up(kind: str, path: str) -> None:
    name, settings, _ = exporter(f'kind: {kind}, url: "http://s", protocol: remote_write')

    assert "prometheus_remote_write/aa" == name
    assert f"http://s{path}" == settings["http"]["endpoint"]
    assert {"insecure": True} == settings["http"]["tls"]
    assert (0, "10s") == (settings["timeout"], settings["http"]["timeout"])
    assert 0 == settings["retry_on_failure"]["max_elapsed_time"]


def test_older_remote_write_has_its_connection_at_the_top() -> None:
    _, settings, _ = exporter('kind: victoriametrics, url: "http://s"', "0.157")

    assert "http://s/api/v1/write" == settings["endpoint"]
    assert "http" not in settings


@pytest.mark.parametrize(
    ("naming", "strategy"),
    [
        ("escaped", "UnderscoreEscapingWithSuffixes"),
        ("escaped_without_suffixes", "UnderscoreEscapingWithoutSuffixes"),
        ("utf8", "NoTranslation"),
        ("utf8_with_suffixes", "NoUTF8EscapingWithSuffixes"),
    ],
)
def test_remote_write_translates_names_as_indicators_expect(naming: str, strategy: str) -> None:
    _, settings, _ = exporter(f'kind: victoriametrics, url: "http://s", naming: {naming}')

    assert strategy == settings["translation_strategy"]


@pytest.mark.parametrize("kind", sorted(set(DESTINATION_KINDS) - {"debug", "victoriametrics"}))
def test_what_waits_is_on_disk(kind: str) -> None:
    url = "token: env:KEY" if kind == "datadog" else 'url: "http://s"'
    _, settings, _ = exporter(f"kind: {kind}, {url}")

    assert "file_storage" == settings["sending_queue"]["storage"]
    assert 77 == settings["sending_queue"]["queue_size"]


class TestSecrets:
    @pytest.mark.parametrize(
        ("settings", "extension", "expected"),
        [
            ("token: env:KEY", "bearertokenauth/aa", {"token": "${env:KEY}"}),
            ('token: "file:/run/$k"', "bearertokenauth/aa", {"filename": "/run/$$k"}),
            (
                'username: $me, password: "file:/run/p"',
                "basicauth/aa",
                {"client_auth": {"username": "$$me", "password_file": "/run/p"}},
            ),
            (
                "username: me, password: env:P",
                "basicauth/aa",
                {"client_auth": {"username": "me", "password": "${env:P}"}},
            ),
        ],
    )
    @pytest.mark.parametrize("kind", ["loki", "victoriametrics", "jaeger"])
    def test_are_read_by_the_collector(
        self, kind: str, settings: str, extension: str, expected: dict[str, Any]
    ) -> None:
        _, found, extensions = exporter(f'kind: {kind}, url: "https://s", {settings}')

        assert {extension: expected} == extensions
        client = found.get("http", found)
        assert {"authenticator": extension} == client["auth"]

    @pytest.mark.parametrize("protocol", ["otlp", "remote_write"])
    def test_header_in_a_file_is_read_by_an_extension(self, protocol: str) -> None:
        headers = 'headers: {X-Key: "file:/run/$k", X-Team: a}'
        _, found, extensions = exporter(
            f'kind: mimir, url: "https://s", protocol: {protocol}, {headers}'
        )

        client = found.get("http", found)
        expected = {"header": "X-Key", "scheme": "", "filename": "/run/$$k"}
        assert {"bearertokenauth/aa": expected} == extensions
        assert {"authenticator": "bearertokenauth/aa"} == client["auth"]
        assert {"X-Team": "a"} == client["headers"]

    def test_of_datadog_and_elasticsearch_stand_in_their_own_settings(self) -> None:
        _, datadog, none = exporter("kind: datadog, token: env:DD, site: datadoghq.eu")
        _, search, also_none = exporter(
            'kind: elasticsearch, url: "https://e", token: "file:/run/key"'
        )

        assert {"key": "${env:DD}", "site": "datadoghq.eu"} == datadog["api"]
        assert "${file:/run/key}" == search["api_key"]
        assert ({}, {}) == (none, also_none)

    def test_may_be_values_of_headers(self) -> None:
        _, settings, _ = exporter(
            'kind: otlp, url: "https://v", headers: {X-Key: env:K, X-Plain: "a $b"}'
        )

        assert {"X-Key": "${env:K}", "X-Plain": "a $$b"} == settings["headers"]


def test_tenants_and_certificates_are_passed_on() -> None:
    _, settings, _ = exporter(
        'kind: tempo, url: "https://t", tenant: shop, tls: {ca_file: /ca, server_name: tempo}'
    )

    assert {"x-scope-orgid": "shop"} == settings["headers"]
    assert {"ca_file": "/ca", "server_name_override": "tempo"} == settings["tls"]
