"""Refuse records that make no sense, in words that say what to write instead."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import Any

from slo.engine.ledger.payloads import Record
from slo.engine.ledger.records import Correction, Decision, Freeze, Override, Target, Token
from slo.engine.ledger.recurrence import check_recurrence
from slo.errors import InvalidRecord

__all__ = [
    "CATEGORIES",
    "EFFECTS",
    "LONGEST_SECONDS",
    "SCOPES",
    "VERDICTS",
    "check_hash",
    "check_key",
    "check_moment",
    "check_record",
    "check_text",
]

EFFECTS = ("exclude", "credit")
CATEGORIES = ("maintenance", "outside_hours", "deployment", "measurement_error", "other")
VERDICTS = ("allow", "deny", "unknown")
SCOPES = ("read", "gate", "write", "admin")
# What lasts longer than any compliance window is a change of the objective.
LONGEST_SECONDS = 400 * 86_400.0
_LATEST = 7_258_118_400.0  # the year 2200
_LONGEST_NAME = 200
_LONGEST_REASON = 4_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_HASH = re.compile(r"[0-9a-f]{64}")
_NAMES = ("id", "created_by", "actor", "name")


def check_record(record: Record) -> None:
    """
    Refuse a record that the ledger cannot keep.

    Raises:
        InvalidRecord: The message names the field and what it takes.
    """
    for field in fields(record):
        if field.name in _NAMES:
            check_text(field.name, getattr(record, field.name), _LONGEST_NAME)
        if field.name in ("cancelled_at", "revoked_at") and getattr(record, field.name) is not None:
            raise InvalidRecord(f"{field.name} must be empty in a new record")
    if isinstance(record, (Correction, Freeze)):
        _check_span(record)
        if isinstance(record, Correction):
            _check_choice("effect", record.effect, EFFECTS)
            _check_choice("category", record.category, CATEGORIES)
    elif isinstance(record, Override):
        _check_choice("verdict", record.verdict, VERDICTS)
        _check_order("created_at", record.created_at, "expires_at", record.expires_at)
    elif isinstance(record, Decision):
        check_moment("at", record.at)
        _check_choice("verdict", record.verdict, VERDICTS)
    else:
        _check_token(record)
    if isinstance(record, (Correction, Freeze, Override)):
        check_moment("created_at", record.created_at)
        check_text("reason", record.reason, _LONGEST_REASON)
        _check_target(record.target)


def check_text(name: str, value: Any, longest: int = _LONGEST_NAME) -> None:
    """
    Refuse a text that is empty, too long, or not text.

    Raises:
        InvalidRecord: The message names it.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidRecord(f"{name} must not be empty")
    if len(value) > longest:
        raise InvalidRecord(f"{name} must not be longer than {longest} characters")
    if _CONTROL.search(value):
        raise InvalidRecord(f"{name} must not hold control characters")


def check_key(key: str | None) -> None:
    """
    Refuse an idempotency key that is empty or too long.

    Raises:
        InvalidRecord: The message says which.
    """
    if key is not None:
        check_text("the idempotency key", key)


def check_hash(secret_hash: str) -> None:
    """
    Refuse what is not a hash, so that no secret is ever stored by mistake.

    Raises:
        InvalidRecord: It is not; the message does not repeat it.
    """
    if not isinstance(secret_hash, str) or not _HASH.fullmatch(secret_hash):
        raise InvalidRecord("the hash of a token's secret has 64 hexadecimal digits")


def _check_span(record: Correction | Freeze) -> None:
    _check_order("start", record.start, "end", record.end)
    if record.recurrence is not None:
        check_recurrence(record.recurrence, record.start, record.time_zone)
    else:
        # The zone is kept and shown, so it must be one.
        check_recurrence("FREQ=DAILY", record.start, record.time_zone)


def _check_order(first_name: str, first: float, name: str, last: float) -> None:
    check_moment(first_name, first)
    check_moment(name, last)
    if last <= first:
        raise InvalidRecord(f"{name} must lie after {first_name}")
    if last - first > LONGEST_SECONDS:
        days = int(LONGEST_SECONDS // 86_400)
        raise InvalidRecord(f"{name} must lie at most {days} days after {first_name}")


def check_moment(name: str, value: Any) -> None:
    """
    Refuse what is no time in Unix seconds, such as one in milliseconds.

    Raises:
        InvalidRecord: The message names it.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value < _LATEST:
        raise InvalidRecord(f"{name} must be a time in Unix seconds, got {value!r}")


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidRecord(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def _check_target(target: Target) -> None:
    check_text("the target's slo", target.slo)
    check_text("the target's environment", target.environment)


def _check_token(record: Token) -> None:
    check_moment("created_at", record.created_at)
    if record.expires_at is not None:
        check_moment("expires_at", record.expires_at)
        if record.expires_at <= record.created_at:
            raise InvalidRecord("expires_at must lie after created_at")
    if not record.scopes:
        raise InvalidRecord(f"a token needs a scope: {', '.join(SCOPES)}")
    for scope in record.scopes:
        _check_choice("scopes", scope, SCOPES)
