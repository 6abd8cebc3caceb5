"""Ask whether a deployment may go on."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slo.engine.commands.shared import PROMETHEUS_DURATION, present
from slo.engine.commands.source_options import (
    URL,
    chosen_server,
    connection_of,
    connection_options,
)
from slo.errors import CompileFailed, SloError

if TYPE_CHECKING:
    from slo.duration import Duration
    from slo.engine.gates.answer_copies import AnswerCopies
    from slo.engine.gates.asking import Asker
    from slo.engine.gates.decision import GateDecision
    from slo.engine.gates.policy import GatePolicy
    from slo.engine.gates.request import GateRequest

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_EXIT = {"allow": 0, "deny": 1, "unknown": 3}
_USAGE = 2
# The rest is for starting up and printing.
_SHARE_FOR_ASKING = 0.9
_SHORTEST_SECONDS = 0.1
_EXTRA = frozenset(("dateutil", "httpx", "prometheus_client", "stamina"))


@click.command(
    "gate",
    help="Ask whether SERVICE may be deployed: enough error budget, nothing burning, no freeze. "
    "Ask an engine with --engine, or a metrics server with --prometheus.",
    epilog="Exit codes: 0 allow, 1 deny, 2 wrong usage or configuration, 3 unknown.",
)
@click.argument("targets", nargs=-1, required=True, metavar="SERVICE[/SLO]...")
@click.option(
    "-e",
    "--environment",
    default="production",
    show_default=True,
    envvar="SLO_ENVIRONMENT",
    help="Where it is deployed to; rules of the policy are chosen by it. "
    "Also set by SLO_ENVIRONMENT.",
)
@click.option("--engine", type=URL, envvar="SLO_ENGINE", help="Engine to ask. Also SLO_ENGINE.")
@connection_options(required=False)
@click.option(
    "--freezes-only", is_flag=True, help="Look at the freezes of --policy, and at no numbers."
)
@click.option(
    "--policy",
    "policy_file",
    type=_FILE,
    help="Gate policy. With --engine it is used only while the engine is away.",
)
@click.option("--cause", help="Why it is urgent, such as security_fix; the policy knows causes.")
@click.option("--ref", "reference", help="Ticket, incident or review that speaks for it.")
@click.option("--approved-by", help="Who approved of it, where the policy asks for that.")
@click.option("--deploy-version", "version", help="What is deployed, for the record.")
@click.option("--dry-run", is_flag=True, help="Say what would be decided, and allow.")
@click.option(
    "--on-unknown",
    type=click.Choice(["allow", "deny"]),
    help="Make this of an unknown answer, instead of exit code 3.",
)
@click.option(
    "--deadline",
    type=PROMETHEUS_DURATION,
    default="8s",
    show_default=True,
    help="Limit of the whole run; keep it below that of the pipeline's step.",
)
@click.option(
    "--copies",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SLO_GATE_COPIES",
    help="Folder of signed copies of last answers. Also SLO_GATE_COPIES.  "
    "[default: slostack/gate in the user's cache folder]",
)
@click.option("--no-copies", is_flag=True, help="Keep and use no copies of answers.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="How the answer is printed; github also writes outputs and summary of the step.",
)
def command(
    targets: tuple[str, ...],
    policy_file: Path | None,
    on_unknown: str | None,
    deadline: Duration,
    style: str,
    **given: Any,
) -> None:
    """Ask, print, and exit with what the answer is."""
    began = time.monotonic()
    requests = _requests(targets, given)
    problems: list[str] = []
    try:
        from slo.engine.gates.asking import settled

        _without_noise()
        policy = _policy(policy_file)
        asker = _asker(given, policy, problems)
        decisions = []
        for number, request in enumerate(requests):
            left = deadline.seconds * _SHARE_FOR_ASKING - (time.monotonic() - began)
            within = max(_SHORTEST_SECONDS, left / (len(requests) - number))
            decisions.append(settled(asker.ask(request, within), on_unknown))
        verdict = _show(decisions, style)
    except CompileFailed:
        sys.exit(_USAGE)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        click.echo(f"error: {error.name} is missing: pip install 'slostack[gate]'", err=True)
        sys.exit(_USAGE)
    except SloError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(_USAGE)
    for problem in dict.fromkeys(problems):
        click.echo(f"warning: {problem}", err=True)
    took = time.monotonic() - began
    if took > deadline.seconds:
        click.echo(f"warning: it took {took:.1f} s, more than --deadline", err=True)
    sys.exit(_EXIT[verdict])


def _without_noise() -> None:
    """Keep the retries out of the log of the pipeline: the answer says what went wrong."""
    import stamina

    stamina.instrumentation.set_on_retry_hooks([])


def _requests(targets: tuple[str, ...], given: dict[str, Any]) -> list[GateRequest]:
    from slo.engine.gates.request import InvalidRequest, request_from_json

    wanted: dict[str, list[str]] = {}
    for target in targets:
        service, separator, name = target.partition("/")
        if not service or (separator and not name):
            raise click.UsageError(f"{target!r} is not of the form SERVICE or SERVICE/SLO")
        names = wanted.setdefault(service, [])
        if name not in names:
            names.append(name)
    fields = ("environment", "cause", "reference", "approved_by", "version", "dry_run")
    # Pipelines pass on parameters that nobody filled in.
    shared = {name: given.pop(name) or None for name in fields}
    shared["dry_run"] = bool(shared["dry_run"])
    found: list[GateRequest] = []
    for service, names in wanted.items():
        # The service alone means all of its SLOs.
        slos = () if "" in names else tuple(names)
        try:
            found.append(request_from_json({"service": service, "slos": slos, **shared}))
        except InvalidRequest as error:
            raise click.UsageError(str(error)) from error
    return found


def _policy(path: Path | None) -> GatePolicy | None:
    from slo.engine.gates.policy_file import load_policy

    if path is None:
        return None
    try:
        policy, warnings = load_policy(path)
    except CompileFailed as failed:
        _report(path, failed.diagnostics)
        raise
    _report(path, warnings)
    return policy


def _report(path: Path, diagnostics: Any) -> None:
    from slo.diagnostics import Diagnostic
    from slo.engine.discovery import Input, read_input

    if diagnostics:
        source = read_input(Input(path, str(path), path.name))
        sources = {} if isinstance(source, Diagnostic) else {source.path: source}
        present(diagnostics, sources, "text", False)


def _asker(given: dict[str, Any], policy: GatePolicy | None, problems: list[str]) -> Asker:
    from slo.engine.gates.asking import EngineAsker, FreezeAsker, ServerAsker
    from slo.engine.gates.policy import DEFAULT_POLICY

    engine, only_freezes = given.pop("engine"), given.pop("freezes_only")
    engine, server = chosen_server(engine, given["prometheus"])
    if only_freezes:
        engine = server = None
    if only_freezes and policy is None:
        raise click.UsageError("--freezes-only needs --policy")
    if not only_freezes and bool(engine) == bool(server):
        raise click.UsageError("give one of --engine, --prometheus and --freezes-only")
    given["prometheus"] = engine or server
    connection = connection_of(given)
    copies = _copies(given, problems)
    if connection is None:
        assert policy is not None
        return FreezeAsker(policy, time.time)
    if engine:
        token = os.environ.get("SLO_TOKEN") or None
        return EngineAsker(connection, token, policy, copies, time.time)
    return ServerAsker(connection, policy or DEFAULT_POLICY, copies, time.time)


def _copies(given: dict[str, Any], problems: list[str]) -> AnswerCopies | None:
    from slo.engine.gates.answer_copies import AnswerCopies, default_folder

    folder, none = given.pop("copies"), given.pop("no_copies")
    return None if none else AnswerCopies(folder or default_folder(), problems)


def _show(decisions: list[GateDecision], style: str) -> str:
    from slo.engine.gates import verdict_github, verdict_text
    from slo.engine.gates.decision import Verdict

    found = {decision.verdict for decision in decisions}
    verdict = next(v for v in (Verdict.DENY, Verdict.UNKNOWN, Verdict.ALLOW) if v in found)
    if style == "json":
        import json

        body = {"verdict": verdict.value, "decisions": [d.to_json() for d in decisions]}
        click.echo(json.dumps(body, indent=2))
    elif style == "github":
        for decision in decisions:
            click.echo("\n".join(verdict_github.commands(decision)))
        verdict_github.write_files(verdict, decisions)
    else:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        width = min(120, shutil.get_terminal_size((100, 24)).columns)
        blocks = ["\n".join(verdict_text.lines(d, color, width)) for d in decisions]
        click.echo("\n\n".join(blocks))
    return verdict.value
