"""Fill a real Prometheus with what compiled rules make of a known past."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from slo.artifact import Artifact
from slo.engine.options import CompileOptions
from slo.engine.pipeline import CompileResult, compile_specs
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus
from tests.dashboards.specs import EXACT, SLOTH
from tests.recording.conftest import History, Rule, _samples, compiled

HOUR = 3600
END = 1_700_006_400
START = END - 3 * HOUR
# Of 100 requests a second, so many fail from the last forty minutes on, and before.
NOW, BEFORE = 40.0, 0.5
TURN = END - 40 * 60


class Site(NamedTuple):
    """
    Hold a running Prometheus and what was compiled for it.

    Args:
        at: When its records end.
    """

    prometheus: PrometheusClient
    result: CompileResult[Artifact]
    at: int


def counters() -> dict[str, Iterator[tuple[float, float]]]:
    """Return requests and errors of two routes: one is fine, the other one is not."""
    times = range(START - 600, END + 1, 15)

    def errors() -> Iterator[tuple[float, float]]:
        value = 0.0
        for time in times:
            value += 15 * (NOW if time > TURN else BEFORE)
            yield time, value

    return {
        'errors_total{route="/pay"}': errors(),
        'errors_total{route="/see"}': ((t, 0.0) for t in times),
        'requests_total{route="/pay"}': ((t, 15 * 80.0 * n) for n, t in enumerate(times)),
        'requests_total{route="/see"}': ((t, 15 * 20.0 * n) for n, t in enumerate(times)),
        "stale_ratio": ((t, 0.02) for t in times),
    }


def batches(rules: Sequence[Rule]) -> Iterator[list[Rule]]:
    """Split *rules* in their order, so that none reads what its own batch records."""
    batch: list[Rule] = []
    for rule in rules:
        if rule.reads() & {other.record for other in batch}:
            yield batch
            batch = []
        batch.append(rule)
    yield batch


def in_order(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Return *rules* in batches, step by step for all SLOs; the composite follows its members."""
    by_slo: dict[str, list[Rule]] = {}
    for rule in rules:
        by_slo.setdefault(rule.labels["sloth_id"], []).append(rule)
    composite = by_slo.pop("shop-journey", [])
    steps = zip_longest(*map(batches, by_slo.values()), fillvalue=())
    together = [[rule for batch in step for rule in batch] for step in steps]
    return together + (list(batches(composite)) if composite else [])


def record(history: History, rules: Sequence[Rule]) -> None:
    """Record rules none of which reads what another one of them records."""
    lines: list[str] = []
    with history.server() as client:
        for rule in sorted(rules, key=lambda rule: rule.record):
            lines += _samples(client, rule, START, END)
    history._add(lines)


def alert_rules(result: CompileResult[Artifact]) -> list[Rule]:
    """Return alerts as rules that record `ALERTS`, as Prometheus itself does."""
    return [
        Rule(
            "ALERTS",
            f"({rule['expr']}) > bool -1",
            {**rule["labels"], "alertname": rule["alert"], "alertstate": "firing"},
            30,
        )
        for artifact in result.artifacts
        if artifact.path == "rules/spec.yaml"
        for group in yaml.safe_load(artifact.text)["groups"]
        for rule in group["rules"]
        if "alert" in rule and "absent(" not in rule["expr"]
    ]


@pytest.fixture(scope="session", params=["exact", "sloth"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Run a Prometheus that holds what each profile records, and nothing else."""
    if shutil.which("prometheus") is None:
        pytest.skip("needs the Debian package prometheus")
    profile = request.param
    folder = tmp_path_factory.mktemp(profile)
    rules = compiled(folder, EXACT if profile == "exact" else SLOTH, profile)
    options = CompileOptions(profile=profile, kinds=("rules", "dashboards"))
    result = compile_specs([str(folder / "spec.yaml")], options)
    history = History(folder)
    history.add(counters())
    for batch in in_order(rules):
        record(history, batch)
    record(history, alert_rules(result))
    at = END // 240 * 240
    flags = ["--storage.tsdb.retention.time=30y"]
    with run_prometheus(folder, prometheus_config(), arguments=flags) as client:
        yield Site(client, result, at)


def finite(values: Sequence[float]) -> bool:
    """Tell whether there are values and all are numbers."""
    return bool(values) and all(math.isfinite(value) for value in values)


def write_spec(folder: Path, text: str) -> str:
    """Write a spec and return its path."""
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)
