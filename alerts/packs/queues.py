"""Watch for queues that do not drain."""

from __future__ import annotations

from slo.alerts.packs.model import Check, Feed, PackRules, Scenario, counter, gauge, missing, wait
from slo.alerts.packs.settings import Settings, Words

__all__ = ["build"]

_BACKLOG = "backlog:sum"
_PACE = "consumed:rate5m"


def build(settings: Settings) -> PackRules:
    """Return the rules on queues that nobody works on, and on those that take too long."""
    by = settings.by()
    backlog, pace = settings.recorded(_BACKLOG), settings.recorded(_PACE)
    counted = f"sum {by} ({settings.series('backlog')})"
    records = (
        settings.record(_BACKLOG, counted),
        # Nothing was ever consumed: then there is no counter, and the pace is none.
        settings.record(
            _PACE,
            f"sum {by} (rate({settings.series('consumed')}[5m]))\nor 0 * {counted}",
        ),
    )
    least, who = settings.amount("min_backlog"), settings.who()
    max_time, lasting = settings.duration("max_time"), settings.duration("for")
    alerts = (
        settings.alert(
            "QueueStuck",
            "page",
            f"{backlog} > {least}\nand {pace} == 0",
            Words(
                f"{who}: nobody works on the queue",
                f"{{{{ $value | humanize }}}} messages of {who} wait, and none was worked off "
                "in five minutes.",
                "whether the consumers run, and whether one message makes all of them fail.",
            ),
            lasting,
        ),
        settings.alert(
            "QueueDoesNotDrain",
            "ticket",
            f"{backlog} / {pace} > {settings.seconds('max_time')}\n"
            f"and {backlog} > {least}\nand {pace} > 0",
            Words(
                f"{who}: the queue does not drain",
                f"At its present pace, {who} needs {{{{ $value | humanizeDuration }}}} to work off "
                f"what waits now; {max_time} is the limit.",
                "whether more comes in than usual, or each message takes longer than usual.",
            ),
            lasting,
        ),
    )
    return PackRules(records, alerts, _scenarios(settings))


def _scenarios(settings: Settings) -> tuple[Scenario, ...]:
    labels = settings.thing(consumergroup="mail", topic="orders", partition="0")
    least = float(settings.number("min_backlog"))
    limit = settings.duration("max_time").seconds / 60
    lasting = wait(settings.duration("for"))
    outage = 2 * lasting + 10
    waiting = 2 * least + 10
    # So slow that twice the limit is needed for what waits.
    slow = waiting / limit / 2
    length = 10 + outage + 30

    def feeds(backlog: str, consumed: str) -> tuple[Feed, ...]:
        return (
            Feed(settings.sample("backlog", **labels), backlog),
            Feed(settings.sample("consumed", **labels), consumed),
        )

    backlog = gauge((0, 10), (waiting, outage), (0, 30))
    return (
        Scenario(
            "the consumers stop, and come back",
            feeds(backlog, counter((10, 10), (0, outage), (10, 30))),
            (
                Check("QueueStuck", 9, 0),
                Check("QueueStuck", 10 + lasting + 6, 1),
                Check("QueueStuck", 10 + outage + 1, 0),
                Check("QueueDoesNotDrain", 10 + lasting + 6, 0),
            ),
        ),
        Scenario(
            "nothing was ever consumed",
            (Feed(settings.sample("backlog", **labels), backlog),),
            (Check("QueueStuck", 9, 0), Check("QueueStuck", 10 + lasting + 1, 1)),
        ),
        Scenario(
            "the consumers are too slow, then fast enough",
            feeds(
                gauge((waiting, 10 + outage), (0, 30)),
                counter((waiting * 2, 10), (slow, outage), (waiting * 2, 30)),
            ),
            (
                Check("QueueDoesNotDrain", 10, 0),
                Check("QueueDoesNotDrain", 10 + lasting + 6, 1),
                Check("QueueDoesNotDrain", 10 + outage + 6, 0),
                Check("QueueStuck", 10 + lasting + 6, 0),
            ),
        ),
        Scenario(
            "idle and empty, or nearly so",
            feeds(gauge((min(least, 1), length)), counter((0, length))),
            (Check("QueueStuck", length - 1, 0), Check("QueueDoesNotDrain", length - 1, 0)),
        ),
        Scenario(
            "the counter of a busy consumer starts anew again and again",
            feeds(
                gauge((waiting, 60)),
                counter(*[(waiting * 2, 10)] * 6, resets=range(1, 6)),
            ),
            (Check("QueueStuck", 59, 0), Check("QueueDoesNotDrain", 59, 0)),
        ),
        Scenario(
            "the exporter goes away",
            feeds(f"{gauge((0, 10))} {missing(30)}", f"{counter((10, 10))} {missing(30)}"),
            (Check("QueueStuck", 39, 0), Check("QueueDoesNotDrain", 39, 0)),
        ),
    )
