"""Know which component answers queries, whatever stores the samples."""

from __future__ import annotations

from slo.errors import ToolError
from slo.stack.components.context import Context

__all__ = ["read_path", "reader", "writer", "writer_path"]

_READERS = ("prometheus", "victoria-metrics", "vmselect")
_READ_PATHS = {"vmselect": "/select/0/prometheus"}
_WRITERS = ("prometheus", "victoria-metrics", "vminsert")
_WRITE_PATHS = {"vminsert": "/insert/0/prometheus/api/v1/write"}


def reader(context: Context) -> str:
    """Return the component that answers PromQL; raise `ToolError` when there is none."""
    return _present(context, _READERS)


def read_path(component: str) -> str:
    """Return what stands before `/api/v1/query` on *component*."""
    return _READ_PATHS.get(component, "")


def writer(context: Context) -> str:
    """Return the component that takes samples by remote write."""
    return _present(context, _WRITERS)


def _present(context: Context, names: tuple[str, ...]) -> str:
    found = next((name for name in names if context.has(name)), None)
    if found is None:
        raise ToolError(
            "no part of this stack keeps metrics: on one machine install `prometheus`, or "
            "`victoria-metrics` with `metrics: {engine: victoria-metrics}` without `shards`"
        )
    return found


def writer_path(component: str) -> str:
    """Return the path of remote write on *component*."""
    return _WRITE_PATHS.get(component, "/api/v1/write")
