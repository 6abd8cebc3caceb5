"""Print when the alerts of each SLO fire and reset, and what promtool says to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from slo.alerts.alert_texts import target
from slo.alerts.alert_times import OUTAGE, AlertTime, alert_times
from slo.duration import Duration
from slo.engine.promtool import Failure
from slo.engine.rule_tests import SloVerdict, TestReport

__all__ = ["lines"]

_Paint = Callable[[str, str], str]

_GREEN, _RED, _YELLOW, _BOLD, _DIM = "32", "31", "33", "1", "2"
_KINDS = {"budget_exhausted": "budget used up", "missing_data": "no data"}
_NEVER = "never"
_MOST_FAILURES = 5


def lines(report: TestReport, exact: bool, interval: Duration, color: bool) -> Iterator[str]:
    """Yield the lines of the summary."""

    def paint(text: str, style: str) -> str:
        return f"\033[{style}m{text}\033[0m" if color else text

    rows = [
        (verdict, alert_times(verdict.plan, exact, interval) if verdict.tested else ())
        for verdict in report.verdicts
    ]
    width = max((len(_what(time)) for _, times in rows for time in times), default=0)
    for number, (verdict, times) in enumerate(rows):
        if number:
            yield ""
        yield _title(verdict, paint)
        if times:
            header = f"      {'':6}  {'':{width}}  {'fires after':<12}  resets after"
            yield paint(header, _DIM)
        for time in times:
            yield _row(time, width)
        yield from _failed(verdict.failures, paint)
    for outcome in report.other:
        yield ""
        yield f"{paint('FAIL', _RED)}  {outcome.path}"
        yield from (f"      {line}" for f in outcome.failures for line in _messages(f))
    yield ""
    if any(times for _, times in rows):
        yield paint(_footnote(), _DIM)
    yield _summary(report, sum(len(times) for _, times in rows), paint)


def _title(verdict: SloVerdict, paint: _Paint) -> str:
    plan = verdict.plan
    word = paint("PASS", _GREEN)
    if not verdict.tested:
        word = paint("SKIP", _YELLOW)
    elif verdict.failures:
        word = paint("FAIL", _RED)
    reason = "" if verdict.tested else ": a plugin of your own changes its rules"
    return f"{word}  {paint(f'{plan.service} {plan.name}', _BOLD)}  {target(plan)}{reason}"


def _what(time: AlertTime) -> str:
    if time.kind in _KINDS:
        return _KINDS[time.kind]
    pairs = zip(time.windows.split(" or "), time.burn_rate.split(" or "), strict=True)
    return " or ".join(f"{windows} at {rate}" for windows, rate in pairs)


def _row(time: AlertTime, width: int) -> str:
    fires = _NEVER if time.fires is None else str(time.fires)
    resets = "" if time.resets is None else str(time.resets)
    guard = f"from {time.min_bad_events} bad events on" if time.min_bad_events else ""
    text = f"      {time.severity:6}  {_what(time):{width}}  {fires:<12}  {resets:<12}  {guard}"
    return text.rstrip()


def _failed(failures: tuple[Failure, ...], paint: _Paint) -> Iterator[str]:
    for failure in failures[:_MOST_FAILURES]:
        yield f"      {paint('failed', _RED)} at {failure.time}: {failure.expression}"
        yield f"        expected {failure.wanted}, got {failure.found}"
    if len(failures) > _MOST_FAILURES:
        yield f"      ... and {len(failures) - _MOST_FAILURES} more"


def _messages(failure: Failure) -> list[str]:
    if failure.message:
        return failure.message.splitlines()
    return [
        f"at {failure.time}: {failure.expression}",
        f"  expected {failure.wanted}, got {failure.found}",
    ]


def _footnote() -> str:
    return (
        f"Times are those of a full outage of {OUTAGE} (or until it fires) in a service that has "
        "run for\na whole period; no data counts from the last sample. "
        "promtool has compared the rules with\nthe same arithmetic in a shorter history."
    )


def _summary(report: TestReport, alerts: int, paint: _Paint) -> str:
    failed = sum(1 for verdict in report.verdicts if verdict.failures)
    skipped = sum(1 for verdict in report.verdicts if not verdict.tested)
    parts = [
        f"{_count(len(report.verdicts), 'SLO')}, {_count(alerts, 'alert')}, "
        f"{_count(report.checks, 'check')} in {_count(report.files, 'file')}"
    ]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{skipped} not tested"] if skipped else []
    word = paint("passed", _GREEN) if report.passed else paint("FAILED", _RED)
    return f"{word}: {'; '.join(parts)} ({report.seconds:.1f}s)"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
