"""Name the reasons of a gate's answer: codes that scripts may rely on never change."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["CODES", "Code", "table"]


class Code(StrEnum):
    """Name one reason; `CODES` says what each means."""

    BUDGET_OK = "budget_ok"
    BUDGET_LOW = "budget_low"
    BUDGET_SPENT = "budget_spent"
    RECOVERING = "recovering"
    PAGE_FIRES = "page_fires"
    TICKET_FIRES = "ticket_fires"
    BURNS_FAST = "burns_fast"
    INCIDENT_SHARE = "incident_share"
    INCIDENTS_NOT_KNOWN = "incidents_not_known"
    FREEZE = "freeze"
    STALE = "stale"
    STALE_BUT_SAFE = "stale_but_safe"
    NO_DATA = "no_data"
    COVERAGE_LOW = "coverage_low"
    CLOCK_SKEW = "clock_skew"
    SERVICE_NOT_KNOWN = "service_not_known"
    SLO_NOT_KNOWN = "slo_not_known"
    ENGINE_AWAY = "engine_away"
    SERVER_AWAY = "server_away"
    UNKNOWN_ALLOWED = "unknown_allowed"
    UNKNOWN_DENIED = "unknown_denied"
    LAST_KNOWN = "last_known"
    LOCAL_COPY = "local_copy"
    EXEMPTED = "exempted"
    EXEMPTION_REFUSED = "exemption_refused"
    CAUSE_NOT_KNOWN = "cause_not_known"
    OVERRIDE_ALLOWS = "override_allows"
    OVERRIDE_DENIES = "override_denies"
    DRY_RUN = "dry_run"


CODES: dict[Code, tuple[str, str]] = {
    Code.BUDGET_OK: ("allow", "Enough budget is left, and nothing else speaks against it."),
    Code.BUDGET_LOW: ("warn", "Little budget is left: `warn_at` or less."),
    Code.BUDGET_SPENT: ("deny", "What is left is `deny_at` or less."),
    Code.RECOVERING: ("deny", "It was denied for its budget, and `recover_at` is not reached yet."),
    Code.PAGE_FIRES: ("deny or warn", "A page of the SLO fires (`page`)."),
    Code.TICKET_FIRES: ("deny or warn", "A ticket of the SLO fires (`ticket`)."),
    Code.BURNS_FAST: ("deny or warn", "A burn rate is above its limit (`burn_rates`)."),
    Code.INCIDENT_SHARE: (
        "deny or warn",
        "One incident spent more of the budget than `incident.share`, and is not reviewed.",
    ),
    Code.INCIDENTS_NOT_KNOWN: ("note", "`incident` could not be checked: no history is at hand."),
    Code.FREEZE: ("deny", "A freeze of the policy or of the ledger is in force."),
    Code.STALE: ("unknown", "The numbers are older than `max_age`, or too old to prove safety."),
    Code.STALE_BUT_SAFE: (
        "warn",
        "The numbers are old, but even a full outage since then would have left budget.",
    ),
    Code.NO_DATA: ("unknown", "The SLO records nothing, or no budget."),
    Code.COVERAGE_LOW: ("unknown", "Less of the period was measured than `min_coverage`."),
    Code.CLOCK_SKEW: ("unknown", "The numbers come from the future: a clock is wrong."),
    Code.SERVICE_NOT_KNOWN: ("unknown", "No SLO of such a service is recorded."),
    Code.SLO_NOT_KNOWN: ("unknown", "The service has no such SLO."),
    Code.ENGINE_AWAY: ("unknown", "The engine did not answer before the deadline."),
    Code.SERVER_AWAY: ("unknown", "The metrics server did not answer before the deadline."),
    Code.UNKNOWN_ALLOWED: ("allow", "The numbers give no answer; `on_unknown` says allow."),
    Code.UNKNOWN_DENIED: ("deny", "The numbers give no answer; `on_unknown` says deny."),
    Code.LAST_KNOWN: (
        "allow or deny",
        "The numbers give no answer; `on_unknown` keeps the last one that they gave.",
    ),
    Code.LOCAL_COPY: ("note", "The engine is away; this is its last answer, not yet expired."),
    Code.EXEMPTED: ("allow", "The cause exempts it from what would have denied it."),
    Code.EXEMPTION_REFUSED: ("note", "The cause would exempt it, but reference or approver lack."),
    Code.CAUSE_NOT_KNOWN: ("note", "The policy knows no such cause."),
    Code.OVERRIDE_ALLOWS: ("allow", "An override in force says so."),
    Code.OVERRIDE_DENIES: ("deny", "An override in force says so."),
    Code.DRY_RUN: ("allow", "It is allowed because policy or request ask only what would be."),
}


def table() -> str:
    """Return the codes as a Markdown table."""
    rows = [f"| `{code}` | {effect} | {meaning} |" for code, (effect, meaning) in CODES.items()]
    return "\n".join(("| code | leads to | meaning |", "|---|---|---|", *rows))
