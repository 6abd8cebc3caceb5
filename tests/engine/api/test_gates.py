from __future__ import annotations

import sqlite3
import threading
from typing import Any

import pytest

from slo.engine.api.shell import Doors
from slo.engine.ledger.records import Freeze, Override, Target

from .made import NOW, Made, bearer, made, shop, snapshot, status

QUESTION = {"service": "search", "environment": "prod"}


def ask(api: Made, **more: Any) -> dict[str, Any]:
    answer = api.client.post("/v1/gates/evaluate", json={**QUESTION, **more})
    assert 200 == answer.status_code, answer.text
    body: dict[str, Any] = answer.json()
    return body


class TestEvaluate:
    def test_answers_every_verdict_with_200(self, api: Made) -> None:
        assert "allow" == ask(api)["verdict"]
        assert "deny" == ask(api, service="checkout")["verdict"]
        assert "unknown" == ask(api, service="nobody")["verdict"]

    def test_answers_strictly_where_asked_to(self, api: Made) -> None:
        def strictly(service: str) -> int:
            body = {"service": service}
            return api.client.post("/v1/gates/evaluate?strict=true", json=body).status_code

        assert [200, 409, 503] == [strictly(name) for name in ("search", "checkout", "nobody")]

    def test_is_in_the_ledger_when_it_says_so(self, api: Made) -> None:
        body = ask(api)

        assert body["recorded"]
        (found,) = api.ledger.decisions()
        assert (body["id"], "local") == (found.id, found.actor)

    def test_gives_the_same_decision_to_who_asks_again_and_again(self, api: Made) -> None:
        bodies = [ask(api) for _ in range(20)]

        assert 1 == len({body["id"] for body in bodies})
        assert 1 == len(api.ledger.decisions())

    @pytest.mark.parametrize("what", ["numbers", "freeze", "override", "version", "time"])
    def test_decides_anew_when_anything_changes(self, api: Made, what: str) -> None:
        before = ask(api)
        more = {}
        if what == "numbers":
            api.publish(snapshot(status("search/availability", remaining=-1.0), number=2))
        elif what == "freeze":
            api.ledger.add_freeze(Freeze("f", Target(), NOW - 5, NOW + 5, "r", "me", NOW))
        elif what == "override":
            api.ledger.add_override(Override("o", Target(), "deny", "r", "me", NOW, NOW + 5))
        elif what == "version":
            more = {"version": "2"}
        else:
            api.now += 61
        api.refresh()

        assert before["id"] != ask(api, **more)["id"]

    def test_newer_numbers_alone_are_no_new_decision(self, api: Made) -> None:
        """What is asked every few seconds would fill the ledger with the same again."""
        before = ask(api)
        api.now += 7
        api.publish(snapshot(status("search/availability", remaining=0.49), number=2))
        after = ask(api)

        assert before["id"] == after["id"]
        assert 0.49 == after["slos"][0]["remaining"]
        assert api.now == after["evaluated_at"]
        assert 1 == len(api.ledger.decisions())

    def test_unknown_is_recorded_once_too(self, api: Made) -> None:
        ids = {ask(api, service="nobody")["id"] for _ in range(5)}

        assert 1 == len(ids) == len(api.ledger.decisions())

    def test_freezes_count_at_once(self, api: Made) -> None:
        ask(api)
        body = {"start": NOW - 1, "end": NOW + 60, "reason": "launch"}
        freeze = api.client.post("/v1/freezes", json=body).json()

        assert "deny" == ask(api)["verdict"]
        api.client.delete(f"/v1/freezes/{freeze['id']}")
        assert "allow" == ask(api)["verdict"]

    def test_a_freeze_ends_in_time_though_the_ledger_is_away(self, api: Made) -> None:
        body = {"start": NOW - 1, "end": NOW + 60, "reason": "launch"}
        api.client.post("/v1/freezes", json=body)
        assert "deny" == ask(api)["verdict"]
        api.now = NOW + 60

        assert "allow" == ask(api)["verdict"]

    def test_knows_nothing_before_the_first_snapshot(self, tmp_path) -> None:  # type: ignore[no-untyped-def]
        with made(tmp_path) as api:
            assert "unknown" == ask(api)["verdict"]


class TestIdempotencyKeys:
    def test_bring_back_the_decision_of_then(self, api: Made) -> None:
        first = ask(api, idempotency_key="run-1")
        api.now += 60
        second = ask(api, idempotency_key="run-1")

        assert first["id"] == second["id"]
        assert 1 == len(api.ledger.decisions())

    def test_stand_for_one_question(self, api: Made) -> None:
        ask(api, idempotency_key="run-1")
        body = {**QUESTION, "version": "2", "idempotency_key": "run-1"}
        answer = api.client.post("/v1/gates/evaluate", json=body)

        assert 409 == answer.status_code
        assert "urn:slostack:problem:conflict" == answer.json()["type"]


class TestLedgerAway:
    def test_answers_all_the_same_and_records_later(self, api: Made) -> None:
        """Somebody holds the database; the gate says that it has not recorded, and does later."""
        api.recorder._patience = 0.2
        blocker = sqlite3.connect(api.folder / "ledger.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        body = ask(api)
        assert ("allow", False) == (body["verdict"], body["recorded"])
        blocker.execute("ROLLBACK")

        assert eventually(lambda: len(api.ledger.decisions()) == 1)
        assert "slo_engine_decisions_unrecorded_total 1.0" in api.client.get("/metrics").text

    def test_what_never_was_recorded_stands_in_the_log(
        self, api: Made, caplog: pytest.LogCaptureFixture
    ) -> None:
        api.recorder._patience = 0.1
        blocker = sqlite3.connect(api.folder / "ledger.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        body = ask(api)
        api.portal.call(api.recorder.close, 0.2)
        blocker.execute("ROLLBACK")

        (record,) = [r for r in caplog.records if "not in the ledger" in r.getMessage()]
        assert body["id"] in record.decision

    def test_many_at_once_are_recorded_each_once(self, api: Made) -> None:
        threads = [threading.Thread(target=lambda n=n: ask(api, version=str(n))) for n in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert 40 == len({found.id for found in api.ledger.decisions(limit=100)})
        assert api.ledger.verify() is None


class TestArgo:
    def test_reads_the_url_and_answers_200(self, api: Made) -> None:
        answer = api.client.get("/v1/gates/argo?service=checkout&environment=prod")

        assert (200, "deny") == (answer.status_code, answer.json()["verdict"])

    @pytest.mark.parametrize("query", ["", "service=a&service=b", "service=a&x=y"])
    def test_refuses_other_urls(self, api: Made, query: str) -> None:
        assert 422 == api.client.get(f"/v1/gates/argo?{query}").status_code


class TestFlagger:
    @pytest.mark.parametrize(
        ("service", "status"), [("search", 200), ("checkout", 409), ("nobody", 503)]
    )
    def test_goes_by_the_status(self, api: Made, service: str, status: int) -> None:
        body = {"name": service, "namespace": "x", "phase": "Progressing", "metadata": {}}

        assert status == api.client.post("/v1/gates/flagger", json=body).status_code

    def test_shows_its_token_in_the_body(self, tmp_path) -> None:  # type: ignore[no-untyped-def]
        with made(tmp_path, shop(), doors=Doors(tokens_required=True)) as api:

            def post(secret: str) -> int:
                body = {"name": "search", "metadata": {"token": secret}}
                return api.client.post("/v1/gates/flagger", json=body).status_code

            assert 200 == post(api.token("gate"))
            assert 403 == post(api.token("read"))
            assert 401 == post("slo_x")
            assert not [d for d in api.ledger.decisions() if "slo_" in str(d)]
            headers = bearer(api.token("gate"))
            body = {"name": "search"}
            answer = api.client.post("/v1/gates/flagger", json=body, headers=headers)
            assert 200 == answer.status_code


def eventually(holds) -> bool:  # type: ignore[no-untyped-def]
    """Wait until *holds* does, for at most twenty seconds."""
    pause = threading.Event()
    return any(holds() or pause.wait(0.1) for _ in range(200))
