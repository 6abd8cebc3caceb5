"""Run a Prometheus that can be stopped and started again at the same address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from slo.stack.processes import LOOPBACK, Process, running_on_free_port
from slo.stack.prometheus import PrometheusClient

__all__ = ["run_stoppable_prometheus"]


@contextmanager
def run_stoppable_prometheus(
    directory: Path, config: str, *, arguments: Sequence[str] = ()
) -> Iterator[tuple[PrometheusClient, Process]]:
    """
    Run a Prometheus on a free loopback port; yield a client and the process.

    Args:
        directory: Takes configuration, data and log (`prometheus.log`); made if missing.
        config: Text of the configuration.
        arguments: Further flags.

    Raises:
        ToolError: As `Process.start`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config_file = directory / "prometheus.yml"
    config_file.write_text(config, encoding="utf-8")
    built: list[Process] = []

    def build(port: int) -> Process:
        address = f"{LOOPBACK}:{port}"
        argv = [
            "prometheus",
            f"--config.file={config_file}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=warn",
            *arguments,
        ]
        log = directory / "prometheus.log"
        built.append(Process(argv, log=log, ready_url=f"http://{address}/-/ready"))
        return built[-1]

    with (
        running_on_free_port(build) as port,
        closing(PrometheusClient(f"http://{LOOPBACK}:{port}")) as client,
    ):
        yield client, built[-1]
