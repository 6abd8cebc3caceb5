"""
Compile specs: read, lower, check, emit.

Each file is compiled by itself, so that many can be compiled at once; what concerns several
files (identities, names of outputs, routing) follows when all are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from slo.alert_windows import builtin_policies, is_catalog, read_catalog
from slo.alerts.emit import EmitOptions, FileOutput, emit_file, health_artifacts
from slo.alerts.packs.documents import (
    CompiledPacks,
    check_pack_owners,
    compile_packs,
    is_packs,
)
from slo.artifact import GENERATED, Artifact
from slo.burnrate import AlertPolicy
from slo.checks.identity import check_identities
from slo.checks.members import check_members
from slo.checks.options import CheckOptions
from slo.checks.suite import run_checks
from slo.diagnostics import Diagnostic, Severity, Span, has_errors, sort_diagnostics
from slo.duration import Duration
from slo.engine.discovery import STDIN_SHOWN, Input, discover, read_input
from slo.engine.gates.policy_documents import (
    ReadPolicy,
    check_policies,
    is_policy,
    policy_document,
)
from slo.engine.options import CompileOptions
from slo.errors import PluginError
from slo.plan import Owner, ServicePlan, SpecSet
from slo.plugins import PluginRegistry, load_plugins
from slo.source import Source, parse_documents
from slo.spec.context import ReadContext
from slo.spec.registry import read_document
from slo.stack.settings_documents import check_settings, is_settings
from slo.version import __version__

if TYPE_CHECKING:
    from slo.telemetry import TelemetryPlan

__all__ = [
    "CompileResult",
    "Environment",
    "FileResult",
    "compile_file",
    "compile_specs",
    "finish",
    "prepare",
]

T = TypeVar("T")


@dataclass(slots=True)
class Environment:
    """
    Hold what every file is compiled with.

    Args:
        diagnostics: Problems of the options themselves: catalogs, plugins, paths.
        sources: Files with problems so far, for excerpts.
    """

    options: CompileOptions
    policies: Mapping[Duration, AlertPolicy] = field(default_factory=dict)
    plugins: PluginRegistry = field(default_factory=PluginRegistry)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)

    @property
    def emit(self) -> EmitOptions:
        """Return the options of the emitters."""
        options = self.options
        return EmitOptions(
            profile=options.profile,
            format=options.format,
            version=__version__,
            interval=options.interval,
            recordings=options.recordings,
            alerts=options.alerts,
            rules="rules" in options.kinds,
            tests="tests" in options.kinds,
        )


@dataclass(slots=True)
class FileResult(Generic[T]):
    """
    Hold what one spec file became.

    Args:
        outputs: Path of each artifact with what the sink made of it.
        policies: Gate policies among the specs; nothing is compiled from them.
        packs: Packs among the specs.
        settings: How many stacks the specs stand beside.
        source: The file's text, when something is wrong with it.
    """

    services: tuple[ServicePlan, ...] = ()
    owners: tuple[Owner, ...] = ()
    telemetry: tuple[TelemetryPlan, ...] = ()
    diagnostics: list[Diagnostic] = field(default_factory=list)
    outputs: list[tuple[str, T]] = field(default_factory=list)
    policies: list[ReadPolicy] = field(default_factory=list)
    packs: list[CompiledPacks] = field(default_factory=list)
    settings: int = 0
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class CompileResult(Generic[T]):
    """
    Hold what a run made and what it found.

    Args:
        artifacts: What the sink made of each artifact, by path; empty on any error.
        sources: Texts of the files with problems, by the path in their diagnostics.
        policies: How many gate policies were among the specs.
        packs: Whether packs were.
        settings: How many settings of stacks were.
    """

    artifacts: tuple[T, ...]
    diagnostics: tuple[Diagnostic, ...]
    specs: SpecSet
    sources: Mapping[str, Source] = field(default_factory=dict)
    policies: int = 0
    packs: bool = False
    settings: int = 0

    @property
    def failed(self) -> bool:
        """Tell whether anything stops the compiler."""
        return has_errors(self.diagnostics)


def compile_specs(paths: Iterable[str], options: CompileOptions) -> CompileResult[Artifact]:
    """Compile the specs at *paths* in memory; with any error there are no artifacts."""
    inputs, environment = prepare(paths, options)
    results = [compile_file(found, environment, _keep) for found in inputs]
    return finish(inputs, results, environment, _keep)


def _keep(artifact: Artifact) -> Artifact:
    return artifact


def prepare(paths: Iterable[str], options: CompileOptions) -> tuple[list[Input], Environment]:
    """Return the files at *paths*, and the plugins and alert windows to compile them with."""
    environment = Environment(options)
    try:
        environment.plugins = load_plugins(options.plugins)
    except PluginError as error:
        span = Span(str(options.plugins[0]))
        environment.diagnostics.append(Diagnostic("SLO903", Severity.ERROR, str(error), span))
    inputs, problems = discover(paths, options.exclude)
    environment.diagnostics += problems
    environment.policies = {**builtin_policies(), **_catalogs(environment)}
    return inputs, environment


def _catalogs(environment: Environment) -> dict[Duration, AlertPolicy]:
    inputs, problems = discover(map(str, environment.options.windows))
    environment.diagnostics += problems
    policies: dict[Duration, AlertPolicy] = {}
    for found in inputs:
        source = read_input(found)
        if isinstance(source, Diagnostic):
            environment.diagnostics.append(source)
            continue
        environment.sources[source.path] = source
        for document in parse_documents(source):
            policy, diagnostics = read_catalog(document)
            environment.diagnostics += diagnostics
            if policy is None:
                continue
            taken = policies.setdefault(policy.time_window, policy)
            if taken is not policy:
                message = f"two catalogs for {policy.time_window}: {taken.source} is the other"
                environment.diagnostics.append(
                    Diagnostic("SLO205", Severity.ERROR, message, source.start)
                )
    return policies


def compile_file(
    found: Input, environment: Environment, sink: Callable[[Artifact], T]
) -> FileResult[T]:
    """
    Compile one file.

    Args:
        sink: Takes each artifact as it is made, so that a large run need not hold them all.
    """
    source = read_input(found)
    if isinstance(source, Diagnostic):
        return FileResult(diagnostics=[source])
    if source.text.startswith(GENERATED):
        # `slo compile . --out build` meets its own output again.
        return FileResult()
    result: FileResult[T] = _read(source, environment)
    if result.services and not has_errors(result.diagnostics):
        output = FileOutput(_stem(found.relative), found.relative, result.services)
        artifacts, diagnostics = emit_file(output, environment.emit, environment.plugins)
        result.diagnostics += diagnostics
        if "dashboards" in environment.options.kinds and not has_errors(diagnostics):
            from slo.dashboards.emit import file_dashboards

            artifacts += file_dashboards(result.services, exact=environment.options.exact)
        result.outputs = [(artifact.path, sink(artifact)) for artifact in artifacts]
    if not has_errors(result.diagnostics):
        made = [artifact for packs in result.packs for artifact in packs.artifacts]
        result.outputs += [(artifact.path, sink(artifact)) for artifact in made]
    if result.diagnostics or result.packs or found.shown == STDIN_SHOWN:
        result.source = source
    return result


def _read(source: Source, environment: Environment) -> FileResult[T]:
    options = environment.options
    result: FileResult[T] = FileResult()
    context = ReadContext(
        environment.policies,
        options.period,
        options.labels,
        environment.plugins,
        result.diagnostics,
    )
    specs = SpecSet()
    for document in parse_documents(source):
        if is_catalog(document.root):
            message = "an alert-window catalog among the specs is not used"
            hint = "name it with --windows"
            context.report("SLO205", source.start, message, hint, Severity.WARNING)
            continue
        if is_policy(document.root):
            result.policies.append(policy_document(document, result.diagnostics))
            continue
        if is_packs(document.root):
            packs, problems = compile_packs(document, environment.emit)
            result.packs.append(packs)
            result.diagnostics += problems
            continue
        if is_settings(document.root):
            result.settings += 1
            result.diagnostics += check_settings(document)
            continue
        found = read_document(document, context)
        specs = specs.joined(found)
    checks = CheckOptions(options.exact, options.retention)
    for plan in specs.slos:
        result.diagnostics += run_checks(plan, checks)
    result.services, result.owners, result.telemetry = specs
    return result


def _stem(relative: str) -> str:
    """Return the name of the outputs; Prometheus's globs do not look into sub-folders."""
    return relative.rsplit(".", 1)[0].replace("/", "-")


def finish(
    inputs: Sequence[Input],
    results: Sequence[FileResult[T]],
    environment: Environment,
    sink: Callable[[Artifact], T],
) -> CompileResult[T]:
    """Join the results of all files, and make what belongs to all of them."""
    services = tuple(service for result in results for service in result.services)
    owners = tuple(owner for result in results for owner in result.owners)
    telemetry = tuple(plan for result in results for plan in result.telemetry)
    specs = SpecSet(services, owners, telemetry)
    diagnostics = [*environment.diagnostics, *(d for r in results for d in r.diagnostics)]
    sources = {**environment.sources, **{r.source.path: r.source for r in results if r.source}}
    policies = [policy for result in results for policy in result.policies]
    packs = [packs for result in results for packs in result.packs]
    settings = sum(result.settings for result in results)
    if inputs and not (any(specs) or policies or packs or settings or has_errors(diagnostics)):
        span = Span(inputs[0].shown)
        diagnostics.append(Diagnostic("SLO008", Severity.ERROR, "no SLO in any of the files", span))
    diagnostics += check_identities(specs.slos)
    diagnostics += check_members(specs.slos)
    diagnostics += check_policies(policies, specs.slos)
    diagnostics += check_pack_owners(packs, owners)
    outputs, collisions = _collect(results)
    diagnostics += collisions
    diagnostics += _check_mixture(specs, environment.options)
    shared, problems = _shared_artifacts(specs, environment)
    diagnostics += problems
    if has_errors(diagnostics):
        outputs = {}
    else:
        outputs.update((artifact.path, sink(artifact)) for artifact in shared)
    # Mistakes across files stand in files that are fine by themselves.
    named = {span.file for d in diagnostics for span in (d.span, *(s for _, s in d.related))}
    for found in inputs:
        if found.shown in named and found.shown not in sources:
            source = read_input(found)
            if isinstance(source, Source):
                sources[found.shown] = source
    ordered = tuple(outputs[path] for path in sorted(outputs))
    return CompileResult(
        *(ordered, sort_diagnostics(diagnostics), specs, sources),
        *(len(policies), bool(packs), settings),
    )


def _collect(results: Sequence[FileResult[T]]) -> tuple[dict[str, T], list[Diagnostic]]:
    outputs: dict[str, T] = {}
    collisions: list[Diagnostic] = []
    for result in results:
        for path, output in result.outputs:
            if path in outputs:
                message = f"two spec files would both be compiled to {path}"
                hint = "rename one of them: sub-folders become part of the name, joined by `-`"
                if result.services:
                    span = Span(result.services[0].source)
                else:
                    assert result.source is not None
                    span, hint = result.source.start, "give one of the Packs another `name`"
                collisions.append(Diagnostic("SLO402", Severity.ERROR, message, span, hint))
            outputs[path] = output
    return outputs, collisions


def _check_mixture(specs: SpecSet, options: CompileOptions) -> list[Diagnostic]:
    """Warn where rule files and custom resources would end up in one folder."""
    objects = [s for s in specs.services if s.kubernetes is not None and s.slos]
    if options.format != "auto" or not objects or len(objects) == len(specs.services):
        return []
    message = "this becomes a PrometheusRule object among rule files, which Prometheus refuses"
    hint = "compile custom resources into a folder of their own, or give --format"
    span = objects[0].slos[0].span
    return [Diagnostic("SLO506", Severity.WARNING, message, span, hint)]


def _shared_artifacts(
    specs: SpecSet, environment: Environment
) -> tuple[list[Artifact], list[Diagnostic]]:
    artifacts: list[Artifact] = []
    diagnostics: list[Diagnostic] = []
    if specs.services or specs.telemetry:
        artifacts += health_artifacts(environment.emit, collectors=bool(specs.telemetry))
    if "dashboards" in environment.options.kinds:
        from slo.dashboards.emit import shared_dashboards

        artifacts += shared_dashboards(specs)
    if "alertmanager" in environment.options.kinds and specs.owners:
        from slo.alerts.alertmanager import routing_artifacts

        routing, found = routing_artifacts(specs)
        artifacts += routing
        diagnostics += found
    if "collector" in environment.options.kinds and _speaks_of_telemetry(specs):
        from slo.collector.emit import collector_artifacts

        configs, found = collector_artifacts(specs)
        artifacts += configs
        diagnostics += found
    return artifacts, diagnostics


def _speaks_of_telemetry(specs: SpecSet) -> bool:
    return bool(specs.telemetry) or any(s.telemetry for s in specs.services)
