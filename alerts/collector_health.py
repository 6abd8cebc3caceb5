"""Make the alerts on the collectors: what they lose is missing from SLIs, traces and logs."""

from __future__ import annotations

from slo import conventions as names
from slo.alerts.model import AlertingRule, RuleGroup
from slo.duration import Duration, minutes

__all__ = ["COLLECTOR_FILE", "collector_groups"]

COLLECTOR_FILE = "slo-collector-health"

# What the collector calls the pieces of each signal, in the names of its own counters.
_SIGNALS = ("spans", "metric_points", "log_records")
_RANGE = minutes(10)
_QUEUE_SHARE = "0.5"


def collector_groups() -> list[RuleGroup]:
    """Return one group that watches collectors by the metrics they give of themselves."""
    where = "{{ $labels.instance }}"
    exporter = "{{ $labels.exporter }}"
    signal = "{{ $labels.signal }}"
    return [
        RuleGroup(
            COLLECTOR_FILE,
            [
                _alert(
                    "CollectorQueueFull",
                    "collector_loss",
                    _any_signal("otelcol_exporter_enqueue_failed", "exporter"),
                    "a collector loses data",
                    f"The queue of {exporter} on {where} is full: {signal} are lost.",
                    "The backend has been away, or too slow, for longer than the queue holds. "
                    "SLIs that are made of them are too low until it is back.",
                ),
                _alert(
                    "CollectorExportRefused",
                    "collector_loss",
                    _any_signal("otelcol_exporter_send_failed", "exporter"),
                    "a backend refuses data of a collector",
                    f"{exporter} on {where} gives up on {signal}: its backend refuses them.",
                    "What may succeed later is sent again and not counted here. Look for errors "
                    "of this exporter in the collector's log: credentials, limits, old samples.",
                ),
                _alert(
                    "CollectorQueueFilling",
                    "collector_backlog",
                    "max by (job, instance, exporter) "
                    "(otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)"
                    f" > {_QUEUE_SHARE}",
                    "a collector's queue fills",
                    f"The queue of {exporter} on {where} is more than half full.",
                    "The backend is away or too slow. When the queue is full, data is lost.",
                    minutes(10),
                ),
                _alert(
                    "CollectorRefusesData",
                    "collector_refusal",
                    _any_signal("otelcol_processor_memory_limiter_refused"),
                    "a collector refuses data for lack of memory",
                    f"{where} refuses {signal}, since its memory is at the limit.",
                    "Senders try again, and lose data once their own queues are full. Give it "
                    "more memory, or more replicas.",
                    minutes(10),
                ),
                _alert(
                    "CollectorMiscounts",
                    "collector_loss",
                    "sum by (job, instance) "
                    f'(increase(otelcol_deltatocumulative_datapoints_total{{error!=""}}[{_RANGE}]))'
                    " > 0",
                    "a collector loses counts of log records",
                    f"{where} cannot add up counts of log records: SLIs of logs are too low.",
                    "Two collectors send the same series, or the clock has gone back.",
                ),
            ],
        )
    ]


def _any_signal(counter: str, *more: str) -> str:
    """
    Return the query for any increase of *counter*, with the label `signal`.

    The collector shows a counter only from its first failure on, which no increase contains.
    """
    labels = ", ".join(("job", "instance", *more))
    parts = []
    for signal in _SIGNALS:
        series = f"{counter}_{signal}_total"
        failures = f"increase({series}[{_RANGE}]) > 0 or ({series} unless {series} offset {_RANGE})"
        summed = f"sum by ({labels}) ({failures}) > 0"
        parts.append(f'label_replace({summed}, "signal", "{signal.replace("_", " ")}", "", "")')
    return "\nor\n".join(parts)


def _alert(
    name: str,
    kind: str,
    expr: str,
    title: str,
    summary: str,
    description: str,
    lasting: Duration | None = None,
) -> AlertingRule:
    return AlertingRule(
        alert=name,
        expr=expr,
        labels={names.LABEL_SEVERITY: "ticket", names.LABEL_ALERT_KIND: kind},
        annotations={"title": f"(ticket) {title}", "summary": summary, "description": description},
        for_=lasting,
    )
