"""Examine what people and pipelines use: the engine, its gates, and the dashboards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from slo.stack.doctor.finding import Finding, fail, ok, skipped
from slo.stack.doctor.patient import Patient

__all__ = ["dashboards", "engine", "gates"]

_VERDICTS = ("allow", "deny", "unknown")
_LONGEST_LIST = 5


def engine(patient: Patient) -> Iterator[Finding]:
    """Ask the engine how fresh its numbers are, and how its sources are doing."""
    if patient.component("engine") is None:
        yield skipped(*patient.why_not("engine"))
        return
    found = patient.call("engine").get("/v1/sources")
    for source in found["sources"]:
        if source["state"] != "up":
            yield fail(
                f"source {source['name']} is {source['state']}: {source['last_error']}",
                f"see {patient.look}; gates go by old numbers, then answer `unknown`",
                subject=source["name"],
            )
    age = found["age"]
    if age is None:
        yield fail("nothing has been read yet", "wait a minute; then see the engine's log")
    elif found["stale"]:
        yield fail(f"its numbers are {age:.0f} s old", "see its sources, and its log")
    else:
        total = patient.call("engine").get("/v1/slos", {"limit": "1"})["total"]
        count = len(found["sources"])
        sources = f"{count} source{'' if count == 1 else 's'}"
        yield ok(f"{total} SLOs, numbers {age:.0f} s old, {sources}")


def gates(patient: Patient) -> Iterator[Finding]:
    """Ask a gate as a pipeline does, without leaving a decision behind."""
    if patient.component("engine") is None:
        yield skipped(*patient.why_not("engine"))
        return
    services = sorted({slo.service for slo in patient.compiled.specs.slos})
    if not services:
        yield skipped("there are no services to ask for")
        return
    question = {"service": services[0], "environment": "doctor", "dry_run": True}
    began = time.monotonic()
    answer = patient.call("engine").post("/v1/gates/evaluate", question)
    taken = (time.monotonic() - began) * 1000
    verdict = (answer or {}).get("verdict")
    if verdict not in _VERDICTS:
        yield fail(f"no verdict for {services[0]}, but {verdict!r}", "see the engine's log")
    else:
        yield ok(f"{services[0]}: an answer after {taken:.0f} ms")


def dashboards(patient: Patient) -> Iterator[Finding]:
    """Ask Grafana for the compiled dashboards."""
    if patient.component("grafana") is None:
        yield skipped(*patient.why_not("grafana"))
        return
    wanted: dict[str, str] = {}
    for path, text in patient.compiled.of_kind("dashboards").items():
        if path.endswith(".json"):
            wanted[json.loads(text)["uid"]] = path
    if not wanted:
        yield skipped("no dashboards were compiled")
        return
    there = patient.call("grafana").get("/api/search", {"type": "dash-db", "limit": "5000"})
    missing = sorted(set(wanted) - {entry["uid"] for entry in there})
    if missing:
        names = ", ".join(wanted[uid] for uid in missing[:_LONGEST_LIST])
        yield fail(
            f"{len(missing)} of {len(wanted)} are not there: {names}",
            f"{patient.repair}; the log of Grafana says why it refuses one",
        )
    else:
        yield ok(f"{len(wanted)} dashboards are provisioned")
