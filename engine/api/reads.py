"""Answer how SLOs stand, from the latest snapshot alone."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from slo.engine.api.access import ScopedRoute, needs
from slo.engine.api.answers import (
    DATA_AGE,
    JSON,
    aged_answer,
    described,
    large_answer,
    latest,
)
from slo.engine.api.parts import Parts, parts_of
from slo.engine.api.problems import Problem
from slo.engine.api.samples import SERVICES, SLOS, SOURCES
from slo.engine.api.schema import History, Moment, ServiceList, SloList, SourceList
from slo.engine.api.view import MOST_IN_PAGE, Filter, View, key_of
from slo.engine.ledger.records import BudgetPoint
from slo.engine.status.model import SloStatus, State
from slo.errors import LedgerError

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["status"], route_class=ScopedRoute)

_READ = needs("read")
_LONGEST_HISTORY = 400 * 86_400.0
_MOST_VALUES = 50
# The framework takes a copy each time.
_ANY: list[Any] = []
_Name = Annotated[str, Path(min_length=1, max_length=200)]
# A name with a slash, or one that is only dots, is no part of a path.
_NameAsked = Annotated[str, Query(min_length=1, max_length=200)]
_Values = Annotated[list[str], Query(max_length=_MOST_VALUES)]
_States = Annotated[list[State], Query(max_length=_MOST_VALUES)]
_Groups = Annotated[
    list[str],
    Query(
        max_length=_MOST_VALUES,
        description="`label=value`; chooses groups of the SLO.",
    ),
]


@router.get(
    "/slos",
    summary="How all SLOs stand",
    responses=described(422, 503, model=SloList, example=SLOS),
    openapi_extra=_READ,
)
async def list_slos(
    request: Request,
    service: _Values = _ANY,
    owner: _Values = _ANY,
    tier: _Values = _ANY,
    state: _States = _ANY,
    name: _Values = _ANY,
    limit: Annotated[int, Query(ge=1, le=MOST_IN_PAGE)] = 200,
    cursor: Annotated[str | None, Query(max_length=4_096, description="`next` of a page.")] = None,
) -> Response:
    """Return SLOs in the order of their keys; every filter takes any of its values."""
    view, age = latest(parts_of(request))
    wanted = Filter(
        services=frozenset(service),
        owners=frozenset(owner),
        tiers=frozenset(tier),
        states=frozenset(found.value for found in state),
        names=frozenset(name),
        limit=limit,
        after=_after(cursor),
    )
    question = f"slos{sorted(wanted.services)}{sorted(wanted.owners)}{sorted(wanted.tiers)}"
    question += f"{sorted(wanted.states)}{sorted(wanted.names)}{limit}{wanted.after}"
    return await aged_answer(request, view, age, question, view.page(wanted))


@router.get(
    "/slos/{service}/{name}",
    summary="How one SLO stands",
    responses=described(404, 422, 503, model=SloList, example=SLOS),
    openapi_extra=_READ,
)
async def one_slo(request: Request, service: _Name, name: _Name, group: _Groups = _ANY) -> Response:
    """Return one SLO, with one element for each of its groups."""
    view, age = latest(parts_of(request))
    groups = _groups(view, service, name, group)
    question = f"slo/{service}/{name}{sorted(group)}"
    return await aged_answer(request, view, age, question, view.groups(groups))


@router.get(
    "/slos/{service}/{name}/history",
    summary="How one SLO stood",
    responses=described(404, 422, 503, model=History),
    openapi_extra=_READ,
)
async def history(
    request: Request,
    service: _Name,
    name: _Name,
    group: _Groups = _ANY,
    start: Annotated[Moment | None, Query()] = None,
    end: Annotated[Moment | None, Query()] = None,
) -> Response:
    """Return points for a burn-down; the period up to now if no times are given."""
    return await _history(request, service, name, group, start, end)


@router.get(
    "/history",
    summary="How one SLO stood, by any name",
    responses=described(404, 422, 503, model=History),
    openapi_extra=_READ,
)
async def history_by_name(
    request: Request,
    service: _NameAsked,
    name: _NameAsked,
    group: _Groups = _ANY,
    start: Annotated[Moment | None, Query()] = None,
    end: Annotated[Moment | None, Query()] = None,
) -> Response:
    """Return the same for names that cannot stand in a path, such as those with slashes."""
    return await _history(request, service, name, group, start, end)


async def _history(
    request: Request,
    service: str,
    name: str,
    group: list[str],
    start: float | None,
    end: float | None,
) -> Response:
    parts = parts_of(request)
    view, age = latest(parts)
    (status, *others) = _groups(view, service, name, group)
    if others:
        raise Problem(422, "several-groups", f"choose one, such as `?group={_shown(status)}`")
    until = parts.clock() if end is None else end
    since = start if start is not None else _since(status, until)
    if not since < until <= since + _LONGEST_HISTORY:
        raise Problem(422, "invalid-request", "`start` must lie before `end`, and at most 400 days")
    complete = True
    points: Sequence[BudgetPoint] = ()
    try:
        points = await parts.history(status, since, until)
    except LedgerError:
        # What the metrics server tells of the period is there all the same.
        complete = False
    content = {
        "slo": status.key,
        "start": since,
        "end": until,
        "age": round(age, 3),
        "complete": complete,
        "points": [_point(point) for point in points],
        "burn_down": _burn_down(parts, status) if start is None and end is None else None,
    }
    body = json.dumps(content).encode()
    return await large_answer(request, body, JSON, {DATA_AGE: f"{age:.3f}"})


@router.get(
    "/services",
    summary="All services, with the worst state of their SLOs",
    responses=described(503, model=ServiceList, example=SERVICES),
    openapi_extra=_READ,
)
async def services(request: Request) -> Response:
    """Return one line a service."""
    view, age = latest(parts_of(request))
    return await aged_answer(request, view, age, "services", view.services())


@router.get(
    "/sources",
    summary="How the metrics servers are doing",
    responses=described(503, model=SourceList, example=SOURCES),
    openapi_extra=_READ,
)
async def sources(request: Request) -> Response:
    """Return the metrics servers, the preferred one first."""
    view, age = latest(parts_of(request))
    return await aged_answer(request, view, age, "sources", view.sources())


def _after(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return key_of(cursor)
    except ValueError:
        raise Problem(
            422, "invalid-request", "`cursor` must be the `next` of an earlier page"
        ) from None


def _groups(view: View, service: str, name: str, chosen: list[str]) -> list[SloStatus]:
    """Return the groups of an SLO that *chosen* means, at least one."""
    found = view.named(service, name)
    if not found:
        raise Problem(404, "unknown-slo", f"no SLO is called {service}/{name}")
    pairs = [pair.partition("=")[::2] for pair in chosen]
    left = [s for s in found if all(s.group.get(label) == value for label, value in pairs)]
    if not left:
        raise Problem(404, "unknown-group", f"{service}/{name} has no such group")
    return left


def _shown(status: SloStatus) -> str:
    return "&group=".join(f"{label}={value}" for label, value in sorted(status.group.items()))


def _since(status: SloStatus, until: float) -> float:
    start = status.period.start
    if start is not None and start < until:
        return start
    return max(0.0, until - (status.period.seconds or 30 * 86_400.0))


def _point(point: BudgetPoint) -> dict[str, float | None]:
    return {
        "at": point.at,
        "seconds": point.seconds,
        "bad": _finite(point.bad),
        "total": _finite(point.total),
        "remaining": _finite(point.remaining),
    }


def _burn_down(parts: Parts, status: SloStatus) -> list[dict[str, float]] | None:
    found = parts.burn_down(status)
    if found is None:
        return None
    return [{"at": at, "remaining": left} for at, left in found.points if math.isfinite(left)]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
