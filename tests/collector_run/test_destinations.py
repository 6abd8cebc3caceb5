"""Every kind of destination is sent what it asks for, where it asks for it, by who it asks for."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from slo.stack.otlp_client import LogLine, OtlpClient, Span
from slo.stack.prometheus import PrometheusClient, run_prometheus
from slo.stack.victoria_metrics import run_victoria_metrics
from tests.collector_run.backends import Backend as Recorder
from tests.collector_run.backends import Received, running_backend
from tests.collector_run.running import (
    Collector,
    Tiers,
    backend,
    eventually,
    needs_collector,
    running,
    settles,
    tiers,
)

pytestmark = needs_collector


def _prometheus3() -> str | None:
    """Return the Prometheus 3 that the environment names, or that was once built."""
    folder = os.environ.get("PROMETHEUS3")
    if folder:
        return f"{folder}/prometheus"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slostack"
    return max(map(str, cache.glob("prometheus-v*/prometheus")), default=None)


PROMETHEUS3 = _prometheus3()
PLATFORM = """\
version: slo/v1
kind: Telemetry
sampling: {{baseline: 100}}
destinations:
  - {{name: it, {settings}}}
"""
SPAN = Span("GET /cart", attributes={"http.route": "/cart"})
LINE = LogLine("a line", attributes={"colour": "red"})
PASSWORD = "pa:ss$word"


@contextmanager
def sending(folder: Path, settings: str, url: str) -> Iterator[Collector]:
    """Run agent and gateway with one destination at *url*, and send one of each signal."""
    made = tiers(folder, [PLATFORM.format(settings=settings)], {"it": url})
    with running(made), closing(send_all(made)):
        yield made.gateway


def send_all(made: Tiers) -> OtlpClient:
    """Send one of each signal that the agent takes."""
    client = OtlpClient(made.agent.url, "shop")
    signals = {name.partition("/")[0] for name in made.agent.config["service"]["pipelines"]}
    if "traces" in signals:
        client.send_spans([SPAN])
    if "logs" in signals:
        client.send_logs([LINE])
    if "metrics" in signals:
        client.send_counter("orders", 7, since=time.time() - 60, attributes={"colour": "red"})
    return client


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def first(recorder: Recorder, path: str) -> Received:
    """Return the first request to *path*."""
    eventually(lambda: any(r.path == path for r in list(recorder.received)))
    found = [r for r in recorder.received if r.path == path]
    assert found, recorder.paths()
    return found[0]


class TestRecorded:
    """A recording server stands in for a backend that is not to be had here."""

    @pytest.mark.parametrize(
        ("settings", "path"),
        [
            ("kind: prometheus", "/api/v1/otlp/v1/metrics"),
            ("kind: victoriametrics, protocol: otlp", "/opentelemetry/v1/metrics"),
            ("kind: mimir", "/otlp/v1/metrics"),
            ("kind: loki", "/otlp/v1/logs"),
            ("kind: jaeger, protocol: http", "/v1/traces"),
            ("kind: tempo, protocol: http", "/v1/traces"),
            ("kind: otlp", "/v1/metrics"),
            ("kind: otlp", "/v1/logs"),
            ("kind: otlp", "/v1/traces"),
        ],
    )
    def test_otlp(self, tmp_path: Path, settings: str, path: str) -> None:
        with running_backend() as recorder, sending(tmp_path, with_url(settings), recorder.url):
            request = first(recorder, path)

        assert "application/x-protobuf" == request.headers["content-type"]
        assert CONTENTS[path.rpartition("/")[2]] in json.dumps(request.otlp())

    @pytest.mark.parametrize(
        ("settings", "path"),
        [
            ("kind: mimir, protocol: remote_write", "/api/v1/push"),
            ("kind: prometheus, protocol: remote_write", "/api/v1/write"),
        ],
    )
    def test_remote_write(self, tmp_path: Path, settings: str, path: str) -> None:
        with running_backend() as recorder, sending(tmp_path, with_url(settings), recorder.url):
            request = first(recorder, path)

        assert ("snappy", "0.1.0") == (
            request.headers["content-encoding"],
            request.headers["x-prometheus-remote-write-version"],
        )
        assert b"orders_total" in request.body

    def test_zipkin(self, tmp_path: Path) -> None:
        with (
            running_backend() as recorder,
            sending(tmp_path, with_url("kind: zipkin"), recorder.url),
        ):
            request = first(recorder, "/api/v2/spans")

        (span,) = json.loads(request.body)
        assert "GET /cart".lower() == span["name"].lower()
        assert "shop" == span["localEndpoint"]["serviceName"]
        assert SPAN.trace_id == span["traceId"]

    @pytest.mark.parametrize(
        ("settings", "headers"),
        [
            ("tenant: team-a", {"x-scope-orgid": "team-a"}),
            ("token: env:TEST_TOKEN", {"authorization": "Bearer 0777"}),
            ('token: "file:{folder}/token"', {"authorization": "Bearer in-file"}),
            (
                "username: me, password: env:TEST_PASSWORD",
                {"authorization": basic("me", PASSWORD)},
            ),
            (
                'username: me, password: "file:{folder}/password"',
                {"authorization": basic("me", PASSWORD)},
            ),
            (
                'headers: {{api-key: "env:TEST_TOKEN", X-Team: "$5 ${{HOME}}"}}',
                {"api-key": "0777", "x-team": "$5 ${HOME}"},
            ),
            ('headers: {{DD-API-KEY: "file:{folder}/key"}}', {"dd-api-key": "in-file"}),
        ],
        ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
    )
    @pytest.mark.parametrize("kind", ["loki", "mimir, protocol: remote_write"])
    def test_who_sends(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        kind: str,
        settings: str,
        headers: dict[str, str],
    ) -> None:
        """Tenants, tokens, passwords and headers arrive as they are written."""
        monkeypatch.setenv("TEST_TOKEN", "0777")
        monkeypatch.setenv("TEST_PASSWORD", PASSWORD)
        # Editors end files with a line break, which is no part of the secret.
        for name, text in (("token", "in-file"), ("key", "in-file"), ("password", PASSWORD)):
            (tmp_path / name).write_text(f"{text}\n")
        more = settings.format(folder=tmp_path)

        with (
            running_backend() as recorder,
            sending(tmp_path, with_url(f"kind: {kind}, {more}"), recorder.url),
        ):
            assert eventually(lambda: recorder.received)

        sent = recorder.received[0].headers
        assert headers == {name: sent.get(name) for name in headers}


VENDORS = {
    "elastic": ("/v1/logs", {"authorization": "ApiKey s3cret"}),
    "datadog": ("/v1/logs", {"dd-api-key": "s3cret"}),
    "grafana": ("/otlp/v1/traces", {"authorization": basic("1234", "s3cret")}),
    "honeycomb": ("/v1/traces", {"x-honeycomb-team": "s3cret"}),
    "newrelic": ("/v1/metrics", {"api-key": "s3cret"}),
}
VENDOR_PLATFORM = """\
version: slo/v1
kind: Telemetry
sampling: {baseline: 100}
destinations:
  - name: elastic
    kind: otlp
    url: http://localhost:1
    headers: {Authorization: "env:ELASTIC_AUTHORIZATION"}
  - name: datadog
    kind: otlp
    url: http://localhost:1
    signals: [logs]
    headers: {dd-api-key: "env:VENDOR_KEY"}
  - name: grafana
    kind: otlp
    url: http://localhost:1/otlp
    username: "1234"
    password: env:VENDOR_KEY
  - name: honeycomb
    kind: otlp
    url: http://localhost:1
    headers: {x-honeycomb-team: "env:VENDOR_KEY"}
  - name: newrelic
    kind: otlp
    url: http://localhost:1
    headers: {api-key: "env:VENDOR_KEY"}
"""


class TestVendors:
    """What is sold as a service takes OTLP, each with a header of its own."""

    def test_each_gets_its_key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ELASTIC_AUTHORIZATION", "ApiKey s3cret")
        monkeypatch.setenv("VENDOR_KEY", "s3cret")
        with ExitStack() as stack:
            recorders = {name: stack.enter_context(running_backend()) for name in VENDORS}
            urls = {name: recorder.url for name, recorder in recorders.items()}
            urls["grafana"] += "/otlp"
            made = tiers(tmp_path, [VENDOR_PLATFORM], urls)
            stack.enter_context(running(made))
            stack.enter_context(closing(send_all(made)))

            found = {}
            for name, (path, headers) in VENDORS.items():
                sent = first(recorders[name], path).headers
                found[name] = (path, {key: sent.get(key) for key in headers})

        assert VENDORS == found
        assert {"/v1/logs"} == recorders["datadog"].paths()


class TestGrpc:
    """Another collector's receiver takes what Jaeger and Tempo take by gRPC."""

    @pytest.mark.parametrize(
        "settings",
        ["kind: jaeger", "kind: tempo, tenant: team-a", "kind: otlp, protocol: grpc"],
    )
    def test_span_arrives(self, tmp_path: Path, settings: str) -> None:
        with (
            backend(tmp_path) as other,
            sending(tmp_path, with_url(settings), f"http://{other.grpc}"),
        ):
            (span,) = eventually(other.spans)

        assert SPAN.trace_id == span["traceId"]
        assert ("/cart", "shop") == (
            span["attributes"]["http.route"],
            span["resource"]["service.name"],
        )


class TestReal:
    """The counter that was sent is read in a real server."""

    def test_prometheus_by_remote_write(self, tmp_path: Path) -> None:
        writable = ["--web.enable-remote-write-receiver"]
        with run_prometheus(tmp_path / "prometheus", "{}", arguments=writable) as server:
            self.check(tmp_path, "kind: prometheus, protocol: remote_write", server, "orders_total")

    @pytest.mark.skipif(PROMETHEUS3 is None, reason="needs Prometheus 3: scripts/build-prometheus3")
    @pytest.mark.parametrize(
        ("naming", "strategy", "name"),
        [
            ("escaped", "UnderscoreEscapingWithSuffixes", "orders_total"),
            ("escaped_without_suffixes", "UnderscoreEscapingWithoutSuffixes", "orders"),
            ("utf8", "NoTranslation", "orders"),
            ("utf8_with_suffixes", "NoUTF8EscapingWithSuffixes", "orders_total"),
        ],
    )
    def test_prometheus_by_otlp(
        self, tmp_path: Path, naming: str, strategy: str, name: str
    ) -> None:
        config = json.dumps({"otlp": {"translation_strategy": strategy}})
        with run_prometheus(
            tmp_path / "prometheus",
            config,
            arguments=["--web.enable-otlp-receiver"],
            program=PROMETHEUS3 or "",
        ) as server:
            self.check(tmp_path, f"kind: prometheus, naming: {naming}", server, name)

    def test_victoria_metrics(self, tmp_path: Path) -> None:
        with run_victoria_metrics(tmp_path / "victoria") as server:
            self.check(tmp_path, "kind: victoriametrics", server, "orders_total", server.flush)

    def check(
        self,
        folder: Path,
        settings: str,
        server: PrometheusClient,
        name: str,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        query = f'{name}{{colour="red",job="shop"}}'

        def read() -> float | None:
            prepare()
            return server.value(query)

        with sending(folder, with_url(settings), server.url) as gateway:
            assert 7 == settles(read, 7), gateway.log()


CONTENTS = {"metrics": '"orders"', "logs": "a line", "traces": "GET /cart"}


def with_url(settings: str) -> str:
    return f'{settings}, url: "http://localhost:1"'


def test_what_is_sent_is_all_there(tmp_path: Path) -> None:
    """Values, times, ids and attributes come out as they went in."""
    with (
        running_backend() as recorder,
        sending(tmp_path, with_url("kind: otlp"), recorder.url),
    ):
        eventually(lambda: len(recorder.paths()) == 3)
        requests = {r.path: r.otlp() for r in list(recorder.received)}

    point = one(requests["/v1/metrics"], "resourceMetrics", "scopeMetrics", "metrics")
    (data,) = point["sum"]["dataPoints"]
    assert 7 == data["asDouble"]
    assert [{"key": "colour", "value": {"stringValue": "red"}}] == data["attributes"]
    record = one(requests["/v1/logs"], "resourceLogs", "scopeLogs", "logRecords")
    assert ("a line", "INFO") == (record["body"]["stringValue"], record["severityText"])
    span = one(requests["/v1/traces"], "resourceSpans", "scopeSpans", "spans")
    assert "SPAN_KIND_SERVER" == span["kind"]
    assert 10_000_000 == int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])


def one(request: Any, outer: str, inner: str, leaf: str) -> Any:
    (resource,) = request[outer]
    (scope,) = resource[inner]
    (item,) = scope[leaf]
    return item
