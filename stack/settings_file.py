"""Read the settings of a stack from its file, with a place for every mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from slo.diagnostics import Diagnostic, Severity, has_errors
from slo.duration import Duration
from slo.errors import CompileFailed, ToolError
from slo.schema import checker
from slo.source import Document, Map, Source, key_span, parse_documents
from slo.stack.components.plan import component_names
from slo.stack.components.ports import PORTS, port_number
from slo.stack.settings import (
    LOOPBACK,
    OPTIONAL_PARTS,
    Deadman,
    Exposure,
    Notifications,
    StackSettings,
)

__all__ = ["SETTINGS_FILE", "load_settings", "read_document", "read_settings"]

# What `slo stack` looks for in the working directory.
SETTINGS_FILE = "slostack.yaml"
_MIB = {"Mi": 1, "Gi": 1024}


def load_settings(path: Path) -> StackSettings:
    """
    Return the settings in the file *path*.

    Raises:
        CompileFailed: They are wrong; the diagnostics say where.
        ToolError: The file cannot be read.
    """
    try:
        source = Source(str(path), path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ToolError(
            f"{path}: there is no such file.\n"
            "Two lines are enough: `version: slo/v1` and `kind: Stack`"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(f"{path}: {getattr(error, 'strerror', None) or 'not text'}") from error
    return read_settings(source, path.parent)


def read_settings(source: Source, folder: Path) -> StackSettings:
    """
    Return the settings that *source* holds.

    Args:
        folder: That its relative paths start from.

    Raises:
        CompileFailed: They are wrong; the diagnostics say where.
    """
    documents = list(parse_documents(source))
    if len(documents) != 1 and not any(document.diagnostics for document in documents):
        raise CompileFailed((_not_one(source),))
    return read_document(documents[0], folder)


def _not_one(source: Source) -> Diagnostic:
    hint = "start it with `version: slo/v1` and `kind: Stack`"
    message = "expected the settings of one stack"
    return Diagnostic("SLO007", Severity.ERROR, message, source.start, hint)


def read_document(document: Document, folder: Path) -> StackSettings:
    """
    Return the settings that *document* holds.

    Args:
        folder: That its relative paths start from.

    Raises:
        CompileFailed: They are wrong; the diagnostics say where.
    """
    source, diagnostics = document.source, list(document.diagnostics)
    if not has_errors(diagnostics) and document.node is None:
        diagnostics.append(_not_one(source))
    if not has_errors(diagnostics):
        assert document.node is not None
        diagnostics += checker("stack-v1", "Stack").check(source, document.root, document.node)
    if has_errors(diagnostics):
        raise CompileFailed(tuple(diagnostics))
    settings = _settings(document.root, folder)
    diagnostics += _contradictions(settings, document.root, source)
    if has_errors(diagnostics):
        raise CompileFailed(tuple(diagnostics))
    return settings


def _settings(root: Mapping[str, Any], folder: Path) -> StackSettings:
    metrics = root.get("metrics", {})
    left_out = frozenset(root.get("without", ()))
    settings = StackSettings(
        folder=folder,
        parts=frozenset(OPTIONAL_PARTS) - left_out,
        engine=metrics.get("engine", "prometheus"),
        shards=metrics.get("shards", 1),
        retention=_duration(metrics, "retention"),
        evaluation_interval=_duration(metrics, "evaluation_interval"),
        reading_interval=_duration(root.get("engine", {}), "interval"),
        notifications=_notifications(root.get("notifications", {})),
        specs=tuple(root.get("specs", ("specs",))),
        windows=tuple(root.get("windows", ())),
        replicas=dict(root.get("replicas", {})),
        port_offset=root.get("port_offset", 0),
        expose={
            name: Exposure(entry.get("address", LOOPBACK), entry.get("port"))
            for name, entry in root.get("expose", {}).items()
        },
        images=dict(root.get("images", {})),
        scrape={job: tuple(targets) for job, targets in root.get("scrape", {}).items()},
        resources={
            name: (float(entry["cpu"]), _mib(entry["memory"]))
            for name, entry in root.get("resources", {}).items()
        },
        deadman=_deadman(root["deadman"]) if "deadman" in root else None,
    )
    texts = {
        key: root[key]
        for key in ("name", "policy", "host", "runbooks", "registry", "secrets", "data")
        if key in root
    }
    scrape_interval = _duration(metrics, "scrape_interval") or settings.scrape_interval
    return replace(settings, scrape_interval=scrape_interval, **texts)


def _duration(entry: Mapping[str, Any], key: str) -> Duration | None:
    return Duration.parse(entry[key]) if key in entry else None


def _notifications(entry: Mapping[str, Any]) -> Notifications:
    return Notifications(**{key: Duration.parse(value) for key, value in entry.items()})


def _mib(text: str) -> int:
    return int(text[:-2]) * _MIB[text[-2:]]


def _deadman(entry: Mapping[str, Any]) -> Deadman:
    default = Deadman()
    return Deadman(
        entry.get("url_file", default.url_file),
        _duration(entry, "interval") or default.interval,
    )


def _contradictions(settings: StackSettings, root: Map, source: Source) -> Iterator[Diagnostic]:
    """Report settings that are each fine, but not together."""

    def wrong(message: str, hint: str, *path: str) -> Diagnostic:
        container = root
        for key in path[:-1]:
            container = container[key]
        span = key_span(source, container, path[-1])
        return Diagnostic("SLO801", Severity.ERROR, message, span, hint)

    if settings.shards > 1 and settings.engine != "victoria-metrics":
        yield wrong(
            f"{settings.engine} keeps everything in one place, not in {settings.shards} shards",
            "several storage nodes need `engine: victoria-metrics`",
            *("metrics", "shards"),
        )
    names = component_names(settings)
    for component in settings.expose:
        if component not in names:
            yield wrong(
                f"`{component}` is not part of this stack, so it cannot be exposed",
                f"its parts are {', '.join(names)}",
                *("expose", component),
            )
    for component, other, number in _shared_ports(settings):
        yield wrong(
            f"`{component}` and `{other}` would both listen on port {number}",
            "give one of them another `port`",
            *("expose", component),
        )
    for job in settings.scrape:
        if job in PORTS:
            yield wrong(
                f"the job `{job}` is the stack's own", "give yours another name", "scrape", job
            )


def _shared_ports(settings: StackSettings) -> Iterator[tuple[str, str, int]]:
    """Yield an exposed component, another one, and the port number that both have."""
    taken = {
        (component, port): port_number(settings, component, port)
        for component in PORTS
        for port in PORTS[component]
    }
    for component in settings.expose:
        if "http" not in PORTS[component]:
            # Its ports have the stack's numbers.
            continue
        number = taken[component, "http"]
        for (other, port), used in taken.items():
            if used == number and (other, port) != (component, "http"):
                yield component, other, number
                break
