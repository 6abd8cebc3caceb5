"""Watch connection pools that run out of connections."""

from __future__ import annotations

from slo.alerts.packs.model import Check, Feed, PackRules, Scenario, counter, gauge, wait
from slo.alerts.packs.settings import SET_LABEL, Settings, Words
from slo.duration import minutes
from slo.indicators.params import matcher

__all__ = ["build"]

_USE = "pool_use:ratio"


def build(settings: Settings) -> PackRules:
    """Return the rules on pools that are nearly full, full with callers waiting, or give up."""
    by, states = settings.by(), settings.given.get("used_selector") or {}
    used = settings.series("used", *(matcher(k, "=", str(v)) for k, v in states.items()))
    use = settings.recorded(_USE)
    records = (
        settings.record(_USE, f"sum {by} ({used}) / sum {by} ({settings.series('capacity')})"),
    )
    who, share = settings.who(), "{{ $value | humanizePercentage }}"
    waiting = f"sum {by} ({settings.series('pending')})"
    gave_up = f"sum {by} (increase({settings.series('timeouts')}[5m]))"
    lasting = settings.duration("for")
    hold = "what holds connections: slow queries, open transactions, calls made while holding one."
    alerts = (
        settings.alert(
            "PoolNearlyFull",
            "ticket",
            f"{use} >= {settings.amount('limit')}",
            Words(
                f"{who}: nearly all connections are in use",
                f"{share} of the connections of {who} are in use.",
                hold,
            ),
            lasting,
        ),
        settings.alert(
            "PoolExhausted",
            "page",
            f"{waiting} > 0\nand ignoring ({SET_LABEL}) {use} >= 1",
            Words(
                f"{who}: all connections are in use",
                f"All connections of {who} are in use, and {{{{ $value }}}} callers wait for one.",
                hold,
            ),
            lasting,
        ),
        settings.alert(
            "PoolTimesOut",
            "page",
            f"{gave_up} >= {settings.amount('min_timeouts')}",
            Words(
                f"{who}: callers get no connection",
                f"{{{{ $value | humanize }}}} callers of {who} gave up waiting for a connection in "
                "the last five minutes.",
                hold,
            ),
            minutes(2),
        ),
    )
    return PackRules(records, alerts, _scenarios(settings))


def _scenarios(settings: Settings) -> tuple[Scenario, ...]:
    labels = settings.thing(job="checkout", instance="a")
    states = {k: str(v) for k, v in (settings.given.get("used_selector") or {}).items()}
    lasting = wait(settings.duration("for"))
    high = 2 * lasting + 10
    length = 10 + high + 20
    limit = float(settings.number("limit"))
    least = float(settings.number("min_timeouts"))

    def pool(*use: tuple[float, int]) -> tuple[Feed, ...]:
        shares = tuple((share * 1000, count) for share, count in use)
        made = [
            Feed(settings.sample("used", **labels, **states), gauge(*shares)),
            Feed(settings.sample("capacity", **labels), gauge((1000, length))),
        ]
        for name in states:
            other = labels | {name: f"not-{states[name]}"}
            made.append(Feed(settings.sample("used", **other), gauge((1000, length))))
        return tuple(made)

    return (
        Scenario(
            "nearly full for a while",
            pool((limit / 2, 10), (min(1.0, limit * 1.05), high), (limit / 2, 20)),
            (
                Check("PoolNearlyFull", 9, 0),
                Check("PoolNearlyFull", 10 + lasting, 1),
                Check("PoolNearlyFull", 10 + high + 1, 0),
            ),
        ),
        Scenario(
            "short peaks",
            pool(*[(limit / 2, 2), (1.0, 1)] * (length // 3)),
            (Check("PoolNearlyFull", length - 4, 0), Check("PoolExhausted", length - 4, 0)),
        ),
        Scenario(
            "full with callers waiting",
            (
                *pool((limit / 2, 10), (1.0, high), (limit / 2, 20)),
                Feed(settings.sample("pending", **labels), gauge((0, 10), (7, high), (0, 20))),
            ),
            (
                Check("PoolExhausted", 9, 0),
                Check("PoolExhausted", 10 + lasting, 1),
                Check("PoolExhausted", 10 + high + 1, 0),
            ),
        ),
        Scenario(
            "callers give up, and one process restarts",
            (
                Feed(
                    settings.sample("timeouts", **labels),
                    counter((0, 10), (least, 20), (0, 10), (0, 20), resets=[3]),
                ),
            ),
            (
                Check("PoolTimesOut", 10, 0),
                Check("PoolTimesOut", 10 + 5 + 3, 1),
                Check("PoolTimesOut", 30 + 6, 0),
                Check("PoolTimesOut", 30 + 20, 0),
            ),
        ),
    )
