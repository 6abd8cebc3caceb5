"""The rules of every pack load, and its stories come out as told, whatever its settings."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from slo import conventions as names
from slo.alerts.packs.catalog import PACKS
from tests.packs.playing import packs_of, promtool

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs the Debian package prometheus"
)
ALL = {pack: {} for pack in PACKS} | {"monitoring": {"heartbeat_owner": "watchdog"}}

# Settings far from the defaults: names, labels, selectors of both kinds, thresholds.
CHANGED: list[tuple[str, dict[str, Any]]] = [
    ("latency", {"limit": "300ms", "floor": "20ms", "factor": 3, "for": "3m", "min_rate": 5}),
    ("latency", {"metric": "http_ms", "unit": "milliseconds", "selector": {"job": "api"}}),
    ("latency", {"by": ["job", "route"], "quantile": 0.99, "selector": 'route=~"/pay|/buy"'}),
    ("latency", {"floor": "1s", "limit": "10s", "min_rate": 0}),
    ("restarts", {"restarts": 1, "within": "10m", "for": "30s"}),
    ("restarts", {"restarts": 5, "within": "1h", "for": "15m", "selector": {"namespace": "b"}}),
    ("queues", {"max_time": "2m", "min_backlog": 0, "for": "1m"}),
    ("queues", {"max_time": "2h", "min_backlog": 1e6, "for": "90s", "selector": 'topic!="x"'}),
    (
        "queues",
        {
            "backlog": "rabbitmq_detailed_queue_messages_ready",
            "consumed": "rabbitmq_detailed_queue_messages_acked_total",
            "by": ["vhost", "queue"],
        },
    ),
    ("dependencies", {"timeout_share": 0.5, "failure_share": 0.9, "min_bad_calls": 0}),
    ("dependencies", {"timeout_share": 0.001, "failure_share": 0.05, "for": "20m"}),
    ("dependencies", {"metric": "calls", "error_label": "kind", "status_label": "code"}),
    ("pools", {"limit": 0.5, "for": "1m", "min_timeouts": 100}),
    ("pools", {"used": "hikaricp_connections_active", "used_selector": {}, "by": ["pool"]}),
    ("disk", {"page_below": 0.01, "enough_bytes": 0, "for": "30m"}),
    ("disk", {"page_prediction_below": 0.5, "page_ahead": "8h", "selector": {"job": "node"}}),
    ("disk", {"ticket_ahead": "7d", "ticket_prediction_below": 0.6}),
    ("certificates", {"ticket_before": "30d", "page_before": "7d"}),
    ("clocks", {"max_offset": "1s", "page_offset": "2m", "for": "1m"}),
    ("monitoring", {"down_share": 0.4, "for": "2m", "selector": 'cluster="a"'}),
    ("monitoring", {"down_share": 0.9, "for": "1h"}),
]


@needs_promtool
@pytest.mark.parametrize("pack", PACKS)
def test_stories_come_out_as_told(pack: str, tmp_path: Path) -> None:
    assert [] == promtool(packs_of({pack: ALL[pack]}, owner="payments"), tmp_path)


@needs_promtool
@pytest.mark.parametrize(("pack", "settings"), CHANGED)
def test_stories_follow_the_settings(pack: str, settings: dict[str, Any], tmp_path: Path) -> None:
    assert [] == promtool(packs_of({pack: settings}), tmp_path)


@needs_promtool
@pytest.mark.slow
@pytest.mark.parametrize("pack", PACKS)
def test_stories_notice_every_alert_that_is_broken(pack: str, tmp_path: Path) -> None:
    """An alert that never fires, or always does, must not pass."""
    for alert in packs_of({pack: ALL[pack]}).packs[0].rules.all_alerts:
        for number, broken in enumerate(("vector(1) < 1", "vector(1)")):
            if alert.alert == "Watchdog" and number:
                continue
            packs = packs_of({pack: ALL[pack]})
            (same,) = (a for a in packs.packs[0].rules.all_alerts if a.alert == alert.alert)
            same.expr = broken

            assert promtool(packs, tmp_path / f"{alert.alert}{number}"), alert.alert


def test_every_alert_is_seen_firing_silent_and_over() -> None:
    for pack in packs_of(ALL).packs:
        seen = defaultdict(set)
        for scenario in pack.rules.scenarios:
            last: dict[str, int] = {}
            for check in sorted(scenario.checks, key=lambda c: c.at):
                before = last.get(check.alert)
                seen[check.alert].add("fires" if check.firing else "silent")
                seen[check.alert] |= {"ends"} if before and not check.firing else set()
                last[check.alert] = check.firing
        for alert in pack.rules.all_alerts:
            wanted = {"fires"} if alert.alert == "Watchdog" else {"fires", "silent", "ends"}
            assert wanted <= seen[alert.alert], alert.alert


def test_alerts_say_who_what_and_what_to_do_first() -> None:
    packs = packs_of(ALL, owner="payments", runbooks="https://example.com/runbooks/")
    for pack in packs.packs:
        for alert in pack.rules.all_alerts:
            urgency = alert.labels[names.LABEL_SEVERITY]

            assert urgency in ("page", "ticket")
            assert pack.settings.pack == alert.labels[names.LABEL_ALERT_KIND]
            owner = "watchdog" if alert.alert == "Watchdog" else "payments"
            assert owner == alert.labels[names.OWNER_LABEL]
            assert alert.annotations["title"].startswith(f"({urgency}) ")
            assert "First: " in alert.annotations["description"]
            if alert.alert not in ("Watchdog", "ClockNotSynchronised", "ContainerCannotStart"):
                said = alert.annotations["summary"]
                assert any(word in said for word in ("$value", "$labels.")), alert.alert


def test_names_of_alerts_and_records_are_used_once() -> None:
    packs = packs_of(ALL).packs
    alerts = [alert.alert for pack in packs for alert in pack.rules.all_alerts]
    records = [record.record for pack in packs for record in pack.rules.records]

    assert len(set(alerts)) == len(alerts)
    assert len(set(records)) == len(records)


def test_pages_become_tickets_where_nobody_wants_pages() -> None:
    packs = packs_of(
        {"disk": {}, "pools": {"pages": True}, "monitoring": ALL["monitoring"]}, pages=False
    )
    urgency = {
        alert.alert: alert.labels[names.LABEL_SEVERITY]
        for pack in packs.packs
        for alert in pack.rules.all_alerts
    }

    assert "ticket" == urgency["DiskAlmostFull"] == urgency["JobDown"]
    assert "page" == urgency["PoolExhausted"]
    assert "page" == urgency["Watchdog"]


@needs_promtool
def test_alerts_can_be_left_out(tmp_path: Path) -> None:
    packs = packs_of({"queues": {"without": ["QueueStuck"]}})

    assert ["QueueDoesNotDrain"] == [a.alert for a in packs.packs[0].rules.all_alerts]
    assert [] == promtool(packs, tmp_path)


@needs_promtool
@pytest.mark.parametrize("holding", ["1m", "10m", "1h"])
@pytest.mark.parametrize("pack", PACKS)
def test_stories_come_out_when_alerts_are_held(pack: str, holding: str, tmp_path: Path) -> None:
    assert [] == promtool(packs_of({pack: ALL[pack]}, keep_firing_for=holding), tmp_path)


@needs_promtool
def test_a_story_sees_that_an_alert_is_not_held(tmp_path: Path) -> None:
    packs = packs_of({"clocks": {}}, keep_firing_for="1h")
    for alert in packs.packs[0].rules.alerts:
        object.__setattr__(alert, "keep_firing_for", None)

    assert [] != promtool(packs, tmp_path)


@needs_promtool
def test_alerts_can_be_held_against_flapping(tmp_path: Path) -> None:
    packs = packs_of({"clocks": {"without": ["ClockFarOff"]}}, keep_firing_for="30m")

    assert {"30m"} == {str(a.keep_firing_for) for a in packs.packs[0].rules.all_alerts}
