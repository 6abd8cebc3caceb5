"""Names and selectors come out the way Prometheus has them."""

from __future__ import annotations

from typing import Any

import pytest

from slo.indicators.catalog import TYPED
from slo.indicators.naming import naming_of
from slo.indicators.params import aggregation, matchers, series
from slo.promql import check_template, selectors

# Read from Prometheus 3.16, to which one metric of each kind was sent under each strategy.
TRANSLATED = {
    "escaped": (
        "http_server_request_duration_seconds_bucket",
        "http_response_status_code",
        "traces_span_metrics_calls_total",
        "db_client_connection_count",
    ),
    "escaped_without_suffixes": (
        "http_server_request_duration_bucket",
        "http_response_status_code",
        "traces_span_metrics_calls",
        "db_client_connection_count",
    ),
    "utf8_with_suffixes": (
        "http.server.request.duration_seconds_bucket",
        "http.response.status_code",
        "traces.span.metrics.calls_total",
        "db.client.connection.count",
    ),
    "utf8": (
        "http.server.request.duration_bucket",
        "http.response.status_code",
        "traces.span.metrics.calls",
        "db.client.connection.count",
    ),
}


@pytest.mark.parametrize("strategy", TRANSLATED)
def test_names_are_translated_as_by_the_server(strategy: str) -> None:
    naming = naming_of(strategy)

    assert TRANSLATED[strategy] == (
        naming.metric("http.server.request.duration", "seconds") + "_bucket",
        naming.label("http.response.status_code"),
        naming.metric("traces.span.metrics.calls", counter=True),
        naming.metric("db.client.connection.count"),
    )


@pytest.mark.parametrize("strategy", TRANSLATED)
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("http_availability", {}),
        ("http_latency", {"threshold": "1s"}),
        ("http_latency", {"threshold": "1s", "histogram": "native"}),
        ("grpc_availability", {"convention": "otel"}),
        ("grpc_latency", {"convention": "otel_legacy", "threshold": "1s"}),
        ("dependency_calls", {"timeout": "1s"}),
        ("saturation", {}),
        ("span_availability", {}),
        ("span_latency", {"threshold": "1s"}),
        ("log_events", {}),
    ],
    ids=str,
)
def test_no_name_of_another_strategy_remains(
    strategy: str, name: str, params: dict[str, Any]
) -> None:
    queries = TYPED[name]({**params, "naming": strategy}, ())
    found = [s for query in (queries.error, queries.total) for s in selectors(query)]

    for query in (queries.error, queries.total):
        check_template(query)
    for selector in found:
        names = [selector.metric, *(m.label for m in selector.matchers)]
        assert ("." in selector.metric) == strategy.startswith("utf8")
        assert not [n for n in names if "." in n and strategy.startswith("escaped")]


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (None, "up"),
        ({}, "up"),
        ({"job": "api"}, 'up{job="api"}'),
        ({"job": 'a "b" \\'}, r'up{job="a \"b\" \\"}'),
        ({"http.route": "/pay"}, 'up{"http.route"="/pay"}'),
        ('job="api",', 'up{job="api"}'),
        ('{job=~"a|b"}', 'up{job=~"a|b"}'),
    ],
)
def test_selectors_are_labels_or_matchers(selector: Any, text: str) -> None:
    assert text == series("up", selector)


def test_names_with_dots_stand_in_quotes() -> None:
    assert '{"a.b","c.d"="e"}' == series("a.b", {"c.d": "e"})
    assert '{"a.b"}' == series("a.b", None)
    assert 'sum by (job, "http.route")' == aggregation(["job", "http.route"])
    assert "" == matchers(None)


@pytest.mark.parametrize(
    ("convention", "code"),
    [
        ("grpc_prometheus", 'grpc_code=~"DeadlineExceeded|Canceled|OK|Custom"'),
        ("otel", 'rpc_response_status_code=~"DEADLINE_EXCEEDED|CANCELLED|OK|Custom"'),
        ("otel_legacy", 'rpc_grpc_status_code=~"4|1|0|Custom"'),
    ],
)
def test_status_codes_are_spelled_as_the_convention_does(convention: str, code: str) -> None:
    params = {
        "convention": convention,
        "error_codes": ["DeadlineExceeded", "Canceled", "OK", "Custom"],
    }

    assert code in TYPED["grpc_availability"](params, ()).error
