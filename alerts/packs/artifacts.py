"""Write packs as rule files, and the promtool tests that prove them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from slo.alerts.kubernetes_format import prometheus_rule
from slo.alerts.model import RuleGroup
from slo.alerts.packs.model import PackRules, Scenario, held
from slo.alerts.packs.reader import Pack, PackSet
from slo.alerts.prometheus_format import header, rule_file
from slo.alerts.rules_yaml import scalar
from slo.artifact import Artifact
from slo.duration import Duration, minutes
from slo.plan import KubernetesMeta

__all__ = ["pack_artifacts", "pack_groups"]

_KUBERNETES = "kubernetes"
_MANAGER = "slostack"
_INTERVAL, _SLOW_INTERVAL = minutes(1), minutes(5)


def pack_groups(pack: Pack) -> list[RuleGroup]:
    """Return the groups of one pack; records stand before the alerts that read them."""
    name = f"pack-{pack.settings.name}-{pack.settings.pack}"
    rules = pack.rules
    groups = [
        RuleGroup(name, [*rules.records, *rules.alerts], _INTERVAL),
        RuleGroup(f"{name}-slow", list(rules.slow), _SLOW_INTERVAL),
    ]
    return [group for group in groups if group.rules]


def pack_artifacts(packs: PackSet, version: str, form: str = "prometheus") -> list[Artifact]:
    """
    Return the rule files of *packs* and their tests.

    Args:
        form: `prometheus`, or `kubernetes` for `PrometheusRule` objects, which are tested in a
            copy that promtool can read.
    """
    made = []
    for pack in packs.packs:
        stem = _stem(f"packs-{packs.name}-{pack.settings.pack}")
        groups = pack_groups(pack)
        plain = rule_file(groups, packs.source, version)
        rules = f"../rules/{stem}.yaml"
        if form == _KUBERNETES:
            meta = KubernetesMeta(name=stem)
            text = prometheus_rule(groups, meta, packs.source, version, _MANAGER)
            made.append(Artifact(f"rules/{stem}.yaml", "rules", text))
            rules = f"copies/{stem}.yaml"
            made.append(Artifact(f"rules-tests/{rules}", "tests", plain))
        else:
            made.append(Artifact(f"rules/{stem}.yaml", "rules", plain))
        if pack.rules.scenarios:
            text = header(packs.source, version) + _test(
                rules, pack.rules, pack.settings.keep_firing_for
            )
            made.append(Artifact(f"rules-tests/{stem}.yaml", "tests", text))
    return made


def _stem(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")


def _test(rules: str, made: PackRules, holding: Duration | None) -> str:
    return (
        "# Proves when each alert fires and resets: promtool test rules FILE\n"
        f"rule_files: [{rules}]\n"
        f"evaluation_interval: {_INTERVAL}\n"
        "tests:\n" + "".join(line for s in made.scenarios for line in _scenario(s, holding))
    )


def _scenario(scenario: Scenario, holding: Duration | None) -> Iterator[str]:
    yield f"  - name: {scalar(scenario.name)}\n    interval: 1m\n    input_series:\n"
    for feed in scenario.feeds:
        quoted = feed.series.replace("'", "''")
        yield f"      - series: '{quoted}'\n        values: {feed.values}\n"
    yield "    promql_expr_test:\n"
    for check in scenario.checks if holding is None else held(scenario.checks, holding):
        firing = f'count(ALERTS{{alertname="{check.alert}", alertstate="firing"}}) or vector(0)'
        yield (
            f"      - expr: '{firing}'\n"
            f"        eval_time: {check.at}m\n"
            f"        exp_samples: [{{labels: '{{}}', value: {check.firing}}}]\n"
        )
