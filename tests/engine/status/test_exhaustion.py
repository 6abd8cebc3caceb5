"""Exhaustion agrees with a count of what happens, minute by minute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.engine.status.exhaustion import HOUR, Expiring, Outlook, exhaustion, linear

DAY = 24 * HOUR
FIRST = 1_000 * HOUR
MINUTE = 60.0

_hours = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 1_000)).map(
        lambda pair: (float(min(pair)), float(pair[1]))
    ),
    min_size=1,
    max_size=30,
)


class Counted:
    """Count events second by second, in an hour evenly."""

    def __init__(self, hours: list[tuple[float, float]], window: float, now: float) -> None:
        self.hours, self.window, self.now = hours, window, now

    def left(self, budget: float, bad_rate: float, total_rate: float, t: float) -> float:
        """Return how many bad events may still happen *t* seconds from now."""
        begin = self.now - self.window + t
        bad, total = bad_rate * t, total_rate * t
        for number, (more_bad, more) in enumerate(self.hours):
            start = FIRST + number * HOUR
            share = max(0.0, min(self.now, start + HOUR) - max(begin, start)) / HOUR
            bad, total = bad + share * more_bad, total + share * more
        return budget * total - bad


@given(
    _hours,
    st.integers(0, int(HOUR) - 1),
    st.sampled_from([0.001, 0.01, 0.05, 0.5]),
    st.floats(0, 3),
    st.floats(0, 20),
    st.integers(6, 30),
)
def test_against_a_count(
    hours: list[tuple[float, float]],
    seconds: int,
    budget: float,
    total_rate: float,
    burn_rate: float,
    window_hours: int,
) -> None:
    """The budget is gone at the very moment at which a count says so, or never in both."""
    window = window_hours * HOUR
    now = FIRST + len(hours) * HOUR + seconds
    counted = Counted(hours, window, now)
    bad_rate = burn_rate * budget * total_rate
    slack = counted.left(budget, bad_rate, total_rate, 0)
    expiring = Expiring(FIRST, [b for b, _ in hours], [t for _, t in hours], budget, window)

    found = expiring.gone_after(slack, budget * total_rate - bad_rate, now)

    tolerance = 1e-6 * (1 + budget * sum(total for _, total in hours) + window * bad_rate)
    steps = [step * window / 400 for step in range(401)]
    for t in steps:
        if found is not None and t >= found:
            break
        assert counted.left(budget, bad_rate, total_rate, t) > -tolerance
    if found is not None:
        assert 0 <= found <= window
        assert counted.left(budget, bad_rate, total_rate, found) <= tolerance


@pytest.mark.parametrize(
    ("burn_rate", "gone"), [(2.0, 9 * DAY), (0.7, 0.6 * 30 * DAY / 0.7), (0.5, None)]
)
def test_a_rolling_window_forgets(burn_rate: float, gone: float | None) -> None:
    """What is not gone after a whole window never is: all that was spent before has left it."""
    found = exhaustion(Outlook(0.6, 30 * DAY), [burn_rate], 0.0)

    assert found is not None
    assert ("linear", gone) == (found.method, pytest.approx(found.likely) if gone else found.likely)


def test_errors_that_leave_save_the_budget() -> None:
    """A budget that burns too fast lasts longer where old errors leave the window."""
    hours = [(0.0, 100.0)] * 24
    # All bad events are old: they leave within the first two hours.
    hours[0] = hours[1] = (0.9, 100.0)
    expiring = Expiring(FIRST, [b for b, _ in hours], [t for _, t in hours], 0.001, DAY)
    slack = 0.001 * 2_400 - 1.8

    found = expiring.gone_after(slack, 0.001 * 100 / HOUR * (1 - 1.2), FIRST + DAY)

    assert linear(slack / 2.4, DAY, 1.2) == pytest.approx(5 * HOUR)
    # At 0.12 an hour, the 2.4 that a day allows are spent after twenty.
    assert found == pytest.approx(20 * HOUR)


def test_traffic_that_leaves_costs_budget() -> None:
    """Without any new error a budget is gone when the traffic that it was for has left."""
    hours = [(0.0, 10_000.0)] * 12 + [(1.0, 1.0)] * 12
    expiring = Expiring(FIRST, [b for b, _ in hours], [t for _, t in hours], 0.001, DAY)
    slack = 0.001 * 120_012 - 12

    found = expiring.gone_after(slack, 0.001 / HOUR, FIRST + DAY)

    # 12 bad events need 12,000 events: that is when 10.8 of the 12 busy hours have left.
    assert found == pytest.approx(10.8 * HOUR, rel=0.001)


def outlook(**given: float | None) -> Outlook:
    return Outlook(**{"remaining": 0.5, "window": 30 * DAY, **given})  # type: ignore[arg-type]


class TestExhaustion:
    def test_linear(self) -> None:
        """What is left, divided by how fast it burns; a range by the other burn rates."""
        found = exhaustion(outlook(), [2.0, 5.0, 1.0], 0)

        assert found is not None
        assert ("linear", 7.5 * DAY, 3 * DAY, 15 * DAY) == (
            found.method,
            found.likely,
            found.earliest,
            found.latest,
        )

    def test_never(self) -> None:
        """What does not burn lasts for ever."""
        found = exhaustion(outlook(), [0.0, 1.0], 0)

        assert found is not None
        assert (None, 15 * DAY, None) == (found.likely, found.earliest, found.latest)
        assert not found.capped_by_reset

    def test_reset_comes_first(self) -> None:
        """A calendar budget that lasts until the reset is not exhausted."""
        found = exhaustion(outlook(ends_in=10 * DAY), [1.0, 5.0], 0)

        assert found is not None
        assert (None, 3 * DAY, None) == (found.likely, found.earliest, found.latest)
        assert found.capped_by_reset

    def test_gone_already(self) -> None:
        """A spent budget is gone now, whatever burns."""
        found = exhaustion(outlook(remaining=-1.0), [0.0], 0)

        assert found is not None
        assert (0.0, 0.0, 0.0) == (found.likely, found.earliest, found.latest)

    def test_no_burn_rate(self) -> None:
        """Without a burn rate nothing is said."""
        assert exhaustion(outlook(), [], 0) is None
