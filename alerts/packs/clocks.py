"""Watch clocks: wrong ones break tokens, certificates, leases and every comparison of logs."""

from __future__ import annotations

from slo.alerts.packs.model import Check, Feed, PackRules, Scenario, gauge, ramp, wait
from slo.alerts.packs.settings import Settings, Words

__all__ = ["build"]

# What the kernel reports when it has not heard of a time server for long.
_UNKNOWN_ERROR_SECONDS = 16


def build(settings: Settings) -> PackRules:
    """Return the rules on clocks that are off, and on clocks that nobody sets."""
    clock, offset = settings.series("clock"), settings.series("offset")
    synced, error = settings.series("synced"), settings.series("max_error")
    limit, lasting = settings.seconds("max_offset"), settings.duration("for")
    who = "{{ $labels.instance }}"
    look = "`chronyc tracking` or `timedatectl timesync-status`; in a virtual machine, the host."
    alerts = (
        settings.alert(
            "ClockOff",
            "ticket",
            f"abs({offset}) > {limit}",
            Words(
                f"the clock of {who} is off",
                f"The clock of {who} is {{{{ $value | humanizeDuration }}}} off its time server.",
                look,
            ),
            lasting,
        ),
        settings.alert(
            "ClockFarOff",
            "page",
            # Whatever it believes itself: compared with the clock of this server.
            f"abs({clock} - timestamp({clock})) > {settings.seconds('page_offset')}",
            Words(
                f"the clock of {who} is far off",
                f"The clocks of {who} and of this Prometheus differ by "
                "{{ $value | humanizeDuration }}.",
                "which of the two is wrong: if all machines differ, it is that of Prometheus.",
            ),
            lasting,
        ),
        settings.alert(
            "ClockNotSynchronised",
            "ticket",
            f"{synced} == 0\nand {error} >= {_UNKNOWN_ERROR_SECONDS}",
            Words(
                f"nobody sets the clock of {who}",
                f"The clock of {who} is not synchronised and drifts.",
                look,
            ),
            lasting,
        ),
    )
    return PackRules((), alerts, _scenarios(settings))


def _scenarios(settings: Settings) -> tuple[Scenario, ...]:
    labels = {"job": "node", "instance": "node-1"}
    lasting = wait(settings.duration("for"))
    wrong = 2 * lasting
    limit = settings.duration("max_offset").seconds
    far = settings.duration("page_offset").seconds
    fired, over = 10 + lasting, 10 + wrong + 1
    return (
        Scenario(
            "an offset comes and goes",
            (
                Feed(
                    settings.sample("offset", **labels),
                    gauge((limit / 2, 10), (-limit * 2, wrong), (limit / 2, 10)),
                ),
            ),
            (Check("ClockOff", 9, 0), Check("ClockOff", fired, 1), Check("ClockOff", over, 0)),
        ),
        Scenario(
            "a clock that is set wrong, and right again",
            (
                Feed(
                    settings.sample("clock", **labels),
                    f"{ramp(0, 60, 10)} {ramp(600 + 2 * far, 60, wrong)} "
                    f"{ramp(60 * (10 + wrong), 60, 10)}",
                ),
            ),
            (
                Check("ClockFarOff", 9, 0),
                Check("ClockFarOff", fired, 1),
                Check("ClockFarOff", over, 0),
            ),
        ),
        Scenario(
            "no time server, and a machine that just started",
            (
                Feed(settings.sample("synced", **labels), gauge((1, 10), (0, wrong), (1, 10))),
                Feed(
                    settings.sample("max_error", **labels), gauge((0.1, 10), (16, wrong), (0.1, 10))
                ),
                Feed(
                    settings.sample("synced", **(labels | {"instance": "node-2"})),
                    gauge((0, lasting // 2), (1, 20 + wrong)),
                ),
                Feed(
                    settings.sample("max_error", **(labels | {"instance": "node-2"})),
                    gauge((16, lasting // 2), (0.1, 20 + wrong)),
                ),
            ),
            (
                Check("ClockNotSynchronised", 9, 0),
                Check("ClockNotSynchronised", fired, 1),
                Check("ClockNotSynchronised", over, 0),
            ),
        ),
    )
