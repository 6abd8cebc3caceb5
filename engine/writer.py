"""
Write artifacts all or nothing.

Every file is first written to a staging folder beside its target; only when all are on disk do
they replace the old ones, each by one rename. Files of an earlier run that this one no longer
makes are removed, but never a file that does not carry our header.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from slo.artifact import GENERATED, Artifact
from slo.errors import OutputError

__all__ = ["Changes", "Staged", "Staging", "compare", "diff", "write_artifacts"]

_HEADER = GENERATED.encode()
# JSON has no comments: a dashboard of ours begins with its uid.
_DASHBOARD = b'{\n  "uid": "slostack-'
_STAGING = ".slo-"


@dataclass(frozen=True, slots=True)
class Changes:
    """Name the files that a run adds, changes and removes, relative to its folder."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Tell whether the folder differs from what was compiled."""
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class Staged:
    """
    Hold the place of one artifact that waits for its rename.

    Args:
        path: Target, relative to the output folder.
        source: File in the staging folder; `None` when the target is current already.
        new: Whether there is no such file yet.
    """

    path: str
    source: str | None
    new: bool


class Staging:
    """Collect artifacts beside *folder* until all of them can replace what is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._staging: Path | None = None
        self._made_folder = False

    def __enter__(self) -> Staging:
        try:
            self._made_folder = not self._folder.exists()
            self._folder.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(self._folder)
            # The process id keeps runs apart; what a killed run of that id left is ours to use.
            self._staging = self._folder / f"{_STAGING}{os.getpid()}"
            self._staging.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._folder}: {error.strerror or error}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._staging is None:
            return
        _remove(self._staging)
        with suppress(OSError):
            if self._made_folder and not any(self._folder.iterdir()):
                self._folder.rmdir()

    def stage(self, artifact: Artifact) -> Staged:
        """
        Write *artifact* to the staging folder unless its target holds it already.

        Raises:
            OutputError: It cannot be written; nothing has been changed.
        """
        assert self._staging is not None
        target = self._folder / artifact.path
        data = artifact.text.encode()
        current = _read(target)
        if current == data:
            return Staged(artifact.path, None, new=False)
        if target.is_dir():
            raise OutputError(f"{target}: is a folder, not a file; nothing changed")
        source = self._staging / artifact.path.replace("/", "__")
        try:
            source.write_bytes(data)
        except OSError as error:
            raise OutputError(f"{target}: {error.strerror or error}; nothing changed") from error
        return Staged(artifact.path, str(source), new=current is None)

    def commit(self, staged: Iterable[Staged], folders: Iterable[str]) -> Changes:
        """
        Make the folder hold exactly *staged* and return what changed.

        Args:
            folders: Sub-folders that this run is responsible for; others are left alone.

        Raises:
            OutputError: A rename failed; the message says how many files are new.
        """
        files = tuple(staged)
        wanted = {file.path for file in files}
        removed = tuple(p for p in _ours(self._folder, folders) if p not in wanted)
        waiting = [file for file in files if file.source is not None]
        _replace(waiting, self._folder, removed)
        return Changes(
            tuple(sorted(file.path for file in waiting if file.new)),
            tuple(sorted(file.path for file in waiting if not file.new)),
            removed,
        )


def _remove(staging: Path) -> None:
    # By hand: shutil and tempfile would cost a tenth of a small run's time to import.
    with suppress(OSError):
        for left in staging.iterdir():
            left.unlink()
        staging.rmdir()


def _remove_abandoned(folder: Path) -> None:
    """Remove the staging folders of runs that were killed."""
    for staging in folder.glob(f"{_STAGING}*"):
        process = staging.name.removeprefix(_STAGING)
        if not process.isdigit():
            continue
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            _remove(staging)
        except OSError:
            continue  # it runs, as somebody else


def write_artifacts(artifacts: Iterable[Artifact], folder: Path, folders: Iterable[str]) -> Changes:
    """
    Make *folder* hold *artifacts* and return what changed.

    Raises:
        OutputError: Something cannot be written; the folder is as it was before, unless the
            disk failed between two renames, which the message then says.
    """
    with Staging(folder) as staging:
        return staging.commit([staging.stage(a) for a in artifacts], folders)


def compare(artifacts: Iterable[Artifact], folder: Path, folders: Iterable[str]) -> Changes:
    """
    Return how *folder* differs from *artifacts*.

    Args:
        folders: Sub-folders that this run is responsible for; others are left alone.
    """
    wanted = {artifact.path: artifact.text.encode() for artifact in artifacts}
    added, changed = [], []
    for path, data in wanted.items():
        current = _read(folder / path)
        if current is None:
            added.append(path)
        elif current != data:
            changed.append(path)
    removed = [path for path in _ours(folder, folders) if path not in wanted]
    return Changes(tuple(sorted(added)), tuple(sorted(changed)), tuple(sorted(removed)))


def diff(artifacts: Iterable[Artifact], folder: Path, changes: Changes) -> Iterator[str]:
    """Yield the lines of a unified diff from *folder* to *artifacts*."""
    import difflib  # only for --check: it costs start-up time

    wanted = {artifact.path: artifact.text for artifact in artifacts}
    for path in sorted((*changes.added, *changes.changed, *changes.removed)):
        before = (_read(folder / path) or b"").decode("utf-8", "replace").splitlines()
        after = wanted.get(path, "").splitlines()
        yield from difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm="")


def _replace(staged: list[Staged], folder: Path, removed: Iterable[str]) -> None:
    done = 0
    try:
        for file in staged:
            assert file.source is not None
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(file.source, folder / file.path)  # noqa: PTH105 - documented as atomic
            done += 1
        for path in removed:
            (folder / path).unlink(missing_ok=True)
    except OSError as error:
        state = f"{done} of {len(staged)} files are new" if done else "nothing changed"
        # Of a rename, the second name is the target, which is the one that the user knows.
        name = error.filename2 or error.filename
        raise OutputError(f"{name}: {error.strerror or error}; {state}") from error


def _ours(folder: Path, folders: Iterable[str]) -> Iterator[str]:
    for name in folders:
        below = folder / name
        found = (*below.glob("*.yaml"), *below.glob("copies/*.yaml"), *below.glob("*.json"))
        for path in sorted(found):
            if _starts_with_header(path):
                yield path.relative_to(folder).as_posix()


def _starts_with_header(path: Path) -> bool:
    longest = max(_HEADER, _DASHBOARD, key=len)
    try:
        with path.open("rb") as file:
            return file.read(len(longest)).startswith((_HEADER, _DASHBOARD))
    except OSError:
        return False


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}; nothing changed") from error
