"""Compile the demo's spec and start everything that the journey needs."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from slo import conventions
from slo.duration import days, seconds
from slo.errors import SloError
from slo.stack.demo.engine import Engine
from slo.stack.demo.history import History, event_records, write_history
from slo.stack.demo.receiver import Receiver, run_receiver
from slo.stack.demo.reporter import Reporter, run_reporter
from slo.stack.demo.running import RunningStack, run_stack
from slo.stack.demo.service import ROUTES, Shop, run_shop
from slo.stack.demo.terminal import Terminal
from slo.stack.demo.traffic import Traffic, run_traffic
from slo.stack.prometheus import PrometheusClient
from slo.stack.targets.local_programs import find, remedy

__all__ = [
    "EVALUATION_INTERVAL",
    "HISTORY",
    "PAGE_PATH",
    "POLICY",
    "SELECTOR",
    "SERVICE",
    "SHORT_WINDOW",
    "SLO_ID",
    "TELEMETRY",
    "TELEMETRY_SLOS",
    "TICKET_PATH",
    "JourneyError",
    "Scene",
    "set_up",
]

SERVICE = "shop"
_SLO = "availability"
_OTHER_SLO = "latency"
SLO_ID = f"{SERVICE}-{_SLO}"
SELECTOR = conventions.selector(SLO_ID, SERVICE, _SLO)

EVALUATION_INTERVAL = seconds(2)
# The shortest window of the example's catalog; the journey shows the error ratio over it.
SHORT_WINDOW = seconds(20)
PAGE_PATH = "/page"
TICKET_PATH = "/ticket"
POLICY = "gates.yaml"
TELEMETRY = "telemetry.yaml"
# The same promise as `SLO_ID`, by what it is measured with.
TELEMETRY_SLOS = {"spans": "shop-telemetry-spans", "logs": "shop-telemetry-logs"}

_COLLECTOR = "otelcol"
_SCRAPE_INTERVAL = seconds(1)
_READING_INTERVAL = seconds(3)
_GROUP_WAIT = seconds(1)
_GROUP_INTERVAL = seconds(5)
_TIME_WINDOW = days(30)
# 40 % of the month's budget of 0.1 % is gone before the demo; fewer requests than now, so that
# a short outage shows.
HISTORY = History(length=_TIME_WINDOW, requests_per_second=5, error_ratio=0.0004)
_OTHER_HISTORY = History(length=_TIME_WINDOW, requests_per_second=5, error_ratio=0.002)
_REQUESTS_PER_SECOND = 50.0
_COMPILE_SECONDS = 60.0


class JourneyError(SloError):
    """Say which step of the journey was not seen, and what was seen instead."""


@dataclass(frozen=True, slots=True)
class Scene:
    """
    Hold everything that runs.

    Args:
        reporter: `None` where there is no collector.
    """

    terminal: Terminal
    shop: Shop
    traffic: Traffic
    receiver: Receiver
    prometheus: PrometheusClient
    engine: Engine
    stack: RunningStack
    reporter: Reporter | None = None


def set_up(running: ExitStack, terminal: Terminal, example: Path, directory: Path) -> Scene:
    """
    Start everything, say so on *terminal*, and return it.

    Args:
        running: Takes what has to be stopped, in reverse order.
        terminal: Where to print.
        example: Folder with `shop.yaml`, `telemetry.yaml`, `owners.yaml`, `gates.yaml` and
            `windows/`.
        directory: Empty folder for compiled files, data and logs.

    Raises:
        JourneyError: The compiler refused the spec, or Prometheus loaded no alert.
        ToolError: A program is missing or did not start.
    """
    shop = running.enter_context(run_shop())
    receiver = running.enter_context(run_receiver())
    collector = find(_COLLECTOR) is not None

    terminal.step("Compile the spec")
    compiled = directory / "compiled"
    owners = directory / "owners.yaml"
    owners.write_text(_owners(example / "owners.yaml", receiver.url), encoding="utf-8")
    specs = [example / "shop.yaml", *([example / TELEMETRY] if collector else [])]
    _compile(terminal, example, specs, owners, compiled)

    parts = "Prometheus, Alertmanager, the collectors" if collector else "Prometheus, Alertmanager"
    terminal.step(f"Start the shop, and the stack around it: {parts} and the engine")
    terminal.seen(f"shop          {shop.url}")
    stack = running.enter_context(
        run_stack(
            directory,
            _settings(example, specs, owners, shop, collector),
            lambda folder: _remember(terminal, compiled, folder.data / "prometheus", collector),
            lambda stack: terminal.note(
                f"$ slo stack up --foreground --settings {stack.settings} &"
            ),
        )
    )
    scene = Scene(
        terminal=terminal,
        shop=shop,
        traffic=Traffic(),
        receiver=receiver,
        prometheus=running.enter_context(closing(PrometheusClient(stack.url("prometheus")))),
        engine=Engine(
            stack.url("engine"),
            f"sqlite:///{stack.folder.data / 'engine' / 'ledger.db'}",
            directory,
        ),
        stack=stack,
    )
    _tell_parts(scene)
    if collector:
        agent = stack.url("collector-agent", "otlp-http")
        reporter = running.enter_context(run_reporter(shop, agent, SERVICE))
        scene = replace(scene, reporter=reporter)
        terminal.seen(f"collector     {agent}   takes a span and a log line of every request")
    else:
        terminal.note("    left out      spans and logs: this machine has no collector")
        terminal.texts({"to have it": remedy(_COLLECTOR)})
    traffic = running.enter_context(
        run_traffic(shop.url, ROUTES, requests_per_second=_REQUESTS_PER_SECOND)
    )
    terminal.seen(f"traffic       {_REQUESTS_PER_SECOND:g} requests a second")
    return replace(scene, traffic=traffic)


def _settings(
    example: Path, specs: Sequence[Path], owners: Path, shop: Shop, collector: bool
) -> dict[str, Any]:
    """Return what the stack shall be like; paths are whole, since its file is elsewhere."""
    return {
        "specs": [str(path.absolute()) for path in (*specs, owners)],
        "policy": str((example / POLICY).absolute()),
        "windows": [str((example / "windows").absolute())],
        "metrics": {
            "scrape_interval": str(_SCRAPE_INTERVAL),
            "evaluation_interval": str(EVALUATION_INTERVAL),
        },
        "engine": {"interval": str(_READING_INTERVAL)},
        # Five minutes between two notifications would outlast the demo.
        "notifications": {"group_wait": str(_GROUP_WAIT), "group_interval": str(_GROUP_INTERVAL)},
        "scrape": {SERVICE: [shop.url.removeprefix("http://")]},
        "without": ["grafana", "loki", "jaeger", *([] if collector else ["collector"])],
    }


def _remember(terminal: Terminal, compiled: Path, data: Path, telemetry: bool) -> None:
    """Write a month of history for a Prometheus that has not started yet."""
    rule_files = sorted((compiled / "rules").glob("*.yaml"))
    histories = {SLO_ID: HISTORY, f"{SERVICE}-{_OTHER_SLO}": _OTHER_HISTORY}
    if telemetry:
        histories |= dict.fromkeys(TELEMETRY_SLOS.values(), HISTORY)
    write_history(
        [
            (record, history)
            for slo_id, history in histories.items()
            for record in event_records(rule_files, slo_id, _TIME_WINDOW)
        ],
        data,
    )
    terminal.seen(
        f"history       {HISTORY.length} with {HISTORY.requests / 1e6:.0f} million requests, "
        f"of which {HISTORY.error_ratio:.2%} failed (made up for the demo)"
    )


def _tell_parts(scene: Scene) -> None:
    terminal, stack = scene.terminal, scene.stack
    terminal.seen(f"alertmanager  {stack.url('alertmanager')}   the compiled routing")
    rules = scene.prometheus.rules()
    alerting = sum(rule.kind == "alerting" for rule in rules)
    if not alerting:
        raise JourneyError("Prometheus loaded no alerting rule from the compiled files")
    terminal.seen(
        f"prometheus    {scene.prometheus.url}   the compiled rules: "
        f"{len(rules) - alerting} recording, {alerting} alerting"
    )
    terminal.seen(
        f"engine        {scene.engine.url}   slo serve, reading every {_READING_INTERVAL}"
    )
    terminal.seen(f"board         {scene.engine.url}/   open it in a browser and watch")


def _owners(template: Path, receiver_url: str) -> str:
    """Return the example's owners document with the receiver's real address."""
    document = yaml.safe_load(template.read_text("utf-8"))
    for owner in document["owners"]:
        owner["page"] = [{"webhook": {"url": receiver_url + PAGE_PATH}}]
        owner["ticket"] = [{"webhook": {"url": receiver_url + TICKET_PATH}}]
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def _compile(
    terminal: Terminal, example: Path, specs: Sequence[Path], owners: Path, out: Path
) -> None:
    inputs = [*(_relative(spec) for spec in specs), owners]
    arguments = [
        "compile",
        *map(str, inputs),
        "--windows",
        str(_relative(example / "windows")),
        "--interval",
        str(EVALUATION_INTERVAL),
        "--out",
        str(out),
    ]
    first = 1 + len(inputs)
    head = shlex.join(["slo", *arguments[:first]])
    options = [shlex.join(arguments[n : n + 2]) for n in range(first, len(arguments), 2)]
    terminal.note(" \\\n            ".join([f"$ {head}", *options]))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "slo.engine.cli", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMPILE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise JourneyError(f"the compiler did not end within {_COMPILE_SECONDS:g} s") from error
    if done.returncode != 0:
        output = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
        raise JourneyError(f"the compiler ended with status {done.returncode}:\n{output}")
    files = sorted(path for path in out.rglob("*") if path.is_file())
    lines = sum(map(_count_lines, specs))
    terminal.seen(f"{len(files)} files from {lines} lines of YAML:")
    terminal.texts({str(path.relative_to(out)): f"{_count_lines(path)} lines" for path in files})


def _relative(path: Path) -> Path:
    """Return *path* as a person would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _count_lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())
