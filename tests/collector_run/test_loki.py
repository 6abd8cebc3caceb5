"""Log records arrive in a real Loki, and its query language finds them."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from slo.stack.otlp_client import LogLine, OtlpClient
from slo.stack.processes import LOOPBACK, Process, free_ports
from slo.stack.targets.local_programs import find
from tests.collector_run.running import needs_collector, running, settles, tiers

PROGRAM = find("loki")
pytestmark = [
    *needs_collector,
    pytest.mark.skipif(PROGRAM is None, reason="needs Loki 3: scripts/build-backend loki"),
]

SPECS = """\
version: slo/v1
kind: Telemetry
destinations:
  - {name: loki, kind: loki, url: "http://localhost:1"}
"""


def test_records_are_found_by_their_attributes(tmp_path: Path) -> None:
    http, grpc = free_ports(2)
    url = f"http://{LOOPBACK}:{http}"
    file = tmp_path / "loki.yaml"
    file.write_text(yaml.safe_dump(on_disk(tmp_path / "loki", http, grpc)))
    assert PROGRAM is not None
    loki = Process(
        [PROGRAM.argv[0], f"-config.file={file}"],
        log=tmp_path / "loki.log",
        ready_url=f"{url}/ready",
        name="loki",
        startup_seconds=90,
    )
    made = tiers(tmp_path, [SPECS], {"loki": url})
    with loki, running(made), closing(OtlpClient(made.agent.url, "checkout")) as client:
        client.send_logs(
            [
                LogLine("paid", attributes={"order": 17}),
                LogLine("not paid", "ERROR", {"order": 18}),
            ]
        )

        def found(query: str) -> list[str]:
            parameters = {"query": query, "start": str(time.time() - 300)}
            answer = httpx.get(
                f"{url}/loki/api/v1/query_range", params=parameters, trust_env=False
            ).json()
            streams = answer["data"]["result"]
            return sorted(line for stream in streams for _, line in stream["values"])

        every = '{service_name="checkout"}'
        assert ["not paid", "paid"] == settles(lambda: found(every), ["not paid", "paid"])
        assert ["paid"] == found(f'{every} | order="17"')
        assert ["not paid"] == found(f'{every} | severity_text="ERROR"')


def on_disk(folder: Path, http: int, grpc: int) -> dict[str, Any]:
    """Return a configuration of one Loki that keeps everything in *folder*."""
    return {
        "auth_enabled": False,
        "server": {
            "http_listen_address": LOOPBACK,
            "http_listen_port": http,
            "grpc_listen_address": LOOPBACK,
            "grpc_listen_port": grpc,
        },
        "common": {
            "instance_addr": LOOPBACK,
            "path_prefix": str(folder),
            "replication_factor": 1,
            "storage": {"filesystem": {"chunks_directory": str(folder / "chunks")}},
            "ring": {"kvstore": {"store": "inmemory"}},
        },
        "schema_config": {
            "configs": [
                {
                    "from": "2024-01-01",
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "analytics": {"reporting_enabled": False},
    }
