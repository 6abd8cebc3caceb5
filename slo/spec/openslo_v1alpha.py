"""
Read OpenSLO `openslo/v1alpha`, kind SLO, as sloth does: one SLO per objective, no alerts.

Source: sloth v0.16, `internal/storage/io/openslo.go`.
"""

from __future__ import annotations

from decimal import Decimal

from slo.duration import days
from slo.plan import Origin, RatioIndicator, ServicePlan, SloPlan, SpecSet
from slo.schema import checker
from slo.source import Document, Map, key_span, raw_text
from slo.spec.context import ReadContext
from slo.spec.lowering import as_text, resolve_policy, value_span

__all__ = ["read_openslo_v1alpha"]

# Error ratio of good events; the shape is sloth's, white space included.
_ERROR_RATIO = "\n  1 - (\n    (\n      {good}\n    )\n    /\n    (\n      {total}\n    )\n  )\n"


def read_openslo_v1alpha(document: Document, context: ReadContext) -> SpecSet:
    """Return the plans of an `openslo/v1alpha` SLO."""
    assert document.node is not None
    source, root = document.source, document.root
    found = checker("openslo-v1alpha", "SLO", lenient=True).check(source, root, document.node)
    context.diagnostics.extend(found)
    if any(d.is_error for d in found):
        return SpecSet()
    spec, name = root["spec"], as_text(root["metadata"]["name"])
    service = as_text(spec["service"])
    time_window = context.default_time_window
    window_span = value_span(source, spec, "service")
    windows = spec.get("timeWindows") or []
    if windows:
        window_span = key_span(source, spec, "timeWindows")
        time_window = days(windows[0]["count"])
    if len(windows) > 1:
        context.report("SLO503", window_span, "more than one time window", "keep one of them")
        return SpecSet()
    policy = resolve_policy(context, time_window, window_span)
    if policy is None:
        return SpecSet()
    plans = []
    for index, objective in enumerate(spec["objectives"]):
        metrics: Map = objective["ratioMetrics"]
        target = raw_text(objective, "target")
        query = _ERROR_RATIO.format(
            good=as_text(metrics["good"]["query"]), total=as_text(metrics["total"]["query"])
        )
        plans.append(
            SloPlan(
                id=f"{service}-{name}-{index}",
                service=service,
                name=f"{name}-{index}",
                description=as_text(spec.get("description")),
                objective=Decimal(target) * 100,
                time_window=time_window,
                indicator=RatioIndicator(query, value_span(source, metrics["good"], "query")),
                policy=policy,
                origin=Origin(
                    "openslo-v1alpha", "cli-gen-openslo", "openslo/v1alpha", float(target) * 100
                ),
                span=value_span(source, root["metadata"], "name"),
                objective_span=value_span(source, objective, "target"),
                labels=dict(context.extra_labels),
            )
        )
    return SpecSet((ServicePlan(service, tuple(plans), source.path),))
