"""Make the file of a ledger on SQLite: whole or not at all, and for its owner's eyes only."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from slo.errors import LedgerError

__all__ = ["ensure_file"]

_WAIT_SECONDS = 30.0
_PAUSE_SECONDS = 0.02
# SQLite takes a file without a whole page for a new one, and would fill it.
_SMALLEST = 512
_HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\0"
# What SQLite keeps beside the file.
_COMPANIONS = ("-wal", "-shm", "-journal")


def ensure_file(path: Path, fill: Callable[[Path], None]) -> None:
    """
    Make the file at *path* if there is none; *fill* makes a ledger of the file it is given.

    The file appears under its name once it is complete, so an empty one is a damaged one.

    Raises:
        LedgerError: It cannot be made, or what is there was a ledger and is damaged.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(path.parent):
                _make(path, fill)
        if not path.is_file():
            raise LedgerError(f"the ledger {path} is not a file")
        if _is_cut_off(path):
            raise LedgerError(
                f"the ledger {path} is empty or cut off, so it is damaged; restore a backup of it "
                "(docs/ledger.md), or remove it to start anew"
            )
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be made: {error.strerror}") from error


def _is_cut_off(path: Path) -> bool:
    """Tell whether the file lacks its end, where SQLite would not say so."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        size = os.fstat(file.fileno()).st_size
    if size < _SMALLEST:
        return True
    journal = path.with_name(f"{path.name}-wal")
    if not header.startswith(_MAGIC) or (journal.exists() and journal.stat().st_size):
        # No ledger, or one whose last pages are in its journal: SQLite says what it thinks of it.
        return False
    # https://www.sqlite.org/fileformat.html#the_database_header; 1 stands for 65536.
    page = int.from_bytes(header[16:18])
    return size % (65_536 if page == 1 else max(page, _SMALLEST)) != 0


def _make(path: Path, fill: Callable[[Path], None]) -> None:
    if path.exists():
        return
    if path.with_name(f"{path.name}-wal").exists():
        raise LedgerError(
            f"the ledger {path} is gone, but its journal {path.name}-wal is there; restore a "
            "backup of both (docs/ledger.md), or remove the journal to start anew"
        )
    stage = path.with_name(f".{path.name}.new")
    _remove(stage)
    try:
        os.close(os.open(stage, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        fill(stage)
        _sync(stage)
        stage.rename(path)
        _sync(path.parent)
    finally:
        _remove(stage)


def _remove(stage: Path) -> None:
    for name in ("", *_COMPANIONS):
        stage.with_name(stage.name + name).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time make a ledger in *folder*; the kernel frees the lock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LedgerError(
                        f"somebody else has been making a ledger in {folder} for "
                        f"{_WAIT_SECONDS:g} s"
                    ) from None
                time.sleep(_PAUSE_SECONDS)
        yield
    finally:
        os.close(descriptor)
