"""Give the demo's SLO a month behind it, in the recorded series that its budget is made of."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slo import conventions
from slo.duration import Duration
from slo.errors import ToolError
from slo.stack.processes import find_program

__all__ = ["EventRecord", "History", "event_records", "write_history"]

_PROMTOOL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class History:
    """
    Say what happened before the demo.

    Args:
        length: How far back it reaches.
        requests_per_second: Mean over that time.
        error_ratio: Share of the requests that failed.
    """

    length: Duration
    requests_per_second: float
    error_ratio: float

    @property
    def requests(self) -> float:
        """Return how many requests there were."""
        return self.length.seconds * self.requests_per_second


@dataclass(frozen=True, slots=True)
class EventRecord:
    """
    Hold one recorded event rate.

    Args:
        name: Name of the series.
        labels: Its labels.
        interval: Time between two samples.
        errors: Whether it counts bad events, or all of them.
    """

    name: str
    labels: Mapping[str, str]
    interval: Duration
    errors: bool


def event_records(
    rule_files: Iterable[Path], slo_id: str, time_window: Duration
) -> tuple[EventRecord, ...]:
    """
    Return the recorded event rates that the error ratio of a whole period is summed from.

    Args:
        rule_files: Compiled rules.
        slo_id: Identity of the SLO.
        time_window: Its compliance period.

    Raises:
        ToolError: The files hold no such records of this SLO.
    """
    rules = [
        (group, rule)
        for path in rule_files
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
        if rule.get("labels", {}).get(conventions.LABEL_ID) == slo_id and "record" in rule
    ]
    # Only what is summed over the whole period is history; the fast records are not.
    events = (
        rf"((?:{conventions.ERROR_EVENTS}|{conventions.TOTAL_EVENTS}):[A-Za-z0-9_]+)"
        rf"(?:{{[^{{}}]*}})?\[{time_window}\]"
    )
    expressions = " ".join(str(rule["expr"]) for _, rule in rules)
    names = set(re.findall(events, expressions))
    records = tuple(_event_record(group, rule) for group, rule in rules if rule["record"] in names)
    if {record.errors for record in records} != {True, False}:
        raise ToolError(f"the compiled rules of {slo_id} sum no recorded events over {time_window}")
    return records


def write_history(records: Iterable[tuple[EventRecord, History]], directory: Path) -> None:
    """
    Write a past, ending now, as blocks for a Prometheus that has not started yet.

    Args:
        records: Series to write, each with what it says.
        directory: Prometheus's data directory; made if missing.

    Raises:
        ToolError: `promtool` is missing or failed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    source = directory.parent / "history.om"
    with source.open("w", encoding="utf-8") as out:
        now = time.time()
        described: set[str] = set()
        # The text format wants the series of one name together.
        for record, history in sorted(records, key=lambda pair: pair[0].name):
            if record.name not in described:
                out.write(f"# TYPE {record.name} gauge\n")
                described.add(record.name)
            out.writelines(_samples(record, history, now))
        out.write("# EOF\n")
    argv = [
        find_program("promtool"),
        "tsdb",
        "create-blocks-from",
        # By default it reads the whole file once for every two hours.
        "--max-block-duration=744h",
        "openmetrics",
        str(source),
        str(directory),
    ]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROMTOOL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"promtool did not end within {_PROMTOOL_SECONDS:g} s") from error
    finally:
        source.unlink()
    if done.returncode != 0:
        raise ToolError(f"promtool could not write the history:\n{done.stderr.strip()}")


def _event_record(group: Mapping[str, Any], rule: Mapping[str, Any]) -> EventRecord:
    return EventRecord(
        name=rule["record"],
        labels=rule["labels"],
        interval=Duration.parse(group["interval"]),
        errors=rule["record"].startswith(conventions.ERROR_EVENTS),
    )


def _samples(record: EventRecord, history: History, now: float) -> Iterator[str]:
    """Yield lines in the OpenMetrics text format, as promtool reads them."""
    value = history.requests_per_second * (history.error_ratio if record.errors else 1)
    labels = ",".join(f'{name}="{label}"' for name, label in record.labels.items())
    step = record.interval.seconds
    count = int(history.length.seconds / step)
    for number in range(count, 0, -1):
        yield f"{record.name}{{{labels}}} {value:g} {now - number * step:.3f}\n"
