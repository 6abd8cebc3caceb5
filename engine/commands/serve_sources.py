"""Hold the options that say how to read from several servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from slo.engine.commands.source_options import (
    CONNECTION_NAMES,
    URL,
    connection_of,
    connection_options,
)
from slo.engine.sources.connection import Connection

__all__ = ["named_sources", "reading_options"]

F = TypeVar("F", bound=Callable[..., Any])

_FILES = tuple(name for name in CONNECTION_NAMES if name.endswith("_file"))
# Of analysis, people wait for the end; a refresh has to be done before the next one.
_TIMEOUT = "10s"


def reading_options(command: F) -> F:
    """Add the options that say how to log in to the servers, whatever these are called."""
    decorated = connection_options(required=False)(command)
    params: list[click.Parameter] = decorated.__click_params__  # type: ignore[attr-defined]
    params[:] = [option for option in params if option.name != "prometheus"]
    for option in params:
        if option.name == "timeout":
            option.default = _TIMEOUT
    return decorated


def named_sources(
    given: dict[str, Any], sources: Sequence[str | Mapping[str, Any]]
) -> tuple[tuple[str, Connection], ...]:
    """
    Take the options of `reading_options` out of *given*, and return how to reach each source.

    Args:
        sources: URLs, or mappings with settings that win over the common ones.
    """
    common = {name: given.pop(name) for name in CONNECTION_NAMES}
    found: dict[str, Connection] = {}
    for source in sources:
        own = {"url": source} if isinstance(source, str) else source
        settings = {**common, **_converted(own)}
        url = URL.convert(own["url"], None, None)
        connection = connection_of({"prometheus": url, **settings})
        assert connection is not None
        name = str(own.get("name", url))
        if name in found:
            raise click.UsageError(f"two sources are called {name}")
        found[name] = connection
    return tuple(found.items())


def _converted(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a file as if they had been given on the command line."""
    from slo.engine.commands.shared import PROMETHEUS_DURATION

    found: dict[str, Any] = {}
    for key, value in own.items():
        name = "headers" if key == "header" else key.replace("-", "_")
        if name == "headers":
            pairs = value if isinstance(value, list) else [value]
            split = [str(pair).partition(":")[::2] for pair in pairs]
            found[name] = tuple((header.strip(), text.strip()) for header, text in split)
        elif name == "timeout":
            found[name] = PROMETHEUS_DURATION.convert(value, None, None)
        elif name in _FILES:
            found[name] = Path(value)
        elif name == "tenant":
            found[name] = str(value)
    return found
