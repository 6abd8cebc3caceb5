"""Describe the ledger's tables as they are now; `migrations` holds how they came to be."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "METADATA",
    "budget_points",
    "budget_series",
    "budget_state",
    "decision_slos",
    "events",
    "leases",
    "records",
    "token_uses",
]

METADATA = MetaData()

# SQLite stores a table in the order of its key only if that is an INTEGER.
_Key = BigInteger().with_variant(Integer, "sqlite")

# What happened, in order and for good: triggers refuse to change or delete a row.
events = Table(
    "events",
    METADATA,
    Column("sequence", _Key, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("record_id", String, nullable=False),
    Column("payload", Text, nullable=False),
    Column("actor", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("idempotency_key", String),
    Column("previous_hash", String, nullable=False),
    Column("hash", String, nullable=False),
    UniqueConstraint("kind", "idempotency_key", name="events_once_per_key"),
    UniqueConstraint("kind", "record_id", name="events_once_per_record"),
)

# Where to find the record that an event added, and what ended it; can be rebuilt from events.
records = Table(
    "records",
    METADATA,
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("sequence", BigInteger, ForeignKey("events.sequence"), nullable=False, unique=True),
    Column("since", Double, nullable=False),
    Column("until", Double),
    Column("ended_sequence", BigInteger, ForeignKey("events.sequence"), unique=True),
    Column("ended_at", Double),
    Column("ended_by", String),
    Index("records_by_until", "kind", "until"),
    Index("records_by_since", "kind", "since", "sequence"),
)

decision_slos = Table(
    "decision_slos",
    METADATA,
    Column("slo", String, primary_key=True),
    Column("sequence", BigInteger, ForeignKey("events.sequence"), primary_key=True),
    Index("decision_slos_by_sequence", "sequence"),
    sqlite_with_rowid=False,
)

budget_series = Table(
    "budget_series",
    METADATA,
    Column("id", _Key, primary_key=True, autoincrement=False),
    Column("slo", String, nullable=False),
    Column("labels", Text, nullable=False),
    UniqueConstraint("slo", "labels", name="budget_series_once"),
)

# `stretch` is the start of the next coarser stretch that a point belongs to.
budget_points = Table(
    "budget_points",
    METADATA,
    Column("series", BigInteger, ForeignKey("budget_series.id"), primary_key=True),
    Column("level", SmallInteger, primary_key=True),
    Column("at", Double, primary_key=True),
    Column("stretch", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("bad", Double),
    Column("total", Double),
    Column("remaining", Double),
    sqlite_with_rowid=False,
)

# Up to when points of a level have been rolled up or dropped, by any series.
budget_state = Table(
    "budget_state",
    METADATA,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("closed_until", Double, nullable=False),
)

leases = Table(
    "leases",
    METADATA,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("expires_at", Double, nullable=False),
)

token_uses = Table(
    "token_uses",
    METADATA,
    Column("id", String, primary_key=True),
    Column("last_used_at", Double, nullable=False),
)
