"""Spans and log lines go in, and the compiled rules read in Prometheus the SLI that was sent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from slo.stack.otlp_client import LogLine, OtlpClient, Span
from tests.collector_run.conftest import Installation
from tests.collector_run.running import needs_collector, settles

pytestmark = needs_collector

# The first batch has the proportions of the second: the first sample of a counter is no
# increase, and extrapolation treats all series alike when they have grown alike.
FIRST, SECOND = 1, 10
SLI = 'slo:sli_error:ratio_rate5m{{sloth_service="{service}",sloth_slo="{slo}"}}'


def spans(scale: int) -> Iterator[Span]:
    """Return, for each of *scale*, twenty requests: three fail, five are slow, two are both."""
    for _ in range(scale):
        for number in range(20):
            failed, slow = number < 3, 1 <= number < 6
            yield Span(
                seconds=0.5 if slow else 0.02,
                failed=failed,
                attributes={"http.route": f"/{number % 2}", "url.path": f"/{number}"},
            )
            # What it calls fails too, but is no request of a customer.
            yield Span(name="call", kind="client", failed=True)


@pytest.fixture(scope="module")
def checkout(installation: Installation) -> Iterator[OtlpClient]:
    with closing(OtlpClient(installation.tiers.agent.url, "checkout")) as client:
        yield client


@pytest.fixture(scope="module")
def measured(installation: Installation, checkout: OtlpClient) -> Installation:
    """Send the two batches of spans."""
    other = OtlpClient(installation.tiers.agent.url, "other")
    for scale, sum_so_far in ((FIRST, FIRST), (SECOND, FIRST + SECOND)):
        for part in range(scale):
            checkout.send_spans(spans(1))
            other.send_spans([Span(failed=True) for _ in range(part + 1)])
        wanted = 20 * sum_so_far
        assert wanted == settles(lambda: number(installation, calls("SERVER")), wanted)
    other.close()
    return installation


def number(installation: Installation, query: str) -> float | None:
    return installation.prometheus.value(query)


def calls(kind: str, more: str = "") -> str:
    labels = f'service_name="checkout",span_kind="SPAN_KIND_{kind}"{more}'
    return f"sum(traces_span_metrics_calls_total{{{labels}}})"


class TestSpans:
    def test_counts_are_exact(self, measured: Installation) -> None:
        """Every span is counted once, also those that sampling drops."""
        failed = ',status_code="STATUS_CODE_ERROR"'
        quick = calls("SERVER", ',le="300"').replace("calls_total", "duration_milliseconds_bucket")
        batches = FIRST + SECOND

        assert 3 * batches == number(measured, calls("SERVER", failed))
        assert 20 * batches == number(measured, calls("CLIENT", failed))
        assert 15 * batches == settles(lambda: number(measured, quick), 15 * batches)

    @pytest.mark.parametrize(("slo", "wanted"), [("availability", 3 / 20), ("latency", 3 / 17)])
    def test_sli(self, measured: Installation, slo: str, wanted: float) -> None:
        """The recorded SLI is the share of bad spans among those that were sent."""
        query = SLI.format(service="checkout", slo=slo)

        found = settles(lambda: rounded(number(measured, query)), rounded(wanted))

        assert rounded(wanted) == found

    def test_dimension_is_kept_apart(self, measured: Installation) -> None:
        by_route = measured.prometheus.query(
            f"{calls('SERVER')} by (http_route)".replace("sum(", "sum by (http_route) (").replace(
                ") by (http_route)", ")"
            )
        )

        found = {sample.labels["http_route"]: sample.value for sample in by_route}

        batches = FIRST + SECOND
        assert {"/0": 10 * batches, "/1": 10 * batches} == found

    def test_no_series_per_process(self, measured: Installation) -> None:
        """A new process of a service continues its counters instead of beginning others."""
        client = OtlpClient(
            measured.tiers.agent.url, "checkout", resource={"service.instance.id": "another"}
        )
        series = f"count({calls('SERVER')[4:-1]})"
        before, sent = number(measured, series), number(measured, calls("SERVER"))
        assert sent is not None

        client.send_spans([Span(seconds=0.02, attributes={"http.route": "/0"})])
        client.close()

        assert sent + 1 == settles(lambda: number(measured, calls("SERVER")), sent + 1)
        assert before == number(measured, series)


class TestLogs:
    def test_sli_of_records(self, installation: Installation, checkout: OtlpClient) -> None:
        """The recorded SLI is the share of records of level ERROR."""
        records = 'sum(log_record_count_total{service_name="checkout"})'
        for batches in (FIRST, FIRST + SECOND):
            for _ in range(SECOND if batches > FIRST else FIRST):
                checkout.send_logs(
                    LogLine(f"line {index}", "ERROR" if index % 10 == 3 else "INFO")
                    for index in range(20)
                )
            wanted = 20 * batches
            assert wanted == settles(lambda: number(installation, records), wanted)
        query = SLI.format(service="checkout", slo="log")

        assert rounded(0.1) == settles(lambda: rounded(number(installation, query)), rounded(0.1))

    def test_sli_of_files(self, installation: Installation) -> None:
        """Lines of a file are parsed, and counted by the service's own condition."""
        failed = "sum(invoice_failed_total)"
        every = 'sum(log_record_count_total{service_name="billing"})'
        file = installation.logs / "today.log"
        file.touch()
        for batches in (FIRST, FIRST + SECOND):
            scale = SECOND if batches > FIRST else FIRST
            append(installation, [line("invoice", "error")] * 5 * scale)
            append(installation, [line("invoice", "info")] * 10 * scale)
            append(installation, [line("mail", "error")] * 5 * scale)
            assert 20 * batches == settles(lambda: number(installation, every), 20 * batches)
            assert 5 * batches == settles(lambda: number(installation, failed), 5 * batches)
        query = SLI.format(service="billing", slo="invoices")

        assert rounded(0.25) == settles(lambda: rounded(number(installation, query)), rounded(0.25))
        severities = {r["severityNumber"] for r in installation.backend.lines() if billed(r)}
        assert {9, 17} == severities


def billed(record: dict[str, Any]) -> bool:
    return bool(record["resource"]["service.name"] == "billing")


def line(event: str, level: str) -> str:
    now = time.time()
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03}Z"
    return json.dumps({"time": moment, "level": level, "event": event, "message": "hello"})


def append(installation: Installation, lines: Sequence[str]) -> None:
    with (installation.logs / "today.log").open("a") as file:
        file.writelines(f"{one}\n" for one in lines)


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
