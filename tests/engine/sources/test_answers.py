"""Answers are read as they were sent, and what is none is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.engine.sources import answers
from slo.engine.sources.answers import failure_of, read_answer
from slo.engine.sources.protocol import BadAnswer, QueryRefused, TooMuchData, Unavailable

URL = "http://server"

_labels = st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4)
_series = st.tuples(_labels, st.floats(0, 2e9), st.floats(allow_nan=False))


def body(result: list[Any], **more: Any) -> bytes:
    data = {"resultType": "vector", "result": result}
    compact = json.dumps({"status": "success", "data": data, **more}, separators=(",", ":"))
    return compact.encode()


@given(st.lists(_series, max_size=30), st.integers(1, 300))
def test_what_was_sent(series: list[tuple[dict[str, str], float, float]], piece: int) -> None:
    """Every series comes back with its labels and its value, wherever the text is cut."""
    result = [{"metric": labels, "value": [at, repr(value)]} for labels, at, value in series]
    before = answers._PIECE
    answers._PIECE = piece
    try:
        found = read_answer(URL, body(result), 5.0)
    finally:
        answers._PIECE = before

    assert [(labels, ((at, value),)) for labels, at, value in series] == [
        (one.labels, one.samples) for one in found.series
    ]
    assert 5.0 == found.answered_at


def test_a_label_that_looks_like_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text in a label is never taken for the end of a series."""
    monkeypatch.setattr(answers, "_PIECE", 1)
    value = '"},{"metric":{"a":"b"}'
    result = [{"metric": {"label": value}, "value": [1, "1"]}] * 3

    found = read_answer(URL, body(result), None)

    assert [value] * 3 == [one.labels["label"] for one in found.series]


def test_loose_json() -> None:
    """Spaces between the parts do no harm."""
    text = json.dumps(json.loads(body([{"metric": {}, "value": [1, "NaN"]}] * 2)), indent=2)

    assert 2 == len(read_answer(URL, text.encode(), None).series)


def test_warnings_and_infos() -> None:
    """What the server says about its answer is kept, also that it is partial."""
    found = read_answer(URL, body([], warnings=["a"], infos=["b"], isPartial=True), None)

    assert ("a", "b", "the answer is partial") == found.warnings


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>502</html>",
        b"\xff\xfe",
        b"null",
        b'{"status":"success"}',
        b'{"status":"success","data":{"resultType":"vector","result":[',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[1]}}',
        b'{"status":"success","data":{"resultType":"vector","result":'
        b'[{"metric":5,"value":[1,"1"]}]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":"x"}]}}',
        b'{"status":"error","data":{"resultType":"vector","result":[]}}',
        b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}',
        b'{"status":"success","data":{"resultType":"string","result":[]}}',
        b'{"data":{"resultType":"vector","result":[]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[' + b"[" * 100_000,
    ],
)
def test_no_answer(text: bytes) -> None:
    """Whatever is not an answer is said to be none."""
    with pytest.raises(BadAnswer, match=r"http://server"):
        read_answer(URL, text, None)


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (400, "parse error", QueryRefused),
        (422, "many-to-many matching not allowed", QueryRefused),
        (422, "query processing would load too many samples into memory", TooMuchData),
        (422, "cannot execute query: timeout exceeded", Unavailable),
        (429, "", Unavailable),
        (500, "", Unavailable),
        (503, "query timed out in expression evaluation", Unavailable),
        (530, "", Unavailable),
        (302, "", BadAnswer),
        (401, "", BadAnswer),
        (404, "", BadAnswer),
    ],
)
def test_failures(status: int, words: str, expected: type) -> None:
    """A wrong query is told from an outage, and from a server that is something else."""
    error = failure_of(URL, status, json.dumps({"error": words}).encode())

    assert expected is type(error)
    assert words in str(error)
