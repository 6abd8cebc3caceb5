"""Hold a collector's configuration while it is made, and print it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slo.artifact import GENERATED

__all__ = ["Config", "Pipeline", "config_text"]

# A list of this many characters stands on one line.
_LINE = 80

Settings = Mapping[str, Any]
"""Settings of one component, in the collector's own words."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """
    Join components by their ids, in the order in which data passes.

    A connector stands among the exporters of one pipeline and the receivers of another.
    """

    receivers: tuple[str, ...]
    processors: tuple[str, ...]
    exporters: tuple[str, ...]


@dataclass(slots=True)
class Config:
    """
    Hold one collector's configuration.

    Args:
        pipelines: By id: the signal, or the signal, a slash and a name.
        telemetry: What the collector says of itself.
    """

    extensions: dict[str, Settings] = field(default_factory=dict)
    receivers: dict[str, Settings] = field(default_factory=dict)
    processors: dict[str, Settings] = field(default_factory=dict)
    connectors: dict[str, Settings] = field(default_factory=dict)
    exporters: dict[str, Settings] = field(default_factory=dict)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    telemetry: dict[str, Any] = field(default_factory=dict)

    @property
    def signals(self) -> tuple[str, ...]:
        """Return what comes in by OTLP."""
        found = (name for name, pipeline in self.pipelines.items() if "otlp" in pipeline.receivers)
        return tuple(name.partition("/")[0] for name in found)

    def as_mapping(self) -> dict[str, Any]:
        """Return the configuration as the collector reads it."""
        sections = {
            name: section
            for name in ("extensions", "receivers", "processors", "connectors", "exporters")
            if (section := getattr(self, name))
        }
        pipelines = {
            name: {
                "receivers": list(pipeline.receivers),
                **({"processors": list(pipeline.processors)} if pipeline.processors else {}),
                "exporters": list(pipeline.exporters),
            }
            for name, pipeline in self.pipelines.items()
        }
        service = {
            "extensions": list(self.extensions),
            "telemetry": self.telemetry,
            "pipelines": pipelines,
        }
        return {**sections, "service": service}


def config_text(config: Config, role: str, version: str) -> str:
    """
    Return *config* as YAML.

    Args:
        role: What this collector is for, for the comment at the top.
        version: Of this program.
    """
    import yaml

    mapping = config.as_mapping()
    header = (
        f"{GENERATED} {version} from all specs.\n"
        "# Do not edit: change the specs and run `slo compile`.\n"
        f"# {role}\n"
    )
    parts = [
        yaml.dump(
            {name: section}, Dumper=_dumper(), sort_keys=False, width=1000, allow_unicode=True
        )
        for name, section in mapping.items()
    ]
    return header + "".join(parts)


def _dumper() -> Any:
    """Return a dumper that repeats values instead of naming them, and keeps short lists short."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

        def represent_sized(self, data: Any) -> yaml.SequenceNode:
            short = all(isinstance(item, str | int) for item in data) and (
                sum(len(str(item)) + 2 for item in data) <= _LINE
            )
            return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=short)

    Dumper.add_representer(list, Dumper.represent_sized)
    Dumper.add_representer(tuple, Dumper.represent_sized)
    return Dumper
