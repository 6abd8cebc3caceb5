"""Series find their SLO and their group, whatever labels they carry."""

from __future__ import annotations

from slo.engine.sources.protocol import Answer, SourceSeries
from slo.engine.status.reading import carry_over, sort_by_slo

from .samples import IDENTITY, LABELS, NOW, answers, series


def test_one_slo() -> None:
    """All series of an SLO without groups are one reading."""
    (reading,) = sort_by_slo(answers(), NOW).values()

    assert ("shop-requests", ()) == reading.key
    assert 0.6 == round(reading.remaining or 0, 9)
    assert ({"30d": 400.0}, {"30d": 1_000_000.0}) == (reading.bad, reading.total)
    assert (99.9, 30, 10, "events") == (
        reading.objective,
        reading.days,
        reading.traffic,
        reading.unit,
    )
    assert 8 == len(reading.ratios)
    assert NOW - 60 == reading.evaluated_at


def test_groups() -> None:
    """A label that the info series lacks, or has otherwise, tells a group."""
    groups = ({"region": "a"}, {"region": "b"}, {"region": "b", "zone": "us"})

    found = sort_by_slo(answers(groups=groups), NOW)

    assert {(("region", "a"),), (("region", "b"),), (("region", "b"), ("zone", "us"))} == {
        group for _, group in found
    }
    assert {10.0} == {reading.traffic for reading in found.values()}
    assert {30.0} == {reading.days for reading in found.values()}


def test_the_same_slo_in_two_clusters() -> None:
    """Where two servers' series are read as one, the label between them is a group."""
    one = answers()
    both = [
        SourceSeries({**s.labels, "cluster": cluster}, s.samples)
        for s in one.budgets.series
        for cluster in "ab"
    ]

    found = sort_by_slo(one._replace(budgets=Answer(tuple(both))), NOW)

    assert (("cluster", "a"),) in {group for _, group in found}
    assert (("cluster", "b"),) in {group for _, group in found}
    assert {99.9} == {reading.objective for reading in found.values()}


def test_ages_are_by_the_server_s_clock() -> None:
    """A server whose clock is an hour ahead has numbers as old as one whose clock is right."""
    evaluated = Answer((SourceSeries(LABELS, ((NOW + 3600, NOW + 3570),)),))

    (reading,) = sort_by_slo(answers()._replace(evaluated=evaluated), NOW).values()

    assert NOW - 30 == reading.evaluated_at


def test_age_of_a_server_that_looks_back() -> None:
    """Where an answer is of a moment ago, that adds to the age."""
    evaluated = Answer((SourceSeries(LABELS, ((NOW - 30, NOW - 60),)),), answered_at=NOW)

    (reading,) = sort_by_slo(answers()._replace(evaluated=evaluated), NOW).values()

    assert NOW - 60 == reading.evaluated_at


def test_no_data() -> None:
    """An SLO with nothing but its info series is there, without numbers."""
    budgets = Answer(tuple(s for s in answers().budgets.series if "info" in s.labels["__name__"]))
    only = answers()._replace(budgets=budgets, burn_rates=None, events=None, traffic=None)

    (reading,) = sort_by_slo(only, NOW).values()

    assert ("requests", None, {}) == (reading.name, reading.remaining, reading.ratios)


def test_numbers_that_are_none() -> None:
    """A number that is none, as sloth's rules record it without traffic, is not there."""
    nan = series("slo:period_error_budget_remaining:ratio", float("nan"), LABELS)
    budgets = Answer((*answers().budgets.series, nan))

    (reading,) = sort_by_slo(answers()._replace(budgets=budgets), NOW).values()

    assert reading.remaining is None


class TestAlerts:
    def of(self, name: str = "ALERTS", value: float = 1, **labels: str) -> SourceSeries:
        labels = {"alertname": "Burn", "sloth_severity": "page", **labels}
        if name == "ALERTS":
            labels = {"alertstate": "firing", **labels}
        return series(name, value, IDENTITY, **labels)

    def test_of_profile_exact(self) -> None:
        """Kind, windows and since when are read from labels and the second series."""
        labels = {"slo_alert": "burn_rate", "long_window": "1h", "short_window": "5m"}
        since = self.of("ALERTS_FOR_STATE", NOW - 99, **labels)

        found = sort_by_slo(answers(alerts=(self.of(**labels), since)), NOW)

        (alert,) = next(iter(found.values())).alerts
        assert ("Burn", "page", "firing", "burn_rate", "1h/5m", NOW - 99) == (
            alert.name,
            alert.severity,
            alert.state,
            alert.kind,
            alert.windows,
            alert.since,
        )

    def test_of_profile_sloth(self) -> None:
        """An alert with a severity of sloth's is about the burn rate."""
        found = sort_by_slo(answers(alerts=(self.of(),)), NOW)

        assert ["burn_rate"] == [a.kind for r in found.values() for a in r.alerts]

    def test_find_their_group(self) -> None:
        """An alert belongs to the group that it names, or to all if it names none."""
        groups = ({"region": "a"}, {"region": "b"})
        alerts = (self.of(region="a", team="x"), self.of(alertname="Missing"))

        found = sort_by_slo(answers(groups=groups, alerts=alerts), NOW)

        assert {"a": ["Burn", "Missing"], "b": ["Missing"]} == {
            dict(r.group)["region"]: [a.name for a in r.alerts] for r in found.values()
        }

    def test_of_an_unknown_slo(self) -> None:
        """An alert of an SLO that records nothing makes no SLO."""
        alert = SourceSeries({"__name__": "ALERTS", "sloth_id": "other"}, ((NOW, 1.0),))

        assert 1 == len(sort_by_slo(answers(alerts=(alert,)), NOW))


class TestCarryOver:
    def test_rules_that_are_late(self) -> None:
        """Where the budget was not recorded anew, the old one stays with its time."""
        before = sort_by_slo(answers(), NOW)
        late = answers(traffic=True)._replace(budgets=Answer(()), evaluated=None, events=None)

        found = carry_over(before, sort_by_slo(late, NOW + 300, before), NOW - 3600)

        (reading,) = found.values()
        assert NOW - 60 == reading.evaluated_at
        assert 10 == reading.traffic
        assert reading.remaining is not None

    def test_slo_that_is_gone(self) -> None:
        """An SLO that is gone is remembered for a while, then forgotten."""
        before = sort_by_slo(answers(), NOW)

        assert 1 == len(carry_over(before, {}, NOW - 3600))
        assert {} == carry_over(before, {}, NOW)

    def test_group_that_is_gone(self) -> None:
        """A group that is gone while others are there is not remembered."""
        before = sort_by_slo(answers(groups=({"region": "a"}, {"region": "b"})), NOW)
        after = sort_by_slo(answers(groups=({"region": "b"},)), NOW + 30)

        assert after == carry_over(before, after, NOW - 3600)
