"""Bring a ledger's tables up to date, once, however many replicas start together."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from slo.engine.ledger.database import Database, Lock
from slo.errors import LedgerError

__all__ = ["NEWEST", "migrate"]

# A test holds it to the newest file in `migrations`; reading it here saves importing alembic.
NEWEST = "0001"

_VERSION_TABLE = "slo_ledger_version"
_FOLDER = Path(__file__).parent / "migrations"
_SECONDS = 600.0


def migrate(database: Database, *, is_new: bool = True) -> None:
    """
    Bring the tables up to date; a ledger that is current is only read.

    Args:
        is_new: Whether tables may be made where there are none.

    Raises:
        LedgerError: The database holds something else, or a ledger that a newer version wrote.
    """
    if database.read(lambda connection: _checked(connection, database.name, is_new)) == NEWEST:
        return

    def work(connection: Connection) -> None:
        # Another replica may have done it while this one waited for the lock.
        if _checked(connection, database.name, is_new) != NEWEST:
            _upgrade(connection)

    database.write(work, lock=Lock.MIGRATION, seconds=_SECONDS)


def _checked(connection: Connection, name: str, is_new: bool) -> str | None:
    inspector = inspect(connection)
    if not inspector.has_table(_VERSION_TABLE):
        if inspector.has_table("events") or not is_new:
            raise LedgerError(
                f"{name} holds no ledger, or something else; give the ledger a database of its own"
            )
        return None
    version = table(_VERSION_TABLE, column("version_num"))
    found: str | None = connection.execute(select(version.c.version_num)).scalar()
    # Revisions are numbered in order.
    if found is not None and found > NEWEST:
        raise LedgerError(
            f"{name} was written by a newer version of slo (tables of revision {found}, this one "
            f"knows up to {NEWEST}); upgrade slo here"
        )
    return found


def _upgrade(connection: Connection) -> None:
    # It takes a third of a second to import, and only the first start needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    # Without it, alembic warns that it would split the folder's name at spaces.
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, version_table=_VERSION_TABLE)
    command.upgrade(config, "head")
