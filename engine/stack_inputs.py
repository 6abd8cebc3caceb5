"""Read the settings of a stack and compile the specs that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from slo.diagnostics import Diagnostic, has_errors
from slo.engine.discovery import discover, read_input
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.errors import CompileFailed, ToolError
from slo.source import Source
from slo.stack.components.context import Compiled
from slo.stack.settings import StackSettings
from slo.stack.settings_file import load_settings

__all__ = ["StackInputs", "read_stack"]

_NO_DESTINATIONS = "SLO701"


@dataclass(frozen=True, slots=True)
class StackInputs:
    """
    Hold everything that a target is rendered from.

    Args:
        diagnostics: Warnings about the specs.
        texts: Files with warnings, by the path in their diagnostics.
    """

    settings: StackSettings
    compiled: Compiled
    diagnostics: tuple[Diagnostic, ...] = ()
    texts: Mapping[str, Source] | None = None


def read_stack(path: Path, options: CompileOptions | None = None) -> StackInputs:
    """
    Return the stack that the settings file *path* describes.

    Args:
        options: How to compile, instead of what the settings say.

    Raises:
        CompileFailed: Settings or specs are wrong; the diagnostics say where.
        ToolError: A file cannot be read.
    """
    settings = load_settings(path)
    specs = [str(settings.folder / spec) for spec in settings.specs]
    result = compile_specs(specs, options or _options(settings))
    if has_errors(result.diagnostics):
        raise CompileFailed(result.diagnostics)
    sources = _sources(specs)
    policy = settings.policy
    text = None if policy is None else _text(settings.folder / policy)
    compiled = Compiled(result.specs, result.artifacts, sources, text)
    # A stack has backends of its own, which specs need not name.
    diagnostics = tuple(d for d in result.diagnostics if d.code != _NO_DESTINATIONS)
    return StackInputs(settings, compiled, diagnostics, result.sources)


def _options(settings: StackSettings) -> CompileOptions:
    options = CompileOptions(
        format="prometheus", windows=tuple(settings.folder / path for path in settings.windows)
    )
    interval = settings.evaluation_interval
    return options if interval is None else replace(options, interval=interval)


def _sources(specs: list[str]) -> dict[str, str]:
    """Return the texts of the specs by the name that the engine finds them under."""
    sources: dict[str, str] = {}
    for found in discover(specs)[0]:
        # The compiler has refused files whose rules would have the same name.
        source = read_input(found)
        if isinstance(source, Source):
            sources[found.relative] = source.text
    return sources


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(f"{path}: {getattr(error, 'strerror', None) or 'not text'}") from error
