"""Find the programs of this machine that the stack runs, and their versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from slo.version import __version__

__all__ = ["Program", "find", "remedy"]

_VERSION_SECONDS = 10.0
_VERSION = re.compile(r"\bv?(\d+)\.(\d+)(?:\.(\d+))?")
# Names under which a program is known: upstream's, Debian's, those of distributions.
_NAMES = {
    "otelcol": ("otelcol", "otelcol-slostack", "otelcol-contrib"),
    "prometheus-alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "grafana-server": ("grafana-server", "grafana"),
}
_FOLDERS = ("/usr/share/grafana/bin", "/usr/local/bin", "/opt/jaeger", "/opt/loki")
_REMEDIES = {
    "amtool": "install the Debian package prometheus-alertmanager",
    "grafana-server": "install Grafana from its makers' packages",
    "jaeger": "run `scripts/build-jaeger`, or put Jaeger 2 (`jaeger`) on the PATH",
    "loki": "put `loki` on the PATH",
    "otelcol": "run `scripts/build-collector`, or put `otelcol-contrib` on the PATH",
    "prometheus": "install the Debian package prometheus",
    "prometheus-alertmanager": "install the Debian package prometheus-alertmanager",
    "promtool": "install the Debian package prometheus",
    "victoria-metrics": "install the Debian package victoria-metrics",
    "vmalert": "install the Debian package victoria-metrics",
}


class Program(NamedTuple):
    """
    Name a program of this machine.

    Args:
        argv: How it is started.
        version: As it says itself; empty where it does not.
        mark: Changes when the program does.
    """

    argv: tuple[str, ...]
    version: str
    mark: str

    @property
    def release(self) -> tuple[int, int] | None:
        """Return the first two numbers of the version."""
        found = _VERSION.search(self.version)
        return (int(found[1]), int(found[2])) if found else None


def find(name: str) -> Program | None:
    """Return the program *name*, or `None` where this machine has none."""
    if name == "slo":
        # The one that runs now, whatever the PATH says.
        return Program((sys.executable, "-m", "slo.engine.cli"), __version__, __version__)
    path = next(_candidates(name), None)
    if path is None:
        return None
    argv = (path, "server") if Path(path).name == "grafana" else (path,)
    status = os.stat(path)  # noqa: PTH116 - follows the links of alternatives
    mark = f"{path}:{status.st_size}:{status.st_mtime_ns}"
    return Program(argv, _version(path, mark), mark)


def remedy(name: str) -> str:
    """Return what to do where the program *name* is missing."""
    return _REMEDIES.get(name, f"put `{name}` on the PATH")


def _candidates(name: str) -> Iterator[str]:
    for known in _NAMES.get(name, (name,)):
        found = shutil.which(known) or shutil.which(known, path=os.pathsep.join(_FOLDERS))
        if found:
            yield str(Path(found).absolute())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slostack"
    # What the scripts of this project have built; the newest first.
    built = [p for known in _NAMES.get(name, (name,)) for p in cache.glob(f"*/{known}")]
    for path in sorted(built, key=lambda p: p.stat().st_mtime, reverse=True):
        if path.is_file() and os.access(path, os.X_OK) and not path.parent.name.startswith("stag"):
            yield str(path)


@cache
def _version(path: str, _mark: str) -> str:
    """Return what the program says, asked once for each content of the file."""
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _VERSION.search(done.stdout) or _VERSION.search(done.stderr)
    return found[0].removeprefix("v") if found else ""
