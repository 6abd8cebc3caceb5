"""Check that the intervals of the settings come to everything that keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from slo.duration import Duration
from slo.engine.stack_inputs import read_stack
from slo.stack.components.context import Versions
from slo.stack.components.plan import stack_plan
from slo.stack.settings import StackSettings
from tests.stack.components.places import FlatPlaces
from tests.stack.components.stacks import compiled, plan, settings_of

QUICK = """\
metrics: {scrape_interval: 5s, evaluation_interval: 10s}
engine: {interval: 15s}
notifications: {group_wait: 2s, group_interval: 20s, repeat_interval: 3h}
"""
SPANS = """\
version: slo/v1
service: checkout
owner: payments
slos:
  - name: availability
    objective: 99.9
    indicator: {span_availability: {selector: {service_name: checkout}}}
  - name: lines
    objective: 99.9
    indicator: {log_events: {selector: {service_name: checkout}}}
---
version: slo/v1
kind: Owners
owners:
  - name: payments
    page: [{webhook: {url: "https://pages.example.com/hook"}}]
    ticket: [{webhook: {url: "https://tickets.example.com/hook"}}]
"""
WINDOWS = """\
apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 30d
  page:
    quick: {errorBudgetPercent: 2, shortWindow: 7m, longWindow: 1h}
    slow: {errorBudgetPercent: 5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 10, shortWindow: 2h, longWindow: 1d}
    slow: {errorBudgetPercent: 10, shortWindow: 6h, longWindow: 3d}
"""


def config(settings: StackSettings, component: str, name: str, spec: str = SPANS) -> Any:
    """Return one file of one component."""
    found = stack_plan(settings, compiled(spec), FlatPlaces(settings, "/stack"))
    text = next(f.text for f in found.component(component).configs if f.name == name)
    return yaml.safe_load(text)


def routes_below(route: dict[str, Any]) -> list[dict[str, Any]]:
    return [route, *(found for below in route.get("routes", ()) for found in routes_below(below))]


def test_prometheus_scrapes_and_evaluates_as_often_as_the_settings_say() -> None:
    """The limit of a scrape is never longer than what lies between two of them."""
    quick = config(settings_of(QUICK), "prometheus", "prometheus.yaml")["global"]
    usual = config(settings_of(""), "prometheus", "prometheus.yaml")["global"]

    assert ("5s", "5s") == (quick["scrape_interval"], quick["scrape_timeout"])
    assert "10s" == quick["evaluation_interval"]
    assert ("15s", "10s", "30s") == (
        usual["scrape_interval"],
        usual["scrape_timeout"],
        usual["evaluation_interval"],
    )


def test_victoria_metrics_too() -> None:
    """Its evaluation of groups that say nothing is a flag."""
    settings = settings_of(QUICK.replace("metrics: {", "metrics: {engine: victoria-metrics, "))
    found = config(settings, "victoria-metrics", "scrape.yaml")["global"]

    assert "5s" == found["scrape_interval"]
    assert "-evaluationInterval=10s" in plan(settings).component("vmalert").arguments


def test_collectors_count_as_often_as_prometheus_scrapes() -> None:
    """Otherwise a short window of an SLI would hold one sample, or none."""
    quick = config(settings_of(QUICK), "collector-gateway", "config.yaml")
    usual = config(settings_of(""), "collector-gateway", "config.yaml")

    spans = next(name for name in quick["connectors"] if name.startswith("span"))
    assert "5s" == quick["connectors"][spans]["metrics_flush_interval"]
    assert "15s" == usual["connectors"][spans]["metrics_flush_interval"]
    assert "5s" == quick["processors"]["batch/log-counts"]["timeout"]
    assert "10s" == usual["processors"]["batch/log-counts"]["timeout"]


def test_owners_are_notified_as_the_settings_say() -> None:
    """Every route of an owner has the waits; doctor and dead man's switch keep their own."""
    found = config(settings_of(QUICK), "alertmanager", "alertmanager.yaml")["route"]
    own, others = found["routes"][:2], found["routes"][2:]

    assert others
    top = {key: value for key, value in found.items() if key != "routes"}
    for route in [top, *(below for other in others for below in routes_below(other))]:
        waits = (route["group_wait"], route["group_interval"], route["repeat_interval"])
        assert ("2s", "20s", "3h") == waits
    assert ["0s", "0s"] == [route["group_wait"] for route in own]


def test_the_engine_reads_as_often_as_the_settings_say() -> None:
    assert "15s" == config(settings_of(QUICK), "engine", "engine.yaml")["interval"]
    assert "interval" not in config(settings_of(""), "engine", "engine.yaml")


def test_specs_are_compiled_as_the_settings_say(tmp_path: Path) -> None:
    """The rules have the interval and the windows of the settings."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "checkout.yaml").write_text(SPANS)
    (tmp_path / "windows").mkdir()
    (tmp_path / "windows" / "mine.yaml").write_text(WINDOWS)
    path = tmp_path / "slostack.yaml"
    path.write_text(f"version: slo/v1\nkind: Stack\nwindows: [windows]\n{QUICK}")
    found = read_stack(path)

    rules = yaml.safe_load(found.compiled.of_kind("rules")["checkout.yaml"])
    intervals = {Duration.parse(group["interval"]).seconds for group in rules["groups"]}
    records = {rule.get("record") for group in rules["groups"] for rule in group["rules"]}
    assert 10 == min(intervals)
    assert "slo:sli_error:ratio_rate7m" in records


def test_the_engine_sends_spans_only_to_an_agent_that_takes_them() -> None:
    """An agent without a pipeline for traces answers with 404."""
    settings = settings_of("without: [jaeger, loki]")

    assert "otlp" in config(settings, "engine", "engine.yaml")
    assert "otlp" not in yaml.safe_load(
        next(
            file.text
            for file in plan(settings, versions=Versions()).component("engine").configs
            if file.name == "engine.yaml"
        )
    )
