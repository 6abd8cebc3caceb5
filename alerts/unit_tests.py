"""
Write the promtool tests that prove when each alert fires and resets.

The SLOs of a file share as few tests as their raw series allow: promtool evaluates every rule
of the file in each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slo.alerts.alert_schedule import (
    Shape,
    Timeline,
    alert_name,
    covering,
    shape_of,
    timeline,
)
from slo.alerts.event_model import Feed
from slo.alerts.model import RuleGroup
from slo.alerts.plugins.catalog import BUILTIN_IDS
from slo.alerts.prometheus_format import header, rule_file
from slo.alerts.rules_yaml import scalar
from slo.alerts.scenes import Scene, scenes_of
from slo.alerts.stand_ins import StandIn, stand_in
from slo.alerts.unit_test_checks import Case, check_lines
from slo.alerts.unit_test_series import constant_lines, sample_lines
from slo.artifact import Artifact
from slo.duration import Duration
from slo.plan import CompositeIndicator, SloPlan

if TYPE_CHECKING:
    from slo.alerts.emit import EmitOptions

__all__ = ["test_artifacts"]

_FOLDER = "rules-tests"
_REPLACES_EVENTS = "sloth.dev/contrib/denominator_corrected_rules/v1"


@dataclass(frozen=True, slots=True)
class _Subject:
    """Hold one SLO with its rules; *readable* if its raw series may be looked for."""

    plan: SloPlan
    groups: list[RuleGroup]
    shape: Shape
    readable: bool


@dataclass(slots=True)
class _Suite:
    """
    Hold the SLOs of one test file: same rule file, same evaluation interval.

    Args:
        copied: The test reads a copy of the rules, for promtool cannot read the originals.
        unknown: SLOs whose raw series nobody can make up.
    """

    copied: bool
    step: Duration
    scenes: list[tuple[Scene, Sequence[_Subject]]] = field(default_factory=list)
    unknown: list[_Subject] = field(default_factory=list)


def test_artifacts(
    stem: str,
    source: str,
    plans: list[tuple[SloPlan, list[RuleGroup]]],
    options: EmitOptions,
) -> list[Artifact]:
    """
    Return the tests of one rule file.

    Rules that promtool cannot read (custom resources), or whose raw series nobody can make up,
    are tested in a copy beside the test.

    Args:
        stem: File name of the rule file, without ending.
        plans: Every SLO of the file with its rules.
    """
    kinds: dict[tuple[bool, Duration], list[_Subject]] = {}
    notes: list[str] = []
    for plan, groups in plans:
        foreign = [call.id for call in plan.plugins if call.id not in BUILTIN_IDS]
        if foreign:
            notes.append(f"# {plan.id} is not tested: the plugin {foreign[0]} changes its rules.\n")
        elif groups:
            subject = _subject(plan, groups, options)
            key = (_is_object(plan, options), subject.shape.setup.timing.fast)
            kinds.setdefault(key, []).append(subject)
    suites: dict[tuple[bool, Duration], _Suite] = {}

    def suite(copied: bool, step: Duration) -> _Suite:
        return suites.setdefault((copied, step), _Suite(copied, step))

    for (is_object, step), subjects in kinds.items():
        readable = [subject for subject in subjects if subject.readable]
        scenes, unknown = scenes_of([subject.plan.indicator for subject in readable])
        left = [subject for subject in subjects if not subject.readable]
        left += [readable[index] for index in unknown]
        if scenes:
            suite(is_object, step).scenes += [(scene, readable) for scene in scenes]
        if left:
            suite(True, step).unknown += left
    artifacts: list[Artifact] = []
    for number, each in enumerate(sorted(suites.values(), key=lambda s: (s.copied, s.step))):
        name = stem if not number else f"{stem}.{number + 1}"
        made = _suite_artifacts(name, stem, source, each, options, notes if not number else [])
        artifacts += made
    return artifacts


def _is_object(plan: SloPlan, options: EmitOptions) -> bool:
    """Tell whether the rules of *plan* are written as a custom resource."""
    if options.format == "auto":
        return plan.origin.mode == "cli-gen-k8s"
    return options.format == "kubernetes"


def _subject(plan: SloPlan, groups: list[RuleGroup], options: EmitOptions) -> _Subject:
    own = None
    if options.exact and plan.plugins:
        intervals = {group.name: group.interval for group in groups}
        fast = intervals.get(f"slo-fast-{plan.id}")
        slow = intervals.get(f"slo-slow-{plan.id}")
        own = (fast, slow) if fast and slow else None
    shape = shape_of(plan, options.exact, options.interval, own)
    timing = shape.setup.timing
    corrected = any(call.id == _REPLACES_EVENTS for call in plan.plugins)
    # One sample in a window has no rate; a composite reads what others record.
    readable = timing.base.milliseconds >= 2 * timing.fast.milliseconds
    readable = readable and not isinstance(plan.indicator, CompositeIndicator)
    return _Subject(plan, groups, shape, readable and (options.exact or not corrected))


def _suite_artifacts(
    name: str, stem: str, source: str, suite: _Suite, options: EmitOptions, notes: list[str]
) -> list[Artifact]:
    artifacts: list[Artifact] = []
    rules = f"../rules/{stem}.yaml"
    replaced = {s.plan.id: stand_in(s.plan, s.groups, s.shape.setup) for s in suite.unknown}
    groups = [
        group
        for scene, subjects in suite.scenes
        for member in scene.members
        for group in subjects[member.index].groups
    ]
    groups += [group for stands_in in replaced.values() for group in stands_in.groups]
    if suite.copied:
        rules = f"copies/{name}.yaml"
        copied = rule_file(groups, source, options.version)
        note = "# Only the test of the same name reads it: the rules themselves are in rules/.\n"
        at = copied.index("groups:")
        artifacts.append(Artifact(f"{_FOLDER}/{rules}", "tests", copied[:at] + note + copied[at:]))
    order = "".join([f"  - {group.name}\n" for group in groups])
    parts = [
        header(source, options.version),
        *notes,
        "# Proves when each alert fires and resets: promtool test rules FILE\n"
        f"rule_files: [{rules}]\n"
        f"evaluation_interval: {suite.step}\n"
        "# Without it promtool evaluates the groups in a random order.\n"
        f"group_eval_order:\n{order}"
        "tests:\n",
        *(_scene_text(scene, subjects) for scene, subjects in suite.scenes),
    ]
    if suite.unknown:
        parts.append(_recorded_text(suite.unknown, replaced))
    artifacts.append(Artifact(f"{_FOLDER}/{name}.yaml", "tests", "".join(parts)))
    return artifacts


def _scene_text(scene: Scene, subjects: Sequence[_Subject]) -> str:
    members = [(member, subjects[member.index]) for member in scene.members]
    guards = [subject.plan.min_bad_events for _, subject in members]
    events = _events_per_step(max(guards), members[0][1].shape.setup.timing.fast)
    cases = []
    for member, subject in members:
        counted = 1.0
        if subject.plan.min_bad_events and subject.shape.setup.exact:
            unit = events if member.kind in ("counter", "difference") else 1
            counted = float(unit * member.per_event)
        cases.append(_case(subject, Feed(member.kind, counted), member.always))
    return _test_text(
        cases,
        lambda found: [sample_lines(text, s, found, events) for text, s in scene.samples],
    )


def _recorded_text(subjects: list[_Subject], replaced: dict[str, StandIn]) -> str:
    cases = []
    for subject in subjects:
        guarded = subject.plan.min_bad_events and subject.shape.setup.exact
        counted = replaced[subject.plan.id].events if guarded else 1.0
        cases.append(_case(subject, Feed("recorded", counted), False))
    fed = [series for stands_in in replaced.values() for series in stands_in.series]
    text = _test_text(
        cases, lambda found: [constant_lines(series, value, found) for series, value in fed]
    )
    return f"  # Nobody can make up raw series for these queries: their results are given.\n{text}"


def _case(subject: _Subject, feed: Feed, always: bool) -> Case:
    plan, shape = subject.plan, subject.shape
    shown = range(len(shape.alerts))
    if not plan.override_default_plugins:
        return Case(plan, shape, feed, tuple(shown), always)
    made = {getattr(rule, "alert", None) for group in subject.groups for rule in group.rules}
    kept = tuple(number for number in shown if alert_name(plan, shape.alerts[number]) in made)
    return Case(plan, shape, feed, kept, always)


def _test_text(cases: list[Case], series: Callable[[Timeline], list[str]]) -> str:
    found = covering(timeline(case.shape, case.feed) for case in cases)
    step = cases[0].shape.setup.timing.fast
    healthy, outage, recovery = (
        Duration(steps * step.milliseconds)
        for steps in (found.healthy, found.outage, found.recovery)
    )
    return "".join(
        [
            f"  - name: {scalar(', '.join([case.plan.id for case in cases]))}\n"
            f"    # All good for {healthy}, all bad for {outage}, all good for {recovery}"
            f"{', then no series at all' if found.gone else ''}.\n"
            f"    interval: {step}\n"
            "    input_series:\n",
            *series(found),
            "    promql_expr_test:\n",
            *(f"      # {case.plan.id}\n{check_lines(case, found)}" for case in cases),
        ]
    )


def _events_per_step(guard: int, step: Duration) -> int:
    """
    Return events per evaluation: one a second, or as many as let a guard wait once.

    More would never show the guard, fewer would hide the thresholds behind it.
    """
    return max(1, guard * 2 // 3) if guard else max(1, round(step.seconds))
