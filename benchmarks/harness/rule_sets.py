"""Give the rules of each tool for one indicator, to be measured side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from slo.alerts.sloth_rules import sli_rules
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs

__all__ = ["Groups", "compiled", "pyrra", "sloth_not_optimised", "spec"]

Groups = list[dict[str, Any]]
"""Rule groups as in a rule file."""

# Pyrra scales its windows from four weeks to the SLO's window and rounds them to minutes.
_PYRRA_WINDOWS = ("5m", "32m", "1h4m", "2h9m", "6h26m", "1d1h43m", "4d6h51m")
_PYRRA_INCREASE_INTERVAL = "2m30s"


def spec(service: str, error: str, total: str) -> str:
    """Return a spec of 99.9 % in thirty days; *error* and *total* are selectors of counters."""
    return (
        f"version: slo/v1\nservice: {service}\nslos:\n  - name: requests\n    objective: 99.9\n"
        "    indicator:\n      events:\n"
        f"        error: sum(rate({error}[{{{{.window}}}}]))\n"
        f"        total: sum(rate({total}[{{{{.window}}}}]))\n"
    )


def compiled(folder: Path, text: str, profile: str) -> Groups:
    """Return the recording rules of the spec *text* under *profile*, alerts left out."""
    path = folder / "spec.yaml"
    path.write_text(text)
    options = CompileOptions(profile=profile, kinds=("rules",), alerts=False)
    result = compile_specs([str(path)], options)
    rules = next(a.text for a in result.artifacts if a.path == "rules/spec.yaml")
    groups: Groups = yaml.safe_load(rules)["groups"]
    return groups


def sloth_not_optimised(folder: Path, text: str) -> Groups:
    """Return sloth's rules with its optimisation off: the period reads raw series as well."""
    groups = compiled(folder, text, "sloth")
    options = CompileOptions(kinds=("rules",))
    plan = compile_specs([str(folder / "spec.yaml")], options).specs.slos[0]
    whole = sli_rules(plan, optimized=False)[-1]
    for group in groups:
        for rule in group["rules"]:
            if rule["record"] == whole.record:  # type: ignore[union-attr]
                rule["expr"] = whole.expr
    return groups


def pyrra(service: str, error: str, total: str, *, performance: bool = False) -> Groups:
    """
    Return recording rules of Pyrra's shape for thirty days.

    Burn rates read raw series over seven windows. The budget is a quotient of two increases over
    the whole window, once for each metric; with *performance* over accuracy they are sums of
    five-minute increases.
    """
    labels = {"slo": service}
    burn = [
        _rule(f"requests:burnrate{w}", f"sum(rate({error}[{w}])) / sum(rate({total}[{w}]))", labels)
        for w in _PYRRA_WINDOWS
    ]
    metrics = _metrics(error, total)
    group = {"name": service, "interval": "30s", "rules": burn}
    slow = {"name": f"{service}-increase", "interval": _PYRRA_INCREASE_INTERVAL}
    if not performance:
        whole = [
            _rule(f"{base}:increase30d", f"sum{by}(increase({selector}[30d]))", labels)
            for base, by, selector in metrics
        ]
        return [group, {**slow, "rules": whole}]
    short = [
        _rule(f"{base}:increase5m", f"sum{by}(increase({selector}[5m]))", labels)
        for base, by, selector in metrics
    ]
    long = [
        _rule(
            f"{base}:increase30d",
            f'sum{by}(sum_over_time({base}:increase5m{{slo="{service}"}}[30d:5m]))',
            labels,
        )
        for base, by, selector in metrics
    ]
    fast = {"name": f"{service}-increase-short", "interval": "30s", "rules": short}
    return [group, fast, {**slow, "rules": long}]


def _metrics(error: str, total: str) -> list[tuple[str, str, str]]:
    """Return base name, grouping and selector of each metric that increases are recorded of."""
    name = total.partition("{")[0]
    if error.partition("{")[0] == name:
        # One record for both; it keeps the label that only the errors match.
        return [(name.removesuffix("_total"), " by (code) ", total)]
    return [(s.partition("{")[0].removesuffix("_total"), "", s) for s in (error, total)]


def _rule(record: str, expr: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"record": record, "expr": expr, "labels": labels}
