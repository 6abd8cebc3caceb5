"""Record what compiled rules make of past samples, in a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.duration import Duration, seconds
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.processes import find_program
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus

# A server answers at most 11,000 points for a series.
POINTS = 10_000
NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark all tests of this folder: they start real servers."""
    missing = shutil.which("prometheus") is None or shutil.which("promtool") is None
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.servers)
            if missing:
                item.add_marker(pytest.mark.skip(reason="needs the Debian package prometheus"))


@dataclass(frozen=True)
class Rule:
    """Hold one recording rule and the seconds between its evaluations."""

    record: str
    expr: str
    labels: Mapping[str, str]
    interval: int

    def reads(self) -> set[str]:
        """Return the names in its expression."""
        return set(NAME.findall(re.sub(r'"[^"]*"', "", self.expr)))


def compiled(folder: Path, text: str, profile: str = "exact", interval: str = "30s") -> list[Rule]:
    """Return the recording rules that the spec *text* compiles to."""
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    options = CompileOptions(profile=profile, kinds=("rules",), interval=Duration.parse(interval))
    result = compile_specs([str(path)], options)
    assert not result.failed, result.diagnostics
    (rules,) = [a.text for a in result.artifacts if a.path == "rules/spec.yaml"]
    return [
        Rule(
            rule["record"],
            rule["expr"],
            rule.get("labels", {}),
            round(Duration.parse(group.get("interval", "30s")).seconds),
        )
        for group in yaml.safe_load(rules)["groups"]
        for rule in group["rules"]
        if "record" in rule
    ]


class History:
    """
    Hold the data of a Prometheus that is started over it as often as needed.

    Args:
        folder: Takes configuration and data.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, series: Mapping[str, Iterable[tuple[float, float]]]) -> None:
        """Add samples, pairs of Unix time and value, by `name{labels}`."""
        lines: list[str] = []
        for text, samples in series.items():
            lines += [f"{text} {value!r} {time}\n" for time, value in samples]
        if lines:
            self._add(lines)

    def _add(self, lines: list[str]) -> None:
        (self.folder / "data").mkdir(exist_ok=True)
        file = self.folder / "samples.om"
        with file.open("w", encoding="utf-8") as out:
            out.writelines(lines)
            out.write("# EOF\n")
        command = ["tsdb", "create-blocks-from", "--max-block-duration=744h", "openmetrics"]
        run = subprocess.run(
            [find_program("promtool"), *command, str(file), str(self.folder / "data")],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert 0 == run.returncode, run.stderr
        file.unlink()

    @contextmanager
    def server(self) -> Iterator[PrometheusClient]:
        """Run a Prometheus over the data; what was not recorded at an instant is not there."""
        flags = ["--storage.tsdb.retention.time=30y", "--query.lookback-delta=1s"]
        with run_prometheus(self.folder, prometheus_config(), arguments=flags) as client:
            yield client

    def record(self, rules: Sequence[Rule], start: int, end: int, *wanted: str) -> None:
        """
        Record *rules* from *start* to *end*, those that read others after them.

        Args:
            wanted: Names of series; only these and what they are made from are recorded.
        """
        left = _needed(rules, set(wanted))
        while left:
            pending = {rule.record for rule in left}
            ready = [r for r in left if not r.reads() & pending]
            assert ready, pending
            lines: list[str] = []
            with self.server() as client:
                # Samples of one name must stand together.
                for rule in sorted(ready, key=lambda rule: rule.record):
                    lines += _samples(client, rule, start, end)
            self._add(lines)
            left = [r for r in left if r not in ready]


def _needed(rules: Sequence[Rule], wanted: set[str]) -> list[Rule]:
    if not wanted:
        return list(rules)
    names = {rule.record for rule in rules}
    assert wanted <= names, wanted - names
    while True:
        more = wanted | {n for r in rules if r.record in wanted for n in r.reads() & names}
        if more == wanted:
            return [rule for rule in rules if rule.record in wanted]
        wanted = more


def _samples(client: PrometheusClient, rule: Rule, start: int, end: int) -> list[str]:
    first = -(-start // rule.interval) * rule.interval
    width = POINTS * rule.interval
    lines: dict[str, list[str]] = {}
    for begin in range(first, end + 1, width):
        last = min(begin + width - rule.interval, end)
        for found in client.query_range(rule.expr, begin, last, seconds(rule.interval)):
            labels: dict[str, Any] = {**found.labels, **rule.labels}
            labels.pop("__name__", None)
            inner = ",".join(f"{k}={json.dumps(v)}" for k, v in sorted(labels.items()))
            text = f"{rule.record}{{{inner}}}"
            lines.setdefault(text, []).extend(f"{text} {v!r} {t}\n" for t, v in found.values)
    return [line for same in lines.values() for line in same]


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Return an empty history."""
    return History(tmp_path)


@pytest.fixture
def compile_rules(tmp_path: Path) -> Any:
    """Return a function that makes recording rules from the text of a spec."""
    return lambda text, **options: compiled(tmp_path, text, **options)
