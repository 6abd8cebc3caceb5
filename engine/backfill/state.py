"""
Remember how far a backfill has come, so that a killed one can go on.

A folder holds `state.json`, what was read from the server by SLO and day, and blocks that are
not where they belong yet. It is locked by the run that uses it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from slo.alerts.event_history import EventHistory
from slo.duration import Duration
from slo.errors import OutputError

__all__ = ["Part", "State", "default_folder", "digest"]

_FILE = "state.json"


def digest(parts: Iterable[str]) -> str:
    """Return a short name for everything that *parts* say."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def default_folder(key: str) -> Path:
    """Return where the state of a run lives that writes to no folder of its own."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "slostack" / "backfill" / key


@dataclass(slots=True)
class Part:
    """
    Hold one stretch of some SLOs that is written, or about to be.

    Args:
        start: Unix milliseconds, included.
        end: Unix milliseconds, not included.
        blocks: Names of the blocks that hold it.
        moving: The blocks are being put where they belong.
    """

    slos: list[str]
    start: int
    end: int
    blocks: list[str] = field(default_factory=list)
    moving: bool = False


class State:
    """
    Hold the state of one run, to be used in a `with` statement.

    Args:
        folder: Made if missing.
        key: Names what the run does; the state of anything else is forgotten.

    Raises:
        OutputError: Another run uses the folder, or it cannot be written.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key
        self.since = self.until = 0
        self.finished = False
        self.parts: list[Part] = []
        self.reports: dict[str, dict[str, Any]] = {}
        self._lock: IO[str] | None = None

    @property
    def resumed(self) -> bool:
        """Tell whether a run that did not come to its end is being gone on with."""
        return bool(self.until) and not self.finished

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f"{self.folder}: another backfill is at work here") from error
        except OSError as error:
            raise OutputError(f"{self.folder}: {error.strerror or error}") from error
        self._load()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()

    def _load(self) -> None:
        try:
            found = json.loads((self.folder / _FILE).read_text("utf-8"))
        except (OSError, ValueError):
            found = {}
        if found.get("key") != self.key:
            self._forget()
            return
        self.since, self.until = found["since"], found["until"]
        self.finished, self.reports = found["finished"], found["reports"]
        self.parts = [Part(**part) for part in found["parts"]]

    def _forget(self) -> None:
        for name in ("raw", "blocks"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def begin(self, since: int, until: int) -> None:
        """Note what the run is about to fill, in Unix seconds."""
        self.since, self.until, self.finished, self.reports = since, until, False, {}
        self.save()

    def finish(self, keep: bool) -> None:
        """Note the end of the run; without *keep*, forget it altogether."""
        self._forget()
        if keep:
            self.finished = True
            self.save()
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def save(self) -> None:
        """Write the state, whole or not at all."""
        content = {
            "key": self.key,
            "since": self.since,
            "until": self.until,
            "finished": self.finished,
            "reports": self.reports,
            "parts": [asdict(part) for part in self.parts],
        }
        self._write(self.folder / _FILE, json.dumps(content).encode())

    def age(self) -> float:
        """Return how many seconds ago the state was written."""
        try:
            return max(0.0, time.time() - (self.folder / _FILE).stat().st_mtime)
        except OSError:
            return 0.0

    def written_until(self, slo: str, start: int) -> int:
        """Return up to which millisecond the stretch of *slo* from *start* on is written."""
        reached = start
        # Parts may follow one another in any order, but are few.
        while True:
            ends = [p.end for p in self.parts if p.start <= reached < p.end and slo in p.slos]
            if not ends:
                return reached
            reached = max(ends)

    def raw(self, slo: str, start: int, end: int) -> list[EventHistory] | None:
        """Return what was read of *slo* in this stretch before; `None` if it was not."""
        try:
            content = zlib.decompress(self._raw(slo, start, end).read_bytes())
        except (OSError, zlib.error):
            return None
        return [
            EventHistory(labels, first, Duration(step), error, total)
            for labels, first, step, error, total in json.loads(content)
        ]

    def keep_raw(self, slo: str, start: int, end: int, found: list[EventHistory]) -> None:
        """Keep what was read of *slo*."""
        content = [
            (dict(h.labels), h.start, h.step.milliseconds, list(h.error), list(h.total))
            for h in found
        ]
        path = self._raw(slo, start, end)
        path.parent.mkdir(exist_ok=True)
        self._write(path, zlib.compress(json.dumps(content).encode(), 1))

    def _raw(self, slo: str, start: int, end: int) -> Path:
        return self.folder / "raw" / f"{digest([slo])}-{start}-{end}"

    def _write(self, path: Path, content: bytes) -> None:
        staged = path.with_name(f"{path.name}.new")
        try:
            with staged.open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            staged.replace(path)
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror or error}") from error
