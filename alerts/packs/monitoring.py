"""Watch the watchers: Prometheus, Alertmanager, and what they scrape."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from slo.alerts.health import GROUP_PATTERN
from slo.alerts.model import AlertingRule
from slo.alerts.packs.model import (
    Check,
    Feed,
    PackRules,
    Scenario,
    counter,
    gauge,
    missing,
    wait,
)
from slo.alerts.packs.settings import Settings, Words
from slo.duration import Duration, minutes
from slo.indicators.params import series

__all__ = ["WATCHDOG", "build"]

WATCHDOG = "Watchdog"
_PARTLY_DOWN = minutes(10)
_FAILED_SHARE = "0.01"
_JOB = {"job": "checkout"}


def build(settings: Settings) -> PackRules:
    """Return the rules on targets that are gone, and on alerts that cannot reach anybody."""
    alerts = (*_watchdog(settings), *_targets(settings), *_prometheus(settings))
    alerts = (*alerts, *_alertmanager(settings))
    return PackRules((), alerts, _scenarios(settings))


def _watchdog(settings: Settings) -> tuple[AlertingRule, ...]:
    if "heartbeat_owner" not in settings.given:
        return ()
    words = Words(
        "alerts reach you",
        "Always fires. Its receiver must sound the alarm when it stops coming.",
        "nothing: this one is meant to be there.",
    )
    # Its owner's pages, whatever the other alerts of the pack may do.
    own = replace(settings, owner=settings.text("heartbeat_owner"), pages=True)
    return (own.alert(WATCHDOG, "page", "vector(1)", words, Duration(0)),)


def _targets(settings: Settings) -> tuple[AlertingRule, ...]:
    up = series("up", settings.given.get("selector"))
    share = "{{ $value | humanizePercentage }}"
    job = "{{ $labels.job }}"
    return (
        settings.alert(
            "TargetsDown",
            "ticket",
            f"count by (job) ({up} == 0) / count by (job) ({up}) > "
            f"{settings.amount('down_share')} < 1",
            Words(
                f"targets of {job} are down",
                f"{share} of the targets of {job} cannot be scraped.",
                "the page /targets of Prometheus shows the error of each.",
            ),
            _PARTLY_DOWN,
        ),
        settings.alert(
            "JobDown",
            "page",
            f"sum by (job) ({up}) == 0",
            Words(
                f"all targets of {job} are down",
                f"No target of {job} can be scraped: it is down, or nobody sees how it is.",
                "whether the service answers its users; then the network between it and "
                "Prometheus.",
            ),
            settings.duration("for"),
        ),
        settings.alert(
            "JobGone",
            "ticket",
            # Stops by itself an hour later, when it is known to be gone for good.
            f"count by (job) ({up} offset 1h) unless count by (job) ({up})",
            Words(
                f"{job} is no longer scraped",
                f"{{{{ $value }}}} targets of {job} were scraped an hour ago, and none is now: "
                "its alerts cannot fire.",
                "service discovery: labels, selectors of the ServiceMonitor, DNS.",
            ),
            minutes(15),
        ),
    )


def _prometheus(settings: Settings) -> tuple[AlertingRule, ...]:
    selector = settings.given.get("selector")
    who = "{{ $labels.instance }}"
    own = f'rule_group!~"{GROUP_PATTERN}"'
    failures = series("prometheus_rule_evaluation_failures_total", selector, own)
    sent = series("prometheus_notifications_sent_total", selector)
    errors = series("prometheus_notifications_errors_total", selector)
    by = "by (instance, alertmanager)"
    storage = [
        f"increase({series(f'prometheus_tsdb_{name}_total', selector)}[3h])"
        for name in ("compactions_failed", "reloads_failures", "wal_corruptions")
    ]
    return (
        settings.alert(
            "PrometheusConfigRefused",
            "ticket",
            f"{series('prometheus_config_last_reload_successful', selector)} == 0",
            Words(
                f"Prometheus {who} refuses its configuration",
                f"Prometheus {who} runs with an old configuration, since the new one is wrong.",
                "`promtool check config`, and the log of Prometheus.",
            ),
            minutes(10),
        ),
        settings.alert(
            "PrometheusRulesFail",
            "ticket",
            f"increase({failures}[5m]) > 0",
            Words(
                f"rules of Prometheus {who} fail",
                "{{ $value | humanize }} evaluations of {{ $labels.rule_group }} failed "
                "in five minutes: its alerts cannot fire.",
                "the page /rules of Prometheus shows the error of each rule.",
            ),
            minutes(5),
        ),
        settings.alert(
            "PrometheusHasNoAlertmanager",
            "ticket",
            f"{series('prometheus_notifications_alertmanagers_discovered', selector)} < 1",
            Words(
                f"Prometheus {who} knows no Alertmanager",
                f"Prometheus {who} knows no Alertmanager, so that none of its alerts reaches "
                "anybody.",
                "`alerting` in its configuration, and the page /status.",
            ),
            minutes(10),
        ),
        settings.alert(
            "PrometheusCannotNotify",
            "page",
            f"sum {by} (rate({errors}[5m])) / sum {by} (rate({sent}[5m])) > {_FAILED_SHARE}",
            Words(
                f"alerts of Prometheus {who} get lost",
                "{{ $value | humanizePercentage }} of the alerts that Prometheus "
                f"{who} sends to {{{{ $labels.alertmanager }}}} fail.",
                "whether that Alertmanager runs and can be reached from there.",
            ),
            minutes(10),
        ),
        settings.alert(
            "PrometheusStorageFails",
            "ticket",
            " > 0\nor ".join(storage) + " > 0",
            Words(
                f"the storage of Prometheus {who} fails",
                f"The storage of Prometheus {who} met {{{{ $value | humanize }}}} errors in three "
                "hours: history may get lost.",
                "free space and health of its disk, and the log of Prometheus.",
            ),
            minutes(5),
        ),
    )


def _alertmanager(settings: Settings) -> tuple[AlertingRule, ...]:
    selector = settings.given.get("selector")
    who = "{{ $labels.instance }}"
    failed = series("alertmanager_notifications_failed_total", selector)
    sent = series("alertmanager_notifications_total", selector)
    by = "by (instance, integration)"
    return (
        settings.alert(
            "AlertmanagerConfigRefused",
            "ticket",
            f"{series('alertmanager_config_last_reload_successful', selector)} == 0",
            Words(
                f"Alertmanager {who} refuses its configuration",
                f"Alertmanager {who} runs with an old configuration, since the new one is wrong.",
                "`amtool check-config`, and the log of Alertmanager.",
            ),
            minutes(10),
        ),
        settings.alert(
            "AlertmanagerCannotNotify",
            "page",
            f"sum {by} (rate({failed}[5m])) / sum {by} (rate({sent}[5m])) > {_FAILED_SHARE}",
            Words(
                f"Alertmanager {who} cannot notify by {{{{ $labels.integration }}}}",
                "{{ $value | humanizePercentage }} of the notifications of Alertmanager "
                f"{who} by {{{{ $labels.integration }}}} fail: somebody is not told.",
                "the log of Alertmanager; then credentials and the status page of the service.",
            ),
            minutes(5),
        ),
    )


def _scenarios(settings: Settings) -> tuple[Scenario, ...]:
    def up(instance: str, *phases: tuple[float, int]) -> Feed:
        return Feed(settings.sample_of("up", **_JOB, instance=instance), gauge(*phases))

    healthy = settings.sample_of("up", **_JOB, instance="a")
    lasting = max(wait(settings.duration("for")), wait(_PARTLY_DOWN))
    half_matters = settings.number("down_share") < Decimal("0.5")
    both, up_again = 10 + 2 * lasting, 10 + 4 * lasting
    watchdog = () if "heartbeat_owner" not in settings.given else (Check(WATCHDOG, 1, 1),)
    return (
        Scenario(
            "one of two targets goes down, then both, then neither",
            (
                up("a", (1, 10), (0, 4 * lasting), (1, 20)),
                up("b", (1, both), (0, 2 * lasting), (1, 20)),
            ),
            (
                *watchdog,
                Check("TargetsDown", 10, 0),
                Check("TargetsDown", 10 + lasting, int(half_matters)),
                Check("JobDown", 10 + lasting, 0),
                Check("TargetsDown", both + lasting, 0),
                Check("JobDown", both + lasting, 1),
                Check("JobDown", up_again + 1, 0),
            ),
        ),
        Scenario(
            "a job is removed",
            (Feed(healthy, f"{gauge((1, 70))} {missing(90)}"),),
            (
                Check("JobGone", 69, 0),
                Check("JobGone", 100, 1),
                Check("JobGone", 140, 0),
                Check("JobDown", 100, 0),
            ),
        ),
        _troubles(settings),
    )


def _troubles(settings: Settings) -> Scenario:
    """Tell of servers that are in trouble for half an hour."""
    server = {"job": "prometheus", "instance": "prom:9090"}
    alertmanager = {"job": "alertmanager", "instance": "am:9093"}
    group = "/etc/prometheus/rules.yaml;other"
    burst = counter((0, 30), (2, 30), (0, 200))
    wrong = gauge((1, 30), (0, 30), (1, 30))

    def feed(metric: str, values: str, **labels: str) -> Feed:
        return Feed(settings.sample_of(metric, **labels), values)

    feeds = (
        feed("prometheus_config_last_reload_successful", wrong, **server),
        feed("prometheus_notifications_alertmanagers_discovered", wrong, **server),
        feed("prometheus_rule_evaluation_failures_total", burst, **server, rule_group=group),
        feed("prometheus_notifications_errors_total", burst, **server, alertmanager="am"),
        feed("prometheus_notifications_sent_total", counter((4, 260)), **server, alertmanager="am"),
        feed("prometheus_tsdb_compactions_failed_total", burst, **server),
        feed("alertmanager_config_last_reload_successful", wrong, **alertmanager),
        feed("alertmanager_notifications_failed_total", burst, **alertmanager, integration="slack"),
        feed(
            "alertmanager_notifications_total",
            counter((4, 260)),
            **alertmanager,
            integration="slack",
        ),
    )
    soon = (
        "PrometheusConfigRefused",
        "PrometheusRulesFail",
        "PrometheusHasNoAlertmanager",
        "PrometheusCannotNotify",
        "AlertmanagerConfigRefused",
        "AlertmanagerCannotNotify",
    )
    checks = [
        check
        for alert in soon
        for check in (Check(alert, 29, 0), Check(alert, 50, 1), Check(alert, 70, 0))
    ]
    storage = "PrometheusStorageFails"
    checks += [Check(storage, 29, 0), Check(storage, 50, 1), Check(storage, 245, 0)]
    return Scenario("servers in trouble for half an hour", feeds, tuple(checks))
