from __future__ import annotations

from decimal import Decimal
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo.alert_windows import builtin_policies
from slo.alerts.event_model import Feed, Phase, RawEvents, Server
from slo.alerts.exact_rules import Timing
from slo.alerts.rule_model import Condition, Setup, episodes, first_missing, play
from slo.burnrate import AlertPolicy, BurnWindow, detection_time, reset_time, scaled_policy
from slo.duration import Duration, days, minutes, seconds

STEP = seconds(30)
POLICY = builtin_policies()[days(30)]
STEADY = Server()
COUNTER = Feed("counter", inf)


def setup(policy: AlertPolicy = POLICY, exact: bool = True, step: Duration = STEP) -> Setup:
    base = min(minutes(5), policy.windows[0])
    slow = max(step, min(Duration(step.milliseconds * 4), minutes(2)))
    pages = tuple(w for pair in policy.pages for w in (pair.short_window, pair.long_window))
    return Setup(exact, policy, Timing(base, step, slow, pages))


def condition(pair: BurnWindow, policy: AlertPolicy, budget: Decimal, **more: object) -> Condition:
    limit = float(pair.threshold(policy.time_window) * budget)
    return Condition(((pair.long_window, pair.short_window, limit),), **more)  # type: ignore[arg-type]


def outage(steps: int, share: float = 1.0, recovery: int = 0) -> tuple[Phase, ...]:
    return (Phase(4, 0.0), Phase(steps, share), Phase(recovery, 0.0))


class TestDetection:
    @pytest.mark.parametrize("policy", [POLICY, builtin_policies()[days(28)]])
    @pytest.mark.parametrize("objective", ["95", "99", "99.9", "99.99"])
    @pytest.mark.parametrize("exact", [True, False])
    def test_full_outage_within_one_interval_of_theory(
        self, policy: AlertPolicy, objective: str, exact: bool
    ) -> None:
        budget = (100 - Decimal(objective)) / 100
        for pair in (*policy.pages, *policy.tickets):
            theory = detection_time(pair, policy.time_window, budget, Decimal(1))
            assert theory is not None
            fast = pair in policy.pages or not exact
            interval = 30 if fast else 120
            steps = int(theory) // 30 + 20

            alert = condition(
                pair, policy, budget, group="slow" if pair in policy.tickets else "fast"
            )
            found = episodes(setup(policy, exact), COUNTER, STEADY, outage(steps), alert)

            fires = (found[0].fires.latest - 4) * 30
            assert abs(fires - float(theory)) <= interval

    def test_partial_outage(self) -> None:
        """10 % errors against 99.9 %: theory 518 s for the quick page."""
        pair, budget = POLICY.page_quick, Decimal("0.001")
        found = episodes(setup(), COUNTER, STEADY, outage(60, 0.1), condition(pair, POLICY, budget))

        assert found[0].fires.latest - 4 == 17

    def test_never(self) -> None:
        pair, budget = POLICY.page_quick, Decimal("0.1")

        assert not episodes(setup(), COUNTER, STEADY, outage(2000), condition(pair, POLICY, budget))

    def test_scaled_windows(self) -> None:
        policy = scaled_policy(days(90))
        budget = Decimal("0.001")
        for pair in policy.pages:
            theory = detection_time(pair, policy.time_window, budget, Decimal(1))
            assert theory is not None
            found = episodes(
                setup(policy), COUNTER, STEADY, outage(40), condition(pair, policy, budget)
            )

            # The slow page reads a window of the slow group.
            slack = 30 if pair.long_window <= minutes(360) else 180
            assert abs((found[0].fires.latest - 4) * 30 - float(theory)) <= slack


class TestReset:
    @pytest.mark.parametrize("exact", [True, False])
    def test_near_theory(self, exact: bool) -> None:
        """The far edge of a window is half a base window wide, so resets may lag by that."""
        pair, budget = POLICY.page_slow, Decimal("0.01")
        theory = float(reset_time(pair, POLICY.time_window, budget, Decimal(1)))
        found = episodes(
            setup(exact=exact),
            COUNTER,
            STEADY,
            outage(120, recovery=120),
            condition(pair, POLICY, budget),
        )

        assert found[0].resets is not None
        late = (found[0].resets.latest - 4 - 120) * 30 - theory
        assert -30 <= late <= (180 if exact else 30)

    def test_for_delays_firing_only(self) -> None:
        pair, budget = POLICY.page_quick, Decimal("0.001")
        phases = outage(20, recovery=20)
        plain, patient = (
            episodes(setup(), COUNTER, STEADY, phases, condition(pair, POLICY, budget, for_steps=n))
            for n in (0, 4)
        )

        assert patient[0].fires.latest == plain[0].fires.latest + 4
        assert patient[0].resets == plain[0].resets

    def test_guard_waits_for_bad_events(self) -> None:
        pair, budget = POLICY.page_quick, Decimal("0.001")
        guarded = condition(pair, POLICY, budget, min_bad_events=10)

        found = episodes(setup(), Feed("counter", 1.0), STEADY, outage(40), guarded)

        # One event per evaluation, counted to within the lag of the records.
        assert 8 <= found[0].fires.latest - 4 <= 10


class TestServer:
    def test_counter_that_starts_in_the_window(self) -> None:
        server = Server(history=False)
        raw = RawEvents(Feed("counter"), server, STEP, (Phase(20, 0.0),))

        assert raw.window(0, minutes(5)) is None
        assert raw.window(4, minutes(5)) == (0.0, pytest.approx(0.4))
        assert raw.window(15, minutes(5)) == (0.0, pytest.approx(1.0))

    def test_ranges_without_their_start(self) -> None:
        """Prometheus 3 sees one sample less, and extrapolates to the same rate."""
        raw = RawEvents(Feed("counter"), Server(left_open=True), STEP, (Phase(30, 0.5),))

        bad, every = raw.window(25, minutes(5)) or (0.0, 0.0)

        assert (bad, every) == (pytest.approx(0.5), pytest.approx(1.0))

    @pytest.mark.parametrize(
        ("kind", "left_open", "expected"),
        [("counter", False, 10), ("counter", True, 9), ("gauge", False, 11), ("recorded", True, 1)],
    )
    def test_last_record(self, kind: str, left_open: bool, expected: int) -> None:
        server = Server(left_open=left_open)

        assert first_missing(setup(), Feed(kind), server, 100) == 100 + expected

    def test_slow_group_holds_its_values(self) -> None:
        played = play(setup(), COUNTER, STEADY, outage(40))
        long = played.ratio(days(1))
        period = played.ratio(POLICY.time_window)

        assert (1, 4, 8) == tuple(played.stride(group) for group in ("fast", "slow", "period"))
        assert all(long[i] == long[i - i % 4] for i in range(len(long)))
        assert all(period[i] == period[i - i % 8] for i in range(len(period)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_ratios_stay_ratios(
    phases: list[tuple[int, float]], left_open: bool, history: bool
) -> None:
    """No window of either profile ever leaves the range of what happened."""
    given_phases = tuple(Phase(*phase) for phase in phases)
    highest = max(share for _, share in phases)
    for exact in (True, False):
        played = play(setup(exact=exact), Feed(), Server(left_open, False, history), given_phases)
        for window in POLICY.windows:
            # Left-open ranges extrapolate a counter that starts at zero by less.
            assert all(-1e-9 <= r <= highest * 1.0001 + 1e-9 for r in played.ratio(window))
