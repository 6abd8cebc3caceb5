"""Write a report as one page that needs nothing else: to read, to send, to print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from html import escape
from importlib.resources import files

from slo.engine.ledger.records import Correction, Decision
from slo.engine.reporters.figures import count_text
from slo.engine.reports.attainment import Incident, SloReport
from slo.engine.reports.plots import burn_plot
from slo.engine.reports.report import Report
from slo.engine.reports.status_table import short_length

__all__ = ["report_html"]

_NONE = "\N{EN DASH}"
_MOST_PLOTS = 6
_MOST_INCIDENTS = 40
_MOST_DECISIONS = 60
_MUCH = 0.75


def report_html(report: Report, zone: tzinfo) -> str:
    """
    Return the page.

    Args:
        zone: Of all times in it.
    """
    times = _Times(zone)
    title = f"Reliability report: {report.span.title}"
    style = files(__package__).joinpath("report.css").read_text("utf-8")
    body = "\n".join(_body(report, times, title))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{escape(title)}</title>\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


class _Times:
    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def moment(self, at: float) -> str:
        found = datetime.fromtimestamp(at, self._zone)
        return f"{found.day} {found:%b %H:%M}"

    def day(self, at: float) -> str:
        found = datetime.fromtimestamp(at, self._zone)
        return f"{found.day} {found:%B %Y}"

    def full(self, at: float) -> str:
        return f"{datetime.fromtimestamp(at, self._zone):%Y-%m-%d %H:%M %Z}"


def _body(report: Report, times: _Times, title: str) -> Iterator[str]:
    span = report.span
    yield f"<header><h1>{escape(title)}</h1>"
    yield (
        f"<p>{times.day(span.start)} to {times.day(span.end - 1)}, "
        f"compared with the period before. From {escape(report.source)}, "
        f"{times.full(report.made_at)}.</p></header>"
    )
    for note in report.notes:
        yield f'<p class="note">{escape(note)}</p>'
    yield _figures(report)
    yield _slos(report)
    plots = [slo for slo in report.slos if slo.incidents or slo.met is False][:_MOST_PLOTS]
    if plots:
        yield '<section><h2>Worst offenders</h2><div class="plots">'
        for slo in plots:
            yield _plot(slo, report, times)
        yield "</div></section>"
    yield _incidents(report.incidents, times)
    yield _corrections(report.corrections, times)
    yield _decisions(report.decisions, times)
    yield (
        "<footer><p>Attained: good events of all events in these days. Budget spent: bad events "
        "against those that the objective allows in these days. An incident is a stretch in "
        "which the budget burned faster than it lasts, and that spent more than 1 % of the "
        "budget of the SLO's whole period.</p></footer>"
    )


def _figures(report: Report) -> str:
    denied = sum(decision.verdict == "deny" for decision in report.decisions)
    unknown = len(report.slos) - report.met - report.missed
    entries = [
        (str(report.met), f"of {count_text(len(report.slos), 'objective')} met", "good"),
        (str(report.missed), "missed", "bad" if report.missed else ""),
        (str(len(report.incidents)), "incidents" if len(report.incidents) != 1 else "incident", ""),
        (str(denied), f"of {count_text(len(report.decisions), 'deployment')} denied", ""),
    ]
    if unknown:
        entries.insert(2, (str(unknown), "not measured", "unknown"))
    cells = "".join(
        f'<div class="{kind}"><dd>{number}</dd><dt>{escape(words)}</dt></div>'
        for number, words, kind in entries
    )
    return f'<dl class="figures">{cells}</dl>'


def _slos(report: Report) -> str:
    rows = "".join(f"<tr>{_slo(slo)}</tr>" for slo in report.slos)
    heads = _heads(
        "SLO", "Owner", "Objective", "Attained", "Budget spent", "Before", "Incidents", "Result"
    )
    return f"<section><h2>Objectives</h2><table>{heads}<tbody>{rows}</tbody></table></section>"


def _slo(slo: SloReport) -> str:
    status, spent = slo.status, slo.now.spent
    word, kind = {
        True: ("met", "good"),
        False: ("missed", "bad"),
        None: ("not measured", "unknown"),
    }[slo.met]
    partly = slo.now.measured < 0.99 and slo.met is not None
    share = f"<small>{100 * slo.now.measured:.0f} % of the time measured</small>" if partly else ""
    bar = ""
    if spent is not None:
        width = min(1.0, max(0.0, spent))
        tone = "bad" if spent > 1 else "low" if spent > _MUCH else "good"
        bar = (
            '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect class="track" width="100" height="8" rx="2"/>'
            f'<rect class="{tone}" width="{100 * width:.1f}" height="8" rx="2"/></svg>'
        )
    return (
        f'<th scope="row">{escape(status.service)} / <b>{escape(status.name)}</b>'
        f"{_group(slo)}</th><td>{escape(status.owner or _NONE)}</td>"
        f'<td class="n">{status.objective:g} %</td>'
        f'<td class="n">{_sli(slo)}{share}</td>'
        f'<td class="spent">{bar}<span>{_percent(spent)}</span></td>'
        f'<td class="n">{_trend(slo)}</td>'
        f'<td class="n">{len(slo.incidents) or _NONE}</td>'
        f'<td><span class="result {kind}">{word}</span></td>'
    )


def _group(slo: SloReport) -> str:
    pairs = ", ".join(f"{label}={value}" for label, value in sorted(slo.status.group.items()))
    return f" <small>{escape(pairs)}</small>" if pairs else ""


def _sli(slo: SloReport) -> str:
    if slo.now.sli is None:
        return _NONE
    # One digit more than the objective has, never rounded up to it.
    places = len(f"{slo.status.objective:g}".partition(".")[2]) + 2
    scaled = int(slo.now.sli * 100 * 10**places + 1e-6)
    return f"{scaled / 10**places:.{places}f} %"


def _trend(slo: SloReport) -> str:
    if slo.trend is None or slo.before.spent is None:
        return _NONE
    if abs(slo.trend) < 0.005:
        return f"= {_percent(slo.before.spent)}"
    arrow, words = ("▲", "more than") if slo.trend > 0 else ("▼", "less than")
    kind = (
        "bad"
        if slo.trend > 0.1 and (slo.now.spent or 0) > _MUCH
        else "good"
        if slo.trend < -0.1
        else ""
    )
    before = _percent(slo.before.spent)
    return (
        f'<span class="trend {kind}" title="{words} the {before} of before">{arrow} {before}</span>'
    )


def _plot(slo: SloReport, report: Report, times: _Times) -> str:
    status = slo.status
    plot = burn_plot(slo, report.span, times.moment)
    return (
        f"<figure><figcaption><b>{escape(status.key)}</b> "
        f"{_percent(slo.now.spent)} of the budget spent, "
        f"{count_text(len(slo.incidents), 'incident')}</figcaption>{plot}</figure>"
    )


def _incidents(found: Iterable[Incident], times: _Times) -> str:
    listed = list(found)
    rows = "".join(
        f'<tr><th scope="row">{escape(i.slo)}</th><td>{times.moment(i.start)}</td>'
        f'<td class="n">{short_length(i.end - i.start)}</td><td class="n">{i.bad:,.0f}</td>'
        f'<td class="n">{i.peak:,.1f}x</td><td class="n"><b>{_percent(i.share)}</b></td></tr>'
        for i in listed[:_MOST_INCIDENTS]
    )
    heads = _heads("SLO", "Began", "Lasted", "Bad events", "Peak burn", "Of the budget")
    return _section("Incidents", heads, rows, len(listed), _MOST_INCIDENTS)


def _corrections(found: Iterable[Correction], times: _Times) -> str:
    listed = list(found)
    rows = "".join(
        f"<tr><td>{escape(c.effect)}{' (taken back)' if c.cancelled_at is not None else ''}</td>"
        f"<td>{times.moment(c.start)} to {times.moment(c.end)}"
        f"{', recurring' if c.recurrence else ''}</td><td>{escape(c.target.slo)}</td>"
        f"<td>{escape(c.reason)}</td><td>{escape(c.created_by)}</td></tr>"
        for c in listed
    )
    heads = _heads("Correction", "When", "About", "Why", "By")
    return _section("Corrections", heads, rows, len(listed), len(listed))


def _decisions(found: Iterable[Decision], times: _Times) -> str:
    listed = list(found)
    rows = "".join(
        f'<tr><td>{times.moment(d.at)}</td><td><span class="result {_TONES.get(d.verdict, "")}">'
        f"{escape(d.verdict)}</span></td><td>{escape(str(d.request.get('service', '')))} "
        f"{escape(str(d.request.get('version') or ''))}</td>"
        f"<td>{escape(', '.join(code.replace('_', ' ') for code in dict.fromkeys(d.reasons)))}</td>"
        f"<td>{escape(d.actor)}</td></tr>"
        for d in listed[:_MOST_DECISIONS]
    )
    heads = _heads("When", "Verdict", "About", "Because", "By")
    return _section("Decisions of gates", heads, rows, len(listed), _MOST_DECISIONS)


_TONES = {"allow": "good", "deny": "bad", "unknown": "unknown"}


def _heads(*names: str) -> str:
    cells = "".join(f'<th scope="col">{name}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def _section(title: str, heads: str, rows: str, count: int, most: int) -> str:
    if not rows:
        return f"<section><h2>{title}</h2><p>None.</p></section>"
    more = f"<p>{count - most:,} more are in the JSON report.</p>" if count > most else ""
    table = f"<table>{heads}<tbody>{rows}</tbody></table>"
    return f"<section><h2>{title}</h2>{table}{more}</section>"


def _percent(share: float | None) -> str:
    if share is None:
        return _NONE
    value = 100 * share
    return f"{value:,.0f} %" if abs(value) >= 100 else f"{value:.1f} %"
