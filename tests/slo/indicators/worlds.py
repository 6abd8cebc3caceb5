"""Say, for each indicator, which raw series are all good, all bad and half of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STEPS = 240  # two hours, one sample every half minute

Values = str | None
"""Samples in promtool's notation; `None` for a series that does not exist."""


@dataclass(frozen=True)
class World:
    """
    Hold raw series under three conditions.

    Args:
        series: Each with its values when all is good, all is bad, and half is bad.
        half: Share of bad events in the last hour of the third condition.
        new: Only Prometheus 3 can read it.
    """

    indicator: str
    params: Mapping[str, Any]
    series: Mapping[str, tuple[Values, Values, Values]]
    half: float = 0.5
    new: bool = False
    note: str = ""

    def __str__(self) -> str:
        return f"{self.indicator} {self.note}".strip()


def counter(good: int | None, bad: int | None, half: int | None) -> tuple[Values, Values, Values]:
    """Return a counter that grows by so much per sample."""

    def values(growth: int | None) -> Values:
        if growth is None:
            return None
        return f"0+{growth}x{STEPS}" if growth else f"0x{STEPS}"

    return values(good), values(bad), values(half)


def gauge(good: str, bad: str, half: str | None = None) -> tuple[Values, Values, Values]:
    """Return a gauge; half of the last hour it is good unless *half* says otherwise."""
    return f"{good}x{STEPS}", f"{bad}x{STEPS}", half or f"{good}x180 {bad}x59"


def native(good: int, bad: int, half: int, bucket: int) -> tuple[Values, Values, Values]:
    """Return a native histogram whose events all fall into the bucket up to 2 to the *bucket*."""

    def values(growth: int) -> Values:
        if not growth:
            return None
        one = f"{{{{schema:0 count:{growth} sum:{growth} offset:{bucket} buckets:[{growth}]}}}}"
        return f"{one}+{one}x{STEPS}"

    return values(good), values(bad), values(half)


HTTP = "http_server_request_duration_seconds"
CLIENT = "http_client_request_duration_seconds"
SPAN = 'span_kind="SPAN_KIND_SERVER"'
FAST, SLOW = -2, 1  # up to 0.25 s, and more than 1 s

WORLDS = [
    World(
        "http_availability",
        {},
        {
            f'{HTTP}_count{{http_response_status_code="200"}}': counter(30, 0, 15),
            f'{HTTP}_count{{http_response_status_code="404"}}': counter(30, 0, 15),
            f'{HTTP}_count{{http_response_status_code="503"}}': counter(None, 60, 30),
        },
    ),
    World(
        "http_availability",
        {"metric": "http_requests_total", "status_label": "code", "error_status": "5..|429"},
        {
            'http_requests_total{code="200"}': counter(30, 0, 15),
            'http_requests_total{code="429"}': counter(None, 30, 15),
        },
        note="of a client library",
    ),
    World(
        "http_availability",
        {"naming": "utf8", "selector": {"http.route": "/pay"}},
        {
            '{"http.server.request.duration_count","http.response.status_code"="200",'
            '"http.route"="/pay"}': counter(30, 0, 15),
            '{"http.server.request.duration_count","http.response.status_code"="500",'
            '"http.route"="/pay"}': counter(None, 30, 15),
            '{"http.server.request.duration_count","http.response.status_code"="500",'
            '"http.route"="/else"}': counter(30, 0, 30),
        },
        note="utf8",
        new=True,
    ),
    World(
        "http_latency",
        {"threshold": "300ms"},
        {
            f'{HTTP}_count{{http_response_status_code="200"}}': counter(30, 30, 30),
            f'{HTTP}_bucket{{http_response_status_code="200",le="0.3"}}': counter(30, 0, 15),
            # What fails is neither slow nor fast here, whatever it took.
            f'{HTTP}_count{{http_response_status_code="503"}}': counter(90, 90, 90),
            f'{HTTP}_bucket{{http_response_status_code="503",le="0.3"}}': counter(0, 90, 45),
        },
    ),
    World(
        "http_latency",
        {"threshold": "1s", "only_successful": False},
        {
            f'{HTTP}_count{{http_response_status_code="200"}}': counter(30, 30, 30),
            f'{HTTP}_bucket{{http_response_status_code="200",le="1.0"}}': counter(30, 0, 30),
            f'{HTTP}_count{{http_response_status_code="503"}}': counter(30, 30, 30),
            f'{HTTP}_bucket{{http_response_status_code="503",le="1.0"}}': counter(30, 0, 0),
        },
        note="with failures",
    ),
    World(
        "http_latency",
        {"threshold": "250ms", "histogram": "native"},
        {
            f'{HTTP}{{http_response_status_code="200",part="fast"}}': native(30, 0, 15, FAST),
            f'{HTTP}{{http_response_status_code="200",part="slow"}}': native(0, 30, 15, SLOW),
            f'{HTTP}{{http_response_status_code="503"}}': native(90, 90, 90, SLOW),
        },
        note="native",
        new=True,
    ),
    World(
        "grpc_availability",
        {},
        {
            'grpc_server_handled_total{grpc_code="OK"}': counter(30, 0, 15),
            'grpc_server_handled_total{grpc_code="NotFound"}': counter(30, 0, 15),
            'grpc_server_handled_total{grpc_code="Internal"}': counter(None, 60, 30),
        },
    ),
    World(
        "grpc_availability",
        {"convention": "otel"},
        {
            'rpc_server_call_duration_seconds_count{rpc_response_status_code="OK"}': counter(
                30, 0, 15
            ),
            "rpc_server_call_duration_seconds_count"
            '{rpc_response_status_code="DEADLINE_EXCEEDED"}': counter(None, 30, 15),
        },
        note="otel",
    ),
    World(
        "grpc_availability",
        {"convention": "otel_legacy"},
        {
            'rpc_server_duration_milliseconds_count{rpc_grpc_status_code="0"}': counter(30, 0, 15),
            'rpc_server_duration_milliseconds_count{rpc_grpc_status_code="14"}': counter(
                None, 30, 15
            ),
        },
        note="otel_legacy",
    ),
    World(
        "grpc_latency",
        {"threshold": "100ms"},
        {
            "grpc_server_handling_seconds_count": counter(30, 30, 30),
            'grpc_server_handling_seconds_bucket{le="0.1"}': counter(30, 0, 15),
        },
    ),
    World(
        "grpc_latency",
        {"threshold": "100ms", "convention": "otel_legacy"},
        {
            'rpc_server_duration_milliseconds_count{rpc_grpc_status_code="0"}': counter(30, 30, 30),
            'rpc_server_duration_milliseconds_bucket{rpc_grpc_status_code="0",le="100"}': counter(
                30, 0, 15
            ),
            'rpc_server_duration_milliseconds_count{rpc_grpc_status_code="13"}': counter(9, 9, 9),
        },
        note="otel_legacy",
    ),
    World(
        "dependency_calls",
        {"timeout": "2500ms"},
        {
            f'{CLIENT}_count{{http_response_status_code="200"}}': counter(30, 30, 30),
            f'{CLIENT}_bucket{{http_response_status_code="200",le="2.5"}}': counter(30, 0, 30),
            # An answer that was cut off, a refusal, a server error and a call without an answer.
            f'{CLIENT}_count{{http_response_status_code="200",error_type="timeout"}}': counter(
                None, 10, 10
            ),
            f'{CLIENT}_bucket{{http_response_status_code="200",error_type="timeout",le="2.5"}}'
            "": counter(None, 10, 10),
            f'{CLIENT}_count{{http_response_status_code="429",error_type="429"}}': counter(
                None, 5, 5
            ),
            f'{CLIENT}_bucket{{http_response_status_code="429",error_type="429",le="2.5"}}'
            "": counter(None, 5, 5),
            f'{CLIENT}_count{{http_response_status_code="503",error_type="503"}}': counter(
                None, 5, 5
            ),
            f'{CLIENT}_bucket{{http_response_status_code="503",error_type="503",le="2.5"}}'
            "": counter(None, 5, 5),
            f'{CLIENT}_count{{error_type="connect"}}': counter(None, 10, 10),
            f'{CLIENT}_bucket{{error_type="connect",le="2.5"}}': counter(None, 10, 10),
            # Not found is an answer, which error.type repeats.
            f'{CLIENT}_count{{http_response_status_code="404",error_type="404"}}': counter(
                30, 0, 0
            ),
            f'{CLIENT}_bucket{{http_response_status_code="404",error_type="404",le="2.5"}}'
            "": counter(30, 0, 0),
        },
    ),
    World(
        "dependency_calls",
        {},
        {
            f'{CLIENT}_count{{http_response_status_code="200"}}': counter(30, 0, 15),
            # Old instrumentations say nothing of failures.
            f"{CLIENT}_count": counter(None, 30, 15),
        },
        note="without timeout",
    ),
    World("probe_success", {}, {"probe_success": gauge("1", "0")}),
    World(
        "probe_latency",
        {"threshold": "500ms"},
        {
            'probe_duration_seconds{instance="a"}': gauge("0.1", "0.9"),
            'probe_success{instance="a"}': gauge("1", "1"),
        },
    ),
    World(
        "probe_latency",
        {"threshold": "500ms"},
        {
            'probe_duration_seconds{instance="a"}': gauge("0.1", "0.9"),
            'probe_success{instance="a"}': gauge("1", "1"),
            'probe_duration_seconds{instance="b"}': gauge("9", "0.9"),
            'probe_success{instance="b"}': gauge("0", "1", f"0x{STEPS}"),
        },
        half=0.25,
        note="with failures",
    ),
    World(
        "probe_latency",
        {"threshold": "500ms", "only_successful": False},
        {"probe_duration_seconds": gauge("0.1", "0.9")},
        note="of all",
    ),
    World(
        "span_availability",
        {},
        {
            f'traces_span_metrics_calls_total{{{SPAN},status_code="STATUS_CODE_UNSET"}}': counter(
                30, 0, 15
            ),
            f'traces_span_metrics_calls_total{{{SPAN},status_code="STATUS_CODE_ERROR"}}': counter(
                None, 30, 15
            ),
            'traces_span_metrics_calls_total{span_kind="SPAN_KIND_CLIENT",'
            'status_code="STATUS_CODE_ERROR"}': counter(30, 0, 30),
        },
    ),
    World(
        "span_latency",
        {"threshold": "1s"},
        {
            f"traces_span_metrics_duration_milliseconds_count{{{SPAN}}}": counter(30, 30, 30),
            f'traces_span_metrics_duration_milliseconds_bucket{{{SPAN},le="1000"}}': counter(
                30, 0, 15
            ),
        },
    ),
    World(
        "span_latency",
        {"threshold": "400ms", "unit": "seconds"},
        {
            f"traces_span_metrics_duration_seconds_count{{{SPAN}}}": counter(30, 30, 30),
            f'traces_span_metrics_duration_seconds_bucket{{{SPAN},le="0.4"}}': counter(30, 0, 15),
        },
        note="in seconds",
    ),
    World(
        "log_events",
        {},
        {
            "log_record_count_total": counter(30, 30, 30),
            "log_record_error_count_total": counter(None, 30, 15),
        },
    ),
    World(
        "log_events",
        {"requests_per_second": 2},
        {
            "log_record_count_total": counter(300, 300, 300),
            # More bad records than requests are as many as there are requests.
            "log_record_error_count_total": counter(None, 300, 30),
        },
        note="against a declared rate",
    ),
    World(
        "batch_freshness",
        {"max_age": "10m"},
        # Replicas that never ran the job do not matter; the one that did stops after 80 minutes.
        {
            'job_last_success_timestamp_seconds{instance="a"}': (
                f"0+30x{STEPS}",
                f"0x{STEPS}",
                "0+30x160 4800x79",
            ),
            'job_last_success_timestamp_seconds{instance="b"}': gauge("0", "0"),
        },
    ),
    World(
        "batch_freshness",
        {"max_age": "10m", "each": ["job_name"], "unit": "milliseconds"},
        {
            'job_last_success_timestamp_seconds{job_name="a"}': (
                f"0+30000x{STEPS}",
                f"0x{STEPS}",
                f"0+30000x{STEPS}",
            ),
            'job_last_success_timestamp_seconds{job_name="b"}': (
                f"0+30000x{STEPS}",
                f"0x{STEPS}",
                f"0x{STEPS}",
            ),
        },
        note="each",
    ),
    World(
        "queue_age",
        {"metric": "queue_oldest_message_age_seconds", "max_age": "5m"},
        {
            'queue_oldest_message_age_seconds{queue="a"}': gauge("10", "301"),
            'queue_oldest_message_age_seconds{queue="b"}': gauge("300", "1"),
        },
    ),
    World(
        "queue_drain",
        {"max_time": "10m"},
        {
            'kafka_consumergroup_lag{consumergroup="a",topic="t",partition="0"}': gauge(
                "500", "700", "500x180 700x59"
            ),
            'kafka_consumergroup_lag{consumergroup="a",topic="t",partition="1"}': gauge(
                "0", "0", f"0x{STEPS}"
            ),
            'kafka_consumergroup_current_offset{consumergroup="a",topic="t",partition="0"}'
            "": counter(30, 30, 30),
        },
    ),
    World(
        "queue_drain",
        {"max_time": "10m", "backlog": "messages_ready", "consumed": "messages_acked_total"},
        {"messages_ready": gauge("0", "5")},
        note="that nobody works on",
    ),
    World("boolean_gauge", {}, {'up{job="a"}': gauge("1", "0"), 'up{job="b"}': gauge("1", "0")}),
    World(
        "boolean_gauge",
        {"metric": "raid_degraded", "bad_value": 1},
        {"raid_degraded": gauge("0", "1")},
        note="of what is bad",
    ),
    World(
        "cache_hit",
        {},
        {
            "redis_keyspace_hits_total": counter(30, None, 15),
            "redis_keyspace_misses_total": counter(None, 30, 15),
        },
    ),
    World(
        "cache_hit",
        {"hits": "cache_gets_total", "requests": "cache_gets_total", "hit_selector": {"r": "hit"}},
        {
            'cache_gets_total{r="hit"}': counter(30, None, 15),
            'cache_gets_total{r="miss"}': counter(0, 30, 15),
        },
        note="of one metric",
    ),
    World(
        "restart_loops",
        {},
        {
            'kube_pod_container_status_restarts_total{pod="a"}': (
                f"7x{STEPS}",
                # One restart every five minutes.
                " ".join(f"{n}x9" for n in range(STEPS // 10)),
                f"7x{STEPS}",
            ),
            'kube_pod_container_status_restarts_total{pod="b"}': (
                # Two restarts in quick succession are no loop.
                "0x200 1x4 2x34",
                " ".join(f"{n}x9" for n in range(STEPS // 10)),
                " ".join(f"{n}x9" for n in range(STEPS // 10)),
            ),
        },
    ),
    World(
        "restart_loops",
        {"restarts": 1, "within": "40m"},
        {
            'kube_pod_container_status_restarts_total{pod="a"}': (
                f"7x{STEPS}",
                " ".join(f"{n}x39" for n in range(STEPS // 40)),
                "7x180 8x59",
            )
        },
        note="of few restarts",
    ),
    World(
        "saturation",
        {},
        {
            'db_client_connection_count{db_client_connection_pool_name="a",state="used"}': gauge(
                "8", "9", f"9x{STEPS}"
            ),
            'db_client_connection_count{db_client_connection_pool_name="a",state="idle"}': gauge(
                "2", "1"
            ),
            'db_client_connection_max{db_client_connection_pool_name="a"}': gauge("10", "10"),
            # Another pool's room is of no use to this one.
            'db_client_connection_count{db_client_connection_pool_name="b",state="used"}': gauge(
                "0", "100", f"0x{STEPS}"
            ),
            'db_client_connection_max{db_client_connection_pool_name="b"}': gauge("100", "100"),
        },
    ),
    World(
        "saturation",
        {
            "used": "pgbouncer_pools_server_active_connections",
            "capacity": "pgbouncer_databases_pool_size",
            "each": ["database"],
            "limit": 1,
        },
        {
            'pgbouncer_pools_server_active_connections{database="a",user="x"}': gauge("4", "5"),
            'pgbouncer_pools_server_active_connections{database="a",user="y"}': gauge("5", "5"),
            'pgbouncer_databases_pool_size{database="a",host="h"}': gauge("10", "10"),
        },
        note="each",
    ),
]
