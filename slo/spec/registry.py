"""Choose the reader of a document by its version keys."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import yaml

from slo.diagnostics import Span
from slo.plan import SpecSet
from slo.schema import closest
from slo.source import Document, Map, span_of
from slo.spec.context import ReadContext

__all__ = ["DIALECTS", "Dialect", "read_document"]


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """
    Name a dialect and its reader.

    Args:
        marks: The keys, with their values, that a document of this dialect has at its root.
        reader: Module below `slo.spec` and function, joined by a dot; imported on first use.
    """

    name: str
    marks: tuple[tuple[str, str], ...]
    reader: str

    def owns(self, root: Map) -> bool:
        """Tell whether *root* is a document of this dialect."""
        return all(root.get(key) == value for key, value in self.marks)

    def read(self, document: Document, context: ReadContext) -> SpecSet:
        """Return the plans of *document*; what is wrong goes to *context*."""
        module, _, function = self.reader.partition(".")
        found: SpecSet = getattr(import_module(f"slo.spec.{module}"), function)(document, context)
        return found


DIALECTS = (
    Dialect("native owners", (("version", "slo/v1"), ("kind", "Owners")), "native_v1.read_owners"),
    Dialect(
        "native telemetry",
        (("version", "slo/v1"), ("kind", "Telemetry")),
        "telemetry.read_telemetry",
    ),
    Dialect("native", (("version", "slo/v1"),), "native_v1.read_service"),
    Dialect("sloth", (("version", "prometheus/v1"),), "sloth.read_prometheus_v1"),
    Dialect(
        "sloth resource",
        (("apiVersion", "sloth.slok.dev/v1"), ("kind", "PrometheusServiceLevel")),
        "sloth.read_service_level",
    ),
    Dialect(
        "OpenSLO v1alpha",
        (("apiVersion", "openslo/v1alpha"), ("kind", "SLO")),
        "openslo_v1alpha.read_openslo_v1alpha",
    ),
)


def read_document(document: Document, context: ReadContext) -> SpecSet:
    """Return the plans of *document*; what is wrong goes to *context*."""
    context.diagnostics.extend(document.diagnostics)
    root = document.root
    if document.node is None or any(d.is_error for d in document.diagnostics):
        return SpecSet()
    if root is None:
        return SpecSet()
    if isinstance(root, Map):
        for dialect in DIALECTS:
            if dialect.owns(root):
                return dialect.read(document, context)
    _report_unknown(document, context)
    return SpecSet()


def _report_unknown(document: Document, context: ReadContext) -> None:
    root = document.root
    assert document.node is not None
    span = span_of(document.source, document.node)
    if not isinstance(root, Map):
        context.report("SLO007", span, "not a spec: a mapping is expected", _KNOWN)
        return
    for key in ("version", "apiVersion"):
        if key in root:
            kind = f", kind: {_shown(root, 'kind')}" if "kind" in root else ""
            shown = f"{key}: {_shown(root, key)}{kind}"
            span = span_of(document.source, root.nodes[key][1])
            context.report("SLO007", span, f"no reader for `{shown}`", _guess(str(root[key])))
            return
    where = Span(span.file, span.line, span.column, span.line, span.column + 1)
    hint = "start it with `version: slo/v1`; leave out what is no spec with --exclude"
    for key in root:
        if closest(key, ("version", "apiVersion")):
            where = span_of(document.source, root.nodes[key][0])
            hint = f"did you mean `{closest(key, ('version', 'apiVersion'))}` instead of `{key}`?"
            break
    context.report("SLO007", where, "not a spec: `version` is missing", hint)


def _shown(root: Map, key: str) -> str:
    """Return a value as it is written, if that is short."""
    node = root.nodes[key][1]
    text = " ".join(str(node.value).split()) if isinstance(node, yaml.ScalarNode) else "..."
    return text if len(text) <= 60 else f"{text[:57]}..."


_KINDS = ("Owners", "Telemetry")
_VERSIONS = sorted({value for d in DIALECTS for key, value in d.marks if key != "kind"})
_KNOWN = "known: " + ", ".join(
    dict.fromkeys(" ".join(value for _, value in d.marks if value not in _KINDS) for d in DIALECTS)
)


def _guess(version: str) -> str:
    guess = closest(version, _VERSIONS)
    # A version that only ends differently is another language, not a slip of the finger.
    slip = guess is not None and guess != version and not guess.startswith(version)
    return f"did you mean `{guess}`?" if slip else _KNOWN
