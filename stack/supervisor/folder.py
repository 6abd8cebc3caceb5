"""Say where a local stack keeps its things, and make sure that a folder is its own."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from slo.errors import OutputError

__all__ = ["StackFolder", "write_whole"]

_MARKER = ".slostack"
_OURS = ("config", "storage", "logs", "run", "staging")
_IGNORE = "# Data and logs of a running stack never go into version control.\n*\n"


class StackFolder:
    """
    Know the layout below *root*, which belongs to one stack alone.

    Args:
        root: Need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))  # noqa: PTH100 - links stay as the user wrote them
        self.config = self.root / "config"
        self.data = self.root / "storage"
        self.logs = self.root / "logs"
        self.staging = self.root / "staging"
        self.run = self.root / "run"
        self.parts_file = self.run / "parts.json"
        self.state_file = self.run / "state.json"
        self.lock_file = self.run / "supervisor.lock"
        self.up_lock_file = self.run / "up.lock"
        self.supervisor_log = self.logs / "supervisor.log"

    @property
    def is_ours(self) -> bool:
        """Tell whether the folder was made by a stack."""
        return (self.root / _MARKER).is_file()

    def log(self, part: str) -> Path:
        """Return the log of *part*."""
        return self.logs / f"{part}.log"

    def make(self, stack: str) -> None:
        """
        Make the folder of *stack*, or find it made.

        Raises:
            OutputError: It holds something else, belongs to another stack, or cannot be written.
        """
        marker = self.root / _MARKER
        try:
            if self.root.exists() and not marker.exists() and any(self.root.iterdir()):
                raise OutputError(
                    f"{self.root} holds other files: it is no folder of a stack.\n"
                    "Name another one with `data:` in the settings"
                )
            for folder in (self.config, self.data, self.logs, self.run):
                folder.mkdir(parents=True, exist_ok=True)
            # Arguments and states of programs concern nobody else on this machine.
            self.run.chmod(0o700)
            if not marker.exists():
                write_whole(marker, json.dumps({"stack": stack}) + "\n")
                write_whole(self.root / ".gitignore", _IGNORE)
            owner = json.loads(marker.read_text("utf-8")).get("stack")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{self.root}: {reason}") from error
        if owner != stack:
            raise OutputError(
                f"{self.root} belongs to the stack `{owner}`, not to `{stack}`.\n"
                "Name another folder with `data:` in the settings"
            )

    def size(self) -> int:
        """Return how many bytes are below the folder."""
        total = 0
        for path in self.root.rglob("*"):
            # Programs remove files of their own meanwhile.
            with suppress(OSError):
                if not path.is_symlink() and path.is_file():
                    total += path.stat().st_size
        return total

    def purge(self) -> None:
        """
        Remove everything that a stack made here, and the folder itself if nothing else is in it.

        Raises:
            OutputError: The folder is not a stack's, or something cannot be removed.
        """
        if not self.is_ours:
            raise OutputError(f"{self.root} has no marker of a stack: nothing is removed")
        try:
            for name in _OURS:
                path = self.root / name
                if path.is_symlink():
                    path.unlink()
                elif path.exists():
                    shutil.rmtree(path)
            (self.root / ".gitignore").unlink(missing_ok=True)
            # The marker goes last, so that what is left of a purge can be purged again.
            (self.root / _MARKER).unlink()
            if not any(self.root.iterdir()):
                self.root.rmdir()
        except OSError as error:
            raise OutputError(f"{error.filename}: {error.strerror}") from error


def write_whole(path: Path, text: str) -> None:
    """Write *text* so that a reader sees the old content or the new, never half of it."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    waiting.write_text(text, encoding="utf-8")
    waiting.replace(path)
