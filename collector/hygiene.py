"""Make the processors that every pipeline begins with: bounds, places, and nothing secret."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from slo.collector.destinations import escaped
from slo.collector.ottl import literal, of_services
from slo.telemetry import Redaction, ServiceTelemetry, TelemetryPlan

__all__ = ["attribute_rules", "environment", "memory_limiter", "redaction", "resource_detection"]

# The collector needs room for what it holds when it begins to refuse.
_SPIKE_PERCENT = 20

# Names of attributes that hold secrets by their name. Counts of tokens are none, hence the end.
_SECRET_KEYS = (
    r"(?i)(^|[._-])(authorization|proxy-authorization|cookie|set-cookie)",
    r"(?i)(pass(word|wd|phrase)|secret|credential|private[._-]?key)",
    r"(?i)(api|access|auth)[._-]?key",
    r"(?i)token\z",
)
# What looks like a secret wherever it stands.
_SECRET_VALUES = (
    r"(?i)\b(bearer|basic)\s+[a-z0-9+/._~-]{8,}=*",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"(?i)\b(password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key)"
    r"""["']?\s*[=:]\s*["']?[^\s"'&,;}]+""",
    r"://[^/\s:@]+:[^/\s@]+@",
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{20,}\b",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(-----END [A-Z ]*PRIVATE KEY-----)?",
    # Cards: Visa, Mastercard, American Express, Discover; in groups or in one.
    r"\b4[0-9]{3}([ -]?[0-9]{4}){3}\b",
    r"\b(5[1-5][0-9]{2}|2[2-7][0-9]{2})([ -]?[0-9]{4}){3}\b",
    r"\b3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}\b",
    r"\b6(011|5[0-9]{2})([ -]?[0-9]{4}){3}\b",
)
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
# Identities of what sends; masking them would break every query.
_IDENTITIES = ("service.name", "service.namespace", "service.instance.id", "host.name")


def memory_limiter(limit_mib: int) -> dict[str, Any]:
    """Return the processor that refuses data rather than be killed for its memory."""
    return {
        "check_interval": "1s",
        "limit_mib": limit_mib,
        "spike_limit_mib": limit_mib * _SPIKE_PERCENT // 100,
    }


def resource_detection(plan: TelemetryPlan) -> dict[str, Any]:
    """Return the processor that adds where data comes from; what is said already stays."""
    return {"detectors": list(plan.detectors), "timeout": "5s", "override": False}


def environment(name: str) -> dict[str, Any]:
    """Return the processor that names the environment where a service does not."""
    entry = {"key": "deployment.environment.name", "value": escaped(name), "action": "insert"}
    return {"attributes": [entry]}


def redaction(wanted: Redaction) -> dict[str, Any]:
    """Return the processor that masks secrets in attributes and in log records."""
    values = [*_SECRET_VALUES, *([_EMAIL] if wanted.emails else []), *wanted.values]
    settings: dict[str, Any] = {
        "allow_all_keys": True,
        "redact_all_types": True,
        "ignored_keys": list(_IDENTITIES),
        "blocked_key_patterns": [escaped(p) for p in (*_SECRET_KEYS, *wanted.keys)],
        "blocked_values": [escaped(pattern) for pattern in values],
        "summary": "silent",
    }
    if wanted.allow:
        settings["allowed_values"] = [escaped(pattern) for pattern in wanted.allow]
    return settings


def attribute_rules(
    services: Iterable[ServiceTelemetry], needed: Iterable[str]
) -> dict[str, Any] | None:
    """
    Return the processor that keeps, drops and hashes attributes, or `None` if none asks for it.

    Args:
        needed: Attributes that metrics are made of, which stay in any case.
    """
    groups = [
        (of_services(service.names), _statements(service, tuple(needed)))
        for service in services
        if service.keep or service.drop or service.hash
    ]
    if not groups:
        return None
    return {
        "error_mode": "ignore",
        **{
            f"{signal}_statements": [
                {"context": context, "conditions": [where], "statements": statements}
                for where, statements in groups
            ]
            for signal, context in (("trace", "span"), ("log", "log"))
        },
    }


def _statements(service: ServiceTelemetry, needed: tuple[str, ...]) -> list[str]:
    statements = []
    if service.keep:
        kept = dict.fromkeys((*service.keep, *service.hash, *service.dimensions, *needed))
        names = ", ".join(literal(name) for name in kept)
        statements.append(f"keep_keys(attributes, [{names}])")
    statements += [f"delete_key(attributes, {literal(name)})" for name in service.drop]
    for name in service.hash:
        place = f"attributes[{literal(name)}]"
        # Concat makes text of numbers, which SHA256 alone would refuse.
        statements.append(f'set({place}, SHA256(Concat([{place}], ""))) where {place} != nil')
    return statements
