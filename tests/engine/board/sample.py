"""A made-up company of forty services, with SLOs in every state; the same on every run."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from slo.engine.ledger.records import (
    BudgetPoint,
    Correction,
    Decision,
    Freeze,
    Override,
    Target,
)
from slo.engine.status.model import (
    Alert,
    AppliedCorrection,
    Budget,
    BurnRate,
    Events,
    Exhaustion,
    Period,
    Provenance,
    SloStatus,
    Snapshot,
    SourceHealth,
    State,
    Threshold,
)

DAY, HOUR = 86_400.0, 3_600.0
PERIOD = 30 * DAY
SOURCE = "prometheus"
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
PAGE_QUICK, PAGE_SLOW = Threshold("page", 14.4), Threshold("page", 6.0)
TICKET_QUICK, TICKET_SLOW = Threshold("ticket", 3.0), Threshold("ticket", 1.0)
THRESHOLDS = (
    (PAGE_QUICK,),
    (PAGE_SLOW,),
    (PAGE_QUICK,),
    (TICKET_QUICK,),
    (PAGE_SLOW, TICKET_SLOW),
    (TICKET_QUICK,),
    (TICKET_SLOW,),
)

SERVICES = [
    "accounts",
    "adverts",
    "api-gateway",
    "billing",
    "cart",
    "catalog",
    "checkout",
    "chat",
    "coupons",
    "currency",
    "delivery",
    "email-sender",
    "exports",
    "feeds",
    "fraud",
    "geo-lookup",
    "gifts",
    "identity",
    "images",
    "inventory",
    "invoices",
    "ledger",
    "loyalty",
    "mobile-bff",
    "notifications",
    "orders",
    "payments",
    "pricing",
    "profiles",
    "recommendations",
    "refunds",
    "returns",
    "reviews",
    "search",
    "sessions",
    "shipping",
    "stock-sync",
    "taxes",
    "tracking",
    "webhooks",
]
OWNERS = ("payments", "platform", "storefront", "logistics", "growth")
SLOS = (
    ("availability", 99.9, "Answers that are not server errors."),
    ("latency", 99.0, "Answers within 300 ms."),
    ("freshness", 99.5, "What people see is at most five minutes old."),
)

# What is wrong, by SLO; everything else is well.
TROUBLE: dict[str, tuple[State, float, float]] = {
    "checkout/availability": (State.BREACHED, -0.62, 21.0),
    "search/latency": (State.BREACHED, -0.08, 1.9),
    "stock-sync/freshness": (State.STALE, 0.55, 0.4),
    "exports/freshness": (State.NO_DATA, math.nan, math.nan),
    "webhooks/availability": (State.NO_DATA, math.nan, math.nan),
    "payments/availability": (State.WARNING, 0.41, 15.2),
    "orders/latency": (State.WARNING, 0.67, 7.4),
    "api-gateway/latency": (State.WARNING, 0.12, 1.3),
    "identity/availability": (State.WARNING, 0.19, 0.8),
    "cart/availability": (State.FROZEN, 0.72, 0.6),
    "cart/latency": (State.FROZEN, 0.81, 0.3),
    "cart/freshness": (State.FROZEN, 0.93, 0.2),
}


def snapshot(now: float, number: int = 1, *, age: float = 12.0, count: int = 0) -> Snapshot:
    """
    Return how everything stands.

    Args:
        age: Seconds since the rules were evaluated.
        count: Add healthy SLOs until there are so many.
    """
    dice = random.Random(11)
    statuses = [_status(dice, service, *slo, now - age) for service in SERVICES for slo in SLOS]
    while len(statuses) < count:
        service = f"service-{len(statuses) // 5:04}"
        statuses.append(_status(dice, service, f"slo-{len(statuses) % 5}", 99.9, "", now - age))
    statuses.sort(key=lambda status: status.key)
    health = SourceHealth(SOURCE, "up", "closed", now - 2)
    return Snapshot(number, now, tuple(statuses), (health,), stale_from=now + 900 - age)


def _status(
    dice: random.Random, service: str, name: str, objective: float, text: str, evaluated: float
) -> SloStatus:
    fine = (State.OK, dice.uniform(0.35, 0.999), dice.uniform(0.0, 0.8))
    state, remaining, burn = TROUBLE.get(f"{service}/{name}", fine)
    ratio = round(1 - objective / 100, 6)
    total = float(int(10 ** dice.uniform(4.5, 8.2)))
    jitter = [dice.uniform(0.7, 1.25) for _ in WINDOWS]
    if state is State.STALE:
        evaluated -= 2_400
    provenance = Provenance(evaluated, 12.0, 1.0, SOURCE)
    status = SloStatus(
        id=f"{service}-{name}",
        service=service,
        name=name,
        state=state,
        objective=objective,
        method="occurrences",
        period=Period("30d", "rolling", PERIOD, start=evaluated - PERIOD),
        events=Events("events"),
        budget=Budget(ratio),
        provenance=provenance,
        description=text,
        owner=OWNERS[sum(map(ord, service)) % len(OWNERS)],
        tier=str(1 + sum(map(ord, service)) % 3),
        runbook=f"https://runbooks.example.com/{service}#{name}",
        revision="3f2a9c01d4be",
    )
    if math.isnan(remaining):
        return replace(
            status,
            provenance=Provenance(None, None, None, SOURCE),
            reasons=("No server records anything for this SLO.",),
        )
    bad = float(int((1 - remaining) * ratio * total))
    fade = (1.0, 0.98, 0.95, 0.8, 0.55, 0.3, 0.22)
    rates = [burn * j * f for j, f in zip(jitter, fade, strict=True)]
    pages = burn > 14.4
    tickets = 6 < burn < 14.4
    return replace(
        status,
        events=Events("events", total - bad, bad, total),
        budget=Budget(
            ratio,
            1 - remaining,
            remaining,
            remaining,
            ratio * total - bad,
            remaining * ratio * PERIOD / 60,
        ),
        sli=1 - bad / total,
        burn_rates=tuple(map(BurnRate, WINDOWS, rates, THRESHOLDS)),
        alerts=_alerts(service, name, evaluated, pages, tickets, rates),
        exhaustion=_exhaustion(remaining, burn),
        corrections=(AppliedCorrection("cor-7", "exclude", 812.0, 41_230.0),)
        if service == "checkout"
        else (),
        reasons=_reasons(state, remaining, pages, tickets),
    )


def _alerts(
    service: str, name: str, at: float, pages: bool, tickets: bool, rates: list[float]
) -> tuple[Alert, ...]:
    title = f"{service.title().replace('-', '')}{name.title()}"
    if pages:
        return (
            Alert(
                f"{title}BurnsFast", "page", "firing", "burn_rate", "1h/5m", at - 2_640, rates[2]
            ),
            Alert(
                f"{title}BurnsFast", "page", "firing", "burn_rate", "6h/30m", at - 1_200, rates[4]
            ),
        )
    if tickets:
        return (Alert(f"{title}Burns", "ticket", "firing", "burn_rate", "1d/2h", at - 7_000, 3.2),)
    return ()


def _exhaustion(remaining: float, burn: float) -> Exhaustion | None:
    if remaining <= 0 or burn <= 0:
        return None
    left = remaining * PERIOD / max(burn * 0.55, 0.01)
    if burn < 0.9:
        return Exhaustion("expiry_aware", None, None, None)
    return Exhaustion("expiry_aware", left, remaining * PERIOD / burn, left * 2.2)


def _reasons(state: State, remaining: float, pages: bool, tickets: bool) -> tuple[str, ...]:
    found = []
    if state is State.STALE:
        found.append("The numbers are 40 minutes old.")
    if remaining <= 0:
        found.append(f"{100 * (1 - remaining):.0f} % of the error budget is spent.")
    if state is State.FROZEN:
        found.append("Deployments are frozen: stocktaking until Monday")
    if pages:
        found.append("A page alert fires: it burns too fast over 1h and 5m.")
    if tickets:
        found.append("A ticket alert fires: it burns too fast over 1d and 2h.")
    if 0 < remaining < 0.25:
        found.append(f"Only {100 * remaining:.0f} % of the error budget is left.")
    return tuple(found)


def history(status: SloStatus, start: float, end: float) -> Sequence[BudgetPoint]:
    """Return hourly points that end where *status* stands."""
    dice = random.Random(status.id)
    left = status.budget.remaining
    total = status.events.total
    if left is None or total is None or status.events.bad is None:
        return ()
    hours = int((end - start) // HOUR)
    spent = 1 - left
    shares = [
        (0.4 + 0.6 * math.sin((start / HOUR + hour) / 24 * 2 * math.pi) ** 2)
        for hour in range(hours)
    ]
    weights = [0.04 * dice.random() for _ in range(hours)]
    for _ in range(3):
        first = dice.randrange(hours - 8)
        for hour in range(first, first + dice.randrange(1, 5)):
            weights[hour] += dice.uniform(2, 6)
    if (status.burn_rate("1h") or 0) > 1:
        for hour in range(hours - 3, hours):
            weights[hour] += 9.0
    gap = range(hours // 3, hours // 3 + 5)
    points, gone = [], 0.0
    scale, sum_of_shares = spent / sum(weights), sum(shares)
    for hour in range(hours):
        gone += weights[hour] * scale
        measured = hour not in gap
        traffic = total * shares[hour] / sum_of_shares
        points.append(
            BudgetPoint(
                f"{status.service}/{status.name}",
                start + hour * HOUR,
                HOUR,
                min(traffic, status.events.bad * weights[hour] / sum(weights))
                if measured
                else None,
                traffic if measured else None,
                1 - gone if measured else None,
            )
        )
    return points


def corrections(now: float) -> list[Correction]:
    """Return what was taken out of the count."""
    return [
        Correction(
            "cor-7",
            Target("checkout/*"),
            now - 12 * DAY,
            now - 12 * DAY + 3 * HOUR,
            "exclude",
            "maintenance",
            "Database moved to the new cluster",
            "maria",
            now - 13 * DAY,
        ),
        Correction(
            "cor-8",
            Target("exports/*"),
            now - 5 * DAY,
            now - 5 * DAY + HOUR,
            "credit",
            "measurement_error",
            "The probe ran out of disk",
            "jonas",
            now - 4 * DAY,
        ),
    ]


def freezes(now: float) -> list[Freeze]:
    """Return when nobody may deploy."""
    return [
        Freeze(
            "frz-2",
            Target("cart/*", "production"),
            now - 6 * HOUR,
            now + 40 * HOUR,
            "Stocktaking until Monday",
            "lena",
            now - DAY,
        )
    ]


def overrides(now: float) -> list[Override]:
    """Return decisions of people against the policy."""
    return [
        Override(
            "ovr-3",
            Target("search/latency"),
            "allow",
            "The fix itself must go out: INC-2381",
            "omar",
            now - HOUR,
            now + 3 * HOUR,
        )
    ]


def decisions(now: float) -> list[Decision]:
    """Return what gates said, oldest first."""
    told = (
        (30 * HOUR, "checkout", "allow", ("ok",), "1.84.0", "deploy pipeline"),
        (26 * HOUR, "payments", "allow", ("ok",), "3.11.2", "deploy pipeline"),
        (4 * HOUR, "search", "deny", ("budget_spent",), "7.2.0", "deploy pipeline"),
        (3 * HOUR, "search", "allow", ("override",), "7.2.1", "omar"),
        (40 * 60, "checkout", "deny", ("budget_spent", "page_firing"), "1.85.0", "deploy pipeline"),
        (12 * 60, "stock-sync", "unknown", ("stale",), "0.9.4", "deploy pipeline"),
    )
    return [
        Decision(
            f"dec-{index}",
            now - ago,
            {"service": service, "environment": "production", "version": version, "slos": None},
            verdict,
            reasons,
            {"slos": []},
            "9d1b22c04f1e",
            actor,
        )
        for index, (ago, service, verdict, reasons, version, actor) in enumerate(told)
    ]
