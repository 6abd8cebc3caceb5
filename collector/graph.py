"""
Check a collector's configuration as a graph.

The collector itself refuses much of this, but says nothing of parts that are unused, of metrics
that are made of sampled traces, or of data that is lost where a queue is missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from slo.collector.model import Config, Pipeline

__all__ = ["faults"]

# Connectors by type: the signal that goes in, and the one that comes out; "" for any, the same.
_CONNECTORS = {
    "span_metrics": ("traces", "metrics"),
    "spanmetrics": ("traces", "metrics"),
    "count": ("logs", "metrics"),
    "forward": ("", ""),
}
_COUNTING = frozenset(("span_metrics", "spanmetrics", "count"))
# After these, data is no longer all of what came in.
_LOSSY = frozenset(("tail_sampling", "probabilistic_sampler", "filter"))
_REFERENCE = re.compile(r"\$\{(env|file):[^}]+\}")
_SECRETS = frozenset(("token", "password", "api_key", "key"))


def faults(config: Config) -> list[str]:
    """Return what is wrong with *config*, in words; nothing should be."""
    return [
        *_undefined(config),
        *_unused(config),
        *_signals(config),
        *_order(config),
        *_cycles(config),
        *_counted_after_loss(config),
        *_extensions(config),
        *_ports(config),
        *_queues(config),
        *_texts(config),
    ]


def _type(component: str) -> str:
    return component.partition("/")[0]


def _signal(pipeline: str) -> str:
    return pipeline.partition("/")[0]


def _uses(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    for kind in ("receivers", "processors", "exporters"):
        for name in getattr(pipeline, kind):
            yield kind, name


def _undefined(config: Config) -> Iterator[str]:
    for name, pipeline in config.pipelines.items():
        if not (pipeline.receivers and pipeline.exporters):
            yield f"pipeline {name} begins or ends nowhere"
        for kind, component in _uses(pipeline):
            known = set(getattr(config, kind))
            if kind != "processors":
                known |= set(config.connectors)
            if component not in known:
                yield f"pipeline {name} uses {component}, which is not among the {kind}"


def _unused(config: Config) -> Iterator[str]:
    for kind in ("receivers", "processors", "exporters"):
        used = {c for p in config.pipelines.values() for c in getattr(p, kind)}
        for component in getattr(config, kind):
            if component not in used:
                yield f"{component} of the {kind} is not used"
        for connector in config.connectors:
            if kind != "processors" and connector not in used:
                yield f"connector {connector} is not among the {kind} of any pipeline"


def _signals(config: Config) -> Iterator[str]:
    for connector in config.connectors:
        into = {_signal(n) for n, p in config.pipelines.items() if connector in p.exporters}
        out = {_signal(n) for n, p in config.pipelines.items() if connector in p.receivers}
        wanted = _CONNECTORS[_type(connector)]
        same = wanted == ("", "") and into == out and len(into) == 1
        if not (same or (into, out) == ({wanted[0]}, {wanted[1]})):
            yield f"connector {connector} joins {sorted(into)} and {sorted(out)}"


def _order(config: Config) -> Iterator[str]:
    for name, pipeline in config.pipelines.items():
        types = [_type(p) for p in pipeline.processors]
        outside = any(r in config.receivers for r in pipeline.receivers)
        if outside and types[:1] != ["memory_limiter"]:
            yield f"pipeline {name} takes data in without memory_limiter as its first processor"
        counts = any(_type(r) == "count" for r in pipeline.receivers)
        # Of counts, it brings together what is then added up.
        if "batch" in types[:-1] and not counts:
            yield f"pipeline {name} has processors behind batch"
        if len(set(pipeline.processors)) != len(pipeline.processors):
            yield f"pipeline {name} has a processor twice"


def _after(config: Config, name: str) -> Iterator[str]:
    """Yield the pipelines that *name* passes data to."""
    for other, pipeline in config.pipelines.items():
        if set(config.pipelines[name].exporters) & set(pipeline.receivers):
            yield other


def _reached(config: Config, name: str) -> set[str]:
    found: set[str] = set()
    waiting = list(_after(config, name))
    while waiting:
        other = waiting.pop()
        if other not in found:
            found.add(other)
            waiting += _after(config, other)
    return found


def _cycles(config: Config) -> Iterator[str]:
    for name in config.pipelines:
        if name in _reached(config, name):
            yield f"pipeline {name} feeds itself"


def _counted_after_loss(config: Config) -> Iterator[str]:
    for name, pipeline in config.pipelines.items():
        if not any(_type(p) in _LOSSY for p in pipeline.processors):
            continue
        for other in {name, *_reached(config, name)}:
            for exporter in config.pipelines[other].exporters:
                if _type(exporter) in _COUNTING:
                    yield f"{exporter} counts what pipeline {name} has left over"


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _leaves(member, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _leaves(member, path)
    else:
        yield path, value


def _extensions(config: Config) -> Iterator[str]:
    wanted = {
        value
        for path, value in _leaves(config.as_mapping())
        if path[-1] in ("storage", "authenticator")
    }
    for name in sorted(wanted - set(config.extensions)):
        yield f"extension {name} is not there"
    for name in config.extensions:
        if name not in wanted and _type(name) not in ("health_check", "file_storage"):
            yield f"extension {name} is not used"


def _ports(config: Config) -> Iterator[str]:
    mapping = {"extensions": config.extensions, "receivers": config.receivers}
    ports = [
        str(value).rpartition(":")[2] for path, value in _leaves(mapping) if path[-1] == "endpoint"
    ]
    ports += [str(value) for path, value in _leaves(config.telemetry) if path[-1] == "port"]
    for port, times in Counter(ports).items():
        if times > 1:
            yield f"port {port} is taken {times} times"


def _queues(config: Config) -> Iterator[str]:
    for name, settings in config.exporters.items():
        if _type(name) == "debug":
            continue
        queue = settings.get("sending_queue") or {}
        # Remote write has a queue in memory only.
        if not (queue.get("storage") or "remote_write_queue" in settings):
            yield f"exporter {name} forgets what waits when the collector stops"
        limit = settings.get("retry_on_failure", {}).get("max_elapsed_time")
        if limit != 0 and "retry" not in settings:
            yield f"exporter {name} gives up"


def _texts(config: Config) -> Iterator[str]:
    for path, value in _leaves(config.as_mapping()):
        if not isinstance(value, str):
            continue
        rest = _REFERENCE.sub("", value.replace("$$", ""))
        if "$" in rest:
            yield f"{'.'.join(path)} would be expanded: {value}"
        if path[-1] in _SECRETS and path[0] != "processors" and not _REFERENCE.fullmatch(value):
            if path[:1] == ("connectors",):
                continue
            yield f"{'.'.join(path)} is a secret in plain text"
