"""Expose what stands in the ledger at the moment, for marks in dashboards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from slo.engine.api.standing import StandingRecords
from slo.engine.ledger.records import Correction, Freeze, Override

__all__ = ["standing_text"]

_CORRECTION = "slo_engine_correction_active"
_DECIDED = "slo_engine_last_decision_time_seconds"
_FREEZE = "slo_engine_freeze_active"
_OVERRIDE = "slo_engine_override_active"
# Reasons are written by people; a label is no place for an essay.
_LONGEST_REASON = 120


def standing_text(records: StandingRecords, now: float) -> bytes:
    """
    Return corrections, freezes and overrides in force at *now*, and the newest decisions.

    In the text format of Prometheus. A series ends with what it stands for.
    """
    lines = [
        *_described(_CORRECTION, "Corrections in force."),
        *_lines(_CORRECTION, (_correction(c) for c in records.corrections_at(now))),
        *_described(_FREEZE, "Freezes in force."),
        *_lines(_FREEZE, (_placed(freeze) for freeze in records.freezes_at(now))),
        *_described(_OVERRIDE, "Overrides in force."),
        *_lines(_OVERRIDE, (_override(o) for o in records.overrides_at(now))),
        *_described(_DECIDED, "When a gate last decided, by service and environment."),
    ]
    for (service, environment), decision in sorted(records.last.items()):
        labels = {
            "service": service,
            "environment": environment,
            "version": str(decision.request.get("version") or ""),
            "verdict": decision.verdict,
        }
        lines.append(f"{_DECIDED}{{{_labels(labels)}}} {decision.at:.3f}")
    return "\n".join((*lines, "")).encode()


def _described(name: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} gauge"


def _lines(name: str, found: Iterable[Mapping[str, str]]) -> Iterable[str]:
    return (f"{name}{{{_labels(labels)}}} 1" for labels in found)


def _placed(record: Correction | Freeze | Override) -> dict[str, str]:
    return {
        "id": record.id,
        "slo": record.target.slo,
        "environment": record.target.environment,
        "reason": record.reason[:_LONGEST_REASON],
    }


def _correction(record: Correction) -> dict[str, str]:
    return {**_placed(record), "category": record.category, "effect": record.effect}


def _override(record: Override) -> dict[str, str]:
    return {**_placed(record), "verdict": record.verdict}


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
