"""Make the processor that decides which traces are kept."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from slo.collector.needs import SlowSpans
from slo.collector.ottl import is_slow
from slo.numbers import decimal_text
from slo.telemetry import ServiceTelemetry, TelemetryPlan

__all__ = ["tail_sampling"]

_SERVER = "SPAN_KIND_SERVER"
# Decisions are remembered for ten times as many traces as are held, for spans that come late.
_TRACES = 50_000
_REMEMBERED = 10 * _TRACES
_EVERYTHING = Decimal(100)


def tail_sampling(
    plan: TelemetryPlan, services: Iterable[ServiceTelemetry], slow: Iterable[SlowSpans]
) -> dict[str, Any] | None:
    """
    Return the processor; `None` where everything is kept, so that nobody needs to decide.

    A trace is kept when any policy wants it: one of its spans failed, one of them violates an
    objective or a wish of its service, or the dice say so.
    """
    services = tuple(services)
    shares = {s.names: s.baseline for s in services if s.baseline is not None}
    if all(share == _EVERYTHING for share in (plan.baseline, *shares.values())):
        return None
    wanted = [
        *slow,
        *(
            SlowSpans(service.slower_than, name, _SERVER, None)
            for service in services
            if service.slower_than is not None
            for name in service.names
        ),
    ]
    policies: list[dict[str, Any]] = [
        {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}}
    ]
    conditions = list(dict.fromkeys(is_slow(spans) for spans in wanted))
    if conditions:
        settings = {"error_mode": "ignore", "span": conditions}
        policies.append({"name": "slow", "type": "ottl_condition", "ottl_condition": settings})
    for names, share in shares.items():
        policies += _baseline(f"baseline-{names[0]}", share, names, of_others=False)
    own = tuple(name for names in shares for name in names)
    policies += _baseline("baseline", plan.baseline, own, of_others=True)
    return {
        "decision_wait": str(plan.decision_wait),
        "num_traces": _TRACES,
        "decision_cache": {
            "sampled_cache_size": _REMEMBERED,
            "non_sampled_cache_size": _REMEMBERED,
        },
        "policies": policies,
    }


def _baseline(
    name: str, share: Decimal, services: tuple[str, ...], *, of_others: bool
) -> list[dict[str, Any]]:
    """Return the policy that keeps a *share* of the traces of *services*, or of all others."""
    if not share:
        return []
    percentage = {"sampling_percentage": _number(share)}
    dice = {"type": "probabilistic", "probabilistic": percentage}
    if not services:
        return [{"name": name, **dice}]
    match: dict[str, Any] = {"key": "service.name", "values": list(services)}
    if of_others:
        match["invert_match"] = True
    parts = [
        {"name": f"{name}-service", "type": "string_attribute", "string_attribute": match},
        {"name": f"{name}-share", **dice},
    ]
    return [{"name": name, "type": "and", "and": {"and_sub_policy": parts}}]


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(decimal_text(value))
