"""Open ledgers on both databases, and make records for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slo.engine.ledger.sql import SqlLedger, open_ledger

from .postgres import Postgres, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run one cluster for all tests."""
    with running_postgres() as cluster:
        yield cluster


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.servers),
    ]
)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a ledger that is not there yet, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'kept' / 'ledger.db'}"
    cluster: Postgres = request.getfixturevalue("postgres")
    return cluster.new_schema()


@pytest.fixture
def open_new(ledger_url: str) -> Iterator[Callable[[], SqlLedger]]:
    """Return a function that opens the same ledger, as each replica does."""
    opened: list[SqlLedger] = []

    def function() -> SqlLedger:
        opened.append(open_ledger(ledger_url))
        return opened[-1]

    yield function
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_new: Callable[[], SqlLedger]) -> SqlLedger:
    """Return an empty ledger."""
    return open_new()
