"""Run a VictoriaMetrics and a vmalert of our own, and ask them things."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import yaml

from slo.errors import ToolError
from slo.stack.processes import LOOPBACK, find_program, running_server
from slo.stack.prometheus import PrometheusClient

__all__ = [
    "VictoriaMetricsClient",
    "check_rules",
    "replay_rules",
    "run_victoria_metrics",
    "run_vmalert",
]

_PROGRAM = "victoria-metrics"
_ALERT_PROGRAM = "vmalert"
_IMPORT_PATH = "/api/v1/import/prometheus"
_FLUSH_PATH = "/internal/force_flush"
_RESET_PATH = "/internal/resetRollupResultCache"
_CHUNK_LINES = 20_000
_QUERY_SECONDS = 30.0
_CHECK_SECONDS = 60.0
_REPLAY_POINTS = 10_000
_REPLAY_QUEUE = 10_000_000


class VictoriaMetricsClient(PrometheusClient):
    """Ask one VictoriaMetrics, which answers like a Prometheus, and write to it."""

    def __init__(self, url: str, *, deadline_seconds: float = _QUERY_SECONDS) -> None:
        super().__init__(url, name=_PROGRAM, deadline_seconds=deadline_seconds)

    def import_lines(self, lines: Iterable[str], *, deadline_seconds: float = 300.0) -> None:
        """
        Import samples, and return when queries see them.

        Args:
            lines: Samples in Prometheus's text format, `name{label="value"} 1 TIME`, with the
                time in milliseconds.
            deadline_seconds: Limit between two chunks of the body.

        Raises:
            ToolError: The server refused, or gave no answer.
        """
        # Never tried again: the server keeps both copies of a sample that comes twice.
        try:
            response = httpx.post(
                f"{self.url}{_IMPORT_PATH}",
                content=_chunks(lines),
                timeout=deadline_seconds,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            problem = str(error) or type(error).__name__
            raise ToolError(f"{self.name} at {self.url} took no samples: {problem}") from error
        if not response.is_success:
            reason = response.text.strip()[:500]
            raise ToolError(f"{self.name} refused samples: {response.status_code}: {reason}")
        self.flush()

    def flush(self) -> None:
        """Make what was written so far visible, and forget cached answers."""
        self._json.post(_FLUSH_PATH)
        self._json.post(_RESET_PATH)


def _chunks(lines: Iterable[str]) -> Iterator[bytes]:
    chunk: list[str] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == _CHUNK_LINES:
            yield _joined(chunk)
            chunk = []
    if chunk:
        yield _joined(chunk)


def _joined(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


@contextmanager
def run_victoria_metrics(
    directory: Path, *, retention: str = "100y", arguments: Sequence[str] = ()
) -> Iterator[VictoriaMetricsClient]:
    """
    Run a single-node VictoriaMetrics on a free loopback port and yield a client of it.

    Args:
        directory: Takes data and log (`victoria-metrics.log`); made if missing.
        retention: How old data may be, as the server's flag wants it.
        arguments: Further flags.

    Raises:
        ToolError: VictoriaMetrics is missing, or did not become ready.
    """

    def listen(address: str) -> list[str]:
        return [
            f"-storageDataPath={directory / 'data'}",
            f"-httpListenAddr={address}",
            f"-retentionPeriod={retention}",
            "-loggerLevel=WARN",
            *arguments,
        ]

    with (
        running_server(_PROGRAM, directory, listen, ready_path="/health") as url,
        closing(VictoriaMetricsClient(url)) as client,
    ):
        yield client


@contextmanager
def run_vmalert(
    directory: Path,
    rule_files: Iterable[Path | str],
    storage: str,
    *,
    notifiers: Sequence[str] = (),
    arguments: Sequence[str] = (),
) -> Iterator[PrometheusClient]:
    """
    Run a vmalert on a free loopback port and yield a client of its rules and alerts.

    Args:
        directory: Takes the log (`vmalert.log`); made if missing.
        rule_files: Paths, globs allowed.
        storage: URL of the VictoriaMetrics that it queries and writes to.
        notifiers: URLs of Alertmanagers.
        arguments: Further flags.

    Raises:
        ToolError: vmalert is missing, refused a rule, or did not become ready.
    """
    rules = [f"-rule={path}" for path in rule_files]

    def listen(address: str) -> list[str]:
        # Without a notifier it refuses to start when there are alerts; this one never answers.
        urls = list(notifiers) or [f"http://{address}/nobody"]
        return [
            f"-httpListenAddr={address}",
            *_storage_flags(storage),
            *rules,
            *(f"-notifier.url={url}" for url in urls),
            "-loggerLevel=WARN",
            *arguments,
        ]

    with (
        running_server(_ALERT_PROGRAM, directory, listen) as url,
        closing(PrometheusClient(url, name=_ALERT_PROGRAM)) as client,
    ):
        yield client


def replay_rules(
    rule_files: Sequence[Path],
    storage: PrometheusClient,
    start: float,
    end: float,
    *,
    deadline_seconds: float = 600.0,
) -> None:
    """
    Record what *rule_files* would have recorded between *start* and *end*.

    Each rule is played over the whole time before the next, in the order of the files: a rule
    sees what the rules above it recorded. Alerts leave their `ALERTS` series, and no texts.

    Args:
        storage: Queried and written to; a Prometheus must accept remote writes of old samples.
        start: Unix time in seconds.
        end: Unix time in seconds.
        deadline_seconds: How long it may take.

    Raises:
        ToolError: vmalert is missing, failed, or took too long.
    """
    program = find_program(_ALERT_PROGRAM)
    ends = time.monotonic() + deadline_seconds
    with TemporaryDirectory() as name:
        played = Path(name) / "rule.yaml"
        argv = [
            program,
            *_storage_flags(storage.url),
            f"-rule={played}",
            f"-replay.timeFrom={_timestamp(start)}",
            f"-replay.timeTo={_timestamp(end)}",
            f"-replay.maxDatapointsPerQuery={_REPLAY_POINTS}",
            "-replay.rulesDelay=0s",
            # By default it would record a sample every five minutes, whatever the group's interval.
            "-datasource.queryStep=0s",
            "-replay.disableProgressBar",
            f"-remoteWrite.maxQueueSize={_REPLAY_QUEUE}",
            f"-httpListenAddr={LOOPBACK}:0",
            "-loggerLevel=WARN",
        ]
        for text in _single_rules(rule_files):
            played.write_text(text, "utf-8")
            _run(argv, max(0.001, ends - time.monotonic()))
            # One replay of several rules would wait between them instead, but a new series may
            # stay invisible for ten seconds, and what reads it then records nothing.
            storage.flush()


def _single_rules(rule_files: Sequence[Path]) -> Iterator[str]:
    """Yield a rule file for each rule, without texts: a replay stops at one that queries."""
    for path in rule_files:
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                alone = {key: value for key, value in rule.items() if key != "annotations"}
                yield yaml.safe_dump({"groups": [{**group, "rules": [alone]}]}, sort_keys=False)


def check_rules(rule_files: Iterable[Path | str]) -> None:
    """
    Have vmalert check *rule_files*: their form, every expression as MetricsQL, every template.

    Raises:
        ToolError: vmalert is missing or refuses something; the message ends with its words.
    """
    argv = [find_program(_ALERT_PROGRAM), "-dryRun", *(f"-rule={path}" for path in rule_files)]
    _run(argv, _CHECK_SECONDS)


def _storage_flags(url: str) -> list[str]:
    return [f"-datasource.url={url}", f"-remoteWrite.url={url}"]


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def _run(argv: list[str], deadline_seconds: float) -> None:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=deadline_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{_ALERT_PROGRAM} did not end within {deadline_seconds:g} s") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-10:])
        raise ToolError(f"{_ALERT_PROGRAM} failed with status {done.returncode}:\n{tail}")
