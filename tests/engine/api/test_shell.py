from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slo.engine.api.limits import LARGEST_BODY
from slo.engine.api.shell import Doors, host_name

from .made import JSON, Made, bearer, made, shop


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/v1/slos", "/nowhere", "/healthz", "/openapi.json"])
    def test_of_security_are_on_every_answer(self, api: Made, path: str) -> None:
        headers = api.client.get(path).headers

        assert "nosniff" == headers["x-content-type-options"]
        assert "DENY" == headers["x-frame-options"]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "access-control-allow-origin" not in headers
        assert "strict-transport-security" not in headers

    def test_keep_to_https_where_it_is_served(self, tmp_path: Path) -> None:
        with made(tmp_path, shop(), doors=Doors(secure=True)) as api:
            assert "strict-transport-security" in api.client.get("/healthz").headers

    def test_name_the_request(self, api: Made) -> None:
        given = api.client.get("/nowhere", headers={"X-Request-Id": "abc-1"})
        odd = api.client.get("/nowhere", headers={"X-Request-Id": "a b\t<script>"})

        assert "abc-1" == given.headers["x-request-id"] == given.json()["request_id"]
        assert "script" not in odd.headers["x-request-id"]

    def test_keep_answers_out_of_caches(self, api: Made) -> None:
        assert "no-store" == api.client.get("/v1/decisions").headers["cache-control"]


class TestProblems:
    @pytest.mark.parametrize(
        ("method", "path", "options", "status"),
        [
            ("GET", "/nowhere", {}, 404),
            ("GET", "/v1/slos/", {}, 404),
            ("PUT", "/v1/slos", {}, 405),
            ("GET", "/v1/slos?limit=x", {}, 422),
            ("POST", "/v1/freezes", {"content": b"{", "headers": JSON}, 400),
            ("POST", "/v1/freezes", {"json": {}}, 422),
            ("POST", "/v1/gates/evaluate", {"content": b"{", "headers": JSON}, 400),
            ("POST", "/v1/gates/evaluate", {"json": {"servce": "x"}}, 422),
            ("POST", "/v1/gates/evaluate", {"content": b"[" * 60_000, "headers": JSON}, 400),
            ("POST", "/v1/freezes", {"content": b"x" * (LARGEST_BODY + 1), "headers": JSON}, 413),
            ("GET", "/v1/slos?service=" + "x" * 9_000, {}, 414),
            ("GET", "/v1/slos", {"headers": {"Authorization": "Bearer x"}}, 401),
        ],
    )
    def test_say_what_is_wrong(
        self, api: Made, method: str, path: str, options: dict[str, Any], status: int
    ) -> None:
        answer = api.client.request(method, path, **options)

        assert status == answer.status_code
        assert "application/problem+json" == answer.headers["content-type"]
        body = answer.json()
        assert status == body["status"]
        assert {"type", "title", "detail", "request_id"} <= body.keys()

    def test_methods_are_named_where_another_one_was_used(self, api: Made) -> None:
        assert "GET" == api.client.put("/v1/services").headers["allow"]

    def test_mistakes_of_ours_show_nothing(
        self, api: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken() -> None:
            raise RuntimeError("the secret is 42")

        monkeypatch.setattr(api.parts.views, "now", broken)
        with caplog.at_level(logging.ERROR):
            answer = api.client.get("/v1/slos")

        assert 500 == answer.status_code
        assert "application/problem+json" == answer.headers["content-type"]
        assert "42" not in answer.text
        assert "the secret is 42" in caplog.text


class TestHead:
    @pytest.mark.parametrize("path", ["/v1/slos", "/healthz", "/nowhere", "/metrics"])
    def test_is_get_without_the_body(self, api: Made, path: str) -> None:
        get, head = api.client.get(path), api.client.head(path)

        assert get.status_code == head.status_code
        assert b"" == head.content
        assert get.headers["content-type"] == head.headers["content-type"]


class TestBodies:
    def test_may_be_as_long_as_they_may(self, api: Made) -> None:
        filled = b'{"service":"checkout"' + b" " * (LARGEST_BODY - 22) + b"}"
        answer = api.client.post("/v1/gates/evaluate", content=filled, headers=JSON)

        assert 200 == answer.status_code

    def test_are_counted_also_where_nobody_said_how_long_they_are(self, api: Made) -> None:
        def parts() -> Iterator[bytes]:
            for _ in range(70):
                yield b"x" * 1_024

        answer = api.client.post("/v1/gates/evaluate", content=parts(), headers=JSON)

        assert 413 == answer.status_code

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
    @pytest.mark.parametrize("path", ["/v1/gates/evaluate", "/v1/freezes"])
    def test_must_say_that_they_are_json(self, api: Made, path: str, kind: str) -> None:
        """A page of another site may send these without asking, but not JSON."""
        answer = api.client.post(
            path, content=b'{"service":"checkout"}', headers={"Content-Type": kind}
        )

        assert 422 == answer.status_code


class TestOrigins:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_of_other_sites_change_nothing(self, api: Made, headers: dict[str, str]) -> None:
        answer = api.client.post(
            "/v1/gates/evaluate", json={"service": "checkout"}, headers=headers
        )

        assert 403 == answer.status_code
        assert "access-control-allow-origin" not in answer.headers

    def test_of_our_own_do(self, api: Made) -> None:
        headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
        answer = api.client.post(
            "/v1/gates/evaluate", json={"service": "checkout"}, headers=headers
        )

        assert 200 == answer.status_code

    def test_get_no_permission_by_asking_first(self, api: Made) -> None:
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        answer = api.client.options("/v1/freezes", headers=headers)

        assert 405 == answer.status_code
        assert not [name for name in answer.headers if name.startswith("access-control")]


class TestHosts:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (b"localhost:9099", "localhost"),
            (b"LOCALHOST", "localhost"),
            (b"[::1]:9099", "::1"),
            (b"127.0.0.1", "127.0.0.1"),
            (b"", ""),
        ],
    )
    def test_are_read_without_their_port(self, header: bytes, expected: str) -> None:
        assert expected == host_name(header)

    def test_of_others_are_refused(self, tmp_path: Path) -> None:
        """A page may make its own name point to this machine, and read what is here."""
        with made(tmp_path, shop(), doors=Doors(hosts=frozenset(("localhost",)))) as api:
            assert 200 == api.client.get("/v1/slos").status_code
            answer = api.client.get("/v1/slos", headers={"Host": "evil.example:9099"})
            assert 421 == answer.status_code


class TestRates:
    def test_hold_back_who_asks_too_often(self, tmp_path: Path) -> None:
        with made(tmp_path, shop(), rate=5) as api:
            answers = [api.client.get("/v1/slos") for _ in range(15)]

        assert [200] * 10 == [answer.status_code for answer in answers[:10]]
        assert 429 == answers[-1].status_code
        assert 1 <= int(answers[-1].headers["retry-after"])

    def test_are_counted_for_each_token(self, tmp_path: Path) -> None:
        with made(tmp_path, shop(), rate=1) as api:
            busy, other = bearer(api.token("read")), bearer(api.token("read"))
            while api.client.get("/v1/slos", headers=busy).status_code == 200:
                pass

            assert 200 == api.client.get("/v1/slos", headers=other).status_code

    def test_hold_for_those_who_try_tokens(self, tmp_path: Path) -> None:
        with made(tmp_path, shop(), rate=2) as api:
            found = {
                api.client.get("/v1/slos", headers=bearer("slo_x")).status_code for _ in range(9)
            }

        assert {401, 429} == found
