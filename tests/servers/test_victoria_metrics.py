"""VictoriaMetrics and vmalert evaluate the compiled rules like a Prometheus does."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slo.duration import seconds
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.errors import ToolError
from slo.stack.victoria_metrics import (
    VictoriaMetricsClient,
    check_rules,
    replay_rules,
    run_victoria_metrics,
    run_vmalert,
)

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        shutil.which("vmalert") is None, reason="needs the Debian package victoria-metrics"
    ),
]

ROOT = Path(__file__).parents[2]
OUTAGE = 2 * 86_400 + 20 * 3600
LIVE_SPEC = """\
version: slo/v1
service: shop
slos:
  - name: requests
    objective: 99.9
    window: 30d
    indicator:
      events:
        error: sum(rate(errors_total[{{.window}}]))
        total: sum(rate(requests_total[{{.window}}]))
"""


def compile_to(folder: Path, *specs: Path | str, **options: Any) -> list[Path]:
    """Write the rules of *specs* to *folder* and return the files."""
    result = compile_specs([str(s) for s in specs], CompileOptions(kinds=("rules",), **options))
    assert not result.failed, result.diagnostics
    written = []
    for artifact in result.artifacts:
        path = folder / Path(artifact.path).name
        path.write_text(artifact.text)
        written.append(path)
    return written


class TestCheckRules:
    @pytest.mark.parametrize("profile", ["exact", "sloth"])
    def test_examples(self, tmp_path: Path, profile: str) -> None:
        """vmalert accepts every expression and every template of the examples."""
        rules = compile_to(tmp_path, ROOT / "examples" / "specs", profile=profile)

        assert len(rules) >= 4
        check_rules(rules)

    def test_names_the_mistake(self, tmp_path: Path) -> None:
        """What vmalert refuses is an error with vmalert's words."""
        rules = tmp_path / "rules.yaml"
        rules.write_text("groups: [{name: g, rules: [{record: a, expr: 'sum('}]}]\n")

        with pytest.raises(ToolError, match=r"(?s)vmalert failed with status .*sum\("):
            check_rules([rules])


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs the package prometheus")
def test_same_budget_and_alerts_as_prometheus(play: Any, history: Any) -> None:
    """Three days of traffic give the budget that the events give, and pages at the same time."""
    victoria, prometheus = play("victoria-metrics"), play("prometheus")

    for job, true in history.error_ratio.items():
        ratio, budget = victoria.error_ratio[job], victoria.budget[job]
        if job == "born":
            # A series that begins has at once the rate that it has between its first samples,
            # as if that had lasted for the whole of the first five minutes.
            assert true < ratio < true * (1 + 150 / 7200)
        else:
            assert ratio == pytest.approx(true, rel=0.002), job
            assert prometheus.error_ratio[job] == pytest.approx(ratio, rel=0.012), job
        assert budget == pytest.approx(1 - ratio / 0.001), job
    pages = {key: at - OUTAGE for key, at in victoria.fired.items() if key[0] == "outage"}
    assert pages[("outage", "15m")] == 60
    assert len(pages) == 4
    for key, at in prometheus.fired.items():
        # Prometheus extrapolates from the part of a window that has samples.
        assert abs(at - victoria.fired[key]) <= 180, key
    assert victoria.fired.keys() == prometheus.fired.keys()


class Feed:
    """Write a counter of requests and one of errors, as an agent would every second."""

    def __init__(self, storage: VictoriaMetricsClient, start: int) -> None:
        self._storage = storage
        self._next = start
        self._total = self._bad = 0

    def until(self, moment: float, *, failing: bool = False) -> None:
        """Write all samples up to *moment*."""
        lines = []
        while self._next <= moment:
            self._total += 10
            self._bad += 10 if failing else 0
            for name, value in (("requests_total", self._total), ("errors_total", self._bad)):
                lines.append(f"{name} {value} {self._next * 1000}")
            self._next += 1
        if lines:
            self._storage.import_lines(lines)


def test_alerts_while_it_runs(tmp_path: Path) -> None:
    """Live, an outage fires within seconds, with texts that were filled in by queries."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(LIVE_SPEC)
    rules = compile_to(
        tmp_path,
        spec,
        windows=(str(ROOT / "examples" / "demo" / "windows"),),
        interval=seconds(1),
    )
    own = [path for path in rules if path.name == "spec.yaml"]
    quick = ["-search.latencyOffset=1s"]
    with run_victoria_metrics(tmp_path / "storage", arguments=quick) as storage:
        start = int(time.time()) - 240
        feed = Feed(storage, start)
        feed.until(time.time())
        replay_rules(own, storage, start, time.time())
        flags = ["-remoteWrite.flushInterval=500ms", "-datasource.queryStep=0s"]
        with run_vmalert(tmp_path / "alerts", own, storage.url, arguments=flags) as alerts:
            for record in (
                "slo:current_burn_rate:ratio",
                "slo:period_error_budget_remaining:ratio",
            ):
                assert _eventually(lambda name=record: bool(storage.query(name)), feed)
            assert [] == [rule for rule in alerts.rules() if rule.health == "err"]
            assert () == alerts.alerts()

            assert _eventually(lambda: _pages(alerts), feed, failing=True)

            page = _pages(alerts)[0]
            assert page.labels["sloth_id"] == "shop-requests"
            summary = page.annotations["summary"]
            assert re.search(r"Budget left: -?[0-9.]+%", summary), summary
            assert [] == [rule for rule in alerts.rules() if rule.health == "err"]


def _pages(alerts: Any) -> list[Any]:
    return [
        alert
        for alert in alerts.alerts()
        if alert.state == "firing" and alert.labels.get("sloth_severity") == "page"
    ]


def _eventually(condition: Callable[[], object], feed: Feed, *, failing: bool = False) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        feed.until(time.time(), failing=failing)
        if condition():
            return True
        time.sleep(0.3)
    return False
