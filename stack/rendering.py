"""
Write a tree of generated files all or nothing, and keep what people changed in it.

A manifest beside the files holds the hash of each as it was written: what still has that hash is
ours to change or remove, everything else is somebody's work.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from slo.artifact import Artifact
from slo.errors import OutputError

__all__ = ["MANIFEST", "TreeChanges", "compare_tree", "diff_tree", "write_tree"]

MANIFEST = ".slostack-files.json"
# Programs in containers run as users of their own, who have to read this.
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755


@dataclass(frozen=True, slots=True)
class TreeChanges:
    """
    Name the files that a run adds, changes and removes, relative to its folder.

    Args:
        edited: Files that somebody changed since they were written.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Tell whether the folder differs from what was rendered."""
        return bool(self.added or self.changed or self.removed)


def compare_tree(artifacts: Iterable[Artifact], folder: Path) -> TreeChanges:
    """
    Return how *folder* differs from *artifacts*.

    Raises:
        OutputError: It cannot be read.
    """
    wanted = {artifact.path: artifact.text.encode() for artifact in artifacts}
    written = _manifest(folder)
    added, changed, edited = [], [], []
    for path, data in wanted.items():
        current = _read(folder / path)
        if current is None:
            added.append(path)
        elif current != data:
            changed.append(path)
            if _hash(current) != written.get(path):
                edited.append(path)
    removed = []
    for path, known in written.items():
        current = None if path in wanted else _read(folder / path)
        if current is not None and _hash(current) == known:
            removed.append(path)
    return TreeChanges(*(tuple(sorted(found)) for found in (added, changed, removed, edited)))


def write_tree(artifacts: Iterable[Artifact], folder: Path, *, force: bool = False) -> TreeChanges:
    """
    Make *folder* hold *artifacts* and return what changed.

    Args:
        force: Overwrite what people changed, too.

    Raises:
        OutputError: Somebody changed a file that would be overwritten, or something cannot be
            written; the folder is as it was before, unless the disk failed between two renames.
    """
    files = tuple(artifacts)
    changes = compare_tree(files, folder)
    if changes.edited and not force:
        raise OutputError(
            f"{', '.join(str(folder / path) for path in changes.edited)}: not as it was written; "
            "nothing changed.\nMove your changes to the settings or the specs, or overwrite them "
            "with --force"
        )
    manifest = {a.path: _hash(a.text.encode()) for a in sorted(files, key=lambda a: a.path)}
    if not changes.any and _manifest(folder) == manifest:
        return changes
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that a rename is one step.
        staging = Path(tempfile.mkdtemp(prefix=".slo-", dir=folder))
    except OSError as error:
        raise OutputError(f"{error.filename or folder}: {error.strerror}") from error
    try:
        _stage(files, changes, staging, json.dumps(manifest, indent=1) + "\n")
        _commit(changes, staging, folder)
    except OSError as error:
        name = error.filename2 or error.filename or folder
        raise OutputError(f"{name}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return changes


def _stage(files: Iterable[Artifact], changes: TreeChanges, staging: Path, manifest: str) -> None:
    new = {*changes.added, *changes.changed}
    for artifact in files:
        if artifact.path in new:
            target = staging / artifact.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(artifact.text.encode())
            target.chmod(_FILE_MODE)
    (staging / MANIFEST).write_text(manifest, "utf-8")


def _commit(changes: TreeChanges, staging: Path, folder: Path) -> None:
    for path in (*changes.added, *changes.changed):
        _make_folders(folder, Path(path).parent)
        os.replace(staging / path, folder / path)  # noqa: PTH105 - documented as atomic
    os.replace(staging / MANIFEST, folder / MANIFEST)  # noqa: PTH105
    for path in changes.removed:
        (folder / path).unlink(missing_ok=True)
        _remove_empty(folder, Path(path).parent)


def _make_folders(folder: Path, below: Path) -> None:
    for parent in (*reversed(below.parents), below):
        made = folder / parent
        if not made.is_dir():
            made.mkdir()
            made.chmod(_FOLDER_MODE)


def _remove_empty(folder: Path, below: Path) -> None:
    for parent in (below, *below.parents):
        if parent == Path() or any((folder / parent).iterdir()):
            return
        (folder / parent).rmdir()


def diff_tree(artifacts: Iterable[Artifact], folder: Path, changes: TreeChanges) -> Iterator[str]:
    """Yield the lines of a unified diff from *folder* to *artifacts*."""
    import difflib

    wanted: Mapping[str, str] = {artifact.path: artifact.text for artifact in artifacts}
    for path in sorted((*changes.added, *changes.changed, *changes.removed)):
        before = (_read(folder / path) or b"").decode("utf-8", "replace").splitlines()
        after = wanted.get(path, "").splitlines()
        yield from difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm="")


def _manifest(folder: Path) -> dict[str, str]:
    data = _read(folder / MANIFEST)
    if data is None:
        return {}
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}; nothing changed") from error
