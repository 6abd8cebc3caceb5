"""Make the alerts on the rules themselves: a rule that fails is an alert that cannot fire."""

from __future__ import annotations

from slo import conventions as names
from slo.alerts.model import AlertingRule, RuleGroup
from slo.duration import minutes

__all__ = ["GROUP_PATTERN", "HEALTH_FILE", "health_groups"]

HEALTH_FILE = "slo-rules-health"
# The server labels its own series with file and group, joined by `;`.
GROUP_PATTERN = ".+;slo-(fast|slow|period|alerts)-.+"


def health_groups() -> list[RuleGroup]:
    """Return one group that watches every group of profile `exact` by the server's metrics."""
    series = f'{{rule_group=~"{GROUP_PATTERN}"}}'
    labels = {names.LABEL_SEVERITY: "ticket", names.LABEL_ALERT_KIND: "rules_failing"}
    group = "{{ $labels.rule_group }}"
    return [
        RuleGroup(
            HEALTH_FILE,
            [
                AlertingRule(
                    alert="SLORulesFailing",
                    expr=f"increase(prometheus_rule_evaluation_failures_total{series}[5m]) > 0",
                    labels=labels,
                    annotations={
                        "title": "(ticket) SLO rules fail",
                        "summary": f"Rules of {group} fail: their SLOs are not measured, and "
                        "their alerts cannot fire.",
                        "description": "Failures in the last 5m: {{ $value | humanize }}\n"
                        "The page /rules of the server shows the error of each rule.",
                    },
                    for_=minutes(5),
                ),
                AlertingRule(
                    alert="SLORulesMissed",
                    expr=(
                        f"increase(prometheus_rule_group_iterations_missed_total{series}[5m]) > 0"
                    ),
                    labels=labels,
                    annotations={
                        "title": "(ticket) SLO rules are not evaluated in time",
                        "summary": f"Evaluations of {group} are skipped: its alerts come late.",
                        "description": "Skipped in the last 5m: {{ $value | humanize }}\n"
                        "The group takes longer than its interval, or the server is overloaded.",
                    },
                    for_=minutes(10),
                ),
            ],
        )
    ]
