"""Check the settings of a stack where they stand among the specs."""

from __future__ import annotations

from pathlib import Path

from slo.diagnostics import Diagnostic
from slo.errors import CompileFailed
from slo.source import Document, Map

__all__ = ["check_settings", "is_settings"]


def is_settings(root: object) -> bool:
    """Tell whether a document holds the settings of a stack."""
    return isinstance(root, Map) and root.get("kind") == "Stack" and root.get("version") == "slo/v1"


def check_settings(document: Document) -> list[Diagnostic]:
    """Return what is wrong with the settings in *document*."""
    # Most runs of the compiler meet none.
    from slo.stack.settings_file import read_document

    try:
        read_document(document, Path(document.source.path).parent)
    except CompileFailed as error:
        return list(error.diagnostics)
    return []
