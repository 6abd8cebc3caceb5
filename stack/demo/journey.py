"""Walk from a spec to a page and back while somebody watches, and prove every step."""

from __future__ import annotations

import shlex
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from slo import conventions
from slo.errors import SloError, ToolError
from slo.stack.demo import deployments, doctor, telemetry
from slo.stack.demo.receiver import Notification, NotifiedAlert
from slo.stack.demo.scene import (
    EVALUATION_INTERVAL,
    HISTORY,
    PAGE_PATH,
    SELECTOR,
    SERVICE,
    SHORT_WINDOW,
    SLO_ID,
    JourneyError,
    Scene,
    set_up,
)
from slo.stack.demo.service import Fault
from slo.stack.demo.terminal import Terminal
from slo.stack.processes import find_program, sigterm_unwinds

__all__ = ["run_journey"]

_OBJECTIVE = "99.9%"
_ERROR_BUDGET = 0.001
# How much of the month's budget has to be gone before somebody repairs the shop.
_WORTH_SEEING = 0.005
# The recorded rates lag behind the clients' count by one window and one interval.
_SETTLE_SECONDS = 10.0
_TOLERANCE = 0.15
_FAULT = Fault(error_ratio=0.3)
_POLL_SECONDS = 0.4
_REPORT_SECONDS = 5.0
_STATE_STYLES = {"inactive": "green", "pending": "yellow", "firing": "red"}


@dataclass(frozen=True, slots=True)
class _Reading:
    """Hold what Prometheus says of the SLO at one moment; `None` where it says nothing."""

    error_ratio: float | None
    burn_rate: float | None
    budget: float | None
    state: str


def run_journey(example: Path, out: TextIO, *, keep: bool = False) -> int:
    """
    Run the whole journey, print it to *out* and return the exit code.

    Args:
        example: Folder with `shop.yaml`, `owners.yaml`, `gates.yaml` and `windows/`.
        out: Where to print.
        keep: Leave everything running at the end until Ctrl-C.

    Returns:
        0 when every step was observed, 1 when one was not, 130 after a Ctrl-C.

    Raises:
        ToolError: A program is missing, or something could not be started.
    """
    for program in ("prometheus", "promtool", "prometheus-alertmanager"):
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
    terminal.line(
        terminal.paint(
            "From an SLO to a page and back, and may it be deployed? On real servers", "bold"
        )
    )
    terminal.line(
        f"A shop promises {_OBJECTIVE} availability over 30 days. It will break, somebody will be\n"
        "paged, it will be repaired, and the page will resolve. Meanwhile a pipeline asks the\n"
        "engine whether the shop may be deployed, even while Prometheus is away."
    )
    terminal.line()
    terminal.line(
        "Time is compressed: the alert windows are 20 s to 12 min instead of 5 min to 3 days, and\n"
        f"rules run every {EVALUATION_INTERVAL}. Rules, alerts and routing are made by the same "
        "compiler as in\nproduction, and run on the same Prometheus and Alertmanager."
    )
    with ExitStack() as running:
        try:
            scene = set_up(running, terminal, example, directory)
            _walk(scene)
        except SloError as error:
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


class _Watch:
    """Print what Prometheus says of the SLO while waiting for something to happen."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._printed: _Reading | None = None
        self._printed_at = 0.0

    def until(
        self, step: str, limit_seconds: float, reached: Callable[[_Reading], bool]
    ) -> _Reading:
        """
        Wait for a reading that is what *reached* wants, and return it.

        A reading is printed every few seconds, and whenever the alert changes its state.

        Raises:
            JourneyError: It did not happen within *limit_seconds*; *step* is what was missed.
        """
        deadline = time.monotonic() + limit_seconds
        while True:
            reading = _read(self._scene)
            hit = reached(reading)
            now = time.monotonic()
            if self._is_news(reading, now, hit):
                self._scene.terminal.note(_describe(self._scene.terminal, reading))
                self._printed, self._printed_at = reading, now
            if hit:
                return reading
            if now >= deadline:
                raise JourneyError(f"step not seen within {limit_seconds:g} s: {step}")
            time.sleep(_POLL_SECONDS)

    def _is_news(self, reading: _Reading, now: float, hit: bool) -> bool:
        if self._printed is None or reading.state != self._printed.state:
            return True
        if hit:
            return reading != self._printed
        return now - self._printed_at >= _REPORT_SECONDS


def _walk(scene: Scene) -> None:
    terminal = scene.terminal
    watch = _Watch(scene)
    token = deployments.token(scene)

    terminal.step("Healthy: wait until the rules have seen one short window")
    full = terminal.elapsed_seconds + SHORT_WINDOW.seconds
    healthy = watch.until(
        "SLI measured, error budget known and alert inactive",
        60,
        lambda r: (
            terminal.elapsed_seconds >= full
            and r.error_ratio == 0
            and r.budget is not None
            and r.state == "inactive"
        ),
    )
    before = healthy.budget or 0.0
    _check_rules(scene)
    terminal.seen(f"no errors, error budget {_percent(before)}, page alert inactive")
    telemetry.healthy(scene)

    terminal.step("May the shop be deployed? A pipeline asks the gate")
    deployments.allowed_before(scene)

    terminal.step(f"Break the shop: {_FAULT.error_ratio:.0%} of the answers become errors")
    broken_at = time.monotonic()
    scene.shop.set_fault(_FAULT)
    watch.until("page alert pending", 45, lambda r: r.state == "pending")
    terminal.seen("page alert pending: both of its windows burn too fast")
    watch.until("page alert firing", 45, lambda r: r.state == "firing")
    terminal.seen(f"page alert firing, {time.monotonic() - broken_at:.0f} s after the fault")

    terminal.step("Page the owner")
    alert = _await_notification(scene, "firing", 30)
    terminal.seen(f"the webhook of team {alert.labels.get('owner', '?')} received:")
    _print_alert(terminal, alert)
    spent = watch.until(
        "error budget spent",
        60,
        lambda r: r.budget is not None and r.budget <= before - _WORTH_SEEING,
    )
    terminal.seen(f"error budget fell from {_percent(before)} to {_percent(spent.budget)}")
    telemetry.failing(scene)

    terminal.step("May it be deployed now?")
    deployments.denied(scene)
    deployments.status(scene)

    terminal.step("Repair the shop: the alert resolves once its short windows are clean")
    repaired_at = time.monotonic()
    scene.shop.set_fault(Fault())
    watch.until("page alert resolved", 90, lambda r: r.state == "inactive")
    terminal.seen(f"page alert resolved, {time.monotonic() - repaired_at:.0f} s after the repair")
    resolved = _await_notification(scene, "resolved", 45)
    terminal.seen("the webhook received the resolution:")
    _print_alert(terminal, resolved)

    terminal.step("What it cost")
    allowed = HISTORY.requests * _ERROR_BUDGET
    settled = terminal.elapsed_seconds + _SETTLE_SECONDS

    def counted() -> float:
        return before - scene.traffic.failed / allowed

    def is_right(budget: float) -> bool:
        return abs(budget - counted()) <= _TOLERANCE * (before - counted())

    final = watch.until(
        "error budget as the clients count it",
        45,
        lambda r: (
            terminal.elapsed_seconds >= settled and r.budget is not None and is_right(r.budget)
        ),
    )
    failed, sent = scene.traffic.failed, scene.traffic.sent
    terminal.note(
        f"the clients counted {failed} errors in {sent:,} requests; the month allows {allowed:,.0f}"
    )
    terminal.seen(
        f"error budget {_percent(before)} - {failed / allowed:.1%} = {_percent(counted())} by "
        f"their count, {_percent(final.budget)} by the recorded rules"
    )
    telemetry.budgets(scene, is_right)
    _walk_without_prometheus(scene, token)


def _walk_without_prometheus(scene: Scene, token: str) -> None:
    terminal = scene.terminal

    terminal.step("Let Prometheus hang: the engine goes on answering, and never guesses")
    with scene.stack.halted("prometheus") as go_on:
        terminal.note(f"Prometheus at {scene.prometheus.url} hangs: it is halted by a signal")
        deployments.unknown(scene)

        terminal.step("Override: somebody takes responsibility, for a while and on record")
        override_ends = deployments.overridden(scene, token)

        terminal.step("Let Prometheus go on: the override expires, and numbers decide")
        go_on()
    _await_prometheus(scene, 30)
    terminal.note(f"Prometheus at {scene.prometheus.url} answers again")
    deployments.allowed_again(scene, override_ends)
    deployments.kept(scene)

    terminal.step("Does the whole stack do its work? The doctor uses every path of it")
    doctor.green(scene)


def _await_prometheus(scene: Scene, limit_seconds: float) -> None:
    deadline = time.monotonic() + limit_seconds
    while True:
        try:
            scene.prometheus.value("vector(1)")
        except ToolError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _read(scene: Scene) -> _Reading:
    ask = scene.prometheus
    states = {
        alert.state
        for alert in ask.alerts()
        if alert.labels.get(conventions.LABEL_ID) == SLO_ID
        and alert.labels.get(conventions.LABEL_SEVERITY) == "page"
    }
    state = next((s for s in ("firing", "pending") if s in states), "inactive")
    return _Reading(
        error_ratio=ask.value(f"{conventions.error_ratio(SHORT_WINDOW)}{SELECTOR}"),
        burn_rate=ask.value(f"{conventions.CURRENT_BURN_RATE}{SELECTOR}"),
        budget=ask.value(f"{conventions.ERROR_BUDGET_REMAINING}{SELECTOR}"),
        state=state,
    )


def _describe(terminal: Terminal, reading: _Reading) -> str:
    burn = "-" if reading.burn_rate is None else f"{reading.burn_rate:.1f}x"
    return (
        f"errors {_percent(reading.error_ratio):>6}   burn rate {burn:>7}   "
        f"budget left {_percent(reading.budget):>7}   "
        f"page {terminal.paint(reading.state, _STATE_STYLES[reading.state])}"
    )


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:,.1%}"


def _check_rules(scene: Scene) -> None:
    for rule in scene.prometheus.rules():
        if rule.health == "err":
            raise JourneyError(f"rule {rule.name} of {rule.group} fails: {rule.error}")


def _await_notification(scene: Scene, status: str, limit_seconds: float) -> NotifiedAlert:
    """Return the first alert of the page notification with *status*, as soon as it is there."""
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        for notification in scene.receiver.notifications:
            alert = _page_of(notification)
            if notification.status == status and alert is not None:
                return alert
        time.sleep(_POLL_SECONDS)
    raise JourneyError(f"step not seen within {limit_seconds:g} s: {status} notification received")


def _page_of(notification: Notification) -> NotifiedAlert | None:
    if notification.path != PAGE_PATH:
        return None
    mine = (a for a in notification.alerts if a.labels.get(conventions.LABEL_ID) == SLO_ID)
    return next(mine, None)


def _print_alert(terminal: Terminal, alert: NotifiedAlert) -> None:
    first = ("title", "summary", "description")
    texts = {"status": alert.status, "alert": alert.labels.get("alertname", "?")}
    texts |= {name: alert.annotations[name] for name in first if name in alert.annotations}
    texts |= {name: text for name, text in sorted(alert.annotations.items()) if name not in first}
    missing = [name for name in first if not alert.annotations.get(name)]
    if missing:
        raise JourneyError(f"the {alert.status} notification has no {', '.join(missing)}")
    terminal.texts(texts)


def _print_logs(terminal: Terminal, directory: Path) -> None:
    for log in sorted([*directory.glob("*.log"), *directory.glob("data/logs/*.log")]):
        lines = log.read_text("utf-8", errors="replace").splitlines()[-10:]
        if lines:
            terminal.line(f"The end of {log.name}:")
            for line in lines:
                terminal.line(f"  {line}")


def _keep(scene: Scene) -> None:
    terminal = scene.terminal
    terminal.line()
    terminal.line("KEEP is set: everything keeps running until Ctrl-C.")
    terminal.line(f"  Prometheus    {scene.prometheus.url}/alerts")
    terminal.line(f"  Board         {scene.engine.url}/")
    terminal.line(f"  Gate          slo gate {SERVICE} --engine {scene.engine.url}")
    terminal.line(f"  Alertmanager  {scene.stack.url('alertmanager')}/#/alerts")
    terminal.line(f"  Shop          {scene.shop.url}/metrics")
    terminal.line(f"  Stack         slo stack status --settings {scene.stack.settings}")
    terminal.line(f"  Doctor        slo stack doctor --settings {scene.stack.settings}")
    terminal.line(f"  Logs          {scene.stack.folder.logs}")
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
