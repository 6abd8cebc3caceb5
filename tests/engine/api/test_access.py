from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from slo.engine.api.shell import Doors

from .made import JSON, NOW, SCOPES, Made, bearer, made, shop

OPEN = {("get", "/healthz"), ("get", "/readyz")}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Made]:
    with made(tmp_path, shop(), doors=Doors(tokens_required=True)) as found:
        yield found


def operations(api: Made) -> list[tuple[str, str, str | None]]:
    """Return method, path and needed scope of everything that the API documents."""
    document = json.loads(api.client.get("/openapi.json").content)
    return [
        (method, path, next((s["token"][0] for s in operation["security"]), None))
        for path, found in document["paths"].items()
        for method, operation in found.items()
    ]


def ask(api: Made, method: str, path: str, headers: dict[str, str]) -> int:
    names = {"service": "checkout", "name": "latency"}
    address = path.format_map({**dict.fromkeys(("record_id", "token_id"), "none"), **names})
    if path.endswith("/events"):
        # It would never end: the check comes first.
        api.hub.close()
    return api.client.request(method, address, headers={**headers, **JSON}).status_code


class TestMatrix:
    def test_only_health_is_open(self, guarded: Made) -> None:
        found = {(method, path) for method, path, scope in operations(guarded) if scope is None}

        assert OPEN == found

    def test_nobody_gets_in_without_a_token(self, guarded: Made) -> None:
        for method, path, scope in operations(guarded):
            expected = {True: {401}, False: {200, 503}}[scope is not None]

            assert ask(guarded, method, path, {}) in expected, (method, path)

    @pytest.mark.parametrize("held", SCOPES)
    def test_a_token_opens_what_its_scope_covers(self, guarded: Made, held: str) -> None:
        headers = bearer(guarded.token(held))
        for method, path, scope in operations(guarded):
            status = ask(guarded, method, path, headers)
            allowed = scope in (None, held) or held == "admin"

            assert (status not in (401, 403)) == allowed, (method, path, status)
            assert allowed or status == 403, (method, path, status)

    def test_there_is_something_for_every_scope(self, guarded: Made) -> None:
        assert {None, *SCOPES} == {scope for _, _, scope in operations(guarded)}


class TestTokens:
    @pytest.mark.parametrize(
        "header",
        [
            "Bearer slo_" + "x" * 43,
            "Bearer nonsense",
            "Bearer ",
            "Bearer",
            "Basic c2xvOnNsbw==",
            "slo_x",
            "Bearer slo_" + "x" * 5_000,
            "Bearer slo_\xe9",
        ],
    )
    def test_that_nobody_has_are_refused(self, guarded: Made, header: str) -> None:
        raw = {"Authorization": header.encode("latin-1")}
        answer = guarded.client.get("/v1/slos", headers=raw)

        assert 401 == answer.status_code
        assert answer.headers["www-authenticate"].startswith("Bearer")

    def test_one_that_is_wrong_is_refused_even_where_none_is_needed(self, api: Made) -> None:
        assert 401 == api.client.get("/v1/slos", headers=bearer("slo_x")).status_code

    def test_end_when_they_expire(self, guarded: Made) -> None:
        secret = guarded.token("read", expires_at=NOW + 60)

        assert 200 == guarded.client.get("/v1/slos", headers=bearer(secret)).status_code
        guarded.now = NOW + 60
        answer = guarded.client.get("/v1/slos", headers=bearer(secret))
        assert (401, "this token has expired") == (answer.status_code, answer.json()["detail"])

    def test_end_when_they_are_revoked(self, guarded: Made) -> None:
        admin = bearer(guarded.token("admin", name="root"))
        made_token = guarded.client.post(
            "/v1/tokens", json={"name": "ci", "scopes": ["read"]}, headers=admin
        ).json()
        secret, token_id = made_token["secret"], made_token["token"]["id"]

        assert 200 == guarded.client.get("/v1/slos", headers=bearer(secret)).status_code
        guarded.client.delete(f"/v1/tokens/{token_id}", headers=admin)
        assert 401 == guarded.client.get("/v1/slos", headers=bearer(secret)).status_code

    def test_are_listed_without_anything_that_opens(self, guarded: Made) -> None:
        secret = guarded.token("admin", name="root")
        answer = guarded.client.get("/v1/tokens", headers=bearer(secret))

        assert ["root"] == [token["name"] for token in answer.json()["tokens"]]
        assert secret not in answer.text
        assert "hash" not in answer.text

    def test_sign_what_their_owner_records(self, guarded: Made) -> None:
        headers = bearer(guarded.token("write", name="alice"))
        body = {"start": NOW, "end": NOW + 60, "reason": "release day"}
        answer = guarded.client.post("/v1/freezes", json=body, headers=headers)

        assert "alice" == answer.json()["created_by"]

    def test_note_when_they_were_used(self, guarded: Made) -> None:
        secret = guarded.token("read")
        guarded.now = NOW + 5
        guarded.client.get("/v1/slos", headers=bearer(secret))
        guarded.portal.call(guarded.standing.note_used)

        assert [NOW + 5] == [token.last_used_at for token, _ in guarded.ledger.tokens()]

    def test_are_not_judged_before_the_ledger_was_read(self, guarded: Made) -> None:
        secret = guarded.token("read")
        guarded.standing.now = type(guarded.standing.now)()

        assert 503 == guarded.client.get("/v1/slos", headers=bearer(secret)).status_code


class TestCookies:
    def test_let_browsers_read(self, guarded: Made) -> None:
        cookie = {"Cookie": f"a=b; slo_token={guarded.token('admin')}"}

        assert 200 == guarded.client.get("/v1/slos", headers=cookie).status_code

    def test_let_nobody_write(self, guarded: Made) -> None:
        """A browser sends them along whichever page makes it ask."""
        cookie = {"Cookie": f"slo_token={guarded.token('admin')}"}
        body = {"start": NOW, "end": NOW + 60, "reason": "x"}

        assert 401 == guarded.client.post("/v1/freezes", json=body, headers=cookie).status_code


class TestLoopback:
    def test_needs_no_token(self, api: Made) -> None:
        assert 200 == api.client.get("/v1/slos").status_code

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
    def test_is_not_what_a_proxy_passes_on(self, api: Made, header: str) -> None:
        """Behind a proxy of the same machine, the whole world would be local."""
        assert 401 == api.client.get("/v1/slos", headers={header: "203.0.113.9"}).status_code

    def test_is_anybody_where_the_user_says_so(self, tmp_path: Path) -> None:
        with made(tmp_path, shop(), doors=Doors(local_only=False)) as api:
            headers = {"X-Forwarded-For": "203.0.113.9"}

            assert 200 == api.client.get("/v1/slos", headers=headers).status_code
