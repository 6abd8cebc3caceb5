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
from slo.stack.processes import running_server

__all__ = [
    "Alert",
    "PrometheusClient",
    "RuleState",
    "Sample",
    "ScrapeTarget",
    "Series",
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
class Series:
    """Hold one series of a range query's answer: pairs of Unix time and value."""

    labels: Mapping[str, str]
    values: tuple[tuple[float, float], ...]


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
        name: What messages call the server, which may be another one with the same API.
        deadline_seconds: Limit of each call, retries included.
    """

    def __init__(
        self, url: str, *, name: str = "prometheus", deadline_seconds: float = 5.0
    ) -> None:
        self.url = url
        self.name = name
        self._json = JsonClient(name, url, deadline_seconds=deadline_seconds)

    def query(self, expression: str, *, at: float | None = None) -> tuple[Sample, ...]:
        """
        Return the series of an instant vector or scalar query.

        Args:
            at: Unix time in seconds; now if left out.
        """
        parameters = {"query": expression}
        if at is not None:
            parameters["time"] = f"{at:.3f}"
        data = self._data("/api/v1/query", parameters)
        match data["resultType"]:
            case "vector":
                return tuple(Sample(r["metric"], float(r["value"][1])) for r in data["result"])
            case "scalar":
                return (Sample({}, float(data["result"][1])),)
            case other:
                raise ToolError(f"{self.name} answered {expression!r} with a {other}")

    def query_range(
        self, expression: str, start: float, end: float, step: Duration
    ) -> tuple[Series, ...]:
        """
        Return the series of *expression*, evaluated every *step*.

        Args:
            start: Unix time in seconds.
            end: Unix time in seconds, included where a step falls on it.
        """
        parameters = {
            "query": expression,
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "step": f"{step.seconds:g}",
        }
        return tuple(
            Series(r["metric"], tuple((float(t), float(v)) for t, v in r["values"]))
            for r in self._data("/api/v1/query_range", parameters)["result"]
        )

    def value(self, expression: str, *, at: float | None = None) -> float | None:
        """
        Return the number that *expression* has, or `None` where there is none (or NaN).

        Args:
            at: Unix time in seconds; now if left out.

        Raises:
            ToolError: There is more than one series.
        """
        samples = self.query(expression, at=at)
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
            for group in data["groups"] or ()
            for rule in group["rules"]
        )

    def alerts(self) -> tuple[Alert, ...]:
        """Return the alerts that are pending or firing."""
        data = self._data("/api/v1/alerts")
        return tuple(
            Alert(a["labels"]["alertname"], a["state"], a["labels"], a["annotations"] or {})
            # vmalert has null for no alerts and for no annotations.
            for a in data["alerts"] or ()
        )

    def ready(self) -> bool:
        """Tell whether the server is ready; never raise."""
        return self._json.answers("/-/ready")

    def reload(self) -> None:
        """Make the server read its configuration and rule files again."""
        self._json.post("/-/reload")

    def flush(self) -> None:
        """Return when queries see what was written; a Prometheus shows it at once."""

    def close(self) -> None:
        """Close the connections."""
        self._json.close()

    def _data(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        body = self._json.get(path, parameters)
        if not isinstance(body, dict) or body.get("status") != "success":
            raise ToolError(f"{self.name} answered {path} without success: {body!r:.500}")
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
    directory: Path,
    config: str,
    *,
    arguments: Sequence[str] = (),
    program: str = "prometheus",
) -> Iterator[PrometheusClient]:
    """
    Run a Prometheus on a free loopback port and yield a client of it.

    Args:
        directory: Takes configuration, data and log (`prometheus.log`); made if missing.
        config: Text of the configuration, as `prometheus_config` makes it.
        arguments: Further flags.
        program: Name on the PATH, or path, of the Prometheus to run.

    Raises:
        ToolError: Prometheus is missing, refused its configuration or did not become ready.
    """
    config_file = directory / "prometheus.yml"

    def listen(address: str) -> list[str]:
        config_file.write_text(config, encoding="utf-8")
        return [
            f"--config.file={config_file}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={address}",
            "--web.enable-lifecycle",
            "--log.level=warn",
            *arguments,
        ]

    with (
        running_server(program, directory, listen, name="prometheus") as url,
        closing(PrometheusClient(url)) as client,
    ):
        yield client
