"""Run an Alertmanager of our own and ask it things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from slo.errors import ToolError
from slo.stack.json_client import JsonClient
from slo.stack.processes import running_server

__all__ = ["AlertmanagerClient", "ReceivedAlert", "run_alertmanager"]


@dataclass(frozen=True, slots=True)
class ReceivedAlert:
    """
    Hold one alert that Alertmanager knows.

    Args:
        state: `active`, `suppressed` (silenced or inhibited) or `unprocessed`.
        receivers: Names of the receivers that it is routed to.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: str
    receivers: tuple[str, ...]


class AlertmanagerClient:
    """
    Ask one Alertmanager; every method raises `ToolError` when it gives no usable answer.

    Args:
        deadline_seconds: Limit of each call, retries included.
    """

    def __init__(self, url: str, *, deadline_seconds: float = 5.0) -> None:
        self.url = url
        self._json = JsonClient("alertmanager", url, deadline_seconds=deadline_seconds)

    @property
    def address(self) -> str:
        """Return `host:port`, as Prometheus wants it in its configuration."""
        return self.url.removeprefix("http://")

    def alerts(self) -> tuple[ReceivedAlert, ...]:
        """Return the alerts that have not been resolved."""
        path = "/api/v2/alerts"
        body = self._json.get(path)
        if not isinstance(body, list):
            raise ToolError(f"alertmanager answered {path} with something else than a list")
        return tuple(
            ReceivedAlert(
                labels=alert["labels"],
                annotations=alert["annotations"],
                state=alert["status"]["state"],
                receivers=tuple(r["name"] for r in alert["receivers"]),
            )
            for alert in body
        )

    def ready(self) -> bool:
        """Tell whether the server is ready; never raise."""
        return self._json.answers("/-/ready")

    def reload(self) -> None:
        """Make the server read its configuration again."""
        self._json.post("/-/reload")

    def close(self) -> None:
        """Close the connections."""
        self._json.close()


@contextmanager
def run_alertmanager(directory: Path, config: str) -> Iterator[AlertmanagerClient]:
    """
    Run an Alertmanager without peers on a free loopback port and yield a client of it.

    Args:
        directory: Takes configuration, data and log (`alertmanager.log`); made if missing.
        config: Text of the configuration.

    Raises:
        ToolError: Alertmanager is missing, refused its configuration or did not become ready.
    """
    config_file = directory / "alertmanager.yml"

    def arguments(address: str) -> list[str]:
        config_file.write_text(config, encoding="utf-8")
        return [
            f"--config.file={config_file}",
            f"--storage.path={directory / 'data'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]

    # Debian's name for the program; upstream calls it `alertmanager`.
    program = "prometheus-alertmanager"
    with (
        running_server(program, directory, arguments, name="alertmanager") as url,
        closing(AlertmanagerClient(url)) as client,
    ):
        yield client
