"""The replica that leads rolls history up, and no other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from slo.engine.api.ledger_access import LedgerAccess
from slo.engine.ledger.records import BudgetPoint
from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.engine.server.upkeep import keep_history_small

from .samples import DAY, HOUR, point

START = 20_700 * DAY


def kept(ledger: SqlLedger) -> list[BudgetPoint]:
    return list(ledger.budget_points("checkout/availability", 0, 1e10))


def upkept(ledger: SqlLedger, *, leads: bool) -> list[BudgetPoint]:
    """Return the points once it has had several turns, or has rolled up."""

    async def work() -> None:
        access = LedgerAccess(ledger)
        turns = asyncio.Event()

        def asked() -> bool:
            asked.count += 1  # type: ignore[attr-defined]
            if asked.count > 2:  # type: ignore[attr-defined]
                turns.set()
            return leads

        asked.count = 0  # type: ignore[attr-defined]
        task = asyncio.create_task(
            keep_history_small(access, asked, lambda: START + 4 * DAY, first=0, every=0)
        )
        await asyncio.wait_for(turns.wait(), 30)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        access.close()

    asyncio.run(work())
    return kept(ledger)


def test_only_who_leads_rolls_up(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.add_budget_points([point(at=START + i * 60, seconds=60, bad=1.0) for i in range(60)])

    assert 60 == len(upkept(ledger, leads=False))
    (hour,) = upkept(ledger, leads=True)
    assert (HOUR, 60.0) == (hour.seconds, hour.bad)
    ledger.close()
