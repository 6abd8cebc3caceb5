"""Describe what is wrong with a spec, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

__all__ = ["Diagnostic", "Severity", "Span", "has_errors", "sort_diagnostics"]


class Severity(Enum):
    """Rank a diagnostic; only an error stops the compiler."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Span(NamedTuple):
    """
    Mark a piece of a source file.

    Lines and columns count from 1; the end is exclusive.
    """

    file: str
    line: int = 1
    column: int = 1
    end_line: int = 1
    end_column: int = 1


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """
    Tell one problem: a stable code, a severity, a sentence, a place and a way out.

    Args:
        code: Key of the page that `slo explain` prints; it never changes its meaning.
        related: Further places with a word on each, such as the first of two duplicates.
    """

    code: str
    severity: Severity
    message: str
    span: Span
    hint: str | None = None
    related: tuple[tuple[str, Span], ...] = ()

    @property
    def is_error(self) -> bool:
        """Tell whether this diagnostic stops the compiler."""
        return self.severity is Severity.ERROR


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Tell whether any of *diagnostics* stops the compiler."""
    return any(d.is_error for d in diagnostics)


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return *diagnostics* without repetitions, by file, line, column and code."""
    unique = dict.fromkeys(diagnostics)
    return tuple(sorted(unique, key=lambda d: (d.span, d.code, d.message)))
