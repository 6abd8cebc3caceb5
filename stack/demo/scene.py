"""Compile the demo's spec and start everything that the journey needs."""

from __future__ import annotations

import shlex
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import yaml

from slo import conventions
from slo.duration import days, seconds
from slo.errors import SloError
from slo.stack.alertmanager import AlertmanagerClient, run_alertmanager
from slo.stack.demo.engine import READING_INTERVAL, Engine, run_engine
from slo.stack.demo.history import History, event_records, write_history
from slo.stack.demo.receiver import Receiver, run_receiver
from slo.stack.demo.service import ROUTES, Shop, run_shop
from slo.stack.demo.stoppable import run_stoppable_prometheus
from slo.stack.demo.terminal import Terminal
from slo.stack.demo.traffic import Traffic, run_traffic
from slo.stack.processes import Process
from slo.stack.prometheus import PrometheusClient, ScrapeTarget, prometheus_config

__all__ = [
    "EVALUATION_INTERVAL",
    "HISTORY",
    "PAGE_PATH",
    "POLICY",
    "SELECTOR",
    "SERVICE",
    "SHORT_WINDOW",
    "SLO_ID",
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

_SCRAPE_INTERVAL = seconds(1)
_GROUP_WAIT = seconds(1)
_GROUP_INTERVAL = seconds(5)
_TIME_WINDOW = days(30)
# 40 % of the month's budget of 0.1 % is gone before the demo; fewer requests than now, so that
# a short outage shows.
HISTORY = History(length=_TIME_WINDOW, requests_per_second=5, error_ratio=0.0004)
_OTHER_HISTORY = History(length=_TIME_WINDOW, requests_per_second=5, error_ratio=0.002)
# Prometheus's 15 days would delete half of it.
_RETENTION = "--storage.tsdb.retention.time=40d"
_REQUESTS_PER_SECOND = 50.0
_COMPILE_SECONDS = 60.0


class JourneyError(SloError):
    """Say which step of the journey was not seen, and what was seen instead."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Hold everything that runs."""

    terminal: Terminal
    shop: Shop
    traffic: Traffic
    receiver: Receiver
    prometheus: PrometheusClient
    prometheus_process: Process
    alertmanager: AlertmanagerClient
    engine: Engine


def set_up(running: ExitStack, terminal: Terminal, example: Path, directory: Path) -> Scene:
    """
    Start everything, say so on *terminal*, and return it.

    Args:
        running: Takes what has to be stopped, in reverse order.
        terminal: Where to print.
        example: Folder with `shop.yaml`, `owners.yaml`, `gates.yaml` and `windows/`.
        directory: Empty folder for compiled files, data and logs.

    Raises:
        JourneyError: The compiler refused the spec, or Prometheus loaded no alert.
        ToolError: A program is missing or did not start.
    """
    shop = running.enter_context(run_shop())
    receiver = running.enter_context(run_receiver())

    terminal.step("Compile the spec")
    compiled = directory / "compiled"
    owners = directory / "owners.yaml"
    owners.write_text(_owners(example / "owners.yaml", receiver.url), encoding="utf-8")
    _compile(terminal, example, owners, compiled)
    routing = directory / "alertmanager-compressed.yml"
    compiled_routing = (compiled / "alertmanager" / "alertmanager.yaml").read_text("utf-8")
    routing.write_text(_compress_grouping(compiled_routing), encoding="utf-8")

    terminal.step("Start the shop, its traffic, Prometheus, Alertmanager and the engine")
    traffic = running.enter_context(
        run_traffic(shop.url, ROUTES, requests_per_second=_REQUESTS_PER_SECOND)
    )
    terminal.note(f"shop          {shop.url}   {_REQUESTS_PER_SECOND:g} requests a second")
    alertmanager = running.enter_context(
        run_alertmanager(directory / "alertmanager", routing.read_text("utf-8"))
    )
    terminal.note(
        f"alertmanager  {alertmanager.url}   the compiled routing, but group_wait {_GROUP_WAIT} "
        f"and group_interval {_GROUP_INTERVAL}"
    )
    config = prometheus_config(
        rule_files=[compiled / "rules" / "*.yaml"],
        targets=[ScrapeTarget(SERVICE, shop.url.removeprefix("http://"))],
        alertmanagers=[alertmanager.address],
        scrape_interval=_SCRAPE_INTERVAL,
        evaluation_interval=EVALUATION_INTERVAL,
    )
    rules_folder = compiled / "rules"
    rule_files = sorted(rules_folder.glob("*.yaml"))
    histories = {SLO_ID: HISTORY, f"{SERVICE}-{_OTHER_SLO}": _OTHER_HISTORY}
    write_history(
        [
            (record, history)
            for slo_id, history in histories.items()
            for record in event_records(rule_files, slo_id, _TIME_WINDOW)
        ],
        directory / "prometheus" / "data",
    )
    terminal.note(
        f"history       {HISTORY.length} with {HISTORY.requests / 1e6:.0f} million requests, "
        f"of which {HISTORY.error_ratio:.2%} failed (made up for the demo)"
    )
    prometheus, process = running.enter_context(
        run_stoppable_prometheus(directory / "prometheus", config, arguments=[_RETENTION])
    )
    rules = prometheus.rules()
    alerting = sum(rule.kind == "alerting" for rule in rules)
    if not alerting:
        raise JourneyError("Prometheus loaded no alerting rule from the compiled files")
    terminal.seen(
        f"prometheus    {prometheus.url}   the compiled rules: "
        f"{len(rules) - alerting} recording, {alerting} alerting"
    )
    engine = running.enter_context(
        run_engine(
            directory / "engine", prometheus.url, [example / "shop.yaml", owners], example / POLICY
        )
    )
    terminal.seen(f"engine        {engine.url}   slo serve, reading every {READING_INTERVAL}")
    terminal.note(f"board         {engine.url}/   open it in a browser and watch")
    return Scene(terminal, shop, traffic, receiver, prometheus, process, alertmanager, engine)


def _owners(template: Path, receiver_url: str) -> str:
    """Return the example's owners document with the receiver's real address."""
    document = yaml.safe_load(template.read_text("utf-8"))
    for owner in document["owners"]:
        owner["page"] = [{"webhook": {"url": receiver_url + PAGE_PATH}}]
        owner["ticket"] = [{"webhook": {"url": receiver_url + TICKET_PATH}}]
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def _compile(terminal: Terminal, example: Path, owners: Path, out: Path) -> None:
    shop = _relative(example / "shop.yaml")
    arguments = [
        "compile",
        str(shop),
        str(owners),
        "--windows",
        str(_relative(example / "windows")),
        "--interval",
        str(EVALUATION_INTERVAL),
        "--out",
        str(out),
    ]
    head = shlex.join(["slo", *arguments[:3]])
    options = [shlex.join(arguments[n : n + 2]) for n in range(3, len(arguments), 2)]
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
    terminal.seen(f"{len(files)} files from {_count_lines(shop)} lines of YAML:")
    terminal.texts({str(path.relative_to(out)): f"{_count_lines(path)} lines" for path in files})


def _relative(path: Path) -> Path:
    """Return *path* as a person would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _count_lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def _compress_grouping(config: str) -> str:
    """
    Return an Alertmanager configuration with every route's waits cut to seconds.

    Its five minutes between two notifications would outlast the demo.
    """
    document = yaml.safe_load(config)

    def compress(route: dict[str, object]) -> None:
        route["group_wait"] = str(_GROUP_WAIT)
        route["group_interval"] = str(_GROUP_INTERVAL)
        children = route.get("routes")
        for child in children if isinstance(children, list) else ():
            compress(child)

    compress(document["route"])
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text
