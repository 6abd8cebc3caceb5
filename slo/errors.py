"""Hold the exceptions that end a run; a user's mistake is a `Diagnostic`, not one of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slo.diagnostics import Diagnostic

__all__ = [
    "CompileFailed",
    "InvalidRecord",
    "LedgerConflict",
    "LedgerError",
    "OutputError",
    "PluginError",
    "SloError",
    "ToolError",
    "UnknownRecord",
]


class SloError(Exception):
    """Be the base of every exception that the product raises on purpose."""


class CompileFailed(SloError):
    """Carry all diagnostics of a run that found at least one error."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        super().__init__(f"{len(diagnostics)} problems found")


class OutputError(SloError):
    """Say that artifacts could not be written; nothing has been changed."""


class PluginError(SloError):
    """Say that a plugin refused its input; the message is shown to the user as is."""


class ToolError(SloError):
    """Say that an external program is missing, failed or timed out."""


class LedgerError(SloError):
    """Say that the ledger cannot be read or written; nothing is half done."""


class InvalidRecord(LedgerError):
    """Say what is wrong with a record that the ledger was to keep."""


class LedgerConflict(LedgerError):
    """Say that an id or an idempotency key is taken by a record with other content."""


class UnknownRecord(LedgerError):
    """Say that the ledger holds no such record."""
