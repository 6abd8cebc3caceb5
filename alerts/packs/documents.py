"""Take Packs documents that stand among the specs, so that one command compiles all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slo.artifact import Artifact
from slo.diagnostics import Diagnostic
from slo.source import Document, Map

if TYPE_CHECKING:
    from slo.alerts.emit import EmitOptions

__all__ = ["compile_packs", "is_packs"]


def is_packs(root: object) -> bool:
    """Tell whether *root* is a Packs document."""
    return isinstance(root, Map) and (root.get("version"), root.get("kind")) == ("slo/v1", "Packs")


def compile_packs(
    document: Document, options: EmitOptions
) -> tuple[list[Artifact], list[Diagnostic]]:
    """
    Return the rules and tests of the packs in *document*, and what is wrong with it.

    Without alerts there is nothing: what packs record is for their alerts alone.
    """
    # Only here: most runs have no packs, and start-up time is part of the product.
    from slo.alerts.packs.artifacts import pack_artifacts
    from slo.alerts.packs.reader import read_packs

    packs, diagnostics = read_packs(document)
    if packs is None or not options.alerts:
        return [], diagnostics
    wanted = {"rules": options.rules, "tests": options.tests}
    made = pack_artifacts(packs, options.version, options.format)
    return [artifact for artifact in made if wanted[artifact.kind]], diagnostics
