"""Examine what the stack stands on: programs, parts, answers, clocks and the disk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from slo.stack.components.plan import retention
from slo.stack.doctor.finding import Finding, Unreachable, fail, ok, skipped, warning
from slo.stack.doctor.patient import Patient
from slo.stack.supervisor.asking import ask
from slo.stack.supervisor.control import stack_state
from slo.stack.supervisor.part import Asking
from slo.stack.supervisor.state import Condition
from slo.stack.targets.local_places import local_folder
from slo.stack.targets.local_programs import find, remedy

__all__ = ["answers", "clocks", "disk", "parts", "programs"]

# Bytes that Prometheus keeps a sample in, index included, and what compaction needs beside.
_BYTES_PER_SAMPLE = 2.0
_BROKEN_SKEW_SECONDS = 30.0
# A header `Date` has whole seconds.
_RESOLUTION_SECONDS = 1.0


def programs(patient: Patient) -> Iterator[Finding]:
    """Name the programs with their versions, and those that are missing."""
    if patient.target != "local":
        yield skipped(f"target {patient.target} brings its own programs")
        return
    names = {c.check[0] for c in patient.plan.components if c.check}
    names |= {c.program for c in patient.plan.components if c.program}
    found = {name: find(name) for name in sorted(names)}
    here = [f"{name} {p.version}".strip() for name, p in found.items() if p is not None]
    yield ok(", ".join(here))
    for name, program in found.items():
        if program is None:
            yield warning(f"{name} is missing", remedy(name), subject=name)
    by_program: dict[str, list[str]] = {}
    for part in patient.left_out:
        by_program.setdefault(part.program, []).append(part.part)
    for name, left_out in by_program.items():
        yield skipped(f"{' and '.join(left_out)}: no {name}", remedy(name), subject=name)


def parts(patient: Patient) -> Iterator[Finding]:
    """Ask the supervisor whether its parts are up, and whether they keep ending."""
    if patient.target != "local":
        yield skipped(f"target {patient.target} looks after its parts itself")
        return
    state = stack_state(local_folder(patient.settings))
    if state is None or not state.supervisor:
        yield fail("the stack does not run", "start it: `slo stack up`")
        return
    up = [part for part in state.parts if part.condition is Condition.UP]
    for part in state.parts:
        if part.condition is not Condition.UP:
            figure = f"{part.name} is {part.condition.value}"
            log = local_folder(patient.settings).log(part.name)
            yield fail(
                f"{figure}{f': {part.reason}' if part.reason else ''}",
                f"its log says why: {log}",
                subject=part.name,
            )
        elif part.reason:
            yield fail(f"{part.name} {part.reason}", "`slo stack up` again", subject=part.name)
    missing = {c.name for c in patient.plan.components} - {part.name for part in state.parts}
    for name in sorted(missing):
        yield fail(f"{name} is not running yet", "`slo stack up`", subject=name)
    if len(up) == len(state.parts):
        restarts = sum(part.restarts for part in up)
        yield ok(f"{len(up)} of {len(up)} up, {restarts} restarts")


def answers(patient: Patient) -> Iterator[Finding]:
    """Ask every part whether it is ready, as a load balancer would."""
    times = []
    for component in patient.plan.components:
        port, path = component.probe.port, component.probe.path
        url = patient.url(component.name, port)
        access = component.access
        asking = Asking(
            address=url.partition("://")[2],
            path=path,
            tls=url.startswith("https"),
            user=access.user,
            password_file=_secret_file(patient, access.password) if access.user else "",
            token_file=_secret_file(patient, access.token) if access.token else "",
        )
        began = time.monotonic()
        found = ask(asking)
        times.append(time.monotonic() - began)
        if not found.ready:
            yield fail(
                f"{component.name} at {url}{path}: {found.reason}",
                f"see {patient.look}; is something else on its port?",
                subject=component.name,
            )
    if times:
        yield ok(f"{len(times)} parts asked, the slowest took {max(times) * 1000:.0f} ms")


def _secret_file(patient: Patient, name: str) -> str:
    return str(patient.settings.folder / patient.settings.secrets / name)


def clocks(patient: Patient) -> Iterator[Finding]:
    """Compare the clocks of all parts that say their time with this machine's."""
    worst = 0.0
    asked = 0
    for component in patient.plan.components:
        if not any(port.name == "http" for port in component.ports):
            continue
        try:
            began = time.time()
            reply = patient.call(component.name).send("GET", component.probe.path or "/")
            skew = _skew(reply.clock, (began + time.time()) / 2)
        except Unreachable:
            # That it does not answer is another check's finding.
            continue
        if skew is None:
            continue
        asked += 1
        worst = max(worst, skew)
        if skew > patient.limits.skew_seconds:
            make = fail if skew > _BROKEN_SKEW_SECONDS else warning
            yield make(
                f"{component.name} is {skew:.0f} s off this machine",
                "set the clocks by NTP: samples and alerts land at wrong times",
                subject=component.name,
            )
    if asked:
        yield ok(f"{asked} parts within {max(worst, _RESOLUTION_SECONDS):.0f} s of this machine")
    else:
        yield fail("no part says its time", f"see {patient.look}")


def _skew(header: str, now: float) -> float | None:
    """Return how far the sender's clock is off, at least."""
    try:
        sent = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    off = abs((sent - datetime.fromtimestamp(now, UTC)).total_seconds())
    return max(0.0, off - _RESOLUTION_SECONDS)


def disk(patient: Patient) -> Iterator[Finding]:
    """Compare the free space with what the whole retention will take."""
    if patient.folder is None:
        yield skipped("the data are not on this machine")
        return
    usage = shutil.disk_usage(patient.folder)
    free = f"{usage.free / 1e9:,.1f} GB free"
    way_out = f"free space on the disk of {patient.folder}, or set a shorter `retention`"
    if usage.free < patient.limits.free_bytes:
        yield fail(f"{free}, less than {patient.limits.free_bytes / 1e9:,.1f} GB", way_out)
        return
    caller = patient.call(patient.reader)
    kept = retention(patient.settings, patient.compiled)
    rate = "sum(rate(prometheus_tsdb_head_samples_appended_total[5m]))"
    samples = caller.value(rate) or caller.value("sum(rate(vm_rows_inserted_total[5m]))")
    if samples is None:
        yield ok(f"{free}; how much {kept} will take is not known yet")
        return
    needed = samples * kept.seconds * _BYTES_PER_SAMPLE
    figure = f"{free}; {kept} at {samples:,.0f} samples/s take about {needed / 1e9:,.1f} GB"
    if needed > usage.free:
        yield warning(figure, way_out)
    else:
        yield ok(figure)
