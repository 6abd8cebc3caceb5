"""
Write the promtool tests that prove when each alert fires and resets.

The SLOs of a file share as few tests as their raw series allow: promtool evaluates every rule
of the file in each of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slo import conventions as names
from slo.alerts.alert_schedule import Expected, Timeline, covering, expected_alerts
from slo.alerts.exact_rules import Timing
from slo.alerts.model import RuleGroup
from slo.alerts.plugins.catalog import BUILTIN_IDS
from slo.alerts.prometheus_format import header, rule_file
from slo.alerts.rule_model import Feed, Setup
from slo.alerts.sample_series import IndicatorForm, World, indicator_form, total_per_event
from slo.alerts.stand_ins import StandIn, stand_in
from slo.alerts.unit_test_checks import Case, check_lines, timeline_of
from slo.alerts.unit_test_series import constant_lines, sample_lines
from slo.artifact import Artifact
from slo.duration import Duration
from slo.plan import SloPlan

if TYPE_CHECKING:
    from slo.alerts.emit import EmitOptions

__all__ = ["test_artifacts"]

_FOLDER = "rules-tests"
_REPLACES_EVENTS = "sloth.dev/contrib/denominator_corrected_rules/v1"


@dataclass(slots=True)
class _Subject:
    """Hold one SLO with what its test needs to know."""

    plan: SloPlan
    groups: list[RuleGroup]
    setup: Setup
    alerts: tuple[Expected, ...]
    form: IndicatorForm | None


@dataclass(slots=True)
class _Scene:
    """Hold the SLOs that one test proves together."""

    world: World | None
    subjects: list[_Subject] = field(default_factory=list)


@dataclass(slots=True)
class _Suite:
    """Hold the SLOs of one test file: same rule file, same evaluation interval."""

    stands_in: bool
    step: Duration
    subjects: list[_Subject] = field(default_factory=list)


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
    suites: dict[tuple[bool, int], _Suite] = {}
    skipped: list[str] = []
    for plan, groups in plans:
        if not groups:
            continue
        foreign = [call.id for call in plan.plugins if call.id not in BUILTIN_IDS]
        if foreign:
            skipped.append(f"# {plan.id} is not tested: the plugin {foreign[0]} changes its rules.\n")
            continue
        subject = _subject(plan, groups, options)
        stands_in = subject.form is None or _is_object(plan, options)
        step = subject.setup.timing.fast
        suite = suites.setdefault((stands_in, step.milliseconds), _Suite(stands_in, step))
        suite.subjects.append(subject)
    artifacts: list[Artifact] = []
    for number, suite in enumerate(sorted(suites.values(), key=lambda s: (s.stands_in, s.step))):
        name = stem if not number else f"{stem}.{number + 1}"
        notes = "" if number else "".join(skipped)
        artifacts += _suite_artifacts(name, stem, source, suite, notes, options)
    return artifacts


def _is_object(plan: SloPlan, options: EmitOptions) -> bool:
    """Tell whether the rules of *plan* are written as a custom resource."""
    if options.format == "auto":
        return plan.origin.mode == "cli-gen-k8s"
    return options.format == "kubernetes"


def _subject(plan: SloPlan, groups: list[RuleGroup], options: EmitOptions) -> _Subject:
    timing = Timing.of(plan, options.interval)
    if options.exact:
        # Plugins may have set other intervals.
        found = {group.name: group.interval for group in groups}
        fast = found.get(f"slo-fast-{plan.id}") or timing.fast
        timing = Timing(timing.base, fast, found.get(f"slo-slow-{plan.id}") or timing.slow)
    setup = Setup(options.exact, plan.policy, timing)
    corrected = any(call.id == _REPLACES_EVENTS for call in plan.plugins)
    sparse = timing.base.milliseconds < 2 * timing.fast.milliseconds
    usable = not sparse and (options.exact or not corrected)
    form = indicator_form(plan.indicator) if usable else None
    if form is not None and not World().add(form):
        form = None
    return _Subject(plan, groups, setup, _alerts(plan, setup, groups), form)


def _alerts(plan: SloPlan, setup: Setup, groups: list[RuleGroup]) -> tuple[Expected, ...]:
    alerts = expected_alerts(plan, setup)
    if plan.override_default_plugins:
        made = {getattr(rule, "alert", None) for group in groups for rule in group.rules}
        alerts = tuple(alert for alert in alerts if alert.name in made)
    return alerts


def _suite_artifacts(
    name: str, stem: str, source: str, suite: _Suite, notes: str, options: EmitOptions
) -> list[Artifact]:
    artifacts: list[Artifact] = []
    rules = f"../rules/{stem}.yaml"
    replaced: dict[str, StandIn] = {}
    groups = [group for subject in suite.subjects for group in subject.groups]
    if suite.stands_in:
        rules = f"{name}.rules.yaml"
        groups = []
        for subject in suite.subjects:
            own = subject.groups
            if subject.form is None:
                replaced[subject.plan.id] = stand_in(subject.plan, own, subject.setup)
                own = replaced[subject.plan.id].groups
            groups += own
        copied = rule_file(groups, source, options.version)
        note = "# A copy for the test beside it; load rules/ into the server instead.\n"
        artifacts.append(Artifact(f"{_FOLDER}/{rules}", "tests", note.join(_split(copied))))
    order = "".join(f"  - {group.name}\n" for group in groups)
    text = (
        f"{header(source, options.version)}{notes}"
        "# Proves when each alert fires and resets: promtool test rules FILE\n"
        f"rule_files: [{rules}]\n"
        f"evaluation_interval: {suite.step}\n"
        "# Without it promtool evaluates the groups in a random order.\n"
        f"group_eval_order:\n{order}"
        "tests:\n"
    )
    text += "".join(_scene_text(scene, replaced) for scene in _scenes(suite.subjects))
    artifacts.append(Artifact(f"{_FOLDER}/{name}.yaml", "tests", text))
    return artifacts


def _split(text: str) -> tuple[str, str]:
    """Split a rule file after its header."""
    at = text.index("groups:")
    return text[:at], text[at:]


def _scenes(subjects: Iterable[_Subject]) -> list[_Scene]:
    """Put every SLO into the first test whose raw series it does not disturb."""
    scenes: list[_Scene] = []
    recorded = _Scene(None)
    for subject in subjects:
        if subject.form is None:
            recorded.subjects.append(subject)
            continue
        for scene in scenes:
            if scene.world is not None and scene.world.add(subject.form):
                scene.subjects.append(subject)
                break
        else:
            world = World()
            world.add(subject.form)
            scenes.append(_Scene(world, [subject]))
    return [*scenes, recorded] if recorded.subjects else scenes


def _scene_text(scene: _Scene, replaced: dict[str, StandIn]) -> str:
    cases = _cases(scene, replaced)
    timeline = covering(timeline_of(case) for case in cases)
    step = cases[0].setup.timing.fast
    title = ", ".join(case.plan.id for case in cases)
    text = (
        f"  - name: {title}\n"
        f"    # All good for {_time(timeline.healthy, step)}, all bad for "
        f"{_time(timeline.outage, step)}, all good for {_time(timeline.recovery, step)}"
        f"{', then no series at all' if timeline.gone else ''}.\n"
        f"    interval: {step}\n"
        "    input_series:\n"
    )
    if scene.world is None:
        for case in cases:
            text += "".join(
                constant_lines(series, value, timeline)
                for series, value in replaced[case.plan.id].series
            )
    else:
        events = _events_per_step(scene)
        text += "".join(sample_lines(s, timeline, events) for s in scene.world.samples)
    text += "    promql_expr_test:\n"
    return text + "".join(check_lines(case, timeline) for case in cases)


def _time(steps: int, step: Duration) -> str:
    return str(Duration(steps * step.milliseconds))


def _events_per_step(scene: _Scene) -> int:
    """Return whole events per evaluation: one a second, or so few that a guard has to wait."""
    step = max(1, round(scene.subjects[0].setup.timing.fast.seconds))
    guards = [s.plan.min_bad_events for s in scene.subjects if s.plan.min_bad_events]
    return max(1, max(guards) // 6) if guards else step


def _cases(scene: _Scene, replaced: dict[str, StandIn]) -> list[Case]:
    events = _events_per_step(scene)
    cases = []
    for subject in scene.subjects:
        guarded = bool(subject.plan.min_bad_events) and subject.setup.exact
        form = subject.form
        if form is None:
            counted = replaced[subject.plan.id].events if guarded else 1.0
            feed = Feed("recorded", counted)
        else:
            assert scene.world is not None
            per_event = total_per_event(scene.world.samples, form) if guarded else 1.0
            kind = "difference" if form.subtracts and form.kind == "counter" else form.kind
            unit = events if kind in ("counter", "difference") else 1
            feed = Feed(kind, float(unit * per_event) if guarded else 1.0)
        always = form is not None and form.always
        cases.append(Case(subject.plan, subject.setup, feed, subject.alerts, always))
    return cases
