"""
Load plugins: Python files named on the command line, or installed packages.

A plugin file defines `SLI_PLUGIN_ID` and `sli_plugin(meta, labels, options)`, or
`SLO_PLUGIN_ID` and `process_slo(request, rules)`. Its code runs with the user's rights, so
nothing is loaded that the user did not name.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from slo.errors import PluginError

__all__ = ["PluginRegistry", "SliPlugin", "load_plugins"]

SLI_ENTRY_POINTS = "slo.sli_plugins"
SLO_ENTRY_POINTS = "slo.slo_plugins"


@dataclass(frozen=True, slots=True, eq=False)
class SliPlugin:
    """
    Make an indicator from options.

    Args:
        function: `(meta, labels, options)` to the error ratio query, or to the pair of
            error query and total query; all with `{{.window}}`.
        options_schema: JSON Schema of the options, or `None`.
    """

    id: str
    function: Callable[[Mapping[str, str], Mapping[str, str], Mapping[str, str]], Any]
    options_schema: Mapping[str, Any] | None
    origin: str

    def run(
        self, meta: Mapping[str, str], labels: Mapping[str, str], options: Mapping[str, str]
    ) -> str | tuple[str, str]:
        """
        Return the queries of the indicator.

        Raises:
            PluginError: The options do not fit, the plugin refused them, or it failed.
        """
        self._check_options(options)
        try:
            result = self.function(meta, labels, options)
        except ValueError as error:
            raise PluginError(str(error)) from error
        except Exception as error:  # third-party code: any failure is reported at its call
            raise PluginError(f"{type(error).__name__}: {error}") from error
        if isinstance(result, str):
            return result
        if (
            isinstance(result, tuple)
            and len(result) == 2
            and all(isinstance(q, str) for q in result)
        ):
            return result
        raise PluginError(f"returned {type(result).__name__}, not a query or a pair of queries")

    def _check_options(self, options: Mapping[str, str]) -> None:
        if self.options_schema is None:
            return
        import jsonschema

        validator = jsonschema.Draft202012Validator(dict(self.options_schema))
        problems = sorted(validator.iter_errors(dict(options)), key=lambda e: list(e.path))
        if problems:
            raise PluginError("; ".join(problem.message for problem in problems))


@dataclass(slots=True)
class PluginRegistry:
    """Find plugins by id; installed packages are looked up only when a spec asks for one."""

    sli: dict[str, SliPlugin] = field(default_factory=dict)
    slo: dict[str, Callable[[Any, Any], None]] = field(default_factory=dict)

    def find_sli(self, plugin_id: str) -> SliPlugin | None:
        """Return the SLI plugin *plugin_id*, or `None`."""
        if plugin_id not in self.sli:
            module = _entry_point(SLI_ENTRY_POINTS, plugin_id)
            if module is not None:
                self.add(module, f"package of {plugin_id}")
        return self.sli.get(plugin_id)

    def find_slo(self, plugin_id: str) -> Callable[[Any, Any], None] | None:
        """Return the function of the SLO plugin *plugin_id*, or `None`."""
        if plugin_id not in self.slo:
            module = _entry_point(SLO_ENTRY_POINTS, plugin_id)
            if module is not None:
                self.add(module, f"package of {plugin_id}")
        return self.slo.get(plugin_id)

    def add(self, module: ModuleType, origin: str) -> bool:
        """
        Register what *module* defines; return whether it defines anything.

        Raises:
            PluginError: An id is taken, or its function is missing.
        """
        found = False
        sli_id = getattr(module, "SLI_PLUGIN_ID", None)
        if sli_id is not None:
            function = _required(module, "sli_plugin", origin)
            schema = getattr(module, "OPTIONS_SCHEMA", None)
            _refuse_taken(sli_id, self.sli, origin)
            self.sli[sli_id] = SliPlugin(sli_id, function, schema, origin)
            found = True
        slo_id = getattr(module, "SLO_PLUGIN_ID", None)
        if slo_id is not None:
            _refuse_taken(slo_id, self.slo, origin)
            self.slo[slo_id] = _required(module, "process_slo", origin)
            found = True
        return found


def load_plugins(paths: Iterable[Path]) -> PluginRegistry:
    """
    Load the plugin files at *paths*; of a folder, every Python file that defines a plugin.

    Raises:
        PluginError: A file is missing, does not load, or defines an id that is taken.
    """
    registry = PluginRegistry()
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*.py")):
                if "_PLUGIN_ID" in file.read_text("utf-8", errors="replace"):
                    registry.add(_load(file), str(file))
        elif path.is_file():
            if not registry.add(_load(path), str(path)):
                raise PluginError(f"{path}: defines neither SLI_PLUGIN_ID nor SLO_PLUGIN_ID")
        else:
            raise PluginError(f"{path}: no such file or folder")
    return registry


def _load(path: Path) -> ModuleType:
    name = "slo_plugin_" + "".join(c if c.isalnum() else "_" for c in str(path.resolve()))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # third-party code: say which file failed and how
        raise PluginError(f"{path}: {type(error).__name__}: {error}") from error
    return module


def _entry_point(group: str, name: str) -> ModuleType | None:
    from importlib import metadata

    for entry in metadata.entry_points(group=group, name=name):
        try:
            loaded = entry.load()
        except Exception as error:  # third-party code: say which package failed and how
            raise PluginError(f"{entry.value}: {type(error).__name__}: {error}") from error
        if isinstance(loaded, ModuleType):
            return loaded
    return None


def _required(module: ModuleType, name: str, origin: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        raise PluginError(f"{origin}: defines no function `{name}`")
    return function  # type: ignore[no-any-return]


def _refuse_taken(plugin_id: str, taken: Mapping[str, Any], origin: str) -> None:
    if plugin_id in taken:
        raise PluginError(f"{origin}: plugin id `{plugin_id}` is defined twice")
