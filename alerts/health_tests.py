"""Write the promtool test of the rules that watch the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slo.alerts.health import HEALTH_FILE, health_groups
from slo.alerts.model import AlertingRule
from slo.alerts.prometheus_format import header, rule_file
from slo.artifact import Artifact
from slo.duration import Duration, hours, minutes

if TYPE_CHECKING:
    from slo.alerts.emit import EmitOptions

__all__ = ["health_test"]

_SERIES = (
    "prometheus_rule_evaluation_failures_total",
    "prometheus_rule_group_iterations_missed_total",
)
_OURS = "/etc/prometheus/rules/shop.yaml;slo-fast-shop-availability"
_THEIRS = "/etc/prometheus/rules/other.yaml;other"
# The server counts every 15s at most; a minute shows the same with fewer samples.
_STEP = minutes(1)
_HEALTHY = hours(1)
_FAILING = hours(1)
_WINDOW = minutes(5)


def health_test(options: EmitOptions) -> list[Artifact]:
    """Return the test of the health rules, with a copy of them where promtool needs one."""
    artifacts = []
    rules = f"../rules/{HEALTH_FILE}.yaml"
    if options.format == "kubernetes":
        rules = f"copies/{HEALTH_FILE}.yaml"
        text = rule_file(health_groups(), "all specs", options.version)
        artifacts.append(Artifact(f"rules-tests/{rules}", "tests", text))
    phases = tuple(length.milliseconds // _STEP.milliseconds for length in (_HEALTHY, _FAILING))
    text = (
        f"{header('all specs', options.version)}"
        "# Proves when the alerts on failing rules fire and reset: promtool test rules FILE\n"
        f"rule_files: [{rules}]\n"
        f"evaluation_interval: {_STEP}\n"
        "tests:\n"
        f"  # Rules work for {_HEALTHY}, fail each time for {_FAILING}, then work again.\n"
        "  # The group of somebody else fails all the time, which is not our alert.\n"
        f"  - interval: {_STEP}\n"
        "    input_series:\n"
    )
    for series in _SERIES:
        failing = f"0x{phases[0]} 1+1x{phases[1] - 1} {phases[1]}x{phases[0]}"
        text += _series(series, _OURS, failing) + _series(series, _THEIRS, f"0+1x{sum(phases)}")
    text += "    promql_expr_test:\n"
    for rule in health_groups()[0].rules:
        if isinstance(rule, AlertingRule):
            text += _checks(rule)
    return [*artifacts, Artifact(f"rules-tests/{HEALTH_FILE}.yaml", "tests", text)]


def _series(name: str, group: str, values: str) -> str:
    return f'      - series: {name}{{rule_group="{group}"}}\n        values: {values}\n'


def _checks(rule: AlertingRule) -> str:
    lasting = rule.for_ or Duration(0)
    # The first failure is seen in the evaluation after the last good one.
    fires = _HEALTHY + _STEP + lasting
    ended = _HEALTHY + _FAILING
    alert = f'count(ALERTS{{alertname="{rule.alert}", alertstate="firing"}}) or vector(0)'
    text = (
        f"      # {rule.alert}: fires {lasting} after the first failure, and resets when the\n"
        f"      # {_WINDOW} before have none.\n"
    )
    for at, value in (
        (_HEALTHY, 0),
        (fires - _STEP, 0),
        (fires, 1),
        (ended + _WINDOW - _STEP - _STEP, 1),
        (ended + _WINDOW, 0),
    ):
        text += (
            f"      - expr: '{alert}'\n"
            f"        eval_time: {at}\n"
            f"        exp_samples: [{{labels: '{{}}', value: {value}}}]\n"
        )
    return text
