"""Watch for latency that leaves its own past behind."""

from __future__ import annotations

from slo.alerts.packs.model import Check, Feed, PackRules, Scenario, counter, wait
from slo.alerts.packs.settings import Settings, Words

__all__ = ["build"]

_NOW = "latency:quantile5m"
_REQUESTS = "requests:rate5m"
_USUAL = "latency_usual:quantile5m_avg1h"
# An hour around this time of day, yesterday and a week ago.
_YESTERDAY, _LAST_WEEK = "23h30m", "6d23h30m"
_DAY = 24 * 60


def build(settings: Settings) -> PackRules:
    """Return the rules that compare latency with its own past, and with a limit."""
    metric, by = settings.text("metric"), settings.by()
    quantile = settings.amount("quantile")
    if settings.text("histogram") == "native":
        counted = f"histogram_count(sum {by} (rate({settings.series('metric')}[5m])))"
        buckets = f"sum {by} (rate({settings.series('metric')}[5m]))"
    else:
        counted = f"sum {by} (rate({settings.series('metric', suffix='_count')}[5m]))"
        rate = f"rate({settings.series('metric', suffix='_bucket')}[5m])"
        buckets = f"sum {settings.by('le')} ({rate})"
    unit = 1 if settings.text("unit") == "seconds" else 1000
    now, usual, requests = map(settings.recorded, (_NOW, _USUAL, _REQUESTS))
    scaled = f" / {unit}" if unit != 1 else ""
    busy = f"and {requests} > {settings.amount('min_rate')}"
    past = f"avg_over_time({now}[1h] offset"
    records = (
        settings.record(_REQUESTS, counted),
        # Without requests the quantile is NaN, which the comparison drops.
        settings.record(_NOW, f"histogram_quantile({quantile}, {buckets}){scaled} >= 0"),
        # The larger of the two: a quiet Sunday is no measure for a Monday.
        settings.record(
            _USUAL,
            f"({past} {_YESTERDAY}) > {past} {_LAST_WEEK}))\n"
            f"or {past} {_LAST_WEEK})\nor {past} {_YESTERDAY})",
        ),
    )
    factor = settings.amount("factor")
    percent = f"{float(settings.number('quantile')) * 100:g} %"
    value = "{{ $value | humanizeDuration }}"
    who = settings.who()
    alerts = (
        settings.alert(
            "LatencySpike",
            "ticket",
            f"{now} > {factor} * {usual}\nand {now} > {settings.seconds('floor')}\n{busy}",
            Words(
                f"{who}: much slower than usual",
                f"{percent} of the requests of {who} take up to {value}, more than {factor} times "
                "what is usual at this time of day.",
                "what changed: deployments, traffic, and the latency of what it calls.",
                f"Usual is the larger of yesterday and a week ago, within half an hour. "
                f"Metric: {metric}",
            ),
            settings.duration("for"),
        ),
        settings.alert(
            "LatencyTooHigh",
            "page",
            f"{now} > {settings.seconds('limit')}\n{busy}",
            Words(
                f"{who}: answers take too long",
                f"{percent} of the requests of {who} take up to {value}; "
                f"{settings.duration('limit')} is the limit.",
                "what changed: deployments, traffic, and the latency of what it calls.",
                f"Metric: {metric}",
            ),
            settings.duration("for"),
        ),
    )
    scenarios = () if settings.text("histogram") == "native" else _scenarios(settings, unit)
    return PackRules(records, alerts, scenarios)


def _scenarios(settings: Settings, unit: int) -> tuple[Scenario, ...]:
    """Tell stories of requests that all take about as long, first little, then more."""
    labels = settings.thing(job="checkout", instance="a")
    limit = settings.duration("limit").seconds
    floor = settings.duration("floor").seconds
    factor = float(settings.number("factor"))
    wait_for = wait(settings.duration("for"))
    fast = max(floor, 0.001) * 0.9
    # As slow as a spike must be at least, with some to spare.
    slow = max(floor, fast * factor) * 1.5
    least = float(settings.number("min_rate"))
    busy = max(60.0, least * 60 * 2)

    def feeds(
        bounds: tuple[float, ...], phases: tuple[tuple[int, float, int], ...]
    ) -> tuple[Feed, ...]:
        """Return a histogram; a phase is the bucket that takes all, requests a minute, minutes."""
        made = []
        for number, bound in enumerate((*bounds, float("inf"))):
            runs = tuple((pace if taken <= number else 0, count) for taken, pace, count in phases)
            le = f"{bound * unit:g}" if number < len(bounds) else "+Inf"
            made.append(Feed(settings.sample("metric", "_bucket", **labels, le=le), counter(*runs)))
        runs = tuple((pace, count) for _, pace, count in phases)
        return (*made, Feed(settings.sample("metric", "_count", **labels), counter(*runs)))

    spike = _DAY + 10
    calm = (fast, slow)
    idle = Scenario(
        "slow, but hardly any requests",
        feeds((limit, limit * 4), ((1, least * 60 * 0.5, 3 * wait_for + 10),)),
        (Check("LatencyTooHigh", 3 * wait_for, 0),),
    )
    return (
        Scenario(
            "slower than yesterday, then as usual again",
            feeds(calm, ((0, busy, spike), (1, busy, 2 * wait_for + 10), (0, busy, 30))),
            (
                Check("LatencySpike", spike, 0),
                Check("LatencySpike", spike + wait_for + 6, 1),
                Check("LatencySpike", spike + 2 * wait_for + 10 + 6, 0),
            ),
        ),
        Scenario(
            "as slow yesterday at this time",
            feeds(calm, ((1, busy, _DAY + 2 * wait_for + 60),)),
            (Check("LatencySpike", _DAY + 2 * wait_for + 59, 0),),
        ),
        *((idle,) if least else ()),
        Scenario(
            "above the limit without any history, then fast again",
            feeds(
                (limit / 4, limit * 4), ((0, busy, 10), (1, busy, 2 * wait_for + 10), (0, busy, 30))
            ),
            (
                Check("LatencyTooHigh", 10, 0),
                Check("LatencyTooHigh", 10 + wait_for + 6, 1),
                Check("LatencyTooHigh", 10 + 2 * wait_for + 10 + 6, 0),
                Check("LatencySpike", 10 + wait_for + 6, 0),
            ),
        ),
    )
