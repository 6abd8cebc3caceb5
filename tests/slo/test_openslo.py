from __future__ import annotations

from decimal import Decimal
from textwrap import dedent
from typing import Any

import pytest

from slo.duration import days

SPEC = dedent(
    """\
    apiVersion: openslo/v1alpha
    kind: SLO
    metadata:
      name: requests
      displayName: Requests
    spec:
      service: mail
      description: Mail is sent.
      budgetingMethod: Occurrences
      objectives:
        - target: 0.95
          displayName: Most
          ratioMetrics:
            counter: true
            good: {source: prometheus, queryType: promql, query: "sum(rate(ok[{{.window}}]))"}
            total: {source: sloth, queryType: promql, query: "sum(rate(all[{{.window}}]))"}
        - target: 0.999
          ratioMetrics:
            good: {source: prometheus, queryType: promql, query: "sum(rate(ok[{{.window}}]))"}
            total: {source: prometheus, queryType: promql, query: "sum(rate(all[{{.window}}]))"}
      timeWindows:
        - {count: 28, unit: Day, isRolling: true}
    """
)


def test_each_objective_becomes_an_slo_without_alerts(read: Any) -> None:
    slos = read(SPEC).specs.slos

    assert ["mail-requests-0", "mail-requests-1"] == [s.id for s in slos]
    assert ["requests-0", "requests-1"] == [s.name for s in slos]
    assert [95, Decimal("99.9")] == [s.objective for s in slos]
    assert [(None, None)] * 2 == [(s.page, s.ticket) for s in slos]
    assert {days(28)} == {s.time_window for s in slos}


def test_the_objective_is_also_kept_as_the_float_of_the_peer(read: Any) -> None:
    """A ratio times a hundred is not the float of the percentage: 0.57 is 56.99999999999999 %."""
    slo = read(SPEC.replace("0.95", "0.57")).specs.slos[0]

    assert (57, 56.99999999999999) == (slo.objective, slo.origin.float_objective)


def test_the_error_ratio_is_one_minus_good_over_total(read: Any) -> None:
    slo = read(SPEC).specs.slos[0]

    expected = "1-((sum(rate(ok[{{.window}}])))/(sum(rate(all[{{.window}}]))))"
    assert expected == "".join(slo.indicator.error_ratio.split())


def test_without_a_window_the_default_holds(read: Any) -> None:
    text = SPEC[: SPEC.index("  timeWindows")]

    assert days(90) == read(text, default_time_window=days(90)).specs.slos[0].time_window


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("target: 0.95", "target: 95", "SLO201"),
        ("target: 0.95", "target: 0", "SLO201"),
        ("unit: Day", "unit: Month", "SLO104"),
        ("count: 28", "count: 0", "SLO105"),
        ("count: 28", "count: 3", "SLO204"),
        ("budgetingMethod: Occurrences", "budgetingMethod: Timeslices", "SLO104"),
        ("queryType: promql", "queryType: sql", "SLO104"),
        ("source: sloth", "source: datadog", "SLO104"),
        ("sum(rate(ok[", "sum(rat(ok[", "SLO301"),
        ("    - {count: 28", "    - {count: 7, unit: Day}\n    - {count: 28", "SLO503"),
        ("service: mail", "servic: mail", "SLO102"),
    ],
)
def test_what_cannot_be_expressed_is_an_error(read: Any, old: str, new: str, code: str) -> None:
    assert code in read(SPEC.replace(old, new)).errors
