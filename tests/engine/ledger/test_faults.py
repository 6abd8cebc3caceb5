"""Disks that are full, files that are damaged and locks that are held give clear errors."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.errors import LedgerError

from .samples import NOW, decision, freeze, point

PADDING = "x" * 20_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of its own with one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if mount.returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(ledger: SqlLedger) -> list[str]:
    """Add records until one is refused, and return the others."""
    kept: list[str] = []
    with pytest.raises(LedgerError, match=r"cannot be (read or )?written.*(full|disk)"):
        for i in range(1_000):
            kept.append(ledger.add_decision(decision(f"d{i}", evidence={"x": PADDING})).id)
    return kept


def check_full(ledger: SqlLedger, make_room: Callable[[], object]) -> None:
    kept = fill_up(ledger)
    assert 3 < len(kept)
    with pytest.raises(LedgerError):
        ledger.add_decision(decision("more", evidence={"x": PADDING}))
    assert set(kept) == {d.id for d in ledger.decisions()}
    assert ledger.verify() is None

    make_room()
    ledger.add_decision(decision("after", evidence={"x": PADDING}))
    assert {*kept, "after"} == {d.id for d in ledger.decisions()}
    assert ledger.verify() is None


class TestFullDisk:
    def test_refuses_writes_and_goes_on_reading(self, small_disk: Path) -> None:
        ballast = small_disk / "ballast"
        ledger = open_ledger(f"sqlite:///{small_disk}/ledger.db")
        ballast.write_bytes(b"x" * 500_000)
        check_full(ledger, ballast.unlink)
        ledger.close()

        again = open_ledger(f"sqlite:///{small_disk}/ledger.db")
        assert again.verify() is None
        again.close()

    def test_makes_no_half_ledger(self, small_disk: Path) -> None:
        ballast = small_disk / "ballast"
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        ballast.write_bytes(b"x" * (free - 40_000))

        with pytest.raises(LedgerError, match="full"):
            open_ledger(f"sqlite:///{small_disk}/ledger.db")
        assert [ballast] == list(small_disk.iterdir())

    def test_stands_for_a_limit_of_file_size_too(self, tmp_path: Path) -> None:
        """Where no file system can be mounted, this is how a disk refuses to grow."""
        context = multiprocessing.get_context("spawn")
        worker = context.Process(target=write_below_a_limit, args=(str(tmp_path),))
        worker.start()
        worker.join(120)

        assert 0 == worker.exitcode


def write_below_a_limit(folder: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    ledger = open_ledger(f"sqlite:///{folder}/ledger.db")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    check_full(ledger, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)))
    ledger.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file of a closed ledger with 120 decisions."""
    path = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite:///{path}")
    for i in range(12):
        ledger.add_decisions([decision(f"d{10 * i + j}", at=NOW + i) for j in range(10)])
    ledger.close()
    assert not path.with_name("ledger.db-wal").exists()
    return path


class TestDamagedFile:
    def test_cut_anywhere_is_an_error_and_never_a_smaller_ledger(self, file: Path) -> None:
        whole = file.read_bytes()
        chance = random.Random(7)
        pages = range(0, len(whole), 4096)
        cuts = {*pages, *(chance.randrange(1, len(whole)) for _ in range(30)), 1, len(whole) - 1}
        for cut in sorted(cuts):
            file.write_bytes(whole[:cut])
            with pytest.raises(LedgerError, match=r"docs/ledger\.md"):
                read_all(file)

    def test_with_bytes_changed_is_found_by_verify(self, file: Path) -> None:
        whole = file.read_bytes()
        chance, refused = random.Random(8), 0
        for _ in range(60):
            damaged = bytearray(whole)
            at = chance.randrange(100, len(whole) - 64)
            damaged[at : at + 64] = bytes(b ^ 0x55 for b in damaged[at : at + 64])
            file.write_bytes(damaged)
            try:
                found = read_all(file)
            except LedgerError:
                refused += 1
                continue
            # Nothing is wrong only where the bytes belonged to nothing.
            assert found == 120
        assert refused > 10

    def test_of_another_kind_is_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("not a database, " * 1_000)

        with pytest.raises(LedgerError, match="damaged or no ledger at all"):
            open_ledger(f"sqlite:///{path}")
        assert path.read_text().startswith("not a database")

    def test_that_is_gone_with_its_journal_left_is_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "ledger.db"
        ledger = open_ledger(f"sqlite:///{path}")
        ledger.add_freeze(freeze())
        path.unlink()

        with pytest.raises(LedgerError, match="is gone, but its journal"):
            open_ledger(f"sqlite:///{path}")
        ledger.close()

    def test_journal_cut_anywhere_leaves_a_prefix(self, tmp_path: Path) -> None:
        """As after a power cut: the last records may be torn, and only those."""
        path = tmp_path / "ledger.db"
        ledger = open_ledger(f"sqlite:///{path}")
        for i in range(15):
            ledger.add_freeze(freeze(f"f{i}"))
        head = ledger.head()
        files = {p.name: p.read_bytes() for p in (path, tmp_path / "ledger.db-wal")}
        ledger.close()
        chance = random.Random(9)
        lengths = set()
        for trial in range(25):
            folder = tmp_path / str(trial)
            folder.mkdir()
            for name, content in files.items():
                (folder / name).write_bytes(content)
            journal = folder / "ledger.db-wal"
            os.truncate(journal, chance.randrange(len(files["ledger.db-wal"]) + 1))
            again = open_ledger(f"sqlite:///{folder}/ledger.db")
            number = again.head().sequence
            assert [f"f{i}" for i in range(number)] == [f.id for f in again.freezes(NOW, NOW + 1)]
            assert again.verify() is None
            assert (number < 15) == bool(again.verify(head))
            lengths.add(number)
            again.close()
        assert len(lengths) > 5


def read_all(path: Path) -> int:
    """Read everything that the ledger at *path* holds, and hold it against the chain."""
    ledger = open_ledger(f"sqlite:///{path}")
    try:
        found = len(ledger.decisions(limit=1_000))
        wrong = ledger.verify()
        if wrong:
            raise LedgerError(wrong)
        return found
    finally:
        ledger.close()
        for name in ("-wal", "-shm"):
            path.with_name(path.name + name).unlink(missing_ok=True)


class TestLocks:
    def test_that_are_held_too_long_are_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "ledger.db"
        ledger = open_ledger(f"sqlite:///{path}", seconds=2)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(LedgerError, match=r"being written by somebody else|did not answer"):
            ledger.add_freeze(freeze())
        assert () == ledger.freezes(NOW, NOW + 1)
        other.execute("ROLLBACK")
        other.close()
        ledger.add_freeze(freeze())
        ledger.close()

    def test_on_postgresql_end_by_the_server_s_own_limit(self, ledger_url: str) -> None:
        if not ledger_url.startswith("postgresql"):
            pytest.skip("SQLite has one lock only")
        import psycopg

        from slo.engine.ledger.database import Lock

        ledger = open_ledger(ledger_url, seconds=2)
        with psycopg.connect(ledger_url) as other:
            other.execute(f"SELECT pg_advisory_xact_lock({int(Lock.CHAIN)})")
            with pytest.raises(LedgerError, match=r"somebody else|did not answer"):
                ledger.add_freeze(freeze())
            assert () == ledger.freezes(NOW, NOW + 1)
        ledger.add_freeze(freeze())
        ledger.close()

    def test_queries_that_take_too_long_are_cut_off(self, ledger_url: str) -> None:
        ledger = open_ledger(ledger_url)
        endless = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        )
        started = time.monotonic()
        with pytest.raises(LedgerError, match="did not answer"):
            ledger._database.read(lambda c: c.exec_driver_sql(endless), seconds=0.3)
        # Without a deadline it would never end; this only keeps a broken test from hanging.
        assert time.monotonic() - started < 60
        assert 0 == ledger.head().sequence
        ledger.close()


class TestPermissions:
    def test_that_lack_are_an_error(self, tmp_path: Path) -> None:
        if os.geteuid() == 0:
            pytest.skip("root may write anywhere")
        (tmp_path / "closed").mkdir(mode=0o500)

        with pytest.raises(LedgerError, match="cannot be made"):
            open_ledger(f"sqlite:///{tmp_path}/closed/ledger.db")

    def test_names_the_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        with pytest.raises(LedgerError, match="cannot be made"):
            open_ledger(f"sqlite:///{tmp_path}/file/ledger.db")


def test_a_copy_by_sqlite_s_own_backup_is_a_whole_ledger(tmp_path: Path) -> None:
    """As docs/ledger.md tells to do it, while somebody writes."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.add_decisions([decision(f"d{i}") for i in range(50)])
    ledger.add_budget_points([point()])
    program = shutil.which("sqlite3")
    if program:
        subprocess.run([program, tmp_path / "ledger.db", f".backup {tmp_path}/copy.db"], check=True)
    else:
        with sqlite3.connect(tmp_path / "ledger.db") as source:
            source.backup(sqlite3.connect(tmp_path / "copy.db"))
    copy = open_ledger(f"sqlite:///{tmp_path}/copy.db")

    assert ledger.head() == copy.head()
    assert copy.verify(ledger.head()) is None
    for each in (ledger, copy):
        each.close()
