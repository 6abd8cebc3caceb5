"""
Measure the ledger: records a second, refreshes of 10,000 SLOs, roll-up, and a thousand kills.

`python benchmarks/ledger.py` prints a table for SQLite, and for PostgreSQL where Debian's package
is installed, and exits with 1 if a killed writer lost or doubled a record. `--write-docs` puts
the table into docs/ledger.md. It takes about ten minutes.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.docs import write_block

from slo.engine.ledger.records import BudgetPoint, Decision
from slo.engine.ledger.retention import Retention
from slo.engine.ledger.sql import SqlLedger, open_ledger

_ROOT = Path(__file__).parents[1]
_PAGE = _ROOT / "docs" / "ledger.md"
_START = 1_790_000_000.0 // 86_400 * 86_400
_SLOS = 10_000
_REFRESHES = 60
_ONE_BY_ONE = 500
_BATCH = 200


def decision(name: str) -> Decision:
    """Return a decision of usual size."""
    evidence = {"checkout/availability": {"remaining": 0.4321, "burn_rates": {"1h": 2.5}}}
    request = {"service": "checkout", "slos": ["availability"], "environment": "prod"}
    return Decision(
        name, _START, request, "allow", ("budget_left",), evidence, "sha256:0", "pipeline"
    )


def refresh(number: int) -> list[BudgetPoint]:
    """Return what one refresh appends."""
    at = _START + 60.0 * number
    return [
        BudgetPoint(f"service-{i:05d}/availability", at, 60.0, float(i % 7), 1e4, 0.5)
        for i in range(_SLOS)
    ]


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that *work* takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(url: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the figure of each measurement."""
    with closing(open_ledger(url, retention=Retention(raw=3_600.0))) as ledger:
        yield from _records(ledger)
        yield from _budget(ledger)


def _records(ledger: SqlLedger) -> Iterator[tuple[str, str]]:
    each = [timed(lambda i=i: ledger.add_decision(decision(f"d{i}"))) for i in range(_ONE_BY_ONE)]
    yield "one decision, ms (median, 99 %)", _milliseconds(each)
    batches = [[decision(f"b{b}-{i}") for i in range(_BATCH)] for b in range(10)]
    each = [timed(lambda batch=batch: ledger.add_decisions(batch)) for batch in batches]
    yield f"decisions a second, {_BATCH} at a time", f"{_BATCH / statistics.median(each):,.0f}"
    events = ledger.head().sequence
    yield "events a second, verified", f"{events / timed(ledger.verify):,.0f}"


def _budget(ledger: SqlLedger) -> Iterator[tuple[str, str]]:
    first, *each = [
        timed(lambda i=i: ledger.add_budget_points(refresh(i))) for i in range(_REFRESHES)
    ]
    name = f"a refresh of {_SLOS:,} SLOs, s"
    yield f"{name}: the first", f"{first:.2f}"
    yield f"{name}: later ones (median, largest)", f"{statistics.median(each):.2f}, {max(each):.2f}"
    history = [
        timed(lambda i=i: ledger.budget_points(f"service-{i:05d}/availability", 0, 1e10))
        for i in range(0, _SLOS, 100)
    ]
    yield "an hour of one SLO, read, ms (median, 99 %)", _milliseconds(history)
    rolled = timed(lambda: ledger.roll_up(_START + 2 * 3_600.0))
    yield f"roll-up of {_SLOS * _REFRESHES:,} points to {_SLOS:,} hours, s", f"{rolled:.1f}"


def _milliseconds(each: list[float]) -> str:
    worst = sorted(each)[int(0.99 * len(each))]
    return f"{1000 * statistics.median(each):.2f}, {1000 * worst:.2f}"


def kill(url: str, folder: Path, kills: int) -> tuple[int, int, int]:
    """Return how many records were acknowledged, lost and doubled by writers that are killed."""
    # The tests kill writers in the same way, only fewer.
    sys.path.insert(0, str(_ROOT))
    from tests.engine.ledger.test_crashes import kill_a_writer, recorded, server

    context, chance, acknowledged = server(), random.Random(1), []
    open_ledger(url).close()
    for run in range(kills):
        acknowledged += kill_a_writer(context, url, folder, run, chance.uniform(0, 0.12))
    with closing(open_ledger(url)) as ledger:
        found, wrong = recorded(ledger), ledger.verify()
    if wrong:
        raise SystemExit(f"the chain is broken: {wrong}")
    return len(acknowledged), len(set(acknowledged) - set(found)), len(found) - len(set(found))


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, Callable[[], str]]]:
    """Yield how to get the address of a new ledger on each database."""
    sys.path.insert(0, str(_ROOT))
    from tests.engine.ledger.postgres import programs, running_postgres

    names = iter(range(100))
    found = {"SQLite": lambda: f"sqlite:///{folder}/{next(names)}.db"}
    if programs() is None:
        yield found
        return
    with running_postgres() as cluster:
        yield found | {"PostgreSQL": cluster.new_database}


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    rows: dict[str, dict[str, str]] = {}
    failed = False
    with tempfile.TemporaryDirectory() as name, databases(Path(name)) as found:
        for database, new in found.items():
            for what, figure in measure(new()):
                rows.setdefault(what, {})[database] = figure
            folder = Path(name) / database
            folder.mkdir()
            acknowledged, lost, doubled = kill(new(), folder, options.kills)
            what = f"writers killed {options.kills:,} times: records acknowledged, lost, doubled"
            rows.setdefault(what, {})[database] = f"{acknowledged:,}, {lost}, {doubled}"
            failed = failed or bool(lost or doubled)
    lines = [f"| | {' | '.join(found)} |", "|---|" + "---:|" * len(found)]
    lines += [
        f"| {what} | {' | '.join(row.get(d, '') for d in found)} |" for what, row in rows.items()
    ]
    print("\n".join(lines))
    if options.write_docs:
        write_block(_PAGE, "ledger", lines)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
