"""Write what dashboards say of an SLO in words."""

from __future__ import annotations

from slo.dashboards.model import Kind, Panel
from slo.numbers import decimal_text
from slo.plan import SloPlan

__all__ = ["about", "objective_text", "plain"]

# Signs that Markdown gives a meaning to, and the one that begins a variable of Grafana.
_MARKDOWN = str.maketrans({**{sign: f"\\{sign}" for sign in "\\`*_[]<>#|"}, "$": "&#36;"})


def plain(text: str) -> str:
    r"""
    Return *text* of a spec so that a text panel shows it as it is, in one paragraph.

    >>> print(plain("5 $ *net*"))
    5 &#36; \*net\*
    """
    return " ".join(text.split()).translate(_MARKDOWN)


def objective_text(plan: SloPlan) -> str:
    """Return the objective for people, such as `99.9 % over 30d`."""
    text = f"{decimal_text(plan.objective)} %"
    slices = plan.timeslices
    if slices is not None:
        text += f" of all {slices.length} slices"
        if slices.target is not None:
            text += f" at {decimal_text(slices.target)} % or better"
    if plan.calendar is not None:
        return f"{text} per {plan.calendar.unit} ({plan.calendar.time_zone})"
    whole_days, rest = divmod(plan.time_window.milliseconds, 86_400_000)
    return f"{text} over {plan.time_window if rest else f'{whole_days}d'}"


def about(plan: SloPlan) -> Panel:
    """Return what the spec says of the SLO."""
    lines = [f"**{plain(plan.description)}**", ""] if plan.description else []
    lines.append(f"Objective: {objective_text(plan)}")
    lines += [
        f"{word}: {plain(value)}"
        for word, value in (("Owner", plan.owner), ("Tier", plan.tier))
        if value
    ]
    if plan.runbook:
        lines.append(f"[Runbook](<{plan.runbook}>)")
    lines += [f"[{plain(link.name.capitalize())}](<{link.url}>)" for link in plan.links]
    return Panel(
        Kind.TEXT,
        "About this objective",
        "What its spec says of it.",
        text="\n\n".join(line for line in lines if line),
        width=24,
        height=5,
    )
