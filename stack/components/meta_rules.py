"""Make the alerts that watch the stack itself: a watcher that fails is silent otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from slo import conventions as names
from slo.alerts.model import AlertingRule, RuleGroup
from slo.alerts.rules_yaml import groups_yaml
from slo.artifact import GENERATED
from slo.duration import Duration, minutes
from slo.stack.components.context import Context

__all__ = ["DEADMAN", "META_RULES_FILE", "meta_groups", "meta_rules"]

META_RULES_FILE = "slostack-stack.yaml"
# Fires always: who does not hear of it any more knows that the whole path is broken.
DEADMAN = "Watchdog"
_GROUP = "slostack-stack"
_RUNBOOK = "stack.md"


def meta_rules(context: Context) -> str:
    """Return the file of rules that watch the stack of *context*."""
    header = f"{GENERATED} for the stack `{context.settings.name}`. Do not edit.\n"
    groups = meta_groups(context.present, context.settings.runbooks)
    return header + "".join(groups_yaml(groups))


def meta_groups(present: frozenset[str], runbooks: str = "") -> list[RuleGroup]:
    """
    Return the groups of rules for a stack of the components *present*.

    Args:
        runbooks: Address of the folder that holds the runbooks; empty for none.
    """
    rules: list[AlertingRule] = [_deadman(), *_targets()]
    for component, make in _OF_COMPONENTS.items():
        if component in present:
            rules += make()
    return [RuleGroup(_GROUP, [_linked(rule, runbooks) for rule in rules])]


def _linked(rule: AlertingRule, runbooks: str) -> AlertingRule:
    """Return *rule* with the address of its heading in the runbook, where there are any."""
    if not runbooks:
        return rule
    url = f"{runbooks.rstrip('/')}/{_RUNBOOK}#{rule.alert.lower()}"
    return replace(rule, annotations={**rule.annotations, "runbook_url": url})


def _alert(
    alert: str,
    expr: str,
    title: str,
    summary: str,
    do: str,
    *,
    severity: str = "ticket",
    for_: Duration | None = None,
) -> AlertingRule:
    return AlertingRule(
        alert=alert,
        expr=expr,
        labels={names.LABEL_SEVERITY: severity, names.LABEL_ALERT_KIND: "stack"},
        annotations={"title": f"({severity}) {title}", "summary": summary, "description": do},
        for_=for_,
    )


def _deadman() -> AlertingRule:
    return AlertingRule(
        alert=DEADMAN,
        expr="vector(1)",
        labels={names.LABEL_SEVERITY: "none", names.LABEL_ALERT_KIND: "deadman"},
        annotations={
            "title": "The path of alerts works",
            "summary": "This alert fires always. When it stops, no other alert gets through.",
        },
    )


def _targets() -> Iterator[AlertingRule]:
    yield _alert(
        "StackPartDown",
        "up == 0",
        "{{ $labels.job }} is down",
        "{{ $labels.job }} at {{ $labels.instance }} has not answered for 5 minutes.",
        "See what it says: `slo stack status`, then its log.",
        for_=minutes(5),
    )


def _of_prometheus() -> Iterator[AlertingRule]:
    yield _alert(
        "StackPrometheusConfigRefused",
        "prometheus_config_last_reload_successful == 0",
        "Prometheus runs on an old configuration",
        "The last reload failed: new rules are not evaluated.",
        "Its log names the mistake; `promtool check config` finds it too.",
        for_=minutes(5),
    )
    yield _alert(
        "StackAlertsNotSent",
        "increase(prometheus_notifications_dropped_total[5m]) > 0",
        "Prometheus cannot send alerts",
        "Alerts were dropped on the way to Alertmanager: pages are lost.",
        "Is Alertmanager up, and does Prometheus know its address (page /status)?",
        severity="page",
        for_=minutes(2),
    )
    yield _alert(
        "StackStorageFailing",
        "increase(prometheus_tsdb_compactions_failed_total[3h]) > 0 "
        "or increase(prometheus_tsdb_wal_corruptions_total[3h]) > 0",
        "Prometheus cannot write its data",
        "Compactions failed or the log was damaged within three hours.",
        "Most often the disk is full: see the free space of its volume.",
    )


def _of_alertmanager() -> Iterator[AlertingRule]:
    yield _alert(
        "StackNotificationsFailing",
        "sum by (instance, integration) (increase(alertmanager_notifications_failed_total[5m])) "
        "> 0",
        "Alertmanager cannot notify by {{ $labels.integration }}",
        "Notifications by {{ $labels.integration }} failed: people may not hear of an outage.",
        "Its log has the answer of the receiver. Check the secret and the address.",
        severity="page",
        for_=minutes(5),
    )
    yield _alert(
        "StackAlertmanagerConfigRefused",
        "alertmanager_config_last_reload_successful == 0",
        "Alertmanager runs on an old configuration",
        "The last reload failed: new routes and receivers do not count.",
        "Its log names the mistake; `amtool check-config` finds it too.",
        for_=minutes(5),
    )


def _of_engine() -> Iterator[AlertingRule]:
    yield _alert(
        "StackEngineReadsNothing",
        "min by (job) (slo_engine_snapshot_age_seconds) > 600",
        "The engine's numbers are old",
        "No replica of the engine has read anything for {{ $value | humanizeDuration }}: gates "
        "will answer `unknown`.",
        "Is its source up? The engine's page /v1/sources and its log say what failed.",
        for_=minutes(5),
    )
    yield _alert(
        "StackLedgerDown",
        "slo_engine_ledger_up == 0",
        "The ledger cannot be written",
        "Decisions wait in memory, and corrections and overrides are refused.",
        "SQLite: is the disk full? PostgreSQL: is it up, and is the password right?",
        for_=minutes(5),
    )


def _of_loki() -> Iterator[AlertingRule]:
    yield _alert(
        "StackLogsRefused",
        "sum by (reason) (increase(loki_discarded_samples_total[10m])) > 0",
        "Loki refuses log lines",
        "Lines are dropped: {{ $labels.reason }}.",
        "Raise the limit of that name in the configuration of Loki, or send less.",
        for_=minutes(10),
    )


def _of_vmalert() -> Iterator[AlertingRule]:
    yield _alert(
        "StackRulesFailing",
        "max by (instance, group) (vmalert_recording_rules_error) > 0 "
        "or max by (instance, group) (vmalert_alerting_rules_error) > 0",
        "rules of {{ $labels.group }} fail",
        "Rules of {{ $labels.group }} fail: their SLOs are not measured.",
        "The page /vmalert/groups of vmalert shows the error of each rule.",
        for_=minutes(5),
    )
    yield _alert(
        "StackAlertsNotSent",
        "increase(vmalert_alerts_send_errors_total[5m]) > 0",
        "vmalert cannot send alerts",
        "Alerts were not taken by Alertmanager: pages may be lost.",
        "Is Alertmanager up, and is `-notifier.url` of vmalert its address?",
        severity="page",
        for_=minutes(2),
    )


def _of_vmagent() -> Iterator[AlertingRule]:
    yield _alert(
        "StackSamplesWait",
        "max by (instance) (vmagent_remotewrite_pending_data_bytes) > 1e9",
        "samples wait on disk",
        "{{ $value | humanize1024 }}B of samples wait to be written: budgets are old.",
        "Is vminsert up, and are the storage nodes? Their logs say what they refuse.",
        for_=minutes(10),
    )


_OF_COMPONENTS = {
    "prometheus": _of_prometheus,
    "alertmanager": _of_alertmanager,
    "engine": _of_engine,
    "loki": _of_loki,
    "vmagent": _of_vmagent,
    "vmalert": _of_vmalert,
}
