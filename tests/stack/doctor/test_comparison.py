"""Rules are the same however their queries are written, and different when they are."""

from __future__ import annotations

import pytest

from slo.stack.doctor.examination import Line, worst
from slo.stack.doctor.finding import Finding, Verdict
from slo.stack.doctor.metrics_checks import moment
from slo.stack.doctor.rule_comparison import compare_rules, compiled_rules, loaded_rules

FILE = """\
groups:
  - name: fast
    rules:
      - record: ratio
        expr: |
          sum(rate(errors{code=~"5..", job="a"}[5m]))
            / sum(rate(all{job="a"}[5m]))
        labels: {team: x}
      - alert: Burns
        expr: ratio > (14.4 * 0.001)
        for: 2m
        labels: {severity: page}
"""
QUERY = 'sum(rate(errors{job="a",code=~"5.."}[5m])) / sum(rate(all{job="a"}[300s]))'


def loaded(query: str = QUERY, *, duration: float = 120, labels: str = "page") -> list:
    return [
        {
            "name": "fast",
            "rules": [
                {"name": "ratio", "query": query, "labels": {"team": "x"}},
                {
                    "name": "Burns",
                    "query": "ratio > (14.4 * 0.001)",
                    "duration": duration,
                    "labels": {"severity": labels},
                },
            ],
        }
    ]


def differences(groups: list) -> list[tuple[str, str]]:
    return list(compare_rules(compiled_rules([FILE]), loaded_rules(groups)))


def test_another_way_to_write_the_same_is_no_difference() -> None:
    assert [] == differences(loaded())


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (loaded(QUERY.replace("5..", "4..")), "ratio: expr is"),
        (loaded(QUERY.replace("300s", "10m")), "ratio: expr is"),
        (loaded(duration=60), "Burns: for is 60"),
        (loaded(labels="ticket"), "Burns: has severity=ticket; lacks severity=page"),
        ([], "is not loaded"),
        ([*loaded(), {"name": "other", "rules": []}], ""),
        ([{"name": "fast", "rules": loaded()[0]["rules"][:1]}], "has 1 rules, not 2"),
        (
            [*loaded(), {"name": "other", "rules": [{"name": "x", "query": "1"}]}],
            "is loaded, but was not compiled",
        ),
    ],
)
def test_differences_are_named(groups: list, words: str) -> None:
    found = differences(groups)

    if words:
        assert 1 == len(found)
        assert words in found[0][1]
    else:
        assert [] == found


def test_labels_that_the_server_adds_are_no_difference() -> None:
    groups = loaded()
    for rule in groups[0]["rules"]:
        rule["labels"]["stack"] = "mine"
    compiled = compiled_rules([FILE])

    assert [] == list(compare_rules(compiled, loaded_rules(groups, {"stack": "mine"})))
    assert [] != list(compare_rules(compiled, loaded_rules(groups, {"stack": "yours"})))


def test_queries_of_another_dialect_go_by_their_text() -> None:
    file = FILE.replace("ratio > (14.4 * 0.001)", "ratio   default 0")
    groups = loaded()
    groups[0]["rules"][1]["query"] = "ratio default 0"

    assert [] == list(compare_rules(compiled_rules([file]), loaded_rules(groups)))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01T00:01:00.123456789Z", 60),
        ("1970-01-01T01:01:00.5+01:00", 60),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_moments_of_servers_are_read(text: object, seconds: float | None) -> None:
    assert seconds == moment(text)


def test_the_worst_verdict_counts() -> None:
    lines = [Line("x", Finding(verdict, "")) for verdict in (Verdict.OK, Verdict.FAIL)]

    assert Verdict.FAIL == worst(lines)
    assert Verdict.OK == worst([])
