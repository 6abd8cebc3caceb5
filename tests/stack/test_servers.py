"""The real Prometheus and Alertmanager start, answer and stop."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from slo.duration import seconds
from slo.errors import ToolError
from slo.stack.alertmanager import AlertmanagerClient, run_alertmanager
from slo.stack.processes import LOOPBACK, free_ports
from slo.stack.prometheus import (
    PrometheusClient,
    ScrapeTarget,
    prometheus_config,
    run_prometheus,
)
from slo.stack.victoria_metrics import (
    VictoriaMetricsClient,
    replay_rules,
    run_victoria_metrics,
    run_vmalert,
)

pytestmark = pytest.mark.servers

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs the Debian package prometheus"
)
needs_alertmanager = pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None,
    reason="needs the Debian package prometheus-alertmanager",
)
needs_victoria_metrics = pytest.mark.skipif(
    shutil.which("vmalert") is None, reason="needs the Debian package victoria-metrics"
)

RULES = """
groups:
  - name: fixture
    interval: 1s
    rules:
      - record: answer
        expr: vector(42)
        labels: {kind: test}
      - alert: AlwaysFires
        expr: answer > 41
        labels: {severity: page}
        annotations: {summary: "it is {{ $value }}"}
      - alert: NeverFires
        expr: answer > 43
"""

ROUTING = """
route: {receiver: nobody, group_wait: 1s}
receivers: [{name: nobody}]
"""


def eventually(condition: Callable[[], bool], limit_seconds: float = 20) -> None:
    deadline = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def write_rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@needs_prometheus
class TestPrometheus:
    def test_queries_rules_and_alerts(self, tmp_path: Path) -> None:
        """Rules are loaded and evaluated; values, states and labels come back."""
        config = prometheus_config(rule_files=[write_rules(tmp_path)])

        with run_prometheus(tmp_path / "prometheus", config) as prometheus:
            assert prometheus.ready()
            eventually(lambda: bool(prometheus.alerts()))

            assert prometheus.value('answer{kind="test"}') == 42
            assert prometheus.value("scalar(vector(3))") == 3
            assert prometheus.value("absent_series") is None
            assert prometheus.value("vector(0) / 0") is None
            (alert,) = prometheus.alerts()
            assert (alert.name, alert.state) == ("AlwaysFires", "firing")
            assert alert.labels["severity"] == "page"
            assert alert.annotations["summary"] == "it is 42"
            states = [(r.name, r.kind, r.health, r.state) for r in prometheus.rules()]
            assert states == [
                ("answer", "recording", "ok", ""),
                ("AlwaysFires", "alerting", "ok", "firing"),
                ("NeverFires", "alerting", "ok", "inactive"),
            ]

        assert not PrometheusClient(prometheus.url).ready()

    def test_scrapes(self, tmp_path: Path) -> None:
        """A target is scraped under its job's name; here a second Prometheus."""
        with run_prometheus(tmp_path / "target", prometheus_config()) as target:
            job = ScrapeTarget("fixture", target.url.removeprefix("http://"))
            config = prometheus_config(targets=[job], scrape_interval=seconds(0.5))
            with run_prometheus(tmp_path / "prometheus", config) as prometheus:
                eventually(lambda: prometheus.value('up{job="fixture"}') == 1)

    def test_reload(self, tmp_path: Path) -> None:
        """A reload reads rule files anew; a broken one is refused with Prometheus's words."""
        rules = tmp_path / "rules.yaml"
        rules.write_text("groups: []\n")
        config = prometheus_config(rule_files=[rules])

        with run_prometheus(tmp_path / "prometheus", config) as prometheus:
            assert prometheus.rules() == ()

            write_rules(tmp_path)
            prometheus.reload()
            assert len(prometheus.rules()) == 3

            rules.write_text("groups: 7\n")
            with pytest.raises(ToolError, match="refused /-/reload"):
                prometheus.reload()

    def test_bad_query(self, tmp_path: Path) -> None:
        """A query that cannot be parsed is refused at once, with Prometheus's words."""
        with run_prometheus(tmp_path, prometheus_config()) as prometheus:
            started = time.monotonic()
            with pytest.raises(ToolError, match=r"refused /api/v1/query.*parse error"):
                prometheus.query("sum(")
            assert time.monotonic() - started < 3

    def test_several_series(self, tmp_path: Path) -> None:
        """A value that is not single is an error, not a guess."""
        with run_prometheus(tmp_path, prometheus_config()) as prometheus:
            two = 'label_replace(vector(1), "a", "b", "", "") or vector(2)'
            assert len(prometheus.query(two)) == 2
            with pytest.raises(ToolError, match="2 series"):
                prometheus.value(two)

    def test_other_times(self, tmp_path: Path) -> None:
        """Queries may ask for another moment, and for a range of them."""
        with run_prometheus(tmp_path, prometheus_config()) as prometheus:
            assert prometheus.value("time()", at=1_700_000_000.5) == 1_700_000_000.5

            (series,) = prometheus.query_range("vector(time())", 1000, 1060, seconds(30))

            assert series.values == ((1000, 1000), (1030, 1030), (1060, 1060))

    def test_broken_config(self, tmp_path: Path) -> None:
        """A configuration that Prometheus refuses fails with the end of its log."""
        with (
            pytest.raises(ToolError, match=r"(?s)prometheus ended with status .*no_such_key"),
            run_prometheus(tmp_path, "no_such_key: 1\n"),
        ):
            raise AssertionError("never reached")


@needs_alertmanager
class TestAlertmanager:
    def test_holds_alerts(self, tmp_path: Path) -> None:
        """An alert that was posted comes back with its receiver."""
        with run_alertmanager(tmp_path, ROUTING) as alertmanager:
            assert alertmanager.ready()
            assert alertmanager.alerts() == ()

            body = [{"labels": {"alertname": "Fixture"}, "annotations": {"summary": "hello"}}]
            url = f"{alertmanager.url}/api/v2/alerts"
            httpx.post(url, json=body, timeout=5, trust_env=False).raise_for_status()

            eventually(lambda: bool(alertmanager.alerts()))
            (alert,) = alertmanager.alerts()
            assert alert.labels == {"alertname": "Fixture"}
            assert alert.annotations == {"summary": "hello"}
            assert alert.receivers == ("nobody",)
            alertmanager.reload()

        assert not AlertmanagerClient(alertmanager.url).ready()

    def test_broken_config(self, tmp_path: Path) -> None:
        """A configuration that Alertmanager refuses fails with the end of its log."""
        with (
            pytest.raises(ToolError, match=r"(?s)alertmanager ended with status .*nowhere"),
            run_alertmanager(tmp_path, "route: {receiver: nowhere}\n"),
        ):
            raise AssertionError("never reached")


@needs_victoria_metrics
class TestVictoriaMetrics:
    def test_imports_and_replays(self, tmp_path: Path) -> None:
        """Samples of the past are seen at once, and rules record what they make of them."""
        start = 1_700_000_040
        rules = tmp_path / "rules.yaml"
        rules.write_text(
            "groups:\n"
            "  - {name: g, interval: 30s, rules: [{record: twice, expr: 2 * level},\n"
            "      {record: four, expr: 2 * twice},\n"
            "      {alert: High, expr: four > 5, annotations: {a: '{{ query \"up\" }}'}}]}\n"
        )
        with run_victoria_metrics(tmp_path / "storage") as storage:
            storage.import_lines(f"level {n} {(start + 30 * n) * 1000}" for n in range(4))
            assert storage.value("level", at=start + 90) == 3

            replay_rules([rules], storage, start, start + 90)

            (four,) = storage.query_range("four", start, start + 90, seconds(30))
            assert four.values == tuple((start + 30 * n, 4 * n) for n in range(4))
            (alert,) = storage.query_range("ALERTS", start, start + 90, seconds(30))
            assert alert.values[0][0] == start + 60

    def test_vmalert_evaluates(self, tmp_path: Path) -> None:
        """Rules are evaluated, written to the storage and listed; alerts come back."""
        # By default queries do not see the newest half minute.
        visible = ["-search.latencyOffset=1s"]
        with run_victoria_metrics(tmp_path / "storage", arguments=visible) as storage:
            flags = ["-remoteWrite.flushInterval=200ms"]
            rules = [write_rules(tmp_path)]
            with run_vmalert(tmp_path / "vmalert", rules, storage.url, arguments=flags) as vmalert:
                assert vmalert.ready()
                eventually(lambda: len(vmalert.rules()) == 3)
                eventually(lambda: bool(storage.query("last_over_time(answer[5m])")))
                eventually(lambda: bool(vmalert.alerts()))
                (alert,) = vmalert.alerts()
                assert (alert.name, alert.state) == ("AlwaysFires", "firing")

    def test_broken_rules(self, tmp_path: Path) -> None:
        """Rules that vmalert refuses fail with the end of its log."""
        rules = tmp_path / "rules.yaml"
        rules.write_text("groups: [{name: g, rules: [{record: a, expr: 'sum('}]}]\n")
        with (
            pytest.raises(ToolError, match=r"(?s)vmalert ended with status .*sum\("),
            run_vmalert(tmp_path, [rules], "http://127.0.0.1:1"),
        ):
            raise AssertionError("never reached")

    def test_nobody_takes_samples(self) -> None:
        """An import that nobody takes fails, and is not tried again."""
        client = VictoriaMetricsClient(f"http://{LOOPBACK}:{free_ports(1)[0]}")

        with pytest.raises(ToolError, match="took no samples"):
            client.import_lines(["up 1 1000"])


@needs_prometheus
@needs_alertmanager
def test_alert_travels(tmp_path: Path) -> None:
    """An alert that fires in Prometheus arrives in Alertmanager."""
    with run_alertmanager(tmp_path / "alertmanager", ROUTING) as alertmanager:
        config = prometheus_config(
            rule_files=[write_rules(tmp_path)], alertmanagers=[alertmanager.address]
        )
        # Prometheus drops what fires before it knows its Alertmanagers, and repeats it after a
        # minute by default.
        resend = ["--rules.alert.resend-delay=1s"]
        with run_prometheus(tmp_path / "prometheus", config, arguments=resend):
            eventually(lambda: bool(alertmanager.alerts()))

        assert alertmanager.alerts()[0].labels["alertname"] == "AlwaysFires"


def test_nobody_answers() -> None:
    """Without a server the client gives up after its deadline and says what it tried."""
    client = PrometheusClient(f"http://{LOOPBACK}:{free_ports(1)[0]}", deadline_seconds=0.5)
    started = time.monotonic()

    with pytest.raises(ToolError, match=r"gave no answer to /api/v1/query within 0.5 s \(\d att"):
        client.query("up")

    assert time.monotonic() - started < 3
    assert not client.ready()
