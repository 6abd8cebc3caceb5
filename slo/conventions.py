"""
Name every series, label and group that the compiler writes.

The series and labels named after sloth are its public interface (sloth v0.16,
`pkg/common/conventions`): dashboards and tools made for sloth read them unchanged.
"""

from __future__ import annotations

from slo.duration import Duration

__all__ = [
    "COVERAGE",
    "CURRENT_BURN_RATE",
    "ERROR_BUDGET",
    "ERROR_BUDGET_REMAINING",
    "ERROR_EVENTS",
    "EXHAUSTED_ALERT",
    "IDENTITY_LABELS",
    "INFO",
    "LABEL_ALERT_KIND",
    "LABEL_ID",
    "LABEL_LONG_WINDOW",
    "LABEL_MODE",
    "LABEL_OBJECTIVE",
    "LABEL_PERIOD",
    "LABEL_SERVICE",
    "LABEL_SEVERITY",
    "LABEL_SHORT_WINDOW",
    "LABEL_SLO",
    "LABEL_SPEC",
    "LABEL_VERSION",
    "LABEL_WINDOW",
    "LOCAL_TIME",
    "MISSING_DATA_ALERT",
    "OBJECTIVE",
    "OWNER_LABEL",
    "PERIOD_BURN_RATE",
    "PERIOD_ELAPSED",
    "PERIOD_START",
    "PROJECTED_BUDGET_REMAINING",
    "SLICE_ERROR",
    "TIER_LABEL",
    "TIME_PERIOD_DAYS",
    "TOTAL_EVENTS",
    "WINDOW_BUDGET_REMAINING",
    "WINDOW_BURN_RATE",
    "budget_remaining",
    "calendar_error_ratio",
    "counted_in",
    "error_events_increase",
    "error_events_rate",
    "error_events_thinned",
    "error_ratio",
    "identity_labels",
    "of_period",
    "selector",
    "total_events_rate",
    "total_events_thinned",
]

LABEL_ID = "sloth_id"
LABEL_SERVICE = "sloth_service"
LABEL_SLO = "sloth_slo"
LABEL_WINDOW = "sloth_window"
LABEL_SEVERITY = "sloth_severity"
# Ours: what kind of alert it is, and for a burn-rate alert its pair of windows.
LABEL_ALERT_KIND = "slo_alert"
LABEL_LONG_WINDOW = "long_window"
LABEL_SHORT_WINDOW = "short_window"
LABEL_VERSION = "sloth_version"
LABEL_MODE = "sloth_mode"
LABEL_SPEC = "sloth_spec"
LABEL_OBJECTIVE = "sloth_objective"
IDENTITY_LABELS = (LABEL_ID, LABEL_SERVICE, LABEL_SLO)

OWNER_LABEL = "owner"
TIER_LABEL = "tier"

ERROR_RATIO_PREFIX = "slo:sli_error:ratio_rate"
CALENDAR_RATIO_PREFIX = "slo:sli_error:ratio_"
OBJECTIVE = "slo:objective:ratio"
ERROR_BUDGET = "slo:error_budget:ratio"
TIME_PERIOD_DAYS = "slo:time_period:days"
CURRENT_BURN_RATE = "slo:current_burn_rate:ratio"
PERIOD_BURN_RATE = "slo:period_burn_rate:ratio"
ERROR_BUDGET_REMAINING = "slo:period_error_budget_remaining:ratio"
INFO = "sloth_slo_info"

# Ours: alerts that are named alike for all SLOs; their labels tell them apart.
EXHAUSTED_ALERT = "SLOErrorBudgetExhausted"
MISSING_DATA_ALERT = "SLOMissingData"

# Ours: the two event rates that profile `exact` derives everything else from.
ERROR_EVENTS = "slo:error_events"
TOTAL_EVENTS = "slo:total_events"

# Ours: further compliance windows; their label `sloth_window` tells them apart.
WINDOW_BURN_RATE = "slo:window_burn_rate:ratio"
WINDOW_BUDGET_REMAINING = "slo:window_error_budget_remaining:ratio"

# Ours: calendar periods.
LABEL_PERIOD = "slo_period"
LOCAL_TIME = "slo:local_time:seconds"
PERIOD_START = "slo:period_start:date"
PERIOD_ELAPSED = "slo:period_elapsed:ratio"
PROJECTED_BUDGET_REMAINING = "slo:period_error_budget_remaining:projected"

# Ours: the share of a compliance window that has been measured.
COVERAGE = "slo:period_coverage:ratio"

# Ours: the error ratio of one slice of time, where slices are counted instead of events.
SLICE_ERROR = "slo:slice_error:ratio"


def error_ratio(window: Duration) -> str:
    """Return the name of the error ratio over *window*, such as `slo:sli_error:ratio_rate5m`."""
    return f"{ERROR_RATIO_PREFIX}{window}"


def calendar_error_ratio(unit: str) -> str:
    """Return the name of the error ratio of the calendar period so far."""
    return f"{CALENDAR_RATIO_PREFIX}{unit}"


def budget_remaining(calendar: bool) -> str:
    """Return the series that tells when a budget is gone; of a calendar's, the projected one."""
    return PROJECTED_BUDGET_REMAINING if calendar else ERROR_BUDGET_REMAINING


def counted_in(what: str, window: str) -> str:
    """Return the name of how many of *what* (such as `error_events`) a compliance window holds."""
    return f"slo:{what}:count{window if window[0].isdigit() else f'_{window}'}"


def of_period(series: str, unit: str) -> str:
    """Return the name of *series* with the calendar period that it counts for as a label."""
    return f"{series}_{unit}"


def error_events_rate(window: Duration) -> str:
    """Return the name of the rate of bad events per second over *window*."""
    return f"{ERROR_EVENTS}:rate{window}"


def total_events_rate(window: Duration) -> str:
    """Return the name of the rate of all events per second over *window*."""
    return f"{TOTAL_EVENTS}:rate{window}"


def error_events_increase(window: Duration) -> str:
    """Return the name of the number of bad events in *window*."""
    return f"{ERROR_EVENTS}:increase{window}"


def error_events_thinned(window: Duration, interval: Duration) -> str:
    """Return the name of the bad event rate, averaged over each *interval*."""
    return f"{ERROR_EVENTS}:rate{window}_avg{interval}"


def total_events_thinned(window: Duration, interval: Duration) -> str:
    """Return the name of the event rate, averaged over each *interval*."""
    return f"{TOTAL_EVENTS}:rate{window}_avg{interval}"


def identity_labels(slo_id: str, service: str, name: str) -> dict[str, str]:
    """Return the three labels that identify an SLO in every series."""
    return {LABEL_ID: slo_id, LABEL_SERVICE: service, LABEL_SLO: name}


def selector(slo_id: str, service: str, name: str) -> str:
    """Return the matchers of an SLO's series, in sloth's spelling."""
    return f'{{{LABEL_ID}="{slo_id}", {LABEL_SERVICE}="{service}", {LABEL_SLO}="{name}"}}'
