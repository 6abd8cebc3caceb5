"""Watch file systems that fill up."""

from __future__ import annotations

from slo.alerts.packs.model import Check, Feed, PackRules, Scenario, gauge, ramp, wait
from slo.alerts.packs.settings import Settings, Words
from slo.duration import hours, minutes
from slo.indicators.params import matcher

__all__ = ["build"]

_HOUR = 60
# A day's slope sees a whole daily cycle, an hour's a runaway process.
_SLOW_RANGE, _FAST_RANGE = "1d", "1h"
_GIB = 1024**3


def build(settings: Settings) -> PackRules:
    """Return the rules on free space, free inodes, and file systems that turned read-only."""
    real = matcher("fstype", "!~", settings.text("ignored_fstypes"))
    free, size = settings.series("available", real), settings.series("size", real)
    read_only = settings.series("read_only", real)
    files_free, files = settings.series("files_available", real), settings.series("files", real)
    # What cannot be written to does not fill up.
    writable = f"unless {read_only} == 1"
    enough = settings.number("enough_bytes")
    roomy = f"\nunless {free} > {settings.amount('enough_bytes')}" if enough else ""
    where = "{{ $labels.mountpoint }}{{ $labels.persistentvolumeclaim }} of {{ $labels.instance }}"
    share = "{{ $value | humanizePercentage }}"
    look = (
        "what grew: `du -xhd1` of the mount point, deleted files that are still open (`lsof +L1`)."
    )
    page_ahead, ticket_ahead = settings.duration("page_ahead"), settings.duration("ticket_ahead")

    def fills(over: str, ahead: str, below: str) -> str:
        return (
            f"{free} / {size} < {below}\n"
            f"and predict_linear({free}[{over}], {ahead}) < 0\n{writable}"
        )

    alerts = (
        settings.alert(
            "DiskFillsSoon",
            "page",
            fills(
                _FAST_RANGE,
                settings.seconds("page_ahead"),
                settings.amount("page_prediction_below"),
            ),
            Words(
                f"{where} is full within {page_ahead}",
                f"{where} has {share} left, and at the pace of the last hour it is full within "
                f"{page_ahead}.",
                look,
            ),
            minutes(15),
        ),
        settings.alert(
            "DiskAlmostFull",
            "page",
            f"{free} / {size} < {settings.amount('page_below')}{roomy}\n{writable}",
            Words(f"{where} is almost full", f"{where} has only {share} of its space left.", look),
            settings.duration("for"),
        ),
        settings.alert(
            "DiskOutOfInodes",
            "ticket",
            f"{files_free} / {files} < {settings.amount('page_below')}\n{writable}",
            Words(
                f"{where} runs out of inodes",
                f"{where} has {share} of its inodes left: no new files can be made soon, "
                "however much space there is.",
                "which folder holds very many small files: `du --inodes -xd3`.",
            ),
            minutes(15),
        ),
        settings.alert(
            "DiskTurnedReadOnly",
            "page",
            # Only a change is news: what is mounted read-only on purpose never was writable.
            f"{read_only} == 1\nand min_over_time({read_only}[6h]) == 0",
            Words(
                f"{where} turned read-only",
                f"{where} was writable within the last six hours and is read-only now: most likely "
                "the kernel met errors.",
                "`dmesg -T | grep -iE 'error|remount'`, then the state of the device.",
            ),
            minutes(2),
        ),
    )
    slow = (
        settings.alert(
            "DiskFillsWithinDays",
            "ticket",
            fills(
                _SLOW_RANGE,
                settings.seconds("ticket_ahead"),
                settings.amount("ticket_prediction_below"),
            ),
            Words(
                f"{where} is full within {ticket_ahead}",
                f"{where} has {share} left, and at the pace of the last day it is full within "
                f"{ticket_ahead}.",
                "whether it grows with use (make it larger) or something is never deleted.",
            ),
            hours(1),
        ),
    )
    return PackRules((), alerts, _scenarios(settings), slow)


def _scenarios(settings: Settings) -> tuple[Scenario, ...]:
    labels = settings.thing(
        instance="node-1", device="/dev/sda1", mountpoint="/var", fstype="ext4", job="node"
    )

    def feeds(free: str, length: int, total: float) -> tuple[Feed, ...]:
        return (
            Feed(settings.sample("available", **labels), free),
            Feed(settings.sample("size", **labels), gauge((total, length))),
            Feed(settings.sample("read_only", **labels), gauge((0, length))),
        )

    enough = float(settings.number("enough_bytes"))
    total = enough * 1.6 or 20.0 * _GIB
    low = float(settings.number("page_below"))
    full = settings.duration("for")
    start = float(settings.number("page_prediction_below")) * 0.9
    ahead = settings.duration("page_ahead").seconds / 60
    # Falls so fast that it is empty in half the time that pages look ahead.
    pace = start * total / (ahead / 2)
    slow_start = float(settings.number("ticket_prediction_below")) * 0.95
    slow_pace = slow_start * total / (settings.duration("ticket_ahead").seconds / 60 * 0.7)
    night = 4 * _HOUR
    sawtooth = " ".join(ramp(start * total, -0.02 * total / 60, _HOUR) for _ in range(4))
    large = Scenario(
        "a large disk that is full by share, with room enough in bytes",
        feeds(gauge((low * 0.9 * 1000 * total, 60)), 60, 1000 * total),
        (Check("DiskAlmostFull", 59, 0),),
    )
    return (
        Scenario(
            "a runaway process fills the disk, and stops",
            feeds(
                f"{gauge((start * total, _HOUR))} {ramp(start * total, -pace, _HOUR)} "
                f"{gauge((0.9 * total, 2 * _HOUR))}",
                4 * _HOUR,
                total,
            ),
            (
                Check("DiskFillsSoon", _HOUR, 0),
                Check("DiskFillsSoon", 2 * _HOUR - 1, 1),
                Check("DiskFillsSoon", 2 * _HOUR + 2, 0),
                Check("DiskFillsWithinDays", _HOUR, 0),
            ),
        ),
        Scenario(
            "slow growth, then somebody cleans up",
            feeds(
                f"{ramp(slow_start * total, -slow_pace, night)} {gauge((0.95 * total, 20))}",
                night + 20,
                total,
            ),
            (
                Check("DiskFillsWithinDays", 50, 0),
                Check("DiskFillsWithinDays", night - 1, 1),
                Check("DiskFillsWithinDays", night + 10, 0),
                Check("DiskFillsSoon", night - 1, 0),
            ),
        ),
        Scenario(
            "logs that are rotated every hour",
            feeds(sawtooth, night, total),
            (
                Check("DiskFillsSoon", night - 1, 0),
                Check("DiskFillsWithinDays", night - 1, 0),
                Check("DiskAlmostFull", night - 1, 0),
            ),
        ),
        Scenario(
            "almost full, then cleaned up",
            feeds(
                gauge((0.9 * total, 10), (low * 0.9 * total, 2 * wait(full)), (0.9 * total, 10)),
                20 + 2 * wait(full),
                total,
            ),
            (
                Check("DiskAlmostFull", 9, 0),
                Check("DiskAlmostFull", 10 + wait(full), 1),
                Check("DiskAlmostFull", 10 + 2 * wait(full) + 1, 0),
            ),
        ),
        *((large,) if enough else ()),
        Scenario(
            "inodes run out, and a file system without inodes",
            (
                Feed(
                    settings.sample("files_available", **labels),
                    gauge((900, 10), (low * 900, 60), (900, 10)),
                ),
                Feed(settings.sample("files", **labels), gauge((1000, 80))),
                Feed(
                    settings.sample("files_available", **(labels | {"mountpoint": "/data"})),
                    gauge((0, 80)),
                ),
                Feed(
                    settings.sample("files", **(labels | {"mountpoint": "/data"})), gauge((0, 80))
                ),
            ),
            (
                Check("DiskOutOfInodes", 10, 0),
                Check("DiskOutOfInodes", 60, 1),
                Check("DiskOutOfInodes", 71, 0),
            ),
        ),
        Scenario(
            "one file system turns read-only, another always was",
            (
                Feed(settings.sample("read_only", **labels), gauge((0, 60), (1, 60), (0, 10))),
                Feed(
                    settings.sample("read_only", **(labels | {"mountpoint": "/boot"})),
                    gauge((1, 130)),
                ),
            ),
            (
                Check("DiskTurnedReadOnly", 59, 0),
                Check("DiskTurnedReadOnly", 64, 1),
                Check("DiskTurnedReadOnly", 121, 0),
            ),
        ),
    )
