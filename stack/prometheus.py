"""Run a Prometheus of our own and ask it things."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slo.duration import Duration, seconds
from slo.errors import ToolError
from slo.stack.json_client import JsonClient
from slo.stack.processes import LOOPBACK, Process, running_on_free_port

__all__ = [
    "Alert",
    "PrometheusClient",
    "RuleState",
    "Sample",
    "ScrapeTarget",
    "prometheus_config",
    "run_prometheus",
]

_ONE_SECOND = seconds(1)


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """Name the job and the `host:port` of something that Prometheus scrapes at `/metrics`."""

    job: str
    address: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold one series of an instant query's answer."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Alert:
    """
    Hold one active alert.

    Args:
        state: `pending` or `firing`.
    """

    name: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuleState:
    """
    Hold what Prometheus knows of one rule.

    Args:
        kind: `recording` or `alerting`.
        health: `ok`, `err` or `unknown` (not evaluated yet).
        state: `inactive`, `pending` or `firing`; empty for a recording rule.
        error: What the last evaluation failed with.
    """

    group: str
    name: str
    kind: str
    health: str
    state: str
    error: str
    labels: Mapping[str, str]


class PrometheusClient:
    """
    Ask one Prometheus; every method raises `ToolError` when it gives no usable answer.

    Args:
        deadline_seconds: Limit of each call, retries included.
    """

    def __init__(self, url: str, *, deadline_seconds: float = 5.0) -> None:
        self.url = url
        self._json = JsonClient("prometheus", url, deadline_seconds=deadline_seconds)

    def query(self, expression: str) -> tuple[Sample, ...]:
        """Return the series of an instant vector or scalar query, now."""
        data = self._data("/api/v1/query", {"query": expression})
        match data["resultType"]:
            case "vector":
                return tuple(Sample(r["metric"], float(r["value"][1])) for r in data["result"])
            case "scalar":
                return (Sample({}, float(data["result"][1])),)
            case other:
                raise ToolError(f"prometheus answered {expression!r} with a {other}")

    def value(self, expression: str) -> float | None:
        """
        Return the number that *expression* has now, or `None` where there is none (or NaN).

        Raises:
            ToolError: There is more than one series.
        """
        samples = self.query(expression)
        if len(samples) > 1:
            raise ToolError(f"{expression!r} has {len(samples)} series, not one")
        if not samples or math.isnan(samples[0].value):
            return None
        return samples[0].value

    def rules(self) -> tuple[RuleState, ...]:
        """Return all loaded rules in the order of their groups."""
        data = self._data("/api/v1/rules")
        return tuple(
            RuleState(
                group=group["name"],
                name=rule["name"],
                kind=rule["type"],
                health=rule["health"],
                state=rule.get("state", ""),
                error=rule.get("lastError", ""),
                labels=rule.get("labels") or {},
            )
            for group in data["groups"]
            for rule in group["rules"]
        )

    def alerts(self) -> tuple[Alert, ...]:
        """Return the alerts that are pending or firing."""
        data = self._data("/api/v1/alerts")
        return tuple(
            Alert(a["labels"]["alertname"], a["state"], a["labels"], a["annotations"])
            for a in data["alerts"]
        )

    def ready(self) -> bool:
        """Tell whether the server is ready; never raise."""
        return self._json.answers("/-/ready")

    def reload(self) -> None:
        """Make the server read its configuration and rule files again."""
        self._json.post("/-/reload")

    def close(self) -> None:
        """Close the connections."""
        self._json.close()

    def _data(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        body = self._json.get(path, parameters)
        if not isinstance(body, dict) or body.get("status") != "success":
            raise ToolError(f"prometheus answered {path} without success: {body!r:.500}")
        return body["data"]


def prometheus_config(
    *,
    rule_files: Iterable[Path | str] = (),
    targets: Iterable[ScrapeTarget] = (),
    alertmanagers: Iterable[str] = (),
    scrape_interval: Duration = _ONE_SECOND,
    evaluation_interval: Duration = _ONE_SECOND,
) -> str:
    """
    Return the text of a Prometheus configuration.

    Args:
        rule_files: Absolute paths, globs allowed in the file's name.
        targets: What to scrape.
        alertmanagers: `host:port` of each Alertmanager.
        scrape_interval: For all targets.
        evaluation_interval: For rule groups that name none.
    """
    config: dict[str, Any] = {
        "global": {
            "scrape_interval": str(scrape_interval),
            "scrape_timeout": str(scrape_interval),
            "evaluation_interval": str(evaluation_interval),
        },
        "rule_files": [str(path) for path in rule_files],
        "scrape_configs": [
            {"job_name": t.job, "static_configs": [{"targets": [t.address]}]} for t in targets
        ],
    }
    peers = list(alertmanagers)
    if peers:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": peers}]}]}
    return yaml.safe_dump(config, sort_keys=False)


@contextmanager
def run_prometheus(
    directory: Path, config: str, *, arguments: Sequence[str] = ()
) -> Iterator[PrometheusClient]:
    """
    Run a Prometheus on a free loopback port and yield a client of it.

    Args:
        directory: Takes configuration, data and log (`prometheus.log`); made if missing.
        config: Text of the configuration, as `prometheus_config` makes it.
        arguments: Further flags.

    Raises:
        ToolError: Prometheus is missing, refused its configuration or did not become ready.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config_file = directory / "prometheus.yml"
    config_file.write_text(config, encoding="utf-8")

    def build(port: int) -> Process:
        address = f"{LOOPBACK}:{port}"
        argv = [
            "prometheus",
            f"--config.file={config_file}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={address}",
            "--web.enable-lifecycle",
            "--log.level=warn",
            *arguments,
        ]
        log = directory / "prometheus.log"
        return Process(argv, log=log, ready_url=f"http://{address}/-/ready")

    with (
        running_on_free_port(build) as port,
        closing(PrometheusClient(f"http://{LOOPBACK}:{port}")) as client,
    ):
        yield client
