"""Put the application together."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from slo.engine.api import gates, health, reads, records, streams, tokens
from slo.engine.api.answers import JSON, large_answer
from slo.engine.api.openapi import document
from slo.engine.api.parts import Parts
from slo.engine.api.problems import BUG, Problem, of_validation, problem_response
from slo.engine.api.shell import Shell
from slo.version import __version__

__all__ = ["add_routes", "create_app"]

_NAMES = {404: "not-found", 405: "method-not-allowed"}
_WORDS = {
    404: "there is nothing at this address; /openapi.json lists what there is",
    405: "this address does not take that method",
}


def create_app(parts: Parts) -> Shell:
    """Return the application that *parts* serve, behind its shell."""
    app = FastAPI(
        title="slostack engine",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan(parts),
        # One address for one thing.
        redirect_slashes=False,
    )
    app.state.parts = parts
    add_routes(app)
    _describe(app)
    _answer_mistakes(app)
    _mount_board(app)
    return Shell(
        app,
        doors=parts.doors,
        standing=parts.standing,
        limiter=parts.limiter,
        metrics=parts.metrics,
        clock=parts.clock,
        trace=parts.trace,
    )


def add_routes(app: FastAPI) -> None:
    """Add everything that the OpenAPI document describes, the busiest first."""
    for router in (
        gates.router,
        gates.late_router,
        *(part.router for part in (reads, health, records, streams, tokens)),
    ):
        # Included as a router, each request would be matched on two levels.
        app.router.routes.extend(router.routes)


def _lifespan(parts: Parts) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(work(parts)) for work in (streams.announce, streams.beat)]
        try:
            yield
        finally:
            parts.hub.close()
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    return lifespan


def _describe(app: FastAPI) -> None:
    made: list[bytes] = []

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        if not made:
            made.append(document(app))
        return await large_answer(request, made[0], JSON)


def _answer_mistakes(app: FastAPI) -> None:
    def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problem_response(error, request.scope["slo.request_id"])

    def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return on_problem(request, of_validation(error.errors()))

    def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = error.status_code
        name = _NAMES.get(status, "http-error")
        detail = _WORDS.get(status, str(error.detail))
        return on_problem(request, Problem(status, name, detail, headers=error.headers))

    def on_bug(request: Request, error: Exception) -> Response:
        # The shell logs it.
        return on_problem(request, BUG)

    app.add_exception_handler(Exception, on_bug)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)


def _mount_board(app: FastAPI) -> None:
    # The board is a part of its own; an engine without it is whole.
    if importlib.util.find_spec("slo.engine.board.mount") is None:
        return
    module = importlib.import_module("slo.engine.board.mount")
    module.mount_board(app)
