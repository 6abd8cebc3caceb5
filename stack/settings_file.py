"""Read the settings of a stack from its file, with a place for every mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from slo.diagnostics import Diagnostic, Severity, has_errors
from slo.duration import Duration
from slo.errors import CompileFailed, ToolError
from slo.schema import checker
from slo.source import Source, parse_documents
from slo.stack.components.plan import component_names
from slo.stack.components.ports import PORTS, port_number
from slo.stack.settings import LOOPBACK, OPTIONAL_PARTS, Deadman, Exposure, StackSettings

__all__ = ["SETTINGS_FILE", "load_settings", "read_settings"]

# What `slo stack` looks for in the working directory.
SETTINGS_FILE = "slostack.yaml"
_MIB = {"Mi": 1, "Gi": 1024}


def load_settings(path: Path) -> StackSettings:
    """
    Return the settings in the file *path*.

    Raises:
        CompileFailed: They are wrong; the diagnostics say where.
        ToolError: The file cannot be read, or its settings do not fit each other.
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
        ToolError: They do not fit each other.
    """
    documents = list(parse_documents(source))
    diagnostics = [found for document in documents for found in document.diagnostics]
    if not has_errors(diagnostics) and (len(documents) != 1 or documents[0].node is None):
        hint = "start it with `version: slo/v1` and `kind: Stack`"
        message = "expected the settings of one stack"
        diagnostics.append(Diagnostic("SLO007", Severity.ERROR, message, source.start, hint))
    if not has_errors(diagnostics):
        document = documents[0]
        assert document.node is not None
        diagnostics += checker("stack-v1", "Stack").check(source, document.root, document.node)
    if has_errors(diagnostics):
        raise CompileFailed(tuple(diagnostics))
    settings = _settings(documents[0].root, folder)
    _check(settings, source.path)
    return settings


def _settings(root: Mapping[str, Any], folder: Path) -> StackSettings:
    metrics = root.get("metrics", {})
    left_out = frozenset(root.get("without", ()))
    settings = StackSettings(
        folder=folder,
        parts=frozenset(OPTIONAL_PARTS) - left_out,
        engine=metrics.get("engine", "prometheus"),
        shards=metrics.get("shards", 1),
        retention=Duration.parse(metrics["retention"]) if "retention" in metrics else None,
        specs=tuple(root.get("specs", ("specs",))),
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
        for key in ("name", "policy", "host", "registry", "secrets", "data")
        if key in root
    }
    return replace(settings, **texts)


def _mib(text: str) -> int:
    return int(text[:-2]) * _MIB[text[-2:]]


def _deadman(entry: Mapping[str, Any]) -> Deadman:
    default = Deadman()
    return Deadman(
        entry.get("url_file", default.url_file),
        Duration.parse(entry["interval"]) if "interval" in entry else default.interval,
    )


def _check(settings: StackSettings, path: str) -> None:
    """Refuse settings that are each fine, but not together."""
    if settings.shards > 1 and settings.engine != "victoria-metrics":
        raise ToolError(
            f"{path}: `shards: {settings.shards}` needs `engine: victoria-metrics`; "
            f"{settings.engine} keeps everything in one place"
        )
    taken: dict[int, str] = {}
    for component in PORTS:
        for port in PORTS[component]:
            number = port_number(settings, component, port)
            other = taken.setdefault(number, component)
            if other != component:
                raise ToolError(
                    f"{path}: {component} and {other} would both listen on port {number}; "
                    "give one of them another `port` under `expose`"
                )
    names = component_names(settings)
    for component in settings.expose:
        if component not in names:
            raise ToolError(
                f"{path}: `{component}` is not part of this stack, so it cannot be exposed"
            )
    for job in settings.scrape:
        if job in PORTS:
            raise ToolError(f"{path}: the job `{job}` is the stack's own; give yours another name")
