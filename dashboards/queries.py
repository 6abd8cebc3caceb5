"""
Write the PromQL of panels, over the recorded series and never over raw ones.

Both profiles record what is read here, unless a function says otherwise; where only profile
`exact` does, the query falls back with `or` to what sloth records.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from slo import conventions as names

__all__ = [
    "LEAST_BUDGET",
    "LONGEST_SECONDS",
    "MOST_BURN",
    "WHO",
    "Scope",
    "any_of",
    "attention",
    "bad_events",
    "budget_left",
    "burn_rate",
    "burn_rates",
    "coverage",
    "current_sli",
    "exhaustion",
    "firing",
    "good_events",
    "known",
    "least_left",
    "of_worst",
    "period_sli",
    "target",
    "without_data",
]

# What is worse than these is shown as these: infinities spoil every scale.
LEAST_BUDGET = -10
MOST_BURN = 1000
LONGEST_SECONDS = 366 * 86_400

WHO = f"{names.LABEL_SERVICE}, {names.LABEL_SLO}"
_ON_ID = f"on ({names.LABEL_ID}) group_left ()"
_PERIODS = "slo:sli_error:ratio_(rate(1w|2w|4w|30d|60d|90d)|week|month|quarter)"


class Scope(NamedTuple):
    """
    Choose the series of a panel.

    Args:
        matchers: Of series that belong to one SLO each, such as `sloth_id="a-b"`.
        groups: Further matchers, of the groups of one SLO; what is recorded once for all
            groups has none of them.
        records: Matchers of recorded events, which carry no labels of the user; the same as
            the others where *matchers* names none either.
    """

    matchers: str
    groups: str = ""
    records: str = ""

    @property
    def all(self) -> str:
        """Return the matchers of series that exist once for each group."""
        return ",".join(filter(None, (self.matchers, self.groups)))

    def series(self, name: str, more: str = "") -> str:
        """Return the selector of a series that exists once for each group."""
        return f"{name}{{{','.join(filter(None, (self.all, more)))}}}"

    def once(self, name: str) -> str:
        """Return the selector of a series that exists once for an SLO."""
        return f"{name}{{{self.matchers}}}"


def any_of(words: Iterable[str]) -> str:
    """Return a regular expression for names of specs; their only special sign is the dot."""
    return "|".join(word.replace(".", "\\\\.") for word in words)


def _budget(scope: Scope) -> str:
    """Return the error budget as a ratio, one for each SLO."""
    return f"max by ({names.LABEL_ID}) ({scope.once(names.ERROR_BUDGET)})"


def _number(expr: str) -> str:
    """Return *expr* without its NaN."""
    return f"({expr}) >= -Inf"


def budget_left(scope: Scope) -> str:
    """Return the share of the budget that is left; of a calendar period, of all of it."""
    projected = scope.series(names.PROJECTED_BUDGET_REMAINING)
    left = f"{projected} or {scope.series(names.ERROR_BUDGET_REMAINING)}"
    return f"clamp_min({_number(left)}, {LEAST_BUDGET})"


def burn_rate(scope: Scope) -> str:
    """Return how fast the budget burns now."""
    now = scope.series(names.CURRENT_BURN_RATE)
    return f"clamp_max({_number(now)}, {MOST_BURN})"


def burn_rates(scope: Scope) -> str:
    """Return the burn rate over every recorded window; error ratios where there is no budget."""
    ratios = "{" + f'__name__=~"slo:sli_error:ratio_.+",{scope.all}' + "}"
    return f"({ratios} / {_ON_ID} ({_budget(scope)} > 0)) or {ratios}"


def exhaustion(scope: Scope) -> str:
    """Return the seconds until the budget is gone, at the rate of the last hour."""
    left = f"clamp_min({budget_left(scope)}, 0)"
    days = f"max by ({names.LABEL_ID}) ({scope.once(names.TIME_PERIOD_DAYS)})"
    hour = f"{scope.series('slo:sli_error:ratio_rate1h')} / {_ON_ID} ({_budget(scope)} > 0)"
    burn = f"({hour}) or ignoring ({names.LABEL_WINDOW}) {burn_rate(scope)}"
    seconds = f"{left} * {_ON_ID} (86400 * {days})"
    quotient = f"{seconds} / ignoring ({names.LABEL_WINDOW}) clamp_min({burn}, 1e-9)"
    return f"clamp_max({quotient}, {LONGEST_SECONDS})"


def period_sli(scope: Scope) -> str:
    """Return the share of good events over the period."""
    bad = f"{scope.series(names.PERIOD_BURN_RATE)} * {_ON_ID} {_budget(scope)}"
    # Without a budget the burn rate is zero or infinite, and infinity times zero is no number.
    ratios = "{" + f'__name__=~"{_PERIODS}",{scope.all}' + "}"
    worst = f"max without ({names.LABEL_WINDOW}) ({ratios})"
    # Sloth's burn rate has the label of its window, which `max` has dropped.
    return f"1 - ({_number(bad)} or ignoring ({names.LABEL_WINDOW}) {_number(worst)})"


def current_sli(scope: Scope) -> str:
    """Return the share of good events over the shortest recorded window."""
    return f"1 - {_error_share(scope)}"


def _error_share(scope: Scope) -> str:
    bad = f"{scope.series(names.CURRENT_BURN_RATE)} * {_ON_ID} {_budget(scope)}"
    ratio = scope.series("slo:sli_error:ratio_rate5m")
    return f"({_number(bad)} or ignoring ({names.LABEL_WINDOW}) {_number(ratio)})"


def target(scope: Scope) -> str:
    """Return the objective as a ratio."""
    return f"max by ({names.LABEL_ID}, {WHO}) ({scope.once(names.OBJECTIVE)})"


def bad_events(scope: Scope) -> str:
    """Return bad events per second; where nobody records them, their share."""
    return f"{_events(scope, names.ERROR_EVENTS)} or on ({names.LABEL_ID}) {_error_share(scope)}"


def good_events(scope: Scope) -> str:
    """Return good events per second; where nobody records them, their share."""
    every, bad = (_events(scope, name) for name in (names.TOTAL_EVENTS, names.ERROR_EVENTS))
    return f"clamp_min({every} - {bad}, 0) or on ({names.LABEL_ID}) {current_sli(scope)}"


def _events(scope: Scope, name: str) -> str:
    # The thinned records have longer names. Without this function both sides of a difference
    # would have names, which Prometheus does not mind, and several windows, which it does.
    rates = "{" + f'__name__=~"{name}:rate[0-9]+[smh]",{scope.records or scope.all}' + "}"
    if scope.records:
        rates += f" and on ({names.LABEL_ID}) {scope.once(names.OBJECTIVE)}"
    return f"max without (__name__) ({rates})"


def coverage(scope: Scope, window: str) -> str:
    """Return the share of *window* that was measured; profile `exact` alone records it."""
    return scope.series(names.COVERAGE, f'{names.LABEL_WINDOW}="{window}"')


def firing(scope: Scope, severity: str = "") -> str:
    """Return how many alerts fire; zero where none does."""
    more = f',{names.LABEL_SEVERITY}="{severity}"' if severity else ""
    return f'count(ALERTS{{alertstate="firing",{scope.matchers}{more}}}) or vector(0)'


def known(scope: Scope) -> str:
    """Return one series for each SLO that has rules."""
    return f"max by ({WHO}) ({scope.once(names.OBJECTIVE)})"


def least_left(scope: Scope) -> str:
    """Return the budget left of each SLO, that of its worst group."""
    return f"min by ({WHO}) ({budget_left(scope)})"


def without_data(scope: Scope) -> str:
    """Return the SLOs that have rules but no budget, because nothing was measured."""
    return f"{known(scope)} unless on ({WHO}) {least_left(scope)}"


def attention(scope: Scope) -> str:
    """
    Return how much each SLO needs somebody.

    What fires a page comes first, then what has no data, then tickets; between them the one
    that has spent more of its budget.
    """
    fires = f'ALERTS{{alertstate="firing",{scope.matchers},{names.LABEL_SEVERITY}='
    page, ticket = (f'max by ({WHO}) ({fires}"{word}"}})' for word in ("page", "ticket"))
    none = f"0 * {known(scope)}"
    spent = f"(1 - {least_left(scope)})"
    return (
        f"(400 * {page} or {none})"
        f" + on ({WHO}) (100 * {ticket} or {none})"
        f" + on ({WHO}) ({spent} or 200 + {none})"
    )


def of_worst(expr: str, scope: Scope, rows: int) -> str:
    """Return *expr* of those SLOs alone that need somebody most."""
    return f"({expr}) and on ({WHO}) topk({rows}, {attention(scope)})"
