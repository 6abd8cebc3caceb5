"""Examine the path of alerts: Prometheus to Alertmanager to a receiver."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from slo.stack.components.alertmanager import DOCTOR_LABEL, DOCTOR_RECEIVER
from slo.stack.components.meta_rules import DEADMAN
from slo.stack.components.ports import port_number
from slo.stack.doctor.finding import Finding, Unreachable, fail, ok, skipped, warning
from slo.stack.doctor.metrics_checks import rules_age
from slo.stack.doctor.patient import Patient
from slo.stack.doctor.webhook import Mailbox, listening_for_alerts
from slo.stack.settings import LOOPBACK

__all__ = ["delivery", "watchdog"]

_ALERT = "SlostackDoctor"
_LIFETIME = timedelta(minutes=5)
_POLL_SECONDS = 0.5
# A server that has just started sends what fires with its next evaluation.
_YOUNG_SECONDS = 60.0


def watchdog(patient: Patient) -> Iterator[Finding]:
    """Ask Alertmanager for the alert that always fires: it has come all the way from a rule."""
    if patient.component("alertmanager") is None:
        yield skipped(*patient.why_not("alertmanager"))
        return
    evaluator = patient.evaluator
    alerts = patient.call("alertmanager").get("/api/v2/alerts", {"filter": f"alertname={DEADMAN}"})
    if not alerts:
        firing = patient.call(evaluator).data("/api/v1/alerts")["alerts"] or ()
        if rules_age(patient) < _YOUNG_SECONDS:
            yield warning(
                f"{DEADMAN} is not in Alertmanager yet",
                "it comes with an evaluation of the rules; ask again in a minute",
            )
        elif not any(alert["labels"].get("alertname") == DEADMAN for alert in firing):
            yield fail(f"{DEADMAN} does not fire", f"load the rules: {patient.repair}")
        else:
            yield fail(
                f"{DEADMAN} fires in {evaluator}, and Alertmanager has not heard of it",
                f"alerts get lost between the two: see the log of {evaluator}",
            )
        return
    yield ok(f"{DEADMAN} has come from {evaluator} to Alertmanager")


def delivery(patient: Patient) -> Iterator[Finding]:
    """Send an alert to Alertmanager and wait for it at a receiver of our own."""
    if patient.component("alertmanager") is None:
        yield skipped(*patient.why_not("alertmanager"))
        return
    mark = uuid.uuid4().hex[:12]
    if patient.target == "kubernetes":
        yield _routed(patient, mark)
        return
    port = port_number(patient.settings, "doctor", "http")
    # From a container we are reached over the machine's other addresses.
    address = LOOPBACK if patient.target == "local" else "0.0.0.0"  # noqa: S104 - for seconds
    try:
        with listening_for_alerts(address, port) as mailbox:
            yield _delivered(patient, mark, mailbox)
    except OSError as error:
        yield fail(
            f"port {port} is not free: {error.strerror}",
            "does another `slo stack doctor` run? Wait for it, or stop who listens there",
        )


def _delivered(patient: Patient, mark: str, mailbox: Mailbox) -> Finding:
    began = time.monotonic()
    limit = patient.limits.delivery_seconds
    _send(patient, mark, ends=datetime.now(UTC) + _LIFETIME)
    arrived = mailbox.wait_for("firing", DOCTOR_LABEL, mark, limit)
    taken = time.monotonic() - began
    _send(patient, mark, ends=datetime.now(UTC))
    if not arrived:
        return fail(
            f"no notification within {limit:g} s of an alert sent to Alertmanager",
            f"does its configuration have the receiver {DOCTOR_RECEIVER}? {patient.repair}; "
            "its log names receivers that fail",
        )
    resolved = mailbox.wait_for("resolved", DOCTOR_LABEL, mark, limit)
    if not resolved:
        return warning(
            f"notified after {taken:.1f} s, but not of the end of the alert",
            "are the clocks of this machine and Alertmanager's the same?",
        )
    return ok(f"an alert sent to Alertmanager reached its receiver after {taken:.1f} s")


def _routed(patient: Patient, mark: str) -> Finding:
    """Return whether Alertmanager routes the alert; in a cluster nobody can call us back."""
    _send(patient, mark, ends=datetime.now(UTC) + _LIFETIME)
    try:
        deadline = time.monotonic() + patient.limits.delivery_seconds
        while time.monotonic() < deadline:
            parameters = {"filter": f"{DOCTOR_LABEL}={mark}"}
            alerts = patient.call("alertmanager").get("/api/v2/alerts", parameters)
            receivers = {r["name"] for alert in alerts for r in alert["receivers"]}
            if DOCTOR_RECEIVER in receivers:
                return ok(f"an alert was routed to {DOCTOR_RECEIVER}; it cannot call back here")
            time.sleep(_POLL_SECONDS)
    finally:
        _send(patient, mark, ends=datetime.now(UTC))
    return fail(f"no alert was routed to {DOCTOR_RECEIVER}", patient.repair)


def _send(patient: Patient, mark: str, *, ends: datetime) -> None:
    """
    Send the alert; one that ends now is over.

    Raises:
        Unreachable: Alertmanager gives no usable answer.
    """
    labels = {"alertname": _ALERT, DOCTOR_LABEL: mark, "severity": "none"}
    alert = {
        "labels": labels,
        "annotations": {"summary": "Sent by `slo stack doctor` to prove the path of alerts."},
        "endsAt": ends.isoformat(),
    }
    try:
        patient.call("alertmanager").post("/api/v2/alerts", [alert])
    except Unreachable as error:
        raise Unreachable("alertmanager", f"takes no alert: {error.reason}") from error
