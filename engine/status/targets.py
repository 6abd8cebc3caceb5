"""Tell which SLOs a correction, a freeze or an override means."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Protocol

from slo.engine.ledger.records import Target

__all__ = ["targets"]


class _Slo(Protocol):
    @property
    def service(self) -> str: ...
    @property
    def name(self) -> str: ...


def targets(target: Target, slo: _Slo) -> bool:
    """Tell whether *target* means *slo*, in whatever environment."""
    return target.slo == "*" or fnmatchcase(f"{slo.service}/{slo.name}", target.slo)
