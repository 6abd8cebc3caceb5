"""Have the doctor look at the demo's stack."""

from __future__ import annotations

from slo.stack.demo.engine import run_slo
from slo.stack.demo.scene import JourneyError, Scene

__all__ = ["green"]

_STYLES = {"ok": "green", "warning": "yellow", "skipped": "dim"}
_COLUMNS = "92"
_LIMIT_SECONDS = 90.0


def green(scene: Scene) -> None:
    """
    See the doctor find nothing wrong.

    Raises:
        JourneyError: It found something.
    """
    terminal = scene.terminal
    arguments = ["stack", "doctor", "--settings", str(scene.stack.settings)]
    terminal.note(f"$ slo {' '.join(arguments)}")
    environment = {"COLUMNS": _COLUMNS, "NO_COLOR": "1"}
    done = run_slo(arguments, environment, limit_seconds=_LIMIT_SECONDS)
    if done.code != 0:
        raise JourneyError(f"slo stack doctor ended with {done.code}:\n{done.output}")
    for line in done.output.splitlines():
        word = line.partition(" ")[0]
        painted = terminal.paint(word, _STYLES[word]) if word in _STYLES else word
        terminal.line(f"        {painted}{line[len(word) :]}".rstrip())
    terminal.seen("the doctor found nothing wrong: exit code 0")
