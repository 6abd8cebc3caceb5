"""Describe the API as an OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from slo.engine.api.schema import ProblemDetails
from slo.version import __version__

__all__ = ["document"]

_DESCRIPTION = (
    "How all SLOs stand, and whether a deployment may go on. Answers come from memory; times are "
    "Unix seconds, budgets are ratios, and a number that nobody knows is null."
)
_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of `slo token create`, with the scope that a path asks for.",
}


def document(app: FastAPI) -> bytes:
    """Return the document of *app*."""
    content = get_openapi(
        title=app.title,
        version=__version__,
        description=_DESCRIPTION,
        routes=app.routes,
    )
    components = content.setdefault("components", {})
    components["securitySchemes"] = {"token": _TOKEN}
    schemas: dict[str, Any] = components["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _add_key(schemas["SloStatus"])
    # Referred to by hand: as a model, it would be one of plain JSON.
    schemas["ProblemDetails"] = ProblemDetails.model_json_schema()
    return json.dumps(content, separators=(",", ":")).encode()


def _add_key(schema: dict[str, Any]) -> None:
    schema["properties"] = {
        "key": {"type": "string", "description": "`service/name`, with the group in braces."},
        **schema["properties"],
    }
    schema["required"] = ["key", *schema.get("required", ())]
