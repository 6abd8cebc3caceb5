"""A copy of an answer is used only as it was written, by who wrote it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from slo.engine.gates.answer_copies import AnswerCopies, default_folder
from slo.engine.gates.evaluate import evaluate
from slo.engine.gates.policy import DEFAULT_POLICY
from slo.engine.gates.request import GateRequest

from .built import NOW, snapshot, status

ANSWER = evaluate(DEFAULT_POLICY, GateRequest("checkout"), snapshot(status(0.5)), now=NOW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "gate"


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def copies(folder: Path, problems: list[str]) -> AnswerCopies:
    return AnswerCopies(folder, problems)


def copy_of(folder: Path) -> Path:
    (path,) = folder.glob("*.json")
    return path


def test_an_answer_comes_back_as_it_was(copies: AnswerCopies, problems: list[str]) -> None:
    assert copies.last("a") is None
    copies.keep("a", ANSWER)

    assert ANSWER == copies.last("a")
    assert copies.last("b") is None
    assert [] == problems


def test_only_the_owner_can_read_them(copies: AnswerCopies, folder: Path) -> None:
    copies.keep("a", ANSWER)

    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    assert {"key"} == {p.name for p in folder.iterdir() if p.suffix != ".json"}


def edit(path: Path) -> None:
    body = json.loads(path.read_text())
    body["verdict"], body["expires_at"] = "allow", NOW + 1e6
    path.write_text(json.dumps(body))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def unsign(path: Path) -> None:
    body = json.loads(path.read_text())
    body["signature"] = None
    path.write_text(json.dumps(body))


def rekey(path: Path) -> None:
    (path.parent / "key").write_bytes(os.urandom(32))


def drop_key(path: Path) -> None:
    (path.parent / "key").unlink()


@pytest.mark.parametrize("change", [edit, cut, unsign, rekey, drop_key])
def test_a_copy_that_was_changed_is_not_used(
    change: Callable[[Path], None], copies: AnswerCopies, folder: Path, problems: list[str]
) -> None:
    copies.keep("a", ANSWER)
    change(copy_of(folder))

    assert copies.last("a") is None
    assert ["the copy of the last answer was changed; it is not used"] == problems


def test_a_copy_of_another_answer_is_not_used(
    copies: AnswerCopies, folder: Path, problems: list[str]
) -> None:
    copies.keep("a", ANSWER)
    text = copy_of(folder).read_bytes()
    copies.keep("b", ANSWER)
    for path in folder.glob("*.json"):
        path.write_bytes(text)

    assert [True, False] == [copies.last(name) is not None for name in ("a", "b")]
    assert problems


def test_a_key_that_others_can_read_is_not_used(
    copies: AnswerCopies, folder: Path, problems: list[str]
) -> None:
    copies.keep("a", ANSWER)
    (folder / "key").chmod(0o644)

    assert copies.last("a") is None
    assert "readable by others" in problems[0]


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    problems: list[str] = []
    (tmp_path / "file").write_text("")

    copies = AnswerCopies(tmp_path / "file" / "gate", problems)
    copies.keep("a", ANSWER)

    assert copies.last("a") is None
    assert "no copy of the answer is kept" in problems[0]


def test_the_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert tmp_path / "slostack" / "gate" == default_folder()
