from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slo.engine.api import limits
from slo.engine.api.limits import RateLimiter


@given(
    rate=st.floats(0.1, 1_000),
    burst=st.floats(1, 100),
    pauses=st.lists(st.floats(0, 10), min_size=1, max_size=200),
)
def test_no_client_gets_more_than_its_rate_and_its_burst(
    rate: float, burst: float, pauses: list[float]
) -> None:
    now = 0.0
    limiter = RateLimiter(rate, burst=burst, clock=lambda: now)
    served = 0
    for pause in pauses:
        now += pause
        served += limiter.take("client") == 0

    assert served <= burst + rate * now + 1e-6


@given(rate=st.floats(0.1, 1_000), asked=st.integers(1, 300))
def test_who_waits_as_long_as_told_is_served(rate: float, asked: int) -> None:
    now = 0.0
    limiter = RateLimiter(rate, clock=lambda: now)
    pause = 0.0
    for _ in range(asked):
        pause = limiter.take("client")
    now += pause

    assert 0 == limiter.take("client") or pause == 0


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    moments = iter((10.0, 10.0, 5.0, 10.0))
    limiter = RateLimiter(1, burst=2, clock=lambda: next(moments))

    assert [0, 0] == [limiter.take("a") for _ in range(2)]
    assert 0 < limiter.take("a")


def test_clients_are_forgotten_before_memory_runs_out(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(limits, "_MOST_CLIENTS", 10)
    limiter = RateLimiter(1, clock=lambda: 0.0)
    for number in range(1_000):
        limiter.take(str(number))

    assert 10 == len(limiter._buckets)
