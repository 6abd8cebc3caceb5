from __future__ import annotations

import asyncio
from typing import Any

from slo.engine.api.standing import Standing
from slo.engine.ledger.records import Freeze, Target
from slo.errors import LedgerError

from .made import NOW, Made

FREEZE = Freeze("f", Target(), NOW, NOW + 60, "launch", "me", NOW)


class Slow:
    """Answer each reading when the test says so, with what it says."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[Any]] = []

    async def call(self, work: object) -> Any:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]


def content(*freezes: Freeze) -> Any:
    return freezes, (), (), (), ()


def test_a_reading_that_began_earlier_does_not_undo_a_later_one() -> None:
    """The one before a write may be answered after the one that follows it."""

    async def scenario() -> Standing:
        access = Slow()
        standing = Standing(access, lambda: NOW)  # type: ignore[arg-type]
        early = asyncio.create_task(standing.refresh())
        await asyncio.sleep(0)
        late = asyncio.create_task(standing.refresh())
        await asyncio.sleep(0)
        access.asked[1].set_result(content(FREEZE))
        await late
        access.asked[0].set_result(content())
        await early
        return standing

    standing = asyncio.run(scenario())

    assert (FREEZE,) == standing.now.freezes_at(NOW)


def test_what_was_known_stays_while_the_ledger_is_away(api: Made) -> None:
    api.ledger.add_freeze(FREEZE)
    api.refresh()
    version = api.standing.now.version

    async def away(work: object) -> Any:
        raise LedgerError("away")

    api.access.call = away  # type: ignore[method-assign, assignment]

    assert not api.portal.call(api.standing.refresh)
    assert (FREEZE,) == api.standing.now.freezes_at(NOW)
    assert version == api.standing.now.version


def test_version_changes_with_the_content_only(api: Made) -> None:
    api.refresh()
    version = api.standing.now.version
    api.now += 5
    api.refresh()
    assert version == api.standing.now.version
    api.ledger.add_freeze(FREEZE)
    api.refresh()

    assert version < api.standing.now.version
