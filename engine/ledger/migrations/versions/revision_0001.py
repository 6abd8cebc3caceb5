"""Make the tables of the first ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite stores a table in the order of its key only if that is an INTEGER.
_Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SQLITE_GUARDS = tuple(
    f"CREATE TRIGGER events_no_{verb.lower()} BEFORE {verb} ON events "
    "BEGIN SELECT RAISE(ABORT, 'events are never changed'); END"
    for verb in ("UPDATE", "DELETE")
)
_POSTGRESQL_GUARDS = (
    "CREATE FUNCTION events_are_never_changed() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'events are never changed'; END $$",
    "CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
    "FOR EACH STATEMENT EXECUTE FUNCTION events_are_never_changed()",
)


def upgrade() -> None:
    """Make the tables, and the triggers that keep events from being changed."""
    _make_chain()
    _make_budget()
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
    )
    op.create_table(
        "token_uses",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("last_used_at", sa.Double(), nullable=False),
    )
    postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in _POSTGRESQL_GUARDS if postgresql else _SQLITE_GUARDS:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: there is nothing before the first tables, and records are kept for good."""
    raise NotImplementedError("a ledger is never taken back to nothing")


def _make_chain() -> None:
    op.create_table(
        "events",
        sa.Column("sequence", _Key, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("idempotency_key", sa.String()),
        sa.Column("previous_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.UniqueConstraint("kind", "idempotency_key", name="events_once_per_key"),
        sa.UniqueConstraint("kind", "record_id", name="events_once_per_record"),
    )
    event = "events.sequence"
    op.create_table(
        "records",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), sa.ForeignKey(event), nullable=False, unique=True),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("until", sa.Double()),
        sa.Column("ended_sequence", sa.BigInteger(), sa.ForeignKey(event), unique=True),
        sa.Column("ended_at", sa.Double()),
        sa.Column("ended_by", sa.String()),
    )
    op.create_index("records_by_until", "records", ["kind", "until"])
    op.create_index("records_by_since", "records", ["kind", "since", "sequence"])
    op.create_table(
        "decision_slos",
        sa.Column("slo", sa.String(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), sa.ForeignKey(event), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("decision_slos_by_sequence", "decision_slos", ["sequence"])


def _make_budget() -> None:
    op.create_table(
        "budget_series",
        sa.Column("id", _Key, primary_key=True, autoincrement=False),
        sa.Column("slo", sa.String(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.UniqueConstraint("slo", "labels", name="budget_series_once"),
    )
    series = "budget_series.id"
    op.create_table(
        "budget_points",
        sa.Column("series", sa.BigInteger(), sa.ForeignKey(series), primary_key=True),
        sa.Column("level", sa.SmallInteger(), primary_key=True),
        sa.Column("at", sa.Double(), primary_key=True),
        sa.Column("stretch", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("bad", sa.Double()),
        sa.Column("total", sa.Double()),
        sa.Column("remaining", sa.Double()),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budget_state",
        sa.Column("level", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("closed_until", sa.Double(), nullable=False),
    )
