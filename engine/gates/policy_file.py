"""Load the policy of a gate from a file."""

from __future__ import annotations

from pathlib import Path

from slo.diagnostics import Diagnostic, Severity, has_errors
from slo.engine.discovery import Input, read_input
from slo.engine.gates.policy import GatePolicy
from slo.engine.gates.policy_documents import is_policy
from slo.engine.gates.policy_reader import read_policy
from slo.errors import CompileFailed
from slo.source import Source, parse_documents

__all__ = ["load_policy"]


def load_policy(path: Path) -> tuple[GatePolicy, list[Diagnostic]]:
    """
    Return the policy in the file *path*, with warnings about it.

    Raises:
        CompileFailed: It cannot be used; the diagnostics say why.
    """
    source = read_input(Input(path, str(path), path.name))
    if isinstance(source, Diagnostic):
        raise CompileFailed((source,))
    documents = list(parse_documents(source))
    found: list[GatePolicy] = []
    diagnostics: list[Diagnostic] = []
    for document in documents:
        if document.root is not None and not is_policy(document.root):
            diagnostics.append(_not_one(source, "not a gate policy"))
            continue
        policy, problems = read_policy(document)
        diagnostics += problems
        if policy is not None:
            found.append(policy)
    if len(found) > 1:
        diagnostics.append(_not_one(source, "more than one gate policy in this file"))
    if not found and not has_errors(diagnostics):
        diagnostics.append(_not_one(source, "no gate policy in this file"))
    if has_errors(diagnostics):
        raise CompileFailed(tuple(diagnostics))
    return found[0], diagnostics


def _not_one(source: Source, message: str) -> Diagnostic:
    hint = "start it with `version: slo/v1` and `kind: GatePolicy`"
    return Diagnostic("SLO007", Severity.ERROR, message, source.start, hint)
