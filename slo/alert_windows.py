"""Read alert-window catalogs in sloth's `AlertWindows` format and resolve a period's policy."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from slo.burnrate import AlertPolicy, BurnWindow, scaled_policy
from slo.diagnostics import Diagnostic, Severity, Span
from slo.duration import Duration
from slo.schema import checker
from slo.source import Document, Map, Source, key_span, parse_documents, raw_text, span_of

__all__ = ["builtin_policies", "is_catalog", "policy_for", "read_catalog"]

_FOLDER = Path(__file__).with_name("policies")


def is_catalog(root: object) -> bool:
    """Tell whether a document is an alert-window catalog."""
    return isinstance(root, Map) and root.get("kind") == "AlertWindows"


@lru_cache(maxsize=1)
def builtin_policies() -> Mapping[Duration, AlertPolicy]:
    """Return the SRE workbook's policies for 28 and 30 days."""
    found: dict[Duration, AlertPolicy] = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        for document in parse_documents(Source(path.name, path.read_text("utf-8"))):
            policy, diagnostics = read_catalog(document, builtin=True)
            if policy is None or diagnostics:
                raise AssertionError(f"{path.name}: {diagnostics}")
            found[policy.time_window] = policy
    return found


def policy_for(
    time_window: Duration, policies: Mapping[Duration, AlertPolicy]
) -> AlertPolicy | None:
    """Return the policy of *time_window*: from a catalog, else scaled; `None` out of range."""
    found = policies.get(time_window)
    if found is not None:
        return found
    try:
        return scaled_policy(time_window)
    except ValueError:
        return None


def read_catalog(
    document: Document, builtin: bool = False
) -> tuple[AlertPolicy | None, list[Diagnostic]]:
    """Return the policy that *document* declares, or `None` with what is wrong with it."""
    source, root, node = document.source, document.root, document.node
    diagnostics = list(document.diagnostics)
    if node is None or diagnostics:
        return None, diagnostics
    diagnostics += checker("alert-windows-v1", "AlertWindows").check(source, root, node)
    if any(d.is_error for d in diagnostics):
        return None, diagnostics
    spec = root["spec"]
    period = Duration.parse(spec["sloPeriod"])
    pairs: dict[str, BurnWindow] = {}
    for severity in ("page", "ticket"):
        for speed in ("quick", "slow"):
            pair = spec[severity][speed]
            pairs[f"{severity}_{speed}"] = _read_pair(pair)
            problem = _problem(pairs[f"{severity}_{speed}"], period)
            if problem is not None:
                span = key_span(source, spec[severity], speed)
                diagnostics.append(Diagnostic("SLO205", Severity.ERROR, problem, span))
    if diagnostics:
        return None, diagnostics
    policy = AlertPolicy(time_window=period, source=source.path, builtin=builtin, **pairs)
    if not builtin:
        diagnostics += _burns_inside_budget(policy, span_of(source, spec.nodes["sloPeriod"][1]))
    return policy, diagnostics


def _read_pair(pair: Map) -> BurnWindow:
    return BurnWindow(
        Decimal(raw_text(pair, "errorBudgetPercent")),
        Duration.parse(pair["shortWindow"]),
        Duration.parse(pair["longWindow"]),
    )


def _problem(pair: BurnWindow, period: Duration) -> str | None:
    if not pair.short_window.milliseconds:
        return "the short window is empty"
    if pair.short_window >= pair.long_window:
        return (
            f"the short window of {pair.short_window} must be shorter than the long one "
            f"of {pair.long_window}"
        )
    if pair.long_window >= period:
        return f"the long window of {pair.long_window} must be shorter than the period of {period}"
    return None


def _burns_inside_budget(policy: AlertPolicy, span: Span) -> list[Diagnostic]:
    found = []
    for pair in (*policy.pages, *policy.tickets):
        threshold = pair.threshold(policy.time_window)
        if threshold <= 1:
            message = (
                f"{pair.budget_percent} % of the budget in {pair.long_window} is a burn rate of "
                f"{threshold}: it alerts while the budget lasts"
            )
            hint = "raise errorBudgetPercent or shorten longWindow until the rate is above 1"
            found.append(Diagnostic("SLO203", Severity.WARNING, message, span, hint))
    return found
