"""Turn a snapshot into the bytes of answers, once for all who ask."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import secrets
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from slo.engine.status.holder import Holder
from slo.engine.status.model import SloStatus, Snapshot, SourceHealth, State

__all__ = ["MOST_IN_PAGE", "Filter", "View", "Views", "cursor_of", "etag_of", "key_of"]

MOST_IN_PAGE = 1_000
_MOST_PAGES = 256

_STATUS: TypeAdapter[SloStatus] = TypeAdapter(SloStatus)
_SOURCES: TypeAdapter[tuple[SourceHealth, ...]] = TypeAdapter(tuple[SourceHealth, ...])
# From bad to good; what nobody knows is worse than what is known to be bad.
_WORST_FIRST = (
    State.STALE,
    State.NO_DATA,
    State.BREACHED,
    State.FROZEN,
    State.WARNING,
    State.OK,
)


@dataclass(frozen=True, slots=True)
class Filter:
    """
    Choose SLOs; each choice takes any of its values, an empty one takes all.

    Args:
        after: Key of the last one of the page before.
    """

    services: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    limit: int = 200
    after: str | None = None

    def takes(self, status: SloStatus) -> bool:
        """Tell whether *status* is chosen."""
        return (
            (not self.services or status.service in self.services)
            and (not self.owners or status.owner in self.owners)
            and (not self.tiers or status.tier in self.tiers)
            and (not self.states or status.state.value in self.states)
            and (not self.names or status.name in self.names)
        )


class View:
    """
    Hold one snapshot, with the bytes of what was read from it so far.

    Args:
        snapshot: As it is to be read until the next view.
        tag: Differs from that of every view with other content.
        older: The view before; what has not changed is taken from it.
    """

    def __init__(self, snapshot: Snapshot, tag: str, older: View | None = None) -> None:
        self.snapshot = snapshot
        self.tag = tag
        same = older is not None and older.snapshot.statuses is snapshot.statuses
        self._encoded: dict[str, bytes] = older._encoded if same and older else {}
        self._pages: dict[Filter, bytes] = {}
        # Answers that were packed for the wire, by question.
        self.packed: dict[str, asyncio.Task[bytes]] = {}
        self._keys = [status.key for status in snapshot.statuses]
        self._by_service: dict[str, list[SloStatus]] = {}
        for status in snapshot.statuses:
            self._by_service.setdefault(status.service, []).append(status)

    def named(self, service: str, name: str) -> list[SloStatus]:
        """Return the groups of one SLO; none where there is no such SLO."""
        return [status for status in self.of_service(service) if status.name == name]

    def of_service(self, service: str) -> list[SloStatus]:
        """Return the SLOs of a service; none where there is no such service."""
        return self._by_service.get(service, [])

    def head(self, age: float, stale_after: float) -> bytes:
        """Return how an answer begins; the age is the only part that changes by itself."""
        snapshot = self.snapshot
        stale = "true" if age > stale_after else "false"
        complete = "true" if snapshot.complete else "false"
        return (
            f'{{"snapshot":{snapshot.number},"taken_at":{snapshot.taken_at:.3f},'
            f'"age":{age:.3f},"stale":{stale},"stale_after":{stale_after:g},'
            f'"complete":{complete},'
        ).encode()

    def page(self, wanted: Filter) -> bytes:
        """Return the rest of the answer with the SLOs that *wanted* chooses."""
        found = self._pages.get(wanted)
        if found is None:
            if len(self._pages) >= _MOST_PAGES:
                self._pages.clear()
            found = self._pages[wanted] = self._page(wanted)
        return found

    def groups(self, statuses: list[SloStatus]) -> bytes:
        """Return the rest of the answer with these SLOs."""
        listed = b",".join(map(self._encode, statuses))
        return b'"total":%d,"next":null,"slos":[%b]}' % (len(statuses), listed)

    def services(self) -> bytes:
        """Return the rest of the answer with one line a service."""
        lines = [_service(name, statuses) for name, statuses in self._by_service.items()]
        return f'"services":{json.dumps(lines)}}}'.encode()

    def sources(self) -> bytes:
        """Return the rest of the answer with the metrics servers."""
        return b'"sources":' + _SOURCES.dump_json(self.snapshot.sources) + b"}"

    def states(self) -> dict[str, int]:
        """Return how many SLOs are in each state."""
        return dict(Counter(status.state.value for status in self.snapshot.statuses))

    def _page(self, wanted: Filter) -> bytes:
        statuses = self.snapshot.statuses
        chosen = [status for status in statuses if wanted.takes(status)]
        keys = [status.key for status in chosen] if len(chosen) < len(statuses) else self._keys
        start = bisect_right(keys, wanted.after) if wanted.after is not None else 0
        end = start + wanted.limit
        following = "null"
        if end < len(chosen):
            following = json.dumps(cursor_of(keys[end - 1]))
        listed = b",".join(map(self._encode, chosen[start:end]))
        return b'"total":%d,"next":%b,"slos":[%b]}' % (len(chosen), following.encode(), listed)

    def _encode(self, status: SloStatus) -> bytes:
        key = status.key
        found = self._encoded.get(key)
        if found is None:
            # The key is no field; it comes first, where people look.
            rest = _STATUS.dump_json(status)[1:]
            found = self._encoded[key] = b'{"key":%b,%b' % (json.dumps(key).encode(), rest)
        return found


class Views:
    """
    Keep the view of the latest snapshot.

    Args:
        holder: Has the latest snapshot.
        clock: Returns Unix seconds.
    """

    def __init__(self, holder: Holder, clock: Callable[[], float]) -> None:
        self._holder = holder
        self._clock = clock
        # Replicas count their snapshots each for itself.
        self._replica = secrets.token_hex(4)
        self._count = 0
        self._view: View | None = None

    @property
    def stale_after(self) -> float:
        """Return seconds after which a snapshot is not relied on."""
        return self._holder.thresholds.stale_after

    def now(self) -> tuple[View, float] | None:
        """Return the view and its age in seconds; `None` before the first snapshot."""
        now = self._clock()
        snapshot = self._holder.current(now)
        if snapshot is None:
            return None
        view = self._view
        if view is None or view.snapshot is not snapshot:
            self._count += 1
            view = self._view = View(snapshot, f"{self._replica}-{self._count}", view)
        return view, snapshot.age(now)


def etag_of(view: View, question: str) -> str:
    """Return the entity tag of an answer; weak, for the age in it is another one each time."""
    digest = hashlib.blake2s(question.encode(errors="surrogatepass"), digest_size=6).hexdigest()
    return f'W/"{view.tag}-{digest}"'


def cursor_of(key: str) -> str:
    """Return the cursor of the page that begins after *key*."""
    return key.encode().hex()


def key_of(cursor: str) -> str:
    """
    Return the key in a cursor.

    Raises:
        ValueError: It is none.
    """
    return bytes.fromhex(cursor).decode()


def _service(name: str, statuses: list[SloStatus]) -> Mapping[str, object]:
    worst = min((status.state for status in statuses), key=_WORST_FIRST.index)
    budgets = [
        status.budget.remaining
        for status in statuses
        if status.budget.remaining is not None and math.isfinite(status.budget.remaining)
    ]
    return {
        "service": name,
        "state": worst.value,
        "slos": len({status.name for status in statuses}),
        "least_remaining": min(budgets, default=None),
        "owners": sorted({status.owner for status in statuses if status.owner}),
        "tiers": sorted({status.tier for status in statuses if status.tier}),
        "states": dict(Counter(status.state.value for status in statuses)),
    }
