"""Each pack fires in a real Prometheus when its first story says so, and Alertmanager routes it."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from slo.alerts.packs.artifacts import pack_groups
from slo.alerts.packs.catalog import PACKS
from slo.alerts.packs.model import Check, Feed, Scenario
from slo.alerts.packs.reader import Pack
from slo.alerts.prometheus_format import rule_file
from slo.duration import seconds
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.prometheus import Alert, PrometheusClient, prometheus_config, run_prometheus
from tests.packs.playing import expanded, packs_of

pytestmark = pytest.mark.slow
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs the Debian package prometheus"
)
needs_amtool = pytest.mark.skipif(
    shutil.which("amtool") is None, reason="needs the Debian package prometheus-alertmanager"
)


def _yesterday(now: int) -> list[str]:
    series = 'pack:latency:quantile5m{job="checkout",slo_packs="main"}'
    return [f"{series} 0.04 {now - 86_400 + 60 * minute}\n" for minute in range(-30, 30)]


# What the rules themselves recorded in the past.
RECORDED = {"LatencySpike": _yesterday}

OWNERS = """\
version: slo/v1
kind: Owners
owners:
  - name: payments
    page: [{pagerduty: {routing_key_file: /etc/alertmanager/key}}]
    ticket: [{slack: {channel: "#payments", api_url_file: /etc/alertmanager/slack}}]
  - name: watchdog
    page: [{webhook: {url: "https://heartbeat.example.com/shop"}}]
"""


class Story(NamedTuple):
    """Hold a scenario up to a minute at which alerts fire, and all that is known of that."""

    scenario: Scenario
    at: int
    checks: list[Check]

    @property
    def fired(self) -> set[str]:
        return {check.alert for check in self.checks if check.firing}


def stories_of(pack: Pack) -> Iterator[Story]:
    for scenario in pack.rules.scenarios:
        for at in sorted({check.at for check in scenario.checks if check.firing}):
            yield Story(scenario, at, [check for check in scenario.checks if check.at == at])


def rounds(pack: Pack) -> list[list[Story]]:
    """Return stories in which each alert fires; in one round no series has two roles."""
    found: list[list[Story]] = []
    seen: set[str] = set()
    for story in stories_of(pack):
        if story.fired <= seen:
            continue
        seen |= story.fired
        names = {feed.series for feed in story.scenario.feeds}
        for told in found:
            if not names & {feed.series for each in told for feed in each.scenario.feeds}:
                told.append(story)
                break
        else:
            found.append([story])
    return found


def lines(feed: Feed, end: int, upto: int) -> Iterator[str]:
    """Yield the samples of *feed* up to minute *upto*, which is the Unix time *end*."""
    for minute, value in enumerate(expanded(feed.values)):
        if value is not None and minute <= upto:
            yield f"{feed.series} {value!r} {end - 60 * (upto - minute)}\n"


def write_blocks(folder: Path, text: list[str]) -> None:
    raw = folder / "raw.om"
    raw.write_text("".join([*text, "# EOF\n"]))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(raw)]
    subprocess.run([*command, str(folder / "data")], check=True, capture_output=True)


def firing(prometheus: PrometheusClient, wanted: set[str]) -> tuple[Alert, ...]:
    """Return the alerts that fire once all of *wanted* do."""
    deadline = time.monotonic() + 20
    while True:
        found = tuple(alert for alert in prometheus.alerts() if alert.state == "firing")
        if wanted <= {alert.name for alert in found}:
            return found
        assert time.monotonic() < deadline, (wanted, found)
        time.sleep(0.2)


@needs_prometheus
@pytest.mark.servers
@pytest.mark.parametrize("pack", PACKS)
def test_every_alert_fires_in_a_real_server(pack: str, tmp_path: Path) -> None:
    """The rule manager evaluates all rules without error; texts have their numbers."""
    given = {"heartbeat_owner": "watchdog"} if pack == "monitoring" else {}
    (made,) = packs_of({pack: given}, runbooks="https://example.com/r").packs
    groups = pack_groups(made)
    for group in groups:
        group.interval = seconds(1)
    for alert in made.rules.all_alerts:
        alert.for_ = None
    rules = tmp_path / "rules.yaml"
    rules.write_text(rule_file(groups, "test", "1.2.3"))
    fired: set[str] = set()
    for number, stories in enumerate(rounds(made)):
        fired |= told(pack, stories, rules, tmp_path / str(number))

    assert {alert.alert for alert in made.rules.all_alerts} == fired


def told(pack: str, stories: list[Story], rules: Path, folder: Path) -> set[str]:
    """Tell *stories* to a server whose clock stands where alerts fire, and return which do."""
    folder.mkdir()
    now = int(time.time())
    text: list[str] = []
    wanted: dict[str, int] = {}
    for story in stories:
        wanted |= {check.alert: check.firing for check in story.checks}
        for alert in story.fired & RECORDED.keys():
            text += RECORDED[alert](now)
        for feed in story.scenario.feeds:
            text += lines(_moved(feed, pack, now - 60 * story.at), now, story.at)
    write_blocks(folder, text)

    with run_prometheus(
        folder,
        prometheus_config(rule_files=[rules]),
        arguments=["--storage.tsdb.retention.time=30d"],
    ) as server:
        found = firing(server, {name for name, count in wanted.items() if count})
        states = server.rules()

    assert [] == [(rule.name, rule.error) for rule in states if rule.health == "err"]
    for name, count in wanted.items():
        assert count == sum(alert.name == name for alert in found), name
    for alert in found:
        said = " ".join(alert.annotations.values())
        assert "{{" not in said
        assert "<no value>" not in said
        assert "<error" not in said
        assert f"https://example.com/r/{pack}.md#{alert.name.lower()}" in said
    return {alert.name for alert in found}


def _moved(feed: Feed, pack: str, start: int) -> Feed:
    """Return *feed* with points in time, which stories count from zero, made real."""
    # Certificates and clocks are compared with the time of the server.
    if pack not in ("certificates", "clocks") or not re.match(
        r"probe_ssl|node_time_seconds", feed.series
    ):
        return feed
    moved = ["_" if value is None else repr(value + start) for value in expanded(feed.values)]
    return Feed(feed.series, " ".join(moved))


@needs_amtool
def test_the_compiled_routing_takes_every_alert(tmp_path: Path) -> None:
    """Owner and severity of each alert lead to a receiver, never to the last resort."""
    packs = [f"  {pack}: {{}}\n" for pack in PACKS if pack != "monitoring"]
    document = "version: slo/v1\nkind: Packs\nname: shop\nowner: payments\npacks:\n" + "".join(
        packs
    )
    document += "  monitoring: {heartbeat_owner: watchdog}\n"
    (tmp_path / "packs.yaml").write_text(document)
    (tmp_path / "owners.yaml").write_text(OWNERS)
    result = compile_specs([str(tmp_path)], CompileOptions())
    assert () == result.diagnostics
    (routing,) = (a.text for a in result.artifacts if a.kind == "alertmanager")
    config = tmp_path / "alertmanager.yaml"
    config.write_text(routing)

    found = packs_of(
        {pack: {} for pack in PACKS} | {"monitoring": {"heartbeat_owner": "watchdog"}},
        owner="payments",
    )
    for pack in found.packs:
        for alert in pack.rules.all_alerts:
            labels = [f"{name}={value}" for name, value in alert.labels.items()]
            command = ["amtool", "config", "routes", "test", f"--config.file={config}", *labels]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            owner = "watchdog" if alert.alert == "Watchdog" else "payments"

            assert f"{owner}-{alert.labels['sloth_severity']}" == done.stdout.strip()
