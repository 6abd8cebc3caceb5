"""Know what the collector's components are called, by version."""

from __future__ import annotations

__all__ = ["component_name", "version_of"]

# From which version on a component has its present name, and what it was called before. The
# old names go on as aliases that warn, so a version that is too late does no harm.
_RENAMED: dict[str, tuple[tuple[int, int], str]] = {
    "otlp_grpc": ((0, 144), "otlp"),
    "otlp_http": ((0, 144), "otlphttp"),
    "file_log": ((0, 149), "filelog"),
    "resource_detection": ((0, 153), "resourcedetection"),
    "load_balancing": ((0, 153), "loadbalancing"),
    "prometheus_remote_write": ((0, 154), "prometheusremotewrite"),
    "span_metrics": ((0, 155), "spanmetrics"),
    "delta_to_cumulative": ((0, 158), "deltatocumulative"),
}


def version_of(text: str) -> tuple[int, int]:
    """
    Return a version as numbers that compare.

    >>> version_of("0.162.1")
    (0, 162)
    """
    major, minor, *_ = text.split(".")
    return int(major), int(minor)


def component_name(name: str, version: str) -> str:
    """
    Return the name of component *name*, of today, in collectors of *version*.

    >>> component_name("file_log", "0.148"), component_name("file_log", "0.149")
    ('filelog', 'file_log')
    """
    since, old = _RENAMED.get(name, ((0, 0), name))
    return name if version_of(version) >= since else old
