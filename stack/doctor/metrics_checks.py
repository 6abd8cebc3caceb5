"""Examine what is measured and computed: targets, rules, retention, and fresh numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from slo import conventions as names
from slo.duration import Duration
from slo.stack.doctor.finding import Finding, fail, ok, skipped, warning
from slo.stack.doctor.patient import Patient
from slo.stack.doctor.rule_comparison import compare_rules, compiled_rules, loaded_rules

__all__ = ["evaluation", "freshness", "moment", "retained", "rules", "rules_age", "targets"]

_SHOWN = 5
# Rules are evaluated in turn: one that is late by more than this has missed evaluations.
_LATE_INTERVALS = 3
# A scrape, two evaluations, and the sums over them.
_YOUNG_SECONDS = 120.0
# How long a server that has just started takes to find what it was told of.
_DISCOVERY_SECONDS = 20.0


def targets(patient: Patient) -> Iterator[Finding]:
    """Ask whether everything that is to be scraped is."""
    scraper = patient.first_of("vmagent", "victoria-metrics", "prometheus")
    active = patient.call(scraper).data("/api/v1/targets", {"state": "active"})["activeTargets"]
    down = [target for target in active if target["health"] == "down"]
    waiting = [target for target in active if target["health"] == "unknown"]
    for target in down[:_SHOWN]:
        labels = target["labels"]
        yield fail(
            f"{labels['job']} at {labels['instance']}: {target['lastError']}",
            f"is it up, and does it answer {target['scrapeUrl']}?",
            subject=labels["job"],
        )
    if len(down) > _SHOWN:
        yield fail(f"and {len(down) - _SHOWN} more are down", "see the page /targets")
    if not active and rules_age(patient) < _DISCOVERY_SECONDS:
        yield warning("nothing is scraped yet", "ask again in a quarter of a minute")
    elif not active:
        yield fail("nothing is scraped", f"load its configuration: {patient.repair}")
    elif waiting:
        names_of = ", ".join(sorted({target["labels"]["job"] for target in waiting}))
        yield warning(f"not scraped yet: {names_of}", "ask again in a quarter of a minute")
    elif not down:
        yield ok(f"{len(active)} of {len(active)} up")


def rules(patient: Patient) -> Iterator[Finding]:
    """Compare the rules that are loaded with those that were compiled."""
    component = patient.plan.component(patient.evaluator)
    texts = [file.text for file in component.configs if file.name.startswith("rules/")]
    wanted = compiled_rules(texts)
    groups = _groups(patient)
    # vmalert shows its external labels with those of each rule.
    external = {"stack": patient.settings.name} if patient.evaluator == "vmalert" else {}
    problems = list(compare_rules(wanted, loaded_rules(groups, external)))
    for group, problem in problems[:_SHOWN]:
        yield fail(f"group {group} {problem}", f"load what was compiled: {patient.repair}")
    if len(problems) > _SHOWN:
        yield fail(f"and {len(problems) - _SHOWN} more groups differ", patient.repair)
    if not problems:
        yield ok(f"{len(wanted)} rules in {len(groups)} groups, all as compiled")


def evaluation(patient: Patient) -> Iterator[Finding]:
    """Ask whether the rules are evaluated, in time and without errors."""
    groups = _groups(patient)
    broken, late, waiting, count = 0, 0, 0, 0
    slowest = 0.0
    now = time.time()
    for group in groups:
        interval = float(group.get("interval") or 0)
        for rule in group["rules"]:
            count += 1
            if rule.get("health") == "err" or rule.get("lastError"):
                broken += 1
                if broken <= _SHOWN:
                    yield fail(
                        f"{rule['name']} of {group['name']}: {rule.get('lastError')}",
                        "repair the query in the spec, then `slo compile` and load it again",
                        subject=rule["name"],
                    )
        taken = float(group.get("evaluationTime") or 0)
        slowest = max(slowest, taken / interval if interval else 0.0)
        evaluated = moment(group.get("lastEvaluation"))
        if evaluated is None:
            waiting += 1
        elif interval and now - evaluated > _LATE_INTERVALS * interval:
            late += 1
            yield fail(
                f"group {group['name']} was evaluated {now - evaluated:.0f} s ago, "
                f"and should be every {interval:g} s",
                "is the server overloaded, or its clock wrong?",
                subject=group["name"],
            )
    if slowest > 0.5:
        yield warning(
            f"the slowest group takes {slowest:.0%} of its interval",
            "evaluate less often (`--interval`), or give the server more CPU",
        )
    if not broken and not late:
        rest = f", {waiting} groups not evaluated yet" if waiting else ""
        yield ok(f"{count} rules without errors{rest}; the slowest group takes {slowest:.1%}")


def retained(patient: Patient) -> Iterator[Finding]:
    """Compare how long samples are kept with the longest window that rules look back."""
    windows = [window.longest for slo in patient.compiled.specs.slos for window in slo.windows]
    longest = max(windows, default=None)
    if longest is None:
        yield skipped("no SLO looks back")
        return
    if patient.reader != "prometheus":
        yield skipped(f"{patient.reader} does not say its retention")
        return
    flags = patient.call("prometheus").data("/api/v1/status/flags")
    text = flags.get("storage.tsdb.retention.time") or "0s"
    # Without the flag it is 15 days, and the flag says nothing.
    kept = Duration.parse("15d" if text in ("0s", "0") else text)
    if kept < longest:
        yield fail(
            f"{kept} are kept, and the longest window is {longest}",
            f"{patient.repair}; a budget forgets what is deleted",
        )
    else:
        yield ok(f"{kept} are kept, the longest window is {longest}")


def freshness(patient: Patient) -> Iterator[Finding]:
    """Ask for each SLO how old its newest recorded number is."""
    wanted = {slo.id for slo in patient.compiled.specs.slos}
    if not wanted:
        yield skipped("there are no SLOs")
        return
    caller = patient.call(patient.reader)
    record = names.CURRENT_BURN_RATE
    ages = f"time() - max by ({names.LABEL_ID}) (timestamp({record}))"
    found = {labels.get(names.LABEL_ID, ""): age for labels, age in caller.query(ages)}
    missing = sorted(wanted - set(found))
    if missing:
        rest = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        figure = f"no numbers for {', '.join(missing[:_SHOWN])}{rest}"
        age = rules_age(patient)
        if age < _YOUNG_SECONDS:
            yield warning(f"{figure}", f"the rules run for {age:.0f} s only: ask again in a minute")
        else:
            yield fail(
                figure,
                "is the service scraped (`scrape` in the settings), does it get traffic, and does "
                "the query of the spec find its series? Try it on Prometheus's page /graph",
            )
    oldest = max((found[slo_id] for slo_id in wanted & set(found)), default=0.0)
    if oldest > patient.limits.stale_seconds:
        yield fail(f"the oldest numbers are {oldest:.0f} s old", f"see {patient.look}")
    if not missing and oldest <= patient.limits.stale_seconds:
        yield ok(f"{len(wanted)} SLOs, the oldest numbers are {oldest:.0f} s old")


def rules_age(patient: Patient) -> float:
    """Return for how long the rules have been evaluated, in seconds."""
    if patient.evaluator != "prometheus":
        return float("inf")
    started = patient.call("prometheus").data("/api/v1/status/runtimeinfo")["startTime"]
    return time.time() - (moment(started) or 0.0)


def _groups(patient: Patient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = patient.call(patient.evaluator).data("/api/v1/rules")["groups"]
    return found or []


def moment(text: Any) -> float | None:
    """Return the Unix time that a server's *text* names; `None` for never."""
    if not isinstance(text, str) or not text or text.startswith("0001"):
        return None
    head, dot, rest = text.partition(".")
    if dot:
        # Nine digits of a second are more than Python reads.
        digits = rest.rstrip("Z")
        zone = next((digits[n:] for n, c in enumerate(digits) if c in "+-"), "+00:00")
        text = head + zone
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
