"""Write samples as blocks of Prometheus's database, by promtool."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from slo.alerts.recorded_history import RecordedSeries
from slo.engine.backfill.state import Part, State
from slo.engine.promtool import find_promtool
from slo.errors import OutputError, ToolError

__all__ = ["SLICE_MS", "BlockTarget", "text_lines"]

SLICE_MS = 18 * 3_600_000
"""
What goes into one block. Prometheus compacts into 2, 6, 18, 54, ... hours, each a multiple of the
one before, so that no block of ours overlaps the border of one of the server's.
"""

_PROMTOOL_SECONDS = 1800.0


class BlockTarget:
    """
    Put blocks into a folder: whole, or not at all.

    Args:
        directory: The server's data folder, or any folder.
        state: Remembers which blocks hold what.
    """

    def __init__(self, directory: Path, state: State) -> None:
        self.directory, self._state = directory, state
        self._staging = state.folder / "blocks"
        self.slice = SLICE_MS

    def recover(self) -> None:
        """Finish what a killed run had begun to move; forget parts whose blocks are gone."""
        kept = []
        for part in self._state.parts:
            if all(self._moved(block, part.moving) for block in part.blocks):
                part.moving = False
                kept.append(part)
        self._state.parts = kept
        self._clear()

    def write(self, slos: list[str], start: int, end: int, series: list[RecordedSeries]) -> None:
        """
        Write *series*, the samples of *slos* from *start* until before *end*.

        Raises:
            ToolError: promtool failed.
            OutputError: The folder cannot be written.
        """
        part = Part(slos, start, end)
        if any(len(one.times) for one in series):
            self._clear()
            self._staging.mkdir(parents=True, exist_ok=True)
            text = self._staging / "samples.om"
            try:
                with text.open("w", encoding="utf-8") as out:
                    out.writelines(text_lines(series))
            except OSError as error:
                raise OutputError(f"{text}: {error.strerror or error}") from error
            self._promtool(text)
            text.unlink()
            part.blocks = sorted(path.name for path in self._staging.iterdir())
            part.moving = True
            self._state.parts.append(part)
            self._state.save()
            for block in part.blocks:
                self._move(block)
            part.moving = False
        else:
            self._state.parts.append(part)
        self._state.save()

    def close(self) -> None:
        """Leave no half-made block behind."""
        self._clear()

    def _moved(self, block: str, moving: bool) -> bool:
        if (self.directory / block).is_dir():
            return True
        if moving and (self._staging / block / "meta.json").is_file():
            self._move(block)
            return True
        return False

    def _move(self, block: str) -> None:
        source, target = self._staging / block, self.directory / block
        try:
            _give_to_owner(source, self.directory)
            source.rename(target)
        except OSError as error:
            raise OutputError(f"{target}: {error.strerror or error}") from error

    def _clear(self) -> None:
        import shutil

        shutil.rmtree(self._staging, ignore_errors=True)

    def _promtool(self, text: Path) -> None:
        argv = [
            find_promtool(),
            "tsdb",
            "create-blocks-from",
            f"--max-block-duration={SLICE_MS // 3_600_000}h",
            "openmetrics",
            "--quiet",
            str(text),
            str(self._staging),
        ]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PROMTOOL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ToolError(f"promtool did not end within {_PROMTOOL_SECONDS:g} s") from error
        except OSError as error:
            raise ToolError(f"{argv[0]}: {error.strerror or error}") from error
        if done.returncode != 0:
            raise ToolError(f"promtool could not write blocks:\n{done.stderr.strip()}")


def _give_to_owner(block: Path, directory: Path) -> None:
    """Let the server's user own what root writes into the server's folder."""
    owner = directory.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for path in (block, *block.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


def text_lines(series: Iterable[RecordedSeries]) -> Iterator[str]:
    """Yield *series* in the OpenMetrics text format, each in the order of its times."""
    for one in series:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in one.labels.items())
        head = f"{one.name}{{{labels}}} "
        for at, value in zip(one.times, one.values, strict=True):
            yield f"{head}{_number(value)} {at // 1000}.{at % 1000:03d}\n"
    yield "# EOF\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if value != value else repr(value)
