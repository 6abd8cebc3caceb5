"""Keep in memory what gates and logins need of the ledger, so that they never wait for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from slo.engine.api.access import TokenBook
from slo.engine.api.ledger_access import LedgerAccess
from slo.engine.ledger.records import Correction, Decision, Freeze, Override, Token
from slo.engine.ledger.recurrence import occurrences
from slo.engine.ledger.sql import SqlLedger
from slo.errors import LedgerError

__all__ = ["Standing", "StandingRecords"]

_log = logging.getLogger(__name__)
# Freezes are read for so long ahead that a ledger that is away does not end them.
_AHEAD_SECONDS = 7 * 86_400.0
_BACK_SECONDS = 3_600.0
_DECISIONS = 500


@dataclass(frozen=True, slots=True)
class StandingRecords:
    """
    Hold what stood in the ledger at one moment.

    Args:
        version: Changes with the content.
        read_at: Unix seconds; `None` before the ledger was read for the first time.
        last: The newest decision about each service and environment.
    """

    version: int = 0
    read_at: float | None = None
    freezes: tuple[Freeze, ...] = ()
    overrides: tuple[Override, ...] = ()
    tokens: TokenBook = field(default_factory=lambda: TokenBook({}))
    last: Mapping[tuple[str, str], Decision] = field(default_factory=dict)
    corrections: tuple[Correction, ...] = ()

    def last_decision(self, place: tuple[str, str]) -> Decision | None:
        """Return the newest decision about a service and an environment."""
        return self.last.get(place)

    def freezes_at(self, now: float) -> tuple[Freeze, ...]:
        """Return the freezes in force at *now*."""
        return tuple(freeze for freeze in self.freezes if occurrences(freeze, now, now))

    def corrections_at(self, now: float) -> tuple[Correction, ...]:
        """Return the corrections in force at *now*."""
        return tuple(found for found in self.corrections if occurrences(found, now, now))

    def overrides_at(self, now: float) -> tuple[Override, ...]:
        """Return the overrides in force at *now*."""
        return tuple(o for o in self.overrides if o.created_at <= now < o.expires_at)


_Content = tuple[
    tuple[Freeze, ...],
    tuple[Override, ...],
    Sequence[tuple[Token, str]],
    tuple[Decision, ...],
    tuple[Correction, ...],
]


class Standing:
    """
    Keep the records fresh; where the ledger is away, the last known ones go on counting.

    Args:
        access: To the ledger.
        clock: Returns Unix seconds.
        known: Tokens by the hashes of their secrets that count besides those of the ledger.
    """

    def __init__(
        self,
        access: LedgerAccess,
        clock: Callable[[], float],
        known: Mapping[str, Token] | None = None,
    ) -> None:
        self._known = dict(known or {})
        self.now = StandingRecords(tokens=TokenBook(self._known))
        # When tokens were used last, by id; not written down yet.
        self.used: dict[str, float] = {}
        self._access = access
        self._clock = clock
        self._content: _Content | None = None
        self._asked = 0
        self._applied = 0

    async def refresh(self) -> bool:
        """Read everything anew, and tell whether that worked."""
        now = self._clock()
        self._asked += 1
        turn = self._asked

        def read(ledger: SqlLedger) -> _Content:
            return (
                ledger.freezes(now - _BACK_SECONDS, now + _AHEAD_SECONDS),
                ledger.overrides(now),
                ledger.tokens(),
                ledger.decisions(limit=_DECISIONS),
                ledger.corrections(now - _BACK_SECONDS, now + _AHEAD_SECONDS),
            )

        try:
            content = await self._access.call(read)
        except LedgerError:
            return False
        # A reading that began before a write may end after it.
        if turn > self._applied:
            self._applied = turn
            self._take(content, now)
        return True

    async def note_used(self) -> None:
        """Write down when tokens were used, for those who clean up."""
        unlisted = {token.id for token in self._known.values()}
        used = {key: at for key, at in self.used.items() if key not in unlisted}
        self.used = {}

        def note(ledger: SqlLedger) -> None:
            for token_id, at in used.items():
                ledger.note_token_use(token_id, at)

        if used:
            with suppress(LedgerError):
                await self._access.call(note)

    def _take(self, content: _Content, now: float) -> None:
        old = self.now
        changed = self._content is None or content[:3] != self._content[:3]
        self._content = content
        freezes, overrides, tokens, decisions, corrections = content
        self.now = StandingRecords(
            version=old.version + changed,
            read_at=now,
            freezes=freezes,
            overrides=overrides,
            tokens=TokenBook({**self._known, **{digest: token for token, digest in tokens}}),
            last=_last(decisions),
            corrections=corrections,
        )


def _last(decisions: Sequence[Decision]) -> Mapping[tuple[str, str], Decision]:
    """Return the newest of *decisions*, newest first, by service and environment."""
    return {
        (str(found.request.get("service")), str(found.request.get("environment"))): found
        for found in reversed(decisions)
        if not found.request.get("dry_run")
    }
