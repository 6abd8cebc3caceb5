"""A collector whose memory is at its limit refuses rather than dies, and takes data again later."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from pathlib import Path

import httpx

from slo.errors import ToolError
from slo.stack.otlp_client import LogLine, OtlpClient
from tests.collector_run.backends import running_backend
from tests.collector_run.running import eventually, needs_collector, running, tiers

pytestmark = needs_collector

LIMIT_MIB = 60
SPECS = (
    """\
version: slo/v1
kind: Telemetry
gateway: {queue_size: 1000}
destinations:
  - {name: traces, kind: otlp, url: "http://traces:4318"}
""",
    """\
version: slo/v1
service: checkout
slos:
  - name: availability
    objective: 99
    indicator: {span_availability: {selector: {service_name: checkout}}}
""",
)
JSON = {"Content-Type": "application/json"}
_RECORD = {"body": {"stringValue": "a line of a log that says a lot " * 300}}
BODY = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [_RECORD] * 400}]}]})


def test_refuses_and_lives(tmp_path: Path) -> None:
    with running_backend() as backend:
        made = tiers(tmp_path, SPECS, {"traces": backend.url}, memory_limit_mib=LIMIT_MIB)
        with running(made):
            gateway = made.gateway
            refused = threading.Event()

            def flood() -> None:
                # Large records, many at a time, from senders that do not try again.
                with httpx.Client(trust_env=False, timeout=30) as client:
                    for _ in range(60):
                        if refused.is_set():
                            return
                        answer = client.post(f"{gateway.url}/v1/logs", content=BODY, headers=JSON)
                        if answer.status_code in (429, 503):
                            refused.set()

            senders = [threading.Thread(target=flood) for _ in range(6)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()

            assert refused.is_set()
            assert gateway.running
            assert gateway.counted("otelcol_processor_memory_limiter_refused_log_records_total")
            assert gateway.resident_mib < 10 * LIMIT_MIB

            def taken_again() -> bool:
                with closing(OtlpClient(gateway.url, "checkout", deadline_seconds=1)) as client:
                    try:
                        client.send_logs([LogLine("after the flood")])
                    except ToolError:
                        return False
                return True

            assert eventually(taken_again)
            assert eventually(lambda: "after the flood" in backend.text())
