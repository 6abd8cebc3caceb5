"""Make answers like those of a server that runs the compiled rules."""

from __future__ import annotations

from collections.abc import Mapping

from slo.engine.sources.protocol import Answer, SourceSeries
from slo.engine.status.reading import Answers

__all__ = ["NOW", "answers", "series"]

NOW = 1_800_000_000.0
IDENTITY = {"sloth_id": "shop-requests", "sloth_service": "shop", "sloth_slo": "requests"}
LABELS = {**IDENTITY, "owner": "team", "zone": "eu"}
INFO = {
    **LABELS,
    "sloth_objective": "99.9",
    "sloth_version": "1",
    "sloth_mode": "cli-gen-prom",
    "sloth_spec": "slo/v1",
}


def series(name: str, value: float, labels: Mapping[str, str], **more: str) -> SourceSeries:
    """Return a series with one sample."""
    return SourceSeries({"__name__": name, **labels, **more}, ((NOW, value),))


def answers(
    *,
    bad: float = 400.0,
    total: float = 1_000_000.0,
    groups: tuple[Mapping[str, str], ...] = ({},),
    evaluated_ago: float = 60.0,
    alerts: tuple[SourceSeries, ...] = (),
    traffic: bool = True,
) -> Answers:
    """Return what profile `exact` records of an objective of 99.9 % over 30 days."""
    ratio = bad / total
    budgets = [
        series("sloth_slo_info", 1, INFO),
        series("slo:time_period:days", 30, LABELS),
    ]
    burn, events, now = [], [], []
    for group in groups:
        of_group = {**LABELS, **group}
        remaining = series("slo:period_error_budget_remaining:ratio", 1 - ratio / 0.001, of_group)
        coverage = series("slo:period_coverage:ratio", 1, of_group, sloth_window="30d")
        budgets += [remaining, coverage]
        for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"):
            name = f"slo:sli_error:ratio_rate{window}"
            burn.append(series(name, ratio, of_group, sloth_window=window))
        for kind, value in (("error", bad), ("total", total)):
            name = f"slo:{kind}_events:count30d"
            events.append(series(name, value, of_group, sloth_window="30d"))
        if traffic:
            now.append(series("slo:total_events:rate5m", 10, {**IDENTITY, **group}))
    evaluated = SourceSeries(LABELS, ((NOW, NOW - evaluated_ago),))
    return Answers(
        "main",
        Answer(tuple(budgets)),
        evaluated=Answer((evaluated,)),
        burn_rates=Answer(tuple(burn)),
        events=Answer(tuple(events)),
        traffic=Answer(tuple(now)),
        alerts=Answer(alerts),
    )
