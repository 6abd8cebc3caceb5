"""A snapshot says how SLOs stand, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slo.engine.ledger.records import Freeze, Target
from slo.engine.options import CompileOptions
from slo.engine.status.corrections import Corrected
from slo.engine.status.declared import read_declared, revision_of
from slo.engine.status.model import AppliedCorrection, SloStatus, State
from slo.engine.status.reading import Reading, sort_by_slo
from slo.engine.status.snapshots import Inputs, aged, build_snapshot
from slo.engine.status.states import Thresholds, length_in_words

from .samples import IDENTITY, LABELS, NOW, answers, series


def status_of(inputs: dict[str, Any] | None = None, **given: Any) -> SloStatus:
    """Return the status of the only SLO in the answers."""
    change = given.pop("change", lambda reading: reading)
    readings = {k: change(r) for k, r in sort_by_slo(answers(**given), NOW).items()}
    (status,) = build_snapshot(Inputs(readings, "main", **(inputs or {})), 1, NOW).statuses
    return status


def firing(**labels: str) -> Any:
    return series("ALERTS", 1, IDENTITY, alertstate="firing", sloth_severity="page", **labels)


class TestNumbers:
    def test_budget(self) -> None:
        """Bad and all events, what may still happen, and what that is in minutes."""
        status = status_of(bad=400, total=1_000_000)

        assert (400, 999_600, 1_000_000) == (
            status.events.bad,
            status.events.good,
            status.events.total,
        )
        assert 0.6 == pytest.approx(status.budget.remaining)
        assert 0.4 == pytest.approx(status.budget.consumed)
        assert 600 == pytest.approx(status.budget.remaining_events)
        # 43.2 minutes of full outage are the budget of 99.9 % over 30 days.
        assert 0.6 * 43.2 == pytest.approx(status.budget.remaining_minutes)
        assert 0.9996 == status.sli

    def test_unclamped(self) -> None:
        """A budget that is overspent says by how much."""
        status = status_of(bad=2_600)

        assert -1.6 == pytest.approx(status.budget.remaining)
        assert 2.6 == pytest.approx(status.budget.consumed)

    def test_burn_rates(self) -> None:
        """Burn rates come by window, shortest first, without the period itself."""
        status = status_of(bad=2_000)

        assert ["5m", "30m", "1h", "2h", "6h", "1d", "3d"] == [b.window for b in status.burn_rates]
        assert 2.0 == pytest.approx(status.burn_rate("1h"))

    def test_only_ratios(self) -> None:
        """Where only ratios are recorded, as by sloth, all but the events is known."""
        readings = sort_by_slo(answers()._replace(events=None, traffic=None), NOW)
        (status,) = build_snapshot(Inputs(readings, "main"), 1, NOW).statuses

        assert ("none", None, None) == (status.events.unit, status.events.total, status.events.bad)
        assert State.OK is status.state
        assert 0.9996 == pytest.approx(status.sli)
        assert 0.6 * 43.2 == pytest.approx(status.budget.remaining_minutes)

    def test_objective_without_a_budget(self) -> None:
        """An objective of 100 % has no budget to divide by; one bad event breaches it."""

        def perfect(reading: Reading) -> Reading:
            labels = {**reading.labels, "sloth_objective": "100"}
            return replace(reading, labels=labels, remaining=float("-inf"))

        status = status_of(bad=1, change=perfect)

        assert (State.BREACHED, None, -1) == (
            status.state,
            status.budget.remaining,
            status.budget.remaining_events,
        )
        assert (
            State.OK is status_of(bad=0, change=lambda r: replace(perfect(r), remaining=1.0)).state
        )

    def test_calendar_budget_is_that_of_the_whole_period(self) -> None:
        """Early in a month little traffic makes little budget; the state looks at the month."""
        status = status_of(
            bad=900,
            change=lambda r: replace(
                r,
                elapsed={"month": 0.1},
                projected=0.91,
                bad={"month": 900},
                total={"month": 1_000_000},
            ),
        )

        assert State.OK is status.state
        assert 0.1 == pytest.approx(status.budget.remaining)
        assert 0.91 == status.budget.projected
        assert "calendar" == status.period.kind


class TestStates:
    def test_ok(self) -> None:
        """An SLO that is fine needs no reason."""
        status = status_of()

        assert (State.OK, ()) == (status.state, status.reasons)

    def test_breached(self) -> None:
        """A budget that is gone breaches."""
        status = status_of(bad=1_500)

        assert State.BREACHED is status.state
        assert ("150 % of the error budget is spent.",) == status.reasons

    def test_little_left(self) -> None:
        """Less than a quarter of the budget is a warning."""
        assert State.OK is status_of(bad=740).state
        status = status_of(bad=760)
        assert (State.WARNING, ("Only 24 % of the error budget is left.",)) == (
            status.state,
            status.reasons,
        )

    def test_burn_rate_alert(self) -> None:
        """A burn-rate alert that fires is a warning; it carries the burn rate."""
        alert = firing(slo_alert="burn_rate", long_window="1h", short_window="5m")

        status = status_of(alerts=(alert,))

        assert State.WARNING is status.state
        assert ("A page alert fires: it burns too fast over 1h and 5m.",) == status.reasons
        assert 0.4 == pytest.approx(status.alerts[0].value)

    def test_pages_come_first(self) -> None:
        """Whatever the order of the server, the reason that matters most is the first one."""
        pairs = (("3d", "6h", "ticket"), ("6h", "30m", "page"), ("1d", "2h", "ticket"))
        found = tuple(
            series(
                "ALERTS",
                1,
                IDENTITY,
                alertstate="firing",
                sloth_severity=severity,
                slo_alert="burn_rate",
                long_window=long,
                short_window=short,
            )
            for long, short, severity in pairs
        )

        status = status_of(alerts=found)

        wanted = ["page", "ticket", "ticket"]
        assert wanted == [reason.split()[1] for reason in status.reasons]
        assert wanted == [alert.severity for alert in status.alerts]

    def test_pending_alert(self) -> None:
        """An alert that is pending changes nothing."""
        alert = series("ALERTS", 1, IDENTITY, alertstate="pending", sloth_severity="page")

        assert State.OK is status_of(alerts=(alert,)).state

    def test_numbers_of_an_age_that_nobody_knows(self) -> None:
        """What may be a day old is not fine."""
        status = status_of(change=lambda reading: replace(reading, evaluated_at=None))

        assert State.NO_DATA is status.state
        assert "slo:objective:ratio is not recorded" in status.reasons[0]

    def test_frozen(self) -> None:
        """A freeze that means this SLO, and no other, freezes it."""

        def freeze(target: str) -> Freeze:
            return Freeze("f", Target(target), 0, NOW + 1, "Christmas", "me", 0)

        assert State.OK is status_of({"freezes": [freeze("other/*")]}).state
        status = status_of({"freezes": [freeze("shop/*")]})
        assert (State.FROZEN, ("Deployments are frozen: Christmas",)) == (
            status.state,
            status.reasons,
        )

    def test_nothing_recorded_now(self) -> None:
        """Where the indicator is silent, thirty days of past events do not make it fine."""
        status = status_of(traffic=False)

        assert State.NO_DATA is status.state
        assert "records nothing now" in status.reasons[0]

    def test_no_budget(self) -> None:
        """Without any traffic in the period there is no budget, which is not a full one."""
        status = status_of(
            change=lambda r: replace(r, remaining=None, bad={}, total={}, unit="none")
        )

        assert State.NO_DATA is status.state

    def test_stale(self) -> None:
        """Numbers older than a quarter of an hour are stale, whatever else they say."""
        assert State.OK is status_of(evaluated_ago=900).state
        status = status_of(evaluated_ago=901, bad=1_500)
        assert State.STALE is status.state
        assert (
            "The numbers are 15 minutes old.",
            "150 % of the error budget is spent.",
        ) == status.reasons


class TestCorrections:
    def corrected(self, **given: Any) -> SloStatus:
        applied = (AppliedCorrection("c", "exclude", 500, 20_000),)
        found = Corrected(**{"bad": 500.0, "total": 20_000.0, "applied": applied, **given})
        return status_of({"corrected": lambda key, start, end: found}, bad=1_400)

    def test_everything_is_corrected(self) -> None:
        """Events, budget, SLI, state and exhaustion are without the corrected time."""
        status = self.corrected()

        assert (900, 980_000) == (status.events.bad, status.events.total)
        assert 1 - 900 / 980 == pytest.approx(status.budget.remaining)
        assert 1 - 900 / 980_000 == pytest.approx(status.sli)
        assert State.WARNING is status.state
        assert "c" == status.corrections[0].id
        assert status.exhaustion is not None
        assert 0 != status.exhaustion.likely

    def test_never_more_than_was_counted(self) -> None:
        """A correction never makes more good events than there were events."""
        status = self.corrected(bad=5_000.0, total=2_000_000.0)

        assert (0, 0) == (status.events.bad, status.events.total)

    def test_not_read_yet(self) -> None:
        """What has not been read yet is said."""
        assert self.corrected(missing=True).provenance.warnings


class TestDeclared:
    def declared(self, write_spec: Any, text: str) -> Any:
        path = write_spec("shop.yaml", text=text)
        return read_declared([str(path)], CompileOptions(kinds=()))

    SPEC = """\
version: slo/v1
service: shop
owner: team
runbook: https://runbooks/shop
slos:
  - name: requests
    objective: 99.9
    description: Customers get an answer.
    indicator: {http_availability: {}}
"""

    def test_enriches(self, write_spec: Any) -> None:
        """What only the spec knows is added to what is recorded."""
        status = status_of({"declared": self.declared(write_spec, self.SPEC)})

        assert ("Customers get an answer.", "https://runbooks/shop", "team") == (
            status.description,
            status.runbook,
            status.owner,
        )
        assert status.revision is not None

    def test_tells_from_where_on_somebody_is_told(self, write_spec: Any) -> None:
        """Each window has the limits of the alerts that look at it, pages first."""
        status = status_of({"declared": self.declared(write_spec, self.SPEC)})

        assert {
            "5m": [("page", 14.4)],
            "30m": [("page", 6.0)],
            "1h": [("page", 14.4)],
            "2h": [("ticket", 3.0)],
            "6h": [("page", 6.0), ("ticket", 1.0)],
            "1d": [("ticket", 3.0)],
            "3d": [("ticket", 1.0)],
        } == {b.window: [(t.severity, t.rate) for t in b.thresholds] for b in status.burn_rates}

    def test_alerts_that_are_switched_off_have_no_limits(self, write_spec: Any) -> None:
        """Without pages there are those of tickets alone."""
        text = self.SPEC + "    alerting: {page: false}\n"
        status = status_of({"declared": self.declared(write_spec, text)})

        assert {"ticket"} == {t.severity for b in status.burn_rates for t in b.thresholds}

    def test_declared_but_silent(self, write_spec: Any) -> None:
        """An SLO that records nothing shows as one without data."""
        inputs = Inputs({}, "main", declared=self.declared(write_spec, self.SPEC))

        (status,) = build_snapshot(inputs, 1, NOW).statuses

        assert (State.NO_DATA, "shop/requests", 99.9) == (
            status.state,
            status.key,
            status.objective,
        )
        assert "are its rules loaded" in status.reasons[0]

    def test_revision(self, write_spec: Any) -> None:
        """It changes with what is measured, not with where that is written."""
        (before,) = self.declared(write_spec, self.SPEC).values()
        (moved,) = self.declared(write_spec, "# moved\n" + self.SPEC).values()
        (changed,) = self.declared(write_spec, self.SPEC.replace("99.9", "99.8")).values()

        assert before.revision == moved.revision == revision_of(before.plan)
        assert before.revision != changed.revision


class TestAged:
    def snapshot(self) -> Any:
        readings = sort_by_slo(answers(evaluated_ago=60), NOW)
        return build_snapshot(Inputs(readings, "main"), 1, NOW)

    def test_the_same_until_something_is_stale(self) -> None:
        """Reading costs nothing while nothing becomes stale."""
        snapshot = self.snapshot()

        assert snapshot is aged(snapshot, NOW + 840)

    def test_becomes_stale(self) -> None:
        """Numbers that nobody renews become stale by themselves."""
        found = aged(self.snapshot(), NOW + 841)

        (status,) = found.statuses
        assert State.STALE is status.state
        assert 901 == status.provenance.age
        assert found is aged(found, NOW + 10_000)

    def test_chosen_limit(self) -> None:
        """The limit can be chosen."""
        thresholds = Thresholds(stale_after=100)
        readings = sort_by_slo(answers(evaluated_ago=60), NOW)
        snapshot = build_snapshot(Inputs(readings, "main", thresholds=thresholds), 1, NOW)

        (status,) = aged(snapshot, NOW + 41, thresholds).statuses

        assert State.STALE is status.state


def test_order() -> None:
    """Statuses are sorted by their keys."""
    groups = ({"region": "b"}, {"region": "a"}, {})
    readings = sort_by_slo(answers(groups=groups), NOW)

    found = build_snapshot(Inputs(readings, "main"), 1, NOW)

    assert ["shop/requests", "shop/requests{region=a}", "shop/requests{region=b}"] == [
        status.key for status in found.statuses
    ]


def test_series_of_nobody() -> None:
    """Series with an id and without an objective are no SLO."""
    odd = series("slo:sli_error:ratio_rate5m", 0, {**LABELS, "sloth_id": "odd"}, sloth_window="5m")
    base = answers()
    burn = base.burn_rates._replace(series=(odd,)) if base.burn_rates else None
    readings = sort_by_slo(base._replace(burn_rates=burn), NOW)

    assert 1 == len(build_snapshot(Inputs(readings, "main"), 1, NOW).statuses)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 seconds"), (1, "1 second"), (61, "1 minute"), (7_300, "2 hours"), (9e5, "10 days")],
)
def test_length_in_words(seconds: float, words: str) -> None:
    """Lengths are as people say them."""
    assert words == length_in_words(seconds)
