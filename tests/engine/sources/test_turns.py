"""Long work lets others have a turn, and is the same work."""

from __future__ import annotations

import pytest

from slo.engine.sources import turns


def test_everything_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left out or moved, and others have a turn after every ten."""
    given: list[int] = []
    done: list[int] = []
    monkeypatch.setattr(turns, "yield_turn", lambda: given.append(len(done)))

    for item in turns.in_turns(range(25), 10):
        done.append(item)

    assert list(range(25)) == done
    assert [10, 20] == given
