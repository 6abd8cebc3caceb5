"""Ask the engine's gate, on the way, whether the shop may be deployed."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from slo.stack.demo.engine import Done, Engine
from slo.stack.demo.scene import SERVICE, JourneyError, Scene

__all__ = [
    "allowed_again",
    "allowed_before",
    "denied",
    "kept",
    "overridden",
    "status",
    "token",
    "unknown",
]

_CODES = {"ALLOW": 0, "DENY": 1, "UNKNOWN": 3}
_STYLES = {"ALLOW": "green", "DENY": "red", "UNKNOWN": "yellow"}
# Long enough to be asked about, and over soon after Prometheus is back.
_OVERRIDE_SECONDS = 15.0
_WHO = "anna"
_REASON = "hotfix, checked by hand"
_POLL_SECONDS = 0.5
# Words of the answers that tell one from another.
_FIRING = "A page of shop/availability fires"
_OVERRIDDEN = f"Overridden by {_WHO}"
_OLD_BUT_SAFE = "even a full outage since then would have left"
_OLD = "relies on none older than"


def allowed_before(scene: Scene) -> None:
    """See that the gate lets the healthy shop through."""
    _await_gate(scene, "ALLOW", 40, without=(_OLD_BUT_SAFE,))


def denied(scene: Scene) -> None:
    """See that the gate denies, since a page fires."""
    _await_gate(scene, "DENY", 40, needs=(_FIRING,))


def status(scene: Scene) -> None:
    """
    Show how the SLOs stand.

    Raises:
        JourneyError: The engine cannot say it.
    """
    arguments = ["status", "--engine", scene.engine.url]
    done = scene.engine.run(arguments)
    if done.code != 0:
        raise JourneyError(f"slo status ended with {done.code}:\n{done.output}")
    _command(scene, arguments)
    _print(scene, done.output.splitlines())


def unknown(scene: Scene) -> None:
    """See the answer age to unknown."""
    _await_gate(scene, "UNKNOWN", 90, watch=True)


def token(scene: Scene) -> str:
    """
    Return a new token for a person, made well before it is used.

    A running engine reads new tokens every few seconds.

    Raises:
        JourneyError: None was made.
    """
    arguments = ["token", "create", _WHO, "--scope", "write", "--ledger", scene.engine.ledger]
    done = scene.engine.run(arguments)
    found = re.search(r"slo_\S+", done.output)
    if done.code != 0 or found is None:
        raise JourneyError(f"slo token create ended with {done.code} and made no token")
    _command(scene, arguments)
    scene.terminal.seen(f"{_WHO} may record overrides, with a token of the engine")
    return found.group()


def overridden(scene: Scene, secret: str) -> float:
    """
    See an override allow what the gate could not answer.

    Args:
        secret: Of the token.

    Returns:
        When it expires, in Unix seconds.
    """
    terminal, engine = scene.terminal, scene.engine
    expires_at = time.time() + _OVERRIDE_SECONDS
    made = engine.override(
        secret,
        {
            "target": {"slo": f"{SERVICE}/*", "environment": "production"},
            "verdict": "allow",
            "reason": _REASON,
            "expires_at": expires_at,
        },
    )
    if made["created_by"] != _WHO:
        raise JourneyError(f"the override was made by {_WHO}, but recorded: {made}")
    terminal.note(f"POST {engine.url}/v1/overrides, with the token of {_WHO}")
    terminal.texts(
        {
            "override": str(made["id"]),
            "who": str(made["created_by"]),
            "why": str(made["reason"]),
            "until": f"{_OVERRIDE_SECONDS:g} s from now",
        }
    )
    _await_gate(scene, "ALLOW", 15, needs=(_OVERRIDDEN,))
    return expires_at


def allowed_again(scene: Scene, override_ends: float) -> None:
    """See that, once the override has expired, new numbers let the shop through."""
    time.sleep(max(0.0, override_ends - time.time()))
    scene.terminal.note(f"the override of {_WHO} has expired")
    _await_gate(scene, "ALLOW", 60, without=(_OVERRIDDEN, _OLD, _OLD_BUT_SAFE), watch=True)


def kept(scene: Scene) -> None:
    """
    See that the ledger holds every verdict, and that nobody changed it.

    Raises:
        JourneyError: Something is missing or was changed.
    """
    engine = scene.engine
    arguments = ["ledger", "verify", engine.ledger]
    _command(scene, arguments)
    done = engine.run(arguments)
    if done.code != 0:
        raise JourneyError(f"the ledger is not intact:\n{done.output}")
    verdicts = [str(decision["verdict"]) for decision in engine.decisions()]
    counts = {word: verdicts.count(word.lower()) for word in _CODES}
    if not all(counts.values()):
        raise JourneyError(f"the ledger lacks decisions: {counts}")
    _print(scene, done.output.splitlines())
    told = ", ".join(f"{number} {word.lower()}" for word, number in counts.items())
    scene.terminal.seen(f"the ledger holds the override and all decisions: {told}")


def _await_gate(
    scene: Scene,
    verdict: str,
    limit_seconds: float,
    *,
    needs: Sequence[str] = (),
    without: Sequence[str] = (),
    watch: bool = False,
) -> None:
    """
    Run `slo gate` until it says *verdict*, and print that answer in full.

    Args:
        needs: Texts that the answer must hold.
        without: Texts that it must not hold.
        watch: Print earlier answers too, a line for each that differs.

    Raises:
        JourneyError: It never did.
    """
    arguments = ["gate", SERVICE, "--engine", scene.engine.url]
    deadline = time.monotonic() + limit_seconds
    last = ""
    while True:
        done = scene.engine.run(arguments)
        found = _verdict(scene.engine, done)
        flat = " ".join(done.output.split())
        if (
            found == verdict
            and all(text in flat for text in needs)
            and not any(text in flat for text in without)
        ):
            break
        brief = f"slo gate: {scene.terminal.paint(found, _STYLES[found])}, {_because(flat)}"
        if watch and brief != last:
            scene.terminal.note(brief)
            last = brief
        if time.monotonic() >= deadline:
            raise JourneyError(
                f"step not seen within {limit_seconds:g} s: the gate says {verdict}; "
                f"the last answer:\n{done.output}"
            )
        time.sleep(_POLL_SECONDS)
    _command(scene, arguments)
    head, *rest = done.output.splitlines()
    painted = head.replace(verdict, scene.terminal.paint(verdict, _STYLES[verdict]), 1)
    _print(scene, [painted, *rest])
    scene.terminal.seen(f"the gate says {verdict.lower()}: exit code {done.code}")


def _verdict(engine: Engine, done: Done) -> str:
    word = done.output.partition(" ")[0]
    if _CODES.get(word) != done.code:
        raise JourneyError(
            f"slo gate ended with {done.code}; {engine.url} was asked:\n{done.output}"
        )
    return word


def _because(output: str) -> str:
    """Say in short what the answer in *output* rests on."""
    if _OVERRIDDEN in output:
        return "overridden"
    if _OLD in output:
        return "the numbers are too old"
    if _OLD_BUT_SAFE in output:
        return "the numbers are old, but prove that budget is left"
    return "the numbers are fresh"


def _command(scene: Scene, arguments: Sequence[str]) -> None:
    scene.terminal.note(f"$ slo {' '.join(arguments)}")


def _print(scene: Scene, lines: Sequence[str]) -> None:
    for line in lines:
        scene.terminal.line(f"        {line}".rstrip())
