"""Large answers are packed once, and are the same answers."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from slo.engine.api.packing import gzipped, packed, wants_gzip

from .made import Made, made, snapshot, status

MANY = snapshot(*(status(f"service-{n:04}/availability") for n in range(300)))


def pack(head: bytes, rest: bytes) -> bytes:
    async def work() -> bytes:
        return gzipped(head, rest, await packed({}, "", rest))

    return asyncio.run(work())


@given(st.binary(max_size=2_000), st.binary(max_size=20_000))
def test_head_and_rest_make_one_stream(head: bytes, rest: bytes) -> None:
    assert head + rest == gzip.decompress(pack(head, rest))


def test_the_rest_is_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks at the same time waits for the same work."""
    counted: list[bytes] = []

    def deflated(rest: bytes) -> bytes:
        counted.append(rest)
        return b"packed"

    monkeypatch.setattr("slo.engine.api.packing._deflated", deflated)

    async def work() -> list[bytes]:
        kept: dict[str, asyncio.Task[bytes]] = {}
        asked = [packed(kept, "all", b"rest") for _ in range(50)]
        return await asyncio.gather(*asked, packed(kept, "other", b"rest"))

    assert {b"packed"} == set(asyncio.run(work()))
    assert 2 == len(counted)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5, br", True),
        ("*", True),
        ("identity, *;q=0", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=x", False),
        ("", False),
        ("br", False),
    ],
)
def test_who_wants_it(header: str, wanted: bool) -> None:
    assert wanted is wants_gzip(Headers({"accept-encoding": header}))


class TestAnswers:
    def test_are_the_same_packed_and_plain(self, tmp_path: Path) -> None:
        with made(tmp_path, MANY) as api:
            plain = api.client.get("/v1/slos", headers={"Accept-Encoding": "identity"})
            packed_ = api.client.get("/v1/slos", headers={"Accept-Encoding": "gzip"})

        assert plain.json() == packed_.json()
        assert "gzip" == packed_.headers["content-encoding"]
        assert "content-encoding" not in plain.headers
        assert "Accept-Encoding" == plain.headers["vary"] == packed_.headers["vary"]
        assert plain.headers["etag"] == packed_.headers["etag"]
        assert int(packed_.headers["content-length"]) * 8 < int(plain.headers["content-length"])

    def test_show_the_age_of_now(self, tmp_path: Path) -> None:
        """What was packed before does not keep the answer from ageing."""
        with made(tmp_path, MANY) as api:
            first = api.client.get("/v1/slos").json()
            api.now += 7
            second = api.client.get("/v1/slos").json()

        assert 7 == second["age"] - first["age"]

    def test_follow_the_snapshot(self, tmp_path: Path) -> None:
        with made(tmp_path, MANY) as api:
            api.client.get("/v1/slos")
            fewer = snapshot(*MANY.statuses[:200], number=2)
            api.publish(fewer)

            assert 200 == api.client.get("/v1/slos").json()["total"]

    def test_that_are_known_have_no_body(self, tmp_path: Path) -> None:
        with made(tmp_path, MANY) as api:
            tag = api.client.get("/v1/slos").headers["etag"]
            again = api.client.get("/v1/slos", headers={"If-None-Match": tag})

        assert (304, b"", "Accept-Encoding") == (
            again.status_code,
            again.content,
            again.headers["vary"],
        )

    @pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/v1/services"])
    def test_others_are_packed_as_well(self, tmp_path: Path, path: str) -> None:
        with made(tmp_path, MANY) as api:
            answer = api.client.get(path)

        assert "gzip" == answer.headers["content-encoding"]
        assert answer.text

    def test_small_ones_are_not(self, api: Made) -> None:
        answer = api.client.get("/v1/sources")

        assert "content-encoding" not in answer.headers
        assert 1 == len(json.loads(answer.content)["sources"])

    def test_head_has_the_length_and_no_body(self, tmp_path: Path) -> None:
        with made(tmp_path, MANY) as api:
            got = api.client.get("/v1/slos")
            head = api.client.head("/v1/slos")

        assert (b"", "gzip") == (head.content, head.headers["content-encoding"])
        assert abs(int(got.headers["content-length"]) - int(head.headers["content-length"])) < 9
