"""A replay finds the episodes that a real Prometheus finds in its recorded series."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from slo.engine.cli import program
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="needs the Debian package prometheus"
    ),
]

DAY, HOUR, MINUTE, SCRAPE = 86_400, 3_600, 60, 30
START = 1_762_300_800  # a midnight
DAYS = 11
END = START + DAYS * DAY
SINCE = END - 3 * DAY
FLAGS = ("--storage.tsdb.retention.time=20y", "--query.max-samples=500000000")

# Seconds after START, length, share of bad events. The budget is 1 % over 7 days.
INCIDENTS = (
    (8 * DAY + 3 * HOUR, 20 * MINUTE, 1.0),  # pages quickly
    (8 * DAY + 9 * HOUR, 2 * MINUTE, 0.2),  # over before anybody hears of it
    (8 * DAY + 14 * HOUR, 3 * HOUR, 0.08),  # only the slow page sees it
    (9 * DAY + 8 * HOUR, 8 * HOUR, 0.035),  # tickets only
    (10 * DAY + 2 * HOUR, 40 * MINUTE, 0.15),
)
SILENT = (10 * DAY + 12 * HOUR, 45 * MINUTE)

SPEC = """\
version: slo/v1
service: shop
slos:
  - name: orders
    objective: {objective}
    window: 7d
    indicator:
      events:
        error: sum(rate(errors_total[{{{{.window}}}}]))
        total: sum(rate(requests_total[{{{{.window}}}}]))
"""


def share_at(second: int) -> float:
    for begin, length, share in INCIDENTS:
        if begin <= second < begin + length:
            return share
    return 0.002


def samples() -> Iterator[tuple[str, int, int]]:
    """Yield noisy counters with a daily cycle, a gap and a restart."""
    noise = random.Random(7)
    total = error = 0
    for second in range(0, DAYS * DAY + 1, SCRAPE):
        rate = 11 + 9 * math.sin(2 * math.pi * (second / DAY - 0.25))
        events = round(rate * SCRAPE * noise.uniform(0.8, 1.2))
        total += events
        error += min(events, round(events * share_at(second) * noise.uniform(0.7, 1.3)))
        if second == 9 * DAY + 20 * HOUR:
            total = error = 0
        if SILENT[0] <= second < sum(SILENT):
            continue
        yield "requests_total", second, total
        yield "errors_total", second, error


def promtool(*arguments: str) -> None:
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=64h", *arguments],
        check=True,
        capture_output=True,
    )


NAMES = re.compile(r"slo:[a-zA-Z0-9_:]+")


def names_in(rule: dict[str, Any]) -> list[str]:
    return NAMES.findall(rule["expr"])


class Server:
    """Load history, and record the rules over it as a server would have."""

    def __init__(self, folder: Path, groups: list[dict[str, Any]]) -> None:
        self.folder, self.data, self.groups = folder, folder / "data", groups
        self.data.mkdir()
        lines: dict[str, list[str]] = {"requests_total": [], "errors_total": []}
        for name, second, value in samples():
            lines[name].append(f"{name} {value} {START + second}\n")
        text = folder / "raw.om"
        body = "".join(
            f"# TYPE {name.removesuffix('_total')} counter\n{''.join(found)}"
            for name, found in lines.items()
        )
        text.write_text(f"{body}# EOF\n")
        promtool("openmetrics", str(text), str(self.data))

    def run(self) -> AbstractContextManager[PrometheusClient]:
        return run_prometheus(self.folder, prometheus_config(), arguments=FLAGS)

    def record(self) -> None:
        """Record what the alerts look at, each layer from the ones below it."""
        records = {r["record"]: r["expr"] for g in self.groups for r in g["rules"] if "record" in r}
        wanted = {n for g in self.groups for r in g["rules"] if "alert" in r for n in names_in(r)}
        while (
            more := {n for w in wanted & records.keys() for n in NAMES.findall(records[w])} - wanted
        ):
            wanted |= more
        todo = wanted & records.keys()
        while todo:
            layer = {n for n in todo if not set(NAMES.findall(records[n])) & todo - {n}}
            assert layer, f"{todo} depend on one another"
            self._record(layer)
            todo -= layer

    def _record(self, layer: set[str]) -> None:
        chosen = []
        for group in self.groups:
            rules = [self._joined(r) for r in group["rules"] if r.get("record") in layer]
            chosen += [{**group, "rules": rules}] if rules else []
        path = self.folder / "pass.yaml"
        path.write_text(yaml.safe_dump({"groups": chosen}))
        with self.run() as client:
            span = (f"--start={START}", f"--end={END}")
            where = (f"--url={client.url}", f"--output-dir={self.data}")
            promtool("rules", *span, *where, str(path))

    @staticmethod
    def _joined(rule: dict[str, Any]) -> dict[str, Any]:
        """A backfill refuses to join the series that `or` yields at different times."""
        identity = "sloth_id, sloth_service, sloth_slo"
        return {**rule, "expr": f"sum without ({identity}) (\n{rule['expr']}\n)"}


def interval_of(group: dict[str, Any]) -> int:
    text = group["interval"]
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def phase_of(client: PrometheusClient, group: dict[str, Any]) -> float:
    """Return how long after a multiple of its interval the server evaluates *group*."""
    identity = '{sloth_id="shop-orders"}'
    # Only what alerts look at was recorded.
    for record in (rule["record"] for rule in group["rules"] if "record" in rule):
        for found in client.query(f"max_over_time(timestamp({record}{identity})[10m:1s])", at=END):
            return found.value % interval_of(group)
    raise AssertionError(f"nothing of {group['name']} was recorded")


def firing(
    client: PrometheusClient, rule: dict[str, Any], step: int, phase: float
) -> list[tuple[float, float]]:
    """Return first and last evaluation of every run in which *rule* is true."""
    answer = httpx.post(
        f"{client.url}/api/v1/query_range",
        data={"query": rule["expr"], "start": SINCE + phase, "end": END, "step": step},
        timeout=60,
        trust_env=False,
    ).json()["data"]["result"]
    times = sorted({float(t) for series in answer for t, _ in series["values"]})
    runs: list[tuple[float, float]] = []
    for time in times:
        if runs and round(time - runs[-1][1]) == step:
            runs[-1] = (runs[-1][0], time)
        else:
            runs.append((time, time))
    return runs


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("replay")
    (folder / "spec.yaml").write_text(SPEC.format(objective=99))
    (folder / "loose.yaml").write_text(SPEC.format(objective=97))
    result = compile_specs([str(folder / "spec.yaml")], CompileOptions(kinds=("rules",)))
    (text,) = [a.text for a in result.artifacts if a.path == "rules/spec.yaml"]
    loaded = Server(folder, yaml.safe_load(text)["groups"])
    loaded.record()
    return loaded


def simulate(server: Server, client: PrometheusClient, *more: str) -> dict[str, Any]:
    span = ("--since", "2025-11-13", "--until", "2025-11-16")
    arguments = ["simulate", str(server.folder / "spec.yaml"), *span, *more]
    result = CliRunner().invoke(
        program, [*arguments, "--prometheus", client.url, "--format", "json"]
    )
    assert 0 == result.exit_code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_episodes_are_those_of_the_server(server: Server) -> None:
    """Every alert starts and ends within one evaluation of what the server says."""
    with server.run() as client:
        (test,) = simulate(server, client)["backtests"]
        (group,) = test["groups"]
        wanted: list[tuple[str, str, float, float, int]] = []
        for rules in server.groups:
            step, phase = interval_of(rules), phase_of(client, rules)
            for rule in rules["rules"]:
                kind = rule.get("labels", {}).get("slo_alert")
                if "alert" not in rule or kind not in ("burn_rate", "budget_exhausted"):
                    continue
                labels = rule["labels"]
                windows = "/".join(
                    labels[name] for name in ("long_window", "short_window") if name in labels
                )
                for first, last in firing(client, rule, step, phase):
                    wanted.append((kind, windows, first, last + step, step))

    assert test["complete"]
    kinds = ("burn_rate", "budget_exhausted")
    episodes = [each for each in group["episodes"] if each["kind"] in kinds]
    assert len(wanted) == len(episodes) >= 8
    for kind, windows, first, end, step in wanted:
        (found,) = [
            each
            for each in episodes
            if (each["kind"], each["windows"] or "") == (kind, windows)
            and abs(each["start"] - first) <= step
        ]
        if found["end"] is None:
            assert end >= END
        else:
            assert abs(found["end"] - end) <= step


def test_missing_data(server: Server) -> None:
    """The base window is empty a minute or so before the silence is five minutes old."""
    with server.run() as client:
        (test,) = simulate(server, client)["backtests"]
    (group,) = test["groups"]

    (missing,) = [each for each in group["episodes"] if each["kind"] == "missing_data"]
    silent = START + SILENT[0]
    assert 14 * MINUTE <= missing["start"] - silent <= 17 * MINUTE
    assert abs(missing["end"] - (silent + SILENT[1])) <= 3 * MINUTE
    assert 1 > group["coverage"] > 0.98


def test_the_budget_is_that_of_the_events(server: Server) -> None:
    """Three days and a whole period are counted against the events themselves."""
    with server.run() as client:
        (test,) = simulate(server, client)["backtests"]
    (group,) = test["groups"]
    counts = {name: dict[int, int]() for name in ("requests_total", "errors_total")}
    for name, second, value in samples():
        counts[name][second] = value

    def increase(name: str, begin: int, end: int) -> int:
        seen = [v for t, v in counts[name].items() if begin <= t <= end]
        return sum(b - a if b >= a else b for a, b in pairwise(seen))

    week = [increase(name, 4 * DAY, DAYS * DAY) for name in ("errors_total", "requests_total")]
    days = [increase(name, 8 * DAY, DAYS * DAY) for name in ("errors_total", "requests_total")]

    assert pytest.approx(1 - week[0] / week[1] / 0.01, abs=0.02) == group["budget_remaining"]
    assert pytest.approx(days[0] / days[1] / 0.01 * 3 / 7, rel=0.02) == group["budget_spent"]
    assert "2025-11-13" == group["worst_day"]["date"]


def test_a_looser_objective_is_compared(server: Server) -> None:
    """Pages that only the stricter version sends are named; the rest is the same."""
    with server.run() as client:
        found = simulate(server, client, "--against", str(server.folder / "loose.yaml"))
    (comparison,) = found["comparisons"]

    assert (97, 99) == tuple(comparison[side]["objective"] for side in ("before", "after"))
    before, after = (
        comparison[side]["groups"][0]["pages"]["count"] for side in ("before", "after")
    )
    assert 1 == before < after
    new = [d for d in comparison["differences"] if d["severity"] == "page"]
    assert ["after"] * (after - before) == [d["only"] for d in new]


def test_a_composite_follows_from_its_members(server: Server) -> None:
    """Made of one member alone, it sees what the member sees."""
    journey = server.folder / "journey.yaml"
    journey.write_text(
        SPEC.format(objective=99)
        + "  - name: journey\n    objective: 99\n    window: 7d\n    indicator:\n"
        "      composite: {rule: weighted, silent: ignored, members: [{slo: orders}]}\n"
    )
    span = ("--since", "2025-11-13", "--until", "2025-11-16", "--format", "json")
    with server.run() as client:
        arguments = ["simulate", str(journey), *span, "--prometheus", client.url]
        result = CliRunner().invoke(program, arguments)
    assert 0 == result.exit_code, result.output
    orders, composite = (test["groups"][0] for test in json.loads(result.stdout)["backtests"])

    assert orders["episodes"] == composite["episodes"]
    assert orders["budget_remaining"] == composite["budget_remaining"]


BLOCK = re.compile(r"^<!-- replay: (.+?) -->\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = Path(__file__).parents[2] / "docs" / "simulate.md"


def test_the_documentation_shows_this_replay(
    server: Server, update_golden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(server.folder)

    def current(match: re.Match[str]) -> str:
        arguments = ["simulate", *match[1].split(), "--prometheus", client.url]
        result = CliRunner().invoke(program, arguments)
        assert 0 == result.exit_code, result.output
        return f"<!-- replay: {match[1]} -->\n```text\n{result.stdout}```"

    text = PAGE.read_text()
    with server.run() as client:
        renewed = BLOCK.sub(current, text)
    if update_golden and renewed != text:
        PAGE.write_text(renewed)

    assert 2 == len(BLOCK.findall(text))
    assert text == renewed
