"""Walk from a spec to a page and back while somebody watches, and prove every step."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import yaml

from slo import conventions
from slo.duration import Duration, seconds
from slo.errors import SloError, ToolError
from slo.stack.alertmanager import AlertmanagerClient, run_alertmanager
from slo.stack.demo.receiver import Notification, NotifiedAlert, Receiver, run_receiver
from slo.stack.demo.service import ROUTES, Fault, Shop, run_shop
from slo.stack.demo.terminal import Terminal
from slo.stack.demo.traffic import Traffic, run_traffic
from slo.stack.processes import find_program, sigterm_unwinds
from slo.stack.prometheus import (
    PrometheusClient,
    ScrapeTarget,
    prometheus_config,
    run_prometheus,
)

__all__ = ["StepNotSeen", "run_journey"]

_SERVICE = "shop"
_SLO = "availability"
_SLO_ID = f"{_SERVICE}-{_SLO}"
_SELECTOR = conventions.selector(_SLO_ID, _SERVICE, _SLO)
_OBJECTIVE = "99.9 %"

_SCRAPE_INTERVAL = seconds(1)
_EVALUATION_INTERVAL = seconds(2)
# The shortest window of the example's catalog; the journey shows the error ratio over it.
_SHORT_WINDOW = seconds(20)
_GROUP_WAIT = seconds(1)
_GROUP_INTERVAL = seconds(5)

_REQUESTS_PER_SECOND = 50.0
_FAULT = Fault(error_ratio=0.3)
_POLL_SECONDS = 0.4
_REPORT_SECONDS = 5.0
_COMPILE_SECONDS = 60.0
_PAGE_PATH = "/page"
_TICKET_PATH = "/ticket"
_STATE_STYLES = {"inactive": "green", "pending": "yellow", "firing": "red"}


class StepNotSeen(SloError):
    """Say which step of the journey did not happen in time, and what was seen instead."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """Hold what Prometheus says of the SLO at one moment; `None` where it says nothing."""

    error_ratio: float | None
    burn_rate: float | None
    budget: float | None
    state: str


@dataclass(frozen=True, slots=True)
class _Scene:
    """Hold everything that runs."""

    terminal: Terminal
    shop: Shop
    traffic: Traffic
    receiver: Receiver
    prometheus: PrometheusClient
    alertmanager: AlertmanagerClient


def run_journey(example: Path, out: TextIO, *, keep: bool = False) -> int:
    """
    Run the whole journey, print it to *out* and return the exit code.

    Args:
        example: Folder with `shop.yaml`, `owners.yaml` and `windows/`.
        keep: Leave everything running at the end until Ctrl-C.

    Returns:
        0 when every step was observed, 1 when one was not, 130 after a Ctrl-C.

    Raises:
        ToolError: A program is missing, or something could not be started.
    """
    for program in ("prometheus", "prometheus-alertmanager"):
        find_program(program)
    terminal = Terminal(out)
    with (
        sigterm_unwinds(),
        tempfile.TemporaryDirectory(prefix="slo-demo-", ignore_cleanup_errors=True) as temporary,
    ):
        try:
            return _journey(terminal, example, Path(temporary), keep)
        except KeyboardInterrupt:
            terminal.line()
            terminal.line("Interrupted; everything is stopped.")
            return 130


def _journey(terminal: Terminal, example: Path, directory: Path, keep: bool) -> int:
    terminal.line(terminal.paint("From an SLO to a page and back, on real servers", "bold"))
    terminal.line(
        f"A shop promises {_OBJECTIVE} availability over 30 days. It will break, somebody will be\n"
        "paged, it will be repaired, and the page will resolve."
    )
    terminal.line()
    terminal.line(
        "Time is compressed: the alert windows are 20 s to 12 min instead of 5 min to 3 days, and\n"
        f"rules run every {_EVALUATION_INTERVAL}. Rules, alerts and routing are made by the same "
        "compiler as in\nproduction, and run on the same Prometheus and Alertmanager."
    )
    with ExitStack() as running:
        try:
            scene = _set_up(running, terminal, example, directory)
            _walk(scene)
        except (StepNotSeen, ToolError) as error:
            terminal.line()
            terminal.line(terminal.paint(f"FAILED: {error}", "red"))
            _print_logs(terminal, directory)
            return 1
        minutes, rest = divmod(round(terminal.elapsed_seconds), 60)
        terminal.line()
        terminal.line(terminal.paint(f"Every step was seen, in {minutes}:{rest:02d}.", "green"))
        if keep:
            _keep(scene)
        return 0


def _set_up(running: ExitStack, terminal: Terminal, example: Path, directory: Path) -> _Scene:
    """Start everything; *running* stops it, in reverse order."""
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

    terminal.step("Start the shop, its traffic, Prometheus and Alertmanager")
    traffic = running.enter_context(
        run_traffic(shop.url, ROUTES, requests_per_second=_REQUESTS_PER_SECOND)
    )
    terminal.note(f"shop          {shop.url}   {_REQUESTS_PER_SECOND:g} requests a second")
    alertmanager = running.enter_context(
        run_alertmanager(directory / "alertmanager", routing.read_text("utf-8"))
    )
    terminal.note(
        f"alertmanager  {alertmanager.url}   the compiled routing; group_wait {_GROUP_WAIT} and "
        f"group_interval {_GROUP_INTERVAL} for the demo"
    )
    config = prometheus_config(
        rule_files=[compiled / "rules" / "*.yaml"],
        targets=[ScrapeTarget(_SERVICE, shop.url.removeprefix("http://"))],
        alertmanagers=[alertmanager.address],
        scrape_interval=_SCRAPE_INTERVAL,
        evaluation_interval=_EVALUATION_INTERVAL,
    )
    prometheus = running.enter_context(run_prometheus(directory / "prometheus", config))
    rules = prometheus.rules()
    alerting = sum(rule.kind == "alerting" for rule in rules)
    if not alerting:
        raise StepNotSeen("Prometheus loaded no alerting rule from the compiled files")
    terminal.seen(
        f"prometheus    {prometheus.url}   the compiled rules: "
        f"{len(rules) - alerting} recording, {alerting} alerting"
    )
    return _Scene(terminal, shop, traffic, receiver, prometheus, alertmanager)


def _walk(scene: _Scene) -> None:
    terminal = scene.terminal

    terminal.step("Healthy: wait until the rules have seen one short window")
    full = terminal.elapsed_seconds + _SHORT_WINDOW.seconds
    healthy = _watch(
        scene,
        "SLI measured, error budget known and alert inactive",
        60,
        lambda r: (
            terminal.elapsed_seconds >= full
            and r.error_ratio == 0
            and r.budget is not None
            and r.state == "inactive"
        ),
    )
    _check_rules(scene)
    terminal.seen(f"no errors, error budget {_percent(healthy.budget)}, page alert inactive")

    terminal.step(f"Break the shop: {_FAULT.error_ratio:.0%} of the answers become errors")
    broken_at = time.monotonic()
    scene.shop.set_fault(_FAULT)
    _watch(scene, "page alert pending", 45, lambda r: r.state == "pending")
    terminal.seen("page alert pending: both of its windows burn too fast")
    _watch(scene, "page alert firing", 45, lambda r: r.state == "firing")
    terminal.seen(f"page alert firing, {time.monotonic() - broken_at:.0f} s after the fault")

    terminal.step("Page the owner")
    alert = _await_notification(scene, "firing", 30)
    terminal.seen(f"the webhook of team {alert.labels.get('owner', '?')} received:")
    _print_alert(terminal, alert)
    spent = _watch(
        scene,
        "error budget spent",
        45,
        lambda r: r.budget is not None and healthy.budget is not None and r.budget < healthy.budget,
    )
    terminal.seen(f"error budget fell from {_percent(healthy.budget)} to {_percent(spent.budget)}")

    terminal.step("Repair the shop")
    repaired_at = time.monotonic()
    scene.shop.set_fault(Fault())
    _watch(scene, "page alert resolved", 90, lambda r: r.state == "inactive")
    terminal.seen(f"page alert resolved, {time.monotonic() - repaired_at:.0f} s after the repair")
    resolved = _await_notification(scene, "resolved", 45)
    terminal.seen("the webhook received the resolution:")
    _print_alert(terminal, resolved)

    terminal.step("What it cost")
    final = _read(scene)
    if final.budget is None:
        raise StepNotSeen("step not seen: error budget after the repair")
    sent, failed = scene.traffic.sent, scene.traffic.failed
    terminal.seen(f"{failed} of {sent} requests failed; error budget {_percent(final.budget)} left")


def _watch(
    scene: _Scene, step: str, limit_seconds: float, reached: Callable[[_Reading], bool]
) -> _Reading:
    """
    Print readings until one is what *reached* wants, and return that one.

    A reading is printed every few seconds, and whenever the alert changes its state.

    Raises:
        StepNotSeen: It did not happen within the limit.
    """
    deadline = time.monotonic() + limit_seconds
    printed_at = -_REPORT_SECONDS
    printed_state = ""
    while True:
        reading = _read(scene)
        hit = reached(reading)
        now = time.monotonic()
        due = now - printed_at >= _REPORT_SECONDS
        if hit or due or reading.state != printed_state:
            scene.terminal.note(_describe(scene.terminal, reading))
            printed_at, printed_state = now, reading.state
        if hit:
            return reading
        if now >= deadline:
            raise StepNotSeen(f"step not seen within {limit_seconds:g} s: {step}")
        time.sleep(_POLL_SECONDS)


def _read(scene: _Scene) -> _Reading:
    ask = scene.prometheus
    states = {
        alert.state
        for alert in ask.alerts()
        if alert.labels.get(conventions.LABEL_ID) == _SLO_ID
        and alert.labels.get(conventions.LABEL_SEVERITY) == "page"
    }
    state = next((s for s in ("firing", "pending") if s in states), "inactive")
    return _Reading(
        error_ratio=ask.value(f"{conventions.error_ratio(_SHORT_WINDOW)}{_SELECTOR}"),
        burn_rate=ask.value(f"{conventions.CURRENT_BURN_RATE}{_SELECTOR}"),
        budget=ask.value(f"{conventions.ERROR_BUDGET_REMAINING}{_SELECTOR}"),
        state=state,
    )


def _describe(terminal: Terminal, reading: _Reading) -> str:
    burn = "-" if reading.burn_rate is None else f"{reading.burn_rate:.1f}x"
    return (
        f"errors {_percent(reading.error_ratio):>7}   burn rate {burn:>7}   "
        f"budget left {_percent(reading.budget):>11}   "
        f"page {terminal.paint(reading.state, _STATE_STYLES[reading.state])}"
    )


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{100 * ratio:,.1f} %"


def _check_rules(scene: _Scene) -> None:
    for rule in scene.prometheus.rules():
        if rule.health == "err":
            raise StepNotSeen(f"rule {rule.name} of {rule.group} fails: {rule.error}")


def _await_notification(scene: _Scene, status: str, limit_seconds: float) -> NotifiedAlert:
    """Return the first alert of the page notification with *status*, as soon as it is there."""
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        for notification in scene.receiver.notifications:
            alert = _page_of(notification)
            if notification.status == status and alert is not None:
                return alert
        time.sleep(_POLL_SECONDS)
    raise StepNotSeen(f"step not seen within {limit_seconds:g} s: {status} notification received")


def _page_of(notification: Notification) -> NotifiedAlert | None:
    if notification.path != _PAGE_PATH:
        return None
    mine = (a for a in notification.alerts if a.labels.get(conventions.LABEL_ID) == _SLO_ID)
    return next(mine, None)


def _print_alert(terminal: Terminal, alert: NotifiedAlert) -> None:
    first = ("title", "summary", "description")
    texts = {"status": alert.status, "alert": alert.labels.get("alertname", "?")}
    texts |= {name: alert.annotations[name] for name in first if name in alert.annotations}
    texts |= {name: text for name, text in sorted(alert.annotations.items()) if name not in first}
    missing = [name for name in first if not alert.annotations.get(name)]
    if missing:
        raise StepNotSeen(f"the {alert.status} notification has no {', '.join(missing)}")
    terminal.texts(texts)


def _owners(template: Path, receiver_url: str) -> str:
    """Return the example's owners document with the receiver's real address."""
    document = yaml.safe_load(template.read_text("utf-8"))
    for owner in document["owners"]:
        owner["page"] = [{"webhook": {"url": receiver_url + _PAGE_PATH}}]
        owner["ticket"] = [{"webhook": {"url": receiver_url + _TICKET_PATH}}]
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def _compile(terminal: Terminal, example: Path, owners: Path, out: Path) -> None:
    arguments = [
        "compile",
        str(example / "shop.yaml"),
        str(owners),
        "--windows",
        str(example / "windows"),
        "--interval",
        str(_EVALUATION_INTERVAL),
        "--out",
        str(out),
    ]
    terminal.note(f"$ slo {shlex.join(arguments)}")
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
        raise StepNotSeen(f"the compiler did not end within {_COMPILE_SECONDS:g} s") from error
    if done.returncode != 0:
        output = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
        raise StepNotSeen(f"the compiler ended with status {done.returncode}:\n{output}")
    files = sorted(path for path in out.rglob("*") if path.is_file())
    terminal.seen(f"{len(files)} files from {_count_lines(example / 'shop.yaml')} lines of YAML:")
    terminal.texts({str(path.relative_to(out)): f"{_count_lines(path)} lines" for path in files})


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


def _print_logs(terminal: Terminal, directory: Path) -> None:
    for log in sorted(directory.glob("*/*.log")):
        lines = log.read_text("utf-8", errors="replace").splitlines()[-10:]
        if lines:
            terminal.line(f"The end of {log.name}:")
            for line in lines:
                terminal.line(f"  {line}")


def _keep(scene: _Scene) -> None:
    terminal = scene.terminal
    terminal.line()
    terminal.line("KEEP is set: everything keeps running until Ctrl-C.")
    terminal.line(f"  Prometheus    {scene.prometheus.url}/alerts")
    terminal.line(f"  Alertmanager  {scene.alertmanager.url}/#/alerts")
    terminal.line(f"  Shop          {scene.shop.url}/metrics")
    terminal.line("  Break it      " + _fault_command(scene.shop.url, '{"error_ratio": 0.3}'))
    terminal.line(
        "  Slow it down  " + _fault_command(scene.shop.url, '{"extra_latency_seconds": 0.4}')
    )
    terminal.line("  Repair it     " + _fault_command(scene.shop.url, "{}"))
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        terminal.line()
        terminal.line("Stopped.")


def _fault_command(url: str, body: str) -> str:
    return f"curl -d {shlex.quote(body)} {url}/fault"
