"""Tables are brought up to date once, and what a newer version wrote is left alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from slo.engine.ledger import migrate as module
from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.engine.ledger.tables import METADATA
from slo.errors import LedgerError

from .postgres import Postgres
from .samples import freeze


class TestMigrations:
    def test_make_the_tables_that_the_code_describes(self, ledger: SqlLedger) -> None:
        def differences(connection: Connection) -> object:
            def ours(_object: object, name: str | None, kind: str, *_: object) -> bool:
                return not (kind == "table" and name == module._VERSION_TABLE)

            options = {"include_object": ours, "compare_type": True}
            context = MigrationContext.configure(connection, opts=options)
            return compare_metadata(context, METADATA)

        assert [] == ledger._database.read(differences)

    def test_end_at_the_newest_that_the_code_knows(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(module._FOLDER))
        config.set_main_option("path_separator", "os")

        assert module.NEWEST == ScriptDirectory.from_config(config).get_current_head()

    def test_are_not_loaded_where_nothing_is_to_do(
        self, ledger_url: str, ledger: SqlLedger
    ) -> None:
        """Alembic takes a third of a second to import."""
        ledger.add_freeze(freeze())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_upgrade", None)
            again = open_ledger(ledger_url)

        assert "f1" == again.freeze("f1").id
        again.close()

    def test_run_once_however_many_start(self, ledger_url: str) -> None:
        with ThreadPoolExecutor(6) as pool:
            ledgers = list(pool.map(lambda _: open_ledger(ledger_url, seconds=30), range(6)))
        for number, ledger in enumerate(ledgers):
            ledger.add_freeze(freeze(f"f{number}"))

        assert 6 == ledgers[0].head().sequence
        for ledger in ledgers:
            ledger.close()

    def test_refuse_what_a_newer_version_wrote(
        self, ledger_url: str, open_new: Callable[[], SqlLedger]
    ) -> None:
        newer = f"UPDATE {module._VERSION_TABLE} SET version_num = '9001'"
        open_new()._database.write(lambda c: c.exec_driver_sql(newer))

        with pytest.raises(LedgerError, match=r"newer version of slo \(tables of revision 9001"):
            open_ledger(ledger_url)

    @pytest.mark.servers
    def test_leave_tables_of_others_alone(self, postgres: Postgres) -> None:
        import psycopg

        url = postgres.new_database()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE events (mine int)")

        with pytest.raises(LedgerError, match="a database of its own"):
            open_ledger(url)

    def test_that_fail_leave_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_upgrade", fail)
            with pytest.raises(RuntimeError):
                open_ledger(f"sqlite:///{tmp_path}/l.db")

        assert [] == list(tmp_path.iterdir())


def fail(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE half (done int)")
    raise RuntimeError
