"""Write the promtool test of the rules that watch the collectors."""

from __future__ import annotations

from typing import NamedTuple

from slo.alerts.prometheus_format import header
from slo.duration import Duration, minutes

__all__ = ["collector_test"]

# Everything works for an hour, fails for one, and works again.
_PHASE = 60
_STEP = minutes(1)
_BEGIN, _END = minutes(_PHASE + 1), minutes(2 * _PHASE)
_PLACE = 'job="otel-gateway",instance="gateway-1"'
_RISING = f"0x{_PHASE} 1+1x{_PHASE - 1} {_PHASE}x{_PHASE}"
# The counter is not there before the first failures, of which there are seven at once.
_FIRST = f"_x{2 * _PHASE} 7x{_PHASE}"
_FULL = f"400x{_PHASE} 600x{_PHASE - 1} 400x{_PHASE}"
_QUEUE = f'{_PLACE},exporter="otlp_http/loki",data_type="logs"'
_CAPACITY = f"otelcol_exporter_queue_capacity{{{_QUEUE}}}"


class _Case(NamedTuple):
    """
    Provoke one alert.

    Args:
        fires: How long after failures have begun.
        resets: How long after the last one.
        matchers: To tell it from another alert of the same name.
    """

    alert: str
    series: str
    values: str
    fires: Duration
    resets: Duration
    matchers: str = ""


_CASES = (
    _Case(
        "CollectorQueueFull",
        f'otelcol_exporter_enqueue_failed_spans_total{{{_PLACE},exporter="otlp_grpc/jaeger"}}',
        _RISING,
        minutes(0),
        minutes(10),
        ', signal="spans"',
    ),
    _Case(
        "CollectorQueueFull",
        f'otelcol_exporter_enqueue_failed_metric_points_total{{{_PLACE},exporter="otlp_http/a"}}',
        _FIRST,
        minutes(_PHASE - 1),
        minutes(10),
        ', signal="metric points"',
    ),
    _Case(
        "CollectorExportRefused",
        f'otelcol_exporter_send_failed_log_records_total{{{_PLACE},exporter="otlp_http/loki"}}',
        _RISING,
        minutes(0),
        minutes(10),
    ),
    _Case(
        "CollectorQueueFilling",
        f"otelcol_exporter_queue_size{{{_QUEUE}}}",
        _FULL,
        minutes(10),
        _STEP,
    ),
    _Case(
        "CollectorRefusesData",
        f"otelcol_processor_memory_limiter_refused_metric_points_total{{{_PLACE}}}",
        _RISING,
        minutes(10),
        minutes(10),
    ),
    _Case(
        "CollectorMiscounts",
        f'otelcol_deltatocumulative_datapoints_total{{{_PLACE},error="delta.ErrOutOfOrder"}}',
        _RISING,
        minutes(0),
        minutes(10),
    ),
)


def collector_test(rules: str, version: str) -> str:
    """
    Return the test.

    Args:
        rules: Path of the rule file, from the test's folder.
    """
    text = (
        f"{header('all specs', version)}"
        "# Proves when the alerts on collectors fire and reset: promtool test rules FILE\n"
        f"rule_files: [{rules}]\n"
        f"evaluation_interval: {_STEP}\n"
        "tests:\n"
        "  # Everything works for an hour, fails for one, and works again.\n"
        f"  - interval: {_STEP}\n"
        "    input_series:\n"
    )
    text += _series(_CAPACITY, f"1000x{3 * _PHASE}")
    text += "".join(_series(case.series, case.values) for case in _CASES)
    text += "    promql_expr_test:\n"
    return text + "".join(_checks(case) for case in _CASES)


def _series(name: str, values: str) -> str:
    return f"      - series: '{name}'\n        values: {values}\n"


def _checks(case: _Case) -> str:
    matchers = f'alertname="{case.alert}", alertstate="firing"{case.matchers}'
    alert = f"count(ALERTS{{{matchers}}}) or vector(0)"
    fires = _BEGIN + case.fires
    text = f"      # {case.alert}: fires at {fires}, resets at {_END + case.resets}.\n"
    for at, value in ((fires - _STEP, 0), (fires, 1), (_END, 1), (_END + case.resets, 0)):
        text += (
            f"      - expr: '{alert}'\n"
            f"        eval_time: {at}\n"
            f"        exp_samples: [{{labels: '{{}}', value: {value}}}]\n"
        )
    return text
