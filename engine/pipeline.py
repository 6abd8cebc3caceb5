"""Compile specs: read, lower, check, emit. Pure but for reading the files it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from slo.alert_windows import builtin_policies, is_catalog, read_catalog
from slo.alerts.emit import EmitOptions, FileOutput, emit_file, health_artifacts
from slo.artifact import Artifact
from slo.burnrate import AlertPolicy
from slo.checks.identity import check_identities
from slo.checks.options import CheckOptions
from slo.checks.suite import run_checks
from slo.diagnostics import Diagnostic, Severity, Span, has_errors, sort_diagnostics
from slo.duration import Duration
from slo.engine.discovery import Input, discover, read_input
from slo.engine.options import CompileOptions
from slo.errors import PluginError
from slo.plan import Owner, ServicePlan, SpecSet
from slo.plugins import PluginRegistry, load_plugins
from slo.source import Source, parse_documents
from slo.spec.context import ReadContext
from slo.spec.registry import read_document
from slo.version import __version__

__all__ = ["CompileResult", "compile_specs", "read_specs"]


@dataclass(frozen=True, slots=True)
class CompileResult:
    """
    Hold what a run made and what it found.

    Args:
        artifacts: Empty when any diagnostic is an error.
        sources: Texts of the files by the path in their diagnostics, for excerpts.
    """

    artifacts: tuple[Artifact, ...]
    diagnostics: tuple[Diagnostic, ...]
    specs: SpecSet
    sources: Mapping[str, Source] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Tell whether anything stops the compiler."""
        return has_errors(self.diagnostics)


@dataclass(slots=True)
class _Read:
    """Collect what the files hold; `files` keeps the services of each input together."""

    files: list[tuple[Input, tuple[ServicePlan, ...]]] = field(default_factory=list)
    owners: list[Owner] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    plugins: PluginRegistry = field(default_factory=PluginRegistry)

    @property
    def specs(self) -> SpecSet:
        services = tuple(service for _, found in self.files for service in found)
        return SpecSet(services, tuple(self.owners))


def read_specs(paths: Iterable[str], options: CompileOptions) -> CompileResult:
    """Read and check the specs at *paths* without emitting anything."""
    read = _read(paths, options)
    read.diagnostics += _check(read, options)
    return CompileResult((), sort_diagnostics(read.diagnostics), read.specs, read.sources)


def compile_specs(paths: Iterable[str], options: CompileOptions) -> CompileResult:
    """Compile the specs at *paths*; with any error there are no artifacts."""
    read = _read(paths, options)
    read.diagnostics += _check(read, options)
    artifacts: list[Artifact] = []
    if not has_errors(read.diagnostics):
        artifacts = _emit(read, options)
    if has_errors(read.diagnostics):
        artifacts = []
    ordered = tuple(sorted(artifacts, key=lambda a: a.path))
    return CompileResult(ordered, sort_diagnostics(read.diagnostics), read.specs, read.sources)


def _read(paths: Iterable[str], options: CompileOptions) -> _Read:
    read = _Read()
    try:
        read.plugins = load_plugins(options.plugins)
    except PluginError as error:
        span = Span(str(options.plugins[0]))
        read.diagnostics.append(Diagnostic("SLO903", Severity.ERROR, str(error), span))
    inputs, problems = discover(paths, options.exclude)
    read.diagnostics += problems
    loaded = [(found, _load(found, read)) for found in inputs]
    policies = {**builtin_policies(), **_catalogs(options, read)}
    context = ReadContext(
        policies, options.period, options.labels, read.plugins, read.diagnostics
    )
    for found, source in loaded:
        if source is not None:
            _read_source(found, source, context, read)
    if inputs and not (read.specs.services or read.owners or has_errors(read.diagnostics)):
        span = Span(inputs[0].shown)
        read.diagnostics.append(
            Diagnostic("SLO008", Severity.ERROR, "no SLO in any of the files", span)
        )
    return read


def _load(found: Input, read: _Read) -> Source | None:
    source = read_input(found)
    if isinstance(source, Diagnostic):
        read.diagnostics.append(source)
        return None
    read.sources[source.path] = source
    return source


def _catalogs(options: CompileOptions, read: _Read) -> dict[Duration, AlertPolicy]:
    inputs, problems = discover(map(str, options.windows))
    read.diagnostics += problems
    policies: dict[Duration, AlertPolicy] = {}
    for found in inputs:
        source = _load(found, read)
        if source is None:
            continue
        for document in parse_documents(source):
            policy, diagnostics = read_catalog(document)
            read.diagnostics += diagnostics
            if policy is None:
                continue
            taken = policies.setdefault(policy.time_window, policy)
            if taken is not policy:
                message = f"two catalogs for {policy.time_window}: {taken.source} is the other"
                read.diagnostics.append(
                    Diagnostic("SLO205", Severity.ERROR, message, source.start)
                )
    return policies


def _read_source(found: Input, source: Source, context: ReadContext, read: _Read) -> None:
    services: list[ServicePlan] = []
    for document in parse_documents(source):
        if is_catalog(document.root):
            message = "an alert-window catalog among the specs is not used"
            hint = "name it with --windows"
            context.report("SLO205", source.start, message, hint, Severity.WARNING)
            continue
        specs = read_document(document, context)
        services += specs.services
        read.owners += specs.owners
    if services:
        read.files.append((found, tuple(services)))


def _check(read: _Read, options: CompileOptions) -> list[Diagnostic]:
    specs = read.specs
    checks = CheckOptions(options.exact, options.retention)
    found = [d for plan in specs.slos for d in run_checks(plan, checks)]
    return found + list(check_identities(specs.slos))


def _emit(read: _Read, options: CompileOptions) -> list[Artifact]:
    emit = EmitOptions(
        profile=options.profile,
        format=options.format,
        version=__version__,
        interval=options.interval,
        recordings=options.recordings,
        alerts=options.alerts,
        rules="rules" in options.kinds,
        tests="tests" in options.kinds,
    )
    artifacts: dict[str, Artifact] = {}
    for found, services in read.files:
        output = FileOutput(_stem(found.relative), found.relative, services)
        made, diagnostics = emit_file(output, emit, read.plugins)
        read.diagnostics += diagnostics
        for artifact in made:
            _add(artifact, artifacts, services, read)
    if read.files:
        for artifact in health_artifacts(emit):
            artifacts.setdefault(artifact.path, artifact)
    if "alertmanager" in options.kinds:
        from slo.alerts.alertmanager import routing_artifacts

        routing, diagnostics_of_routing = routing_artifacts(read.specs)
        read.diagnostics += diagnostics_of_routing
        artifacts.update((artifact.path, artifact) for artifact in routing)
    return list(artifacts.values())


def _add(
    artifact: Artifact, artifacts: dict[str, Artifact], services: tuple[ServicePlan, ...],
    read: _Read,
) -> None:
    if artifact.path in artifacts:
        message = f"two spec files would both be compiled to {artifact.path}"
        hint = "rename one of them: sub-folders become part of the name, joined by `-`"
        read.diagnostics.append(
            Diagnostic("SLO402", Severity.ERROR, message, Span(services[0].source), hint)
        )
    artifacts[artifact.path] = artifact


def _stem(relative: str) -> str:
    """Return the name of the outputs; Prometheus's globs do not look into sub-folders."""
    return relative.rsplit(".", 1)[0].replace("/", "-")
