"""The circuit breaker opens, probes and closes as it promises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slo.engine.sources.breaker import Circuit, CircuitBreaker


class Clock:
    """Be a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def failing(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


class TestOpening:
    def test_five_failures_in_a_row(self) -> None:
        """The fifth failure in a row opens it, the fourth does not."""
        breaker = CircuitBreaker(clock=Clock())

        failing(breaker, 4)
        assert Circuit.CLOSED is breaker.circuit
        failing(breaker, 1)

        assert Circuit.OPEN is breaker.circuit
        assert not breaker.admits()

    def test_a_success_between(self) -> None:
        """Failures are in a row only without a success between them."""
        breaker = CircuitBreaker(clock=Clock())

        failing(breaker, 4)
        breaker.succeeded()
        failing(breaker, 4)

        assert Circuit.CLOSED is breaker.circuit

    def test_half_of_twenty_calls(self) -> None:
        """Half of twenty calls within half a minute open it, whatever their order."""
        breaker = CircuitBreaker(clock=Clock())

        for _ in range(9):
            breaker.succeeded()
            breaker.failed()
        breaker.succeeded()
        assert Circuit.CLOSED is breaker.circuit
        breaker.failed()

        assert Circuit.OPEN is breaker.circuit

    def test_calls_of_long_ago(self) -> None:
        """Calls older than half a minute do not count."""
        clock = Clock()
        breaker = CircuitBreaker(clock=clock)

        for _ in range(12):
            breaker.succeeded()
            breaker.failed()
            clock.now += 4

        assert Circuit.CLOSED is breaker.circuit


class TestProbing:
    def open_breaker(self) -> tuple[CircuitBreaker, Clock]:
        clock = Clock()
        breaker = CircuitBreaker(clock=clock)
        failing(breaker, 5)
        return breaker, clock

    def test_one_call_every_fifteen_seconds(self) -> None:
        """After 15 seconds one call goes through, and no other for 15 seconds more."""
        breaker, clock = self.open_breaker()

        clock.now += 14.9
        assert not breaker.admits()
        clock.now += 0.1
        assert breaker.admits()
        assert Circuit.HALF_OPEN is breaker.circuit
        assert not breaker.admits()
        clock.now += 15

        assert breaker.admits()

    def test_success_closes(self) -> None:
        """A probe that is answered lets all calls through again."""
        breaker, clock = self.open_breaker()
        clock.now += 15
        breaker.admits()

        breaker.succeeded()

        assert Circuit.CLOSED is breaker.circuit
        failing(breaker, 4)
        assert Circuit.CLOSED is breaker.circuit

    def test_failure_opens_again(self) -> None:
        """A probe that fails opens it for another 15 seconds."""
        breaker, clock = self.open_breaker()
        clock.now += 20
        breaker.admits()

        breaker.failed()

        assert Circuit.OPEN is breaker.circuit
        clock.now += 14.9
        assert not breaker.admits()

    def test_late_answers(self) -> None:
        """Calls from before it opened neither close it nor put off the probe."""
        breaker, clock = self.open_breaker()

        breaker.succeeded()
        assert Circuit.OPEN is breaker.circuit
        clock.now += 14
        breaker.failed()
        clock.now += 1

        assert breaker.admits()


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 40)), max_size=200))
def test_never_more_than_one_call_in_fifteen_seconds_while_open(
    calls: list[tuple[bool, float]],
) -> None:
    """Whatever happens, an open circuit admits at most one call in 15 seconds."""
    clock = Clock()
    breaker = CircuitBreaker(clock=clock)
    last_probe = -100.0

    for works, pause in calls:
        clock.now += pause
        was = breaker.circuit
        if breaker.admits():
            if was is not Circuit.CLOSED:
                assert clock.now - last_probe >= 15
                last_probe = clock.now
            if works:
                breaker.succeeded()
            else:
                breaker.failed()
