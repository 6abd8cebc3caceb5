"""Take Packs documents that stand among the specs, so that one command compiles all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from slo.artifact import Artifact
from slo.diagnostics import Diagnostic, Severity, Span
from slo.plan import Owner
from slo.source import Document, Map, span_of

if TYPE_CHECKING:
    from slo.alerts.emit import EmitOptions

__all__ = ["CompiledPacks", "check_pack_owners", "compile_packs", "is_packs"]

_OWNER_KEYS = ("owner", "heartbeat_owner")


class CompiledPacks(NamedTuple):
    """
    Hold what one Packs document became.

    Args:
        owners: Who is told, and where that stands.
    """

    artifacts: tuple[Artifact, ...] = ()
    owners: tuple[tuple[str, Span], ...] = ()


def is_packs(root: object) -> bool:
    """Tell whether *root* is a Packs document."""
    return isinstance(root, Map) and (root.get("version"), root.get("kind")) == ("slo/v1", "Packs")


def compile_packs(
    document: Document, options: EmitOptions
) -> tuple[CompiledPacks, list[Diagnostic]]:
    """
    Return the rules and tests of the packs in *document*, and what is wrong with it.

    Without alerts there is nothing: what packs record is for their alerts alone.
    """
    # Only here: most runs have no packs, and start-up time is part of the product.
    from slo.alerts.packs.artifacts import pack_artifacts
    from slo.alerts.packs.reader import read_packs

    packs, diagnostics = read_packs(document)
    if packs is None or not options.alerts:
        return CompiledPacks(), diagnostics
    wanted = {"rules": options.rules, "tests": options.tests}
    made = pack_artifacts(packs, options.version, options.format)
    artifacts = tuple(artifact for artifact in made if wanted[artifact.kind])
    return CompiledPacks(artifacts, tuple(_owners(document))), diagnostics


def _owners(document: Document) -> Iterable[tuple[str, Span]]:
    root = document.root
    for given in (root, *root["packs"].values()):
        for key in _OWNER_KEYS:
            if key in given:
                yield given[key], span_of(document.source, given.nodes[key][1])


def check_pack_owners(
    packs: Iterable[CompiledPacks], owners: Sequence[Owner]
) -> Iterable[Diagnostic]:
    """Yield a warning for each owner of a pack that no Owners document of the run declares."""
    known = {owner.name for owner in owners}
    if not known:
        return
    for compiled in packs:
        for name, span in compiled.owners:
            if name not in known:
                message = f"packs name owner `{name}`, which no Owners document declares"
                hint = "declare it; until then these alerts go to `default`, or to nobody"
                yield Diagnostic("SLO403", Severity.WARNING, message, span, hint)
