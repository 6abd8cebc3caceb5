"""Hold the exceptions that end a run; a user's mistake is a `Diagnostic`, not one of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slo.diagnostics import Diagnostic

__all__ = ["CompileFailed", "OutputError", "PluginError", "SloError", "ToolError"]


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
