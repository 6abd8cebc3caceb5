"""Know what the specs say of each SLO, where the engine has them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from slo.diagnostics import Span
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.engine.status.model import Threshold
from slo.errors import CompileFailed
from slo.plan import SloPlan

__all__ = ["Declared", "declare", "method_of", "read_declared", "revision_of"]

_DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Declared:
    """
    Hold a plan, and the digest by which two of them can be told apart.

    Args:
        revision: Changes with everything that changes what is measured or who is told.
        thresholds: Burn rates above which somebody is told, by window.
    """

    plan: SloPlan
    revision: str
    thresholds: Mapping[str, tuple[Threshold, ...]] = field(default_factory=dict)


def declare(plans: Iterable[SloPlan]) -> Mapping[str, Declared]:
    """Return what the engine knows of *plans*, by id."""
    return {plan.id: Declared(plan, revision_of(plan), _thresholds(plan)) for plan in plans}


def read_declared(paths: Iterable[str], options: CompileOptions) -> Mapping[str, Declared]:
    """
    Return the SLOs of the specs at *paths*, by id.

    Raises:
        CompileFailed: Something is wrong with one of them.
    """
    result = compile_specs(paths, options)
    if result.failed:
        raise CompileFailed(result.diagnostics)
    return declare(result.specs.slos)


def revision_of(plan: SloPlan) -> str:
    """Return a digest of *plan*; where in which file it stands does not matter."""
    text = repr(_without_places(plan))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def method_of(plan: SloPlan) -> str:
    """Return the budgeting method: `occurrences`, `timeslices` or `ratio_timeslices`."""
    if plan.timeslices is None:
        return "occurrences"
    return "ratio_timeslices" if plan.timeslices.target is None else "timeslices"


def _thresholds(plan: SloPlan) -> Mapping[str, tuple[Threshold, ...]]:
    pairs = [("page", pair) for pair in plan.policy.pages if plan.page is not None]
    pairs += [("ticket", pair) for pair in plan.policy.tickets if plan.ticket is not None]
    found: dict[str, tuple[Threshold, ...]] = {}
    for severity, pair in pairs:
        limit = Threshold(severity, float(pair.threshold(plan.time_window)))
        for window in (str(pair.short_window), str(pair.long_window)):
            found[window] = (*found.get(window, ()), limit)
    return found


def _without_places(value: Any) -> Any:
    if isinstance(value, Span):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        inner = [_without_places(getattr(value, field.name)) for field in fields(value)]
        return (type(value).__name__, inner)
    if isinstance(value, Mapping):
        return sorted((str(key), _without_places(inner)) for key, inner in value.items())
    if isinstance(value, tuple | list):
        return [_without_places(inner) for inner in value]
    return str(value)
