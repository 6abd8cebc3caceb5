from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from textwrap import dedent

import pytest

from slo.alert_windows import is_catalog, read_catalog
from slo.duration import days, hours, minutes
from slo.source import Document

Parse = Callable[[str], Document]

CATALOG = dedent(
    """\
    apiVersion: sloth.slok.dev/v1
    kind: AlertWindows
    spec:
      sloPeriod: 7d
      page:
        quick: {errorBudgetPercent: 8, shortWindow: 5m, longWindow: 1h}
        slow: {errorBudgetPercent: 12.50, shortWindow: 30m, longWindow: 6h}
      ticket:
        quick: {errorBudgetPercent: 20, shortWindow: 2h, longWindow: 1d}
        slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 2d}
    """
)


def test_a_catalog_is_read_exactly(parse: Parse) -> None:
    policy, diagnostics = read_catalog(parse(CATALOG))

    assert [] == diagnostics
    assert policy is not None
    assert (days(7), "spec.yaml", False) == (policy.time_window, policy.source, policy.builtin)
    assert (Decimal("12.50"), minutes(30), hours(6)) == (
        policy.page_slow.budget_percent,
        policy.page_slow.short_window,
        policy.page_slow.long_window,
    )
    assert (hours(6), days(2)) == (
        policy.ticket_slow.short_window,
        policy.ticket_slow.long_window,
    )


def test_only_a_catalog_is_taken_for_one(parse: Parse) -> None:
    assert is_catalog(parse(CATALOG).root)
    assert not is_catalog(parse("kind: Service").root)
    assert not is_catalog(parse("[]").root)
    assert not is_catalog(None)


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("shortWindow: 5m", "shortWindow: 1h", "SLO205", 6),
        ("shortWindow: 5m", "shortWindow: 2h", "SLO205", 6),
        ("shortWindow: 30m", "shortWindow: 0s", "SLO205", 7),
        ("longWindow: 2d", "longWindow: 7d", "SLO205", 10),
        ("longWindow: 2d", "longWindow: 2days", "SLO108", 10),
        ("errorBudgetPercent: 8", "errorBudgetPercent: 0", "SLO105", 6),
        ("errorBudgetPercent: 8", "errorBudgetPercent: '8'", "SLO103", 6),
        ("errorBudgetPercent: 8, ", "", "SLO102", 6),
        ("  sloPeriod: 7d\n", "", "SLO102", 3),
        ("sloPeriod", "sloperiod", "SLO101", 4),
    ],
)
def test_mistakes_are_located(parse: Parse, old: str, new: str, code: str, line: int) -> None:
    policy, diagnostics = read_catalog(parse(CATALOG.replace(old, new)))

    assert policy is None
    assert (code, line) in [(d.code, d.span.line) for d in diagnostics]
    assert all(d.is_error for d in diagnostics)


def test_every_bad_pair_is_reported_at_once(parse: Parse) -> None:
    text = CATALOG.replace("shortWindow: 5m", "shortWindow: 1h").replace(
        "6h, longWindow: 2d", "3d, longWindow: 2d"
    )

    _, diagnostics = read_catalog(parse(text))

    assert [("SLO205", 6), ("SLO205", 10)] == [(d.code, d.span.line) for d in diagnostics]


def test_a_burn_rate_inside_the_budget_is_warned_of(parse: Parse) -> None:
    """10 % of a week's budget in one day are a rate of 0.7: it alerts while the budget lasts."""
    text = CATALOG.replace("errorBudgetPercent: 20", "errorBudgetPercent: 10")

    policy, (found,) = read_catalog(parse(text))

    assert policy is not None
    assert ("SLO203", False) == (found.code, found.is_error)
    assert "burn rate of 0.7" in found.message


def test_a_built_in_catalog_is_trusted(parse: Parse) -> None:
    text = CATALOG.replace("errorBudgetPercent: 20", "errorBudgetPercent: 10")

    assert [] == read_catalog(parse(text), builtin=True)[1]


def test_a_document_that_is_not_yaml_has_no_policy(parse: Parse) -> None:
    policy, diagnostics = read_catalog(parse("a: [1"))

    assert policy is None
    assert ["SLO002"] == [d.code for d in diagnostics]
