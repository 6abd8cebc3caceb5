"""Pauses, logs, lists of parts and ports are as the supervisor counts on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.errors import OutputError
from slo.stack.supervisor.folder import StackFolder
from slo.stack.supervisor.operating_system import end_group, listener_on, process_started
from slo.stack.supervisor.part import Asking, Part, parts_from_json, parts_to_json
from slo.stack.supervisor.part_log import PartLog
from slo.stack.supervisor.restarts import Restarts
from slo.stack.supervisor.state import (
    Condition,
    PartState,
    StackState,
    read_state,
    write_state,
)

names = st.text(min_size=1, max_size=8)


class TestRestarts:
    @given(st.lists(st.floats(0, 40), min_size=1, max_size=30), st.floats(0, 0.999))
    def test_pauses_are_bounded_and_never_zero(self, lives: list[float], jitter: float) -> None:
        restarts = Restarts(lambda: jitter)
        now = 0.0
        for life in lives:
            now += life
            pause = restarts.ended(now)

            assert 0.25 <= pause <= 60
            now += pause

    def test_pauses_double(self) -> None:
        restarts = Restarts(lambda: 1.0)
        pauses = []
        now = 0.0
        for _ in range(4):
            pauses.append(restarts.ended(now))
            now += 30

        assert [0.5, 1.0, 2.0, 4.0] == pauses

    def test_five_ends_within_a_minute_are_a_loop(self) -> None:
        restarts = Restarts(lambda: 1.0)
        for second in (0, 10, 20, 30):
            restarts.ended(second)
            assert not restarts.looping

        assert 60 == restarts.ended(59)
        assert restarts.looping

    def test_a_minute_up_ends_the_story(self) -> None:
        restarts = Restarts(lambda: 1.0)
        for second in range(5):
            restarts.ended(second)
        restarts.up(100)
        restarts.up(161)

        assert not restarts.looping
        assert 0.5 == restarts.ended(162)

    def test_moments_up_do_not(self) -> None:
        restarts = Restarts(lambda: 1.0)
        restarts.ended(0)
        restarts.up(1)
        restarts.up(2)

        assert 1.0 == restarts.ended(50)


class TestLists:
    @given(
        st.lists(
            st.builds(
                Part,
                name=names,
                argv=st.lists(names, max_size=3).map(tuple),
                folder=names,
                asking=st.builds(Asking, names, names, st.booleans(), names, names, names),
                environment=st.dictionaries(names, names, max_size=2),
                needs=st.lists(names, max_size=2).map(tuple),
                addresses=st.lists(names, max_size=2).map(tuple),
            ),
            max_size=3,
        ).map(tuple)
    )
    def test_parts_come_back_from_json(self, parts: tuple[Part, ...]) -> None:
        assert parts == parts_from_json(parts_to_json(parts))

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"parts": [{"name": "x"}]}', "null"])
    def test_other_json_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError):
            parts_from_json(text)

    def test_states_come_back_from_their_file(self, tmp_path: Path) -> None:
        state = PartState("x", Condition.CRASHING, 1.5, 7, 8, 9, "why", "l", "c")
        write_state(tmp_path / "state.json", 42, "mark", [state])

        assert StackState(42, "mark", (state,)) == read_state(tmp_path / "state.json")

    @pytest.mark.parametrize("text", ["", "{}", '{"supervisor": 1, "plan": "", "parts": [{}]}'])
    def test_a_state_of_another_version_counts_as_none(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "state.json").write_text(text)

        assert read_state(tmp_path / "state.json") is None
        assert read_state(tmp_path / "missing.json") is None


class TestLogs:
    def test_a_long_log_is_moved_aside_and_goes_on(self, tmp_path: Path) -> None:
        log = PartLog(tmp_path / "part.log", largest=10, kept=2)
        with log.open() as file:
            for text in (b"first line\n", b"second line\n", b"third line\n"):
                file.write(text)
                log.rotate()
            file.write(b"fourth\n")

        assert "fourth\n" == (tmp_path / "part.log").read_text()
        assert "third line\n" == (tmp_path / "part.log.1").read_text()
        assert "second line\n" == (tmp_path / "part.log.2").read_text()
        assert not (tmp_path / "part.log.3").exists()

    def test_a_short_log_stays(self, tmp_path: Path) -> None:
        log = PartLog(tmp_path / "part.log")
        with log.open() as file:
            file.write(b"a\nb\nc\n")
        log.rotate()

        assert ["b", "c"] == log.tail(2)
        assert [] == PartLog(tmp_path / "none.log").tail(2)


class TestFolders:
    def test_a_folder_belongs_to_one_stack(self, tmp_path: Path) -> None:
        StackFolder(tmp_path / "data").make("one")
        StackFolder(tmp_path / "data").make("one")

        with pytest.raises(OutputError, match="belongs to the stack `one`"):
            StackFolder(tmp_path / "data").make("two")

    def test_nothing_is_purged_without_the_marker(self, tmp_path: Path) -> None:
        (tmp_path / "storage").mkdir()

        with pytest.raises(OutputError, match="nothing is removed"):
            StackFolder(tmp_path).purge()
        assert (tmp_path / "storage").exists()

    def test_a_purge_does_not_follow_links(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "precious").write_text("x")
        folder = StackFolder(tmp_path / "data")
        folder.make("one")
        folder.data.rmdir()
        folder.data.symlink_to(outside)
        folder.purge()

        assert (outside / "precious").exists()
        assert not folder.root.exists()


class TestOperatingSystem:
    def test_names_who_listens(self) -> None:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            found = listener_on("127.0.0.1", server.getsockname()[1])

        assert found is not None
        assert os.getpid() == found.pid

    def test_a_free_port_has_nobody(self) -> None:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            port = server.getsockname()[1]

        assert listener_on("127.0.0.1", port) is None

    def test_ends_only_the_process_that_is_meant(self) -> None:
        sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
        process = subprocess.Popen(sleeper, start_new_session=True)
        try:
            started = process_started(process.pid)

            assert started
            assert not end_group(process.pid, started + 1, 1), "its number was given anew"
            assert process.poll() is None
            assert end_group(process.pid, started, 10)
            assert 0 != process.wait(10)
        finally:
            process.kill()
            process.wait()
