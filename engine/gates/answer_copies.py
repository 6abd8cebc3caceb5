"""
Keep a signed copy of each last answer, for when the engine is away.

The key lies beside the copies and is readable by its owner only: who can change a copy could
run another gate as well, but a copy that another user or a broken disk changed is found out.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

from slo.engine.gates.decision import GateDecision, canonical, decision_from_json

__all__ = ["AnswerCopies", "default_folder"]

_KEY_BYTES = 32


def default_folder() -> Path:
    """Return where copies are kept unless somebody says otherwise."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "slostack" / "gate"


class AnswerCopies:
    """
    Keep copies of answers in a folder; a copy that cannot be kept or read is as good as none.

    Args:
        problems: Takes what went wrong, as sentences.
    """

    def __init__(self, folder: Path, problems: list[str]) -> None:
        self._folder = folder
        self._problems = problems

    def keep(self, name: str, decision: GateDecision) -> None:
        """Keep *decision* as the last answer to what *name* stands for."""
        try:
            key = self._key(make=True)
            if key is None:
                return
            body = replace(decision, signature=None).to_json()
            body["signature"] = _signature(key, name, body)
            self._write(self._path(name), json.dumps(body).encode())
        except OSError as error:
            self._problems.append(f"no copy of the answer is kept: {error}")

    def last(self, name: str) -> GateDecision | None:
        """Return the last answer to what *name* stands for, whether expired or not."""
        try:
            data = self._path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._problems.append(f"the copy of the last answer cannot be read: {error}")
            return None
        try:
            key = self._key(make=False)
            body = json.loads(data)
            signature = body["signature"]
            body["signature"] = None
            if key and hmac.compare_digest(_signature(key, name, body), signature):
                return decision_from_json(body)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self._problems.append("the copy of the last answer was changed; it is not used")
        return None

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.json"

    def _key(self, *, make: bool) -> bytes | None:
        path = self._folder / "key"
        if make and not path.exists():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(path, secrets.token_bytes(_KEY_BYTES), new=True)
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            self._problems.append(f"{path} is readable by others; no copy of an answer is used")
            return None
        key = path.read_bytes()
        return key if len(key) == _KEY_BYTES else None

    def _write(self, path: Path, data: bytes, *, new: bool = False) -> None:
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".")
        draft = Path(name)
        try:
            # Made by `mkstemp` for its owner only.
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if new:
                # Of several that begin at once, one makes the key.
                with contextlib.suppress(FileExistsError):
                    path.hardlink_to(draft)
            else:
                draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _signature(key: bytes, name: str, body: object) -> str:
    text = name.encode() + b"\n" + canonical(body)
    return f"hmac-sha256:{hmac.new(key, text, hashlib.sha256).hexdigest()}"
