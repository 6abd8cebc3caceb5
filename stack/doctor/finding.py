"""Hold what a check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Unreachable", "Verdict", "fail", "ok", "skipped", "warning"]


class Verdict(StrEnum):
    """Name the verdicts, from the best to the worst."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Hold one line of the doctor's report.

    Args:
        figure: What was seen, with a number where there is one.
        remedy: What to do about it; empty where nothing is wrong.
        subject: The part or thing that the finding is about, where a check has several.
    """

    verdict: Verdict
    figure: str
    remedy: str = ""
    subject: str = ""


class Unreachable(Exception):
    """Say that a part gives no usable answer; the check that asked has failed."""

    def __init__(self, part: str, reason: str) -> None:
        self.part = part
        self.reason = reason
        super().__init__(f"{part} {reason}")


def ok(figure: str, *, subject: str = "") -> Finding:
    """Return a finding that all is well."""
    return Finding(Verdict.OK, figure, subject=subject)


def warning(figure: str, remedy: str, *, subject: str = "") -> Finding:
    """Return a finding that deserves a look."""
    return Finding(Verdict.WARNING, figure, remedy, subject)


def fail(figure: str, remedy: str, *, subject: str = "") -> Finding:
    """Return a finding that something is broken."""
    return Finding(Verdict.FAIL, figure, remedy, subject)


def skipped(figure: str, remedy: str = "", *, subject: str = "") -> Finding:
    """Return a finding that there was nothing to examine."""
    return Finding(Verdict.SKIPPED, figure, remedy, subject)
