"""Whatever specs say, the configuration is sound; and what is not sound is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from slo.collector.emit import collector_configs
from slo.collector.graph import faults
from slo.collector.model import Config, Pipeline, config_text
from slo.collector.options import CollectorOptions, Guard
from slo.spec.telemetry import DESTINATION_KINDS
from tests.collector.documents import PLATFORM, make, read, service

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}[a-z0-9]", fullmatch=True)
TEXTS = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=12)
ATTRIBUTES = st.from_regex(r"[a-z]{2,6}(\.[a-z_]{2,8}){0,2}", fullmatch=True)
DURATIONS = st.integers(1, 90_000).map(lambda n: f"{n}ms")
OWNERS = ["payments", "search"]
SECRETS = st.sampled_from(["env:TOKEN", "file:/run/secrets/token"])
FEW = {"min_size": 1, "max_size": 3}


@st.composite
def destinations(draw: Callable[..., Any], name: str) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(DESTINATION_KINDS)))
    signals, protocols = DESTINATION_KINDS[kind]
    made: dict[str, Any] = {"name": name, "kind": kind}
    if kind == "datadog":
        made["token"] = draw(SECRETS)
    elif kind != "debug":
        made["url"] = draw(st.sampled_from(["http://a:1", "https://b.example", "http://c"]))
    if kind not in ("datadog", "debug"):
        made |= draw(
            st.sampled_from([{}, {"token": "env:T"}, {"username": "$u", "password": "file:/p"}])
        )
    if protocols:
        made["protocol"] = draw(st.sampled_from(protocols))
        if made["protocol"] == "grpc" and made.keys() & {"token", "username"}:
            made["url"] = "https://b.example"
    if draw(st.booleans()):
        made["signals"] = draw(st.lists(st.sampled_from(signals), unique=True, **FEW))
    if draw(st.booleans()):
        made["default"] = draw(st.booleans())
    if draw(st.booleans()) and kind != "debug":
        made["headers"] = {"X-Team": draw(TEXTS)}
    return made


@st.composite
def platforms(draw: Callable[..., Any]) -> dict[str, Any]:
    names = draw(st.lists(NAMES, unique=True, min_size=1, max_size=4))
    made: dict[str, Any] = {
        "version": "slo/v1",
        "kind": "Telemetry",
        "destinations": [draw(destinations(name)) for name in names],
    }
    if draw(st.booleans()):
        made["routes"] = [
            {"owner": owner, "destinations": [draw(st.sampled_from(names))]} for owner in OWNERS
        ]
    if draw(st.booleans()):
        made["environment"] = draw(TEXTS)
    if draw(st.booleans()):
        made["sampling"] = {"baseline": draw(st.sampled_from([0, 0.5, 10, 100]))}
    if draw(st.booleans()):
        made["redaction"] = {"keys": ["^x$"], "values": [r"id-\d+$"], "emails": False}
    if draw(st.booleans()):
        made["gateway"] = {"replicas": 3, "resolver": {"dns": "gateways"}}
    if draw(st.booleans()):
        made["span_metrics"] = {"buckets": draw(st.lists(DURATIONS, **FEW))}
    made["collector_version"] = draw(st.sampled_from(["0.144", "0.150.1", "0.162"]))
    return made


@st.composite
def services(draw: Callable[..., Any], name: str) -> dict[str, Any]:
    indicator = draw(
        st.sampled_from(
            [
                {"span_availability": {"selector": {"service_name": name, "http_route": "/"}}},
                {"span_latency": {"threshold": draw(DURATIONS)}},
                {"log_events": {"selector": {"service_name": name}}},
                {"http_availability": {}},
            ]
        )
    )
    telemetry: dict[str, Any] = {
        key: draw(st.lists(ATTRIBUTES, unique=True, **FEW))
        for key in ("dimensions",)
        if draw(st.booleans())
    }
    if draw(st.booleans()):
        names = draw(st.lists(ATTRIBUTES, unique=True, **FEW))
        # No attribute stands under two of them.
        rules = zip(("keep", "drop", "hash"), (names[i::3] for i in range(3)), strict=True)
        telemetry["attributes"] = {rule: found for rule, found in rules if found}
    if draw(st.booleans()):
        telemetry["logs"] = {
            "files": [{"paths": ["/var/log/$x/*.log"], "format": "json", "severity": "level"}] * 2,
            "count": {"bad.ones": "severity_number > 8"},
        }
    if draw(st.booleans()):
        telemetry["scrape"] = [{"job": f"{name}-jobs", "targets": ["a:1"]}]
    if draw(st.booleans()):
        telemetry["sampling"] = {"baseline": draw(st.sampled_from([0, 5, 100]))}
    made: dict[str, Any] = {
        "version": "slo/v1",
        "service": name,
        "owner": draw(st.sampled_from(OWNERS)),
        "slos": [{"name": "quality", "objective": 99, "indicator": indicator}],
    }
    return made | ({"telemetry": telemetry} if telemetry else {})


@st.composite
def documents(draw: Callable[..., Any]) -> list[str]:
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    made = [draw(platforms()), *(draw(services(name)) for name in names)]
    return [f"{json.dumps(document)}\n" for document in made]


GUARD = Guard("/tls.crt", "/tls.key", "/token", "/ca.crt", "/agent/token", "gateway")
PLACES = (
    CollectorOptions(),
    CollectorOptions(gateway_targets=("a:4317", "b:4317")),
    CollectorOptions(gateway_dns=("gateways", 14317), guard=GUARD),
    CollectorOptions(guard=GUARD),
)


@settings(max_examples=100, deadline=None)
@given(documents(), st.sampled_from(PLACES))
def test_every_configuration_is_sound(texts: list[str], options: CollectorOptions) -> None:
    specs, found = read(*texts)
    assert [] == [d for d in found if d.is_error]

    configs, problems = collector_configs(specs, options)

    assert configs or {"SLO711", "SLO714", "SLO715"} & {d.code for d in problems}
    for config in configs.values():
        assert [] == faults(config)
        assert yaml.safe_load(config_text(config, "A role.", "1.0"))


def _drop_exporter(config: Config) -> None:
    del config.exporters["otlp_http/logs"]


def _add_processor(config: Config) -> None:
    config.processors["batch"] = {}


def _sample_first(config: Config) -> None:
    change(config, "traces/in", processors=("memory_limiter", "tail_sampling"))


def _limit_late(config: Config) -> None:
    change(config, "traces/in", processors=("redaction", "memory_limiter"))


def _batch_early(config: Config) -> None:
    config.processors["batch"] = {}
    change(config, "logs/out", processors=("batch", "redaction"))


def _feed_back(config: Config) -> None:
    change(config, "traces/out", exporters=("forward/traces",))


def _count_metrics(config: Config) -> None:
    change(config, "metrics", exporters=("span_metrics",))


def _forget(config: Config) -> None:
    settings = dict(config.exporters["otlp_http/logs"])
    settings["sending_queue"] = {"enabled": True}
    config.exporters["otlp_http/logs"] = settings


def _give_up(config: Config) -> None:
    settings = dict(config.exporters["otlp_http/logs"])
    settings["retry_on_failure"] = {"enabled": True}
    config.exporters["otlp_http/logs"] = settings


def _lose_storage(config: Config) -> None:
    del config.extensions["file_storage"]


def _share_port(config: Config) -> None:
    config.extensions["health_check"] = {"endpoint": "0.0.0.0:4317"}


def _expand(config: Config) -> None:
    config.processors["redaction"] = {"blocked_values": ["x$"]}


def _tell_secret(config: Config) -> None:
    config.extensions["bearertokenauth/logs"] = {"token": "abc"}


def change(config: Config, name: str, **parts: tuple[str, ...]) -> None:
    old = config.pipelines[name]
    config.pipelines[name] = Pipeline(
        parts.get("receivers", old.receivers),
        parts.get("processors", old.processors),
        parts.get("exporters", old.exporters),
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_drop_exporter, "is not among the exporters"),
        (_add_processor, "batch of the processors is not used"),
        (_sample_first, "counts what pipeline traces/in has left over"),
        (_limit_late, "without memory_limiter as its first"),
        (_batch_early, "has processors behind batch"),
        (_feed_back, "feeds itself"),
        (_count_metrics, "connector span_metrics joins"),
        (_forget, "forgets what waits"),
        (_give_up, "gives up"),
        (_lose_storage, "extension file_storage is not there"),
        (_share_port, "port 4317 is taken 2 times"),
        (_expand, "would be expanded"),
        (_tell_secret, "is a secret in plain text"),
    ],
)
def test_what_is_wrong_is_noticed(spoil: Callable[[Config], None], words: str) -> None:
    indicator = "{span_availability: {}}"
    config = deepcopy(make(PLATFORM, service(indicator), service("{log_events: {}}", "bb")).gateway)
    assert [] == faults(config)

    spoil(config)

    assert [fault for fault in faults(config) if words in fault]
