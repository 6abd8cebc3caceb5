"""Compile specs into a folder and let promtool prove their alerts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slo.artifact import Artifact
from slo.engine.promtool import Failure, Outcome, check_rules, test_rules
from slo.plan import SloPlan

__all__ = ["SloVerdict", "TestReport", "run_rule_tests"]

_ID = re.compile(r'sloth_id="((?:[^"\\]|\\.)*)"')
_CHECK = "exp_samples:"
_COPIES = "/copies/"


@dataclass(frozen=True, slots=True)
class SloVerdict:
    """
    Hold what became of one SLO.

    Args:
        tested: Some test file speaks of it.
    """

    plan: SloPlan
    tested: bool
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class TestReport:
    """
    Hold the outcome of a run.

    Args:
        other: Files that fail for a reason that concerns no single SLO.
        checks: How many expressions promtool compared.
    """

    __test__ = False  # not a test class, whatever its name makes pytest think

    verdicts: tuple[SloVerdict, ...]
    other: tuple[Outcome, ...]
    files: int
    checks: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Tell whether nothing failed."""
        return not self.other and not any(verdict.failures for verdict in self.verdicts)


def run_rule_tests(
    plans: Sequence[SloPlan],
    artifacts: Iterable[Artifact],
    folder: Path,
    deadline: float,
    clock: Callable[[], float],
    progress: Callable[[int, int], None] | None = None,
) -> TestReport:
    """
    Run promtool on *artifacts*, which *folder* holds.

    Args:
        deadline: Seconds that all of promtool may take.
        progress: Told how many of how many test files are done.

    Raises:
        ToolError: promtool is missing, or took too long.
    """
    started = clock()
    made = list(artifacts)
    tests = {folder / a.path: a for a in made if a.kind == "tests" and not _is_copy(a)}
    rules = [folder / a.path for a in made if _is_plain(a)]
    other: list[Outcome] = []
    if rules:
        checked = check_rules(rules, deadline)
        other += [] if checked.passed else [checked]
    failures: dict[str, list[Failure]] = {}
    for done, outcome in enumerate(test_rules(list(tests), deadline - (clock() - started)), 1):
        if progress is not None:
            progress(done, len(tests))
        for failure in outcome.failures:
            found = _ID.search(failure.expression)
            if found is None:
                other.append(Outcome(outcome.path, (failure,), outcome.seconds))
            else:
                failures.setdefault(found[1], []).append(failure)
    tested = {found for artifact in tests.values() for found in _ID.findall(artifact.text)}
    verdicts = tuple(
        SloVerdict(plan, plan.id in tested, tuple(failures.get(plan.id, ()))) for plan in plans
    )
    checks = sum(artifact.text.count(_CHECK) for artifact in tests.values())
    return TestReport(verdicts, tuple(other), len(tests), checks, clock() - started)


def _is_copy(artifact: Artifact) -> bool:
    return _COPIES in artifact.path


def _is_plain(artifact: Artifact) -> bool:
    """Tell whether promtool can read *artifact* as a rule file."""
    if artifact.kind == "tests":
        return _is_copy(artifact)
    return artifact.kind == "rules" and "\nkind: PrometheusRule\n" not in artifact.text
