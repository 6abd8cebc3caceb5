"""Read what the engine is told in files: its policy, and the specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from slo.diagnostics import Diagnostic, has_errors
from slo.engine.gates.policy import DEFAULT_POLICY, GatePolicy
from slo.engine.gates.policy_file import load_policy
from slo.engine.pipeline import compile_specs
from slo.engine.server.options import ServeOptions
from slo.engine.status.declared import Declared, declare
from slo.errors import CompileFailed
from slo.source import Source

__all__ = ["Inputs", "read_inputs"]


@dataclass(slots=True)
class Inputs:
    """
    Hold what was read.

    Args:
        declared: SLOs of the specs, by id.
        diagnostics: What is wrong; with an error in it, nothing else counts.
        sources: Texts of the files with problems.
    """

    policy: GatePolicy = DEFAULT_POLICY
    declared: Mapping[str, Declared] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Tell whether something has to be put right first."""
        return has_errors(self.diagnostics)


def read_inputs(options: ServeOptions) -> Inputs:
    """Return what *options* name."""
    inputs = Inputs()
    if options.specs:
        result = compile_specs(options.specs, options.compile)
        inputs.diagnostics += result.diagnostics
        inputs.sources.update(result.sources)
        inputs.declared = declare(result.specs.slos)
    if options.policy is not None:
        try:
            inputs.policy, warnings = load_policy(options.policy)
            inputs.diagnostics += warnings
        except CompileFailed as error:
            inputs.diagnostics += error.diagnostics
    return inputs
