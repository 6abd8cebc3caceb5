from __future__ import annotations

from typing import Any

import pytest

from .made import NOW, Made

SPAN = {"start": NOW, "end": NOW + 3_600, "reason": "switch-over of the database"}
KINDS: dict[str, dict[str, Any]] = {
    "corrections": {**SPAN, "effect": "exclude", "category": "maintenance"},
    "freezes": SPAN,
    "overrides": {"reason": "the fix must go out", "expires_at": NOW + 600},
}


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_is_kept_and_listed(self, api: Made, kind: str) -> None:
        answer = api.client.post(f"/v1/{kind}", json=KINDS[kind])
        found = api.client.get(f"/v1/{kind}").json()[kind]

        assert 201 == answer.status_code
        assert [answer.json()] == found

    def test_is_recorded_once_for_one_key(self, api: Made, kind: str) -> None:
        key = {"Idempotency-Key": "k-1"}
        first = api.client.post(f"/v1/{kind}", json=KINDS[kind], headers=key).json()
        again = api.client.post(f"/v1/{kind}", json=KINDS[kind], headers=key).json()
        other = {**KINDS[kind], "reason": "something else"}

        assert first == again
        assert 409 == api.client.post(f"/v1/{kind}", json=other, headers=key).status_code

    def test_is_taken_back_and_stays_on_record(self, api: Made, kind: str) -> None:
        record_id = api.client.post(f"/v1/{kind}", json=KINDS[kind]).json()["id"]
        api.now += 60
        ended = api.client.delete(f"/v1/{kind}/{record_id}").json()
        again = api.client.delete(f"/v1/{kind}/{record_id}").json()

        assert "local" in (ended.get("cancelled_by"), ended.get("revoked_by"))
        assert ended == again
        assert [record_id] == [found["id"] for found in api.client.get(f"/v1/{kind}").json()[kind]]

    def test_is_404_where_there_is_none(self, api: Made, kind: str) -> None:
        assert 404 == api.client.delete(f"/v1/{kind}/nope").status_code

    @pytest.mark.parametrize(
        "more",
        [
            {"reason": ""},
            {"reason": 5},
            {"reason": "\x00"},
            {"target": {"slo": ""}},
            {"target": {"service": "x"}},
            {"colour": "red"},
            {"end": NOW - 1, "expires_at": NOW - 1},
            {"end": 1e300, "expires_at": 1e300},
            {"end": "tomorrow", "expires_at": "tomorrow"},
            {"end": True, "expires_at": True},
        ],
    )
    def test_refuses_what_makes_no_sense(self, api: Made, kind: str, more: dict[str, Any]) -> None:
        answer = api.client.post(f"/v1/{kind}", json={**KINDS[kind], **more})

        assert 422 == answer.status_code
        assert answer.json()["detail"]

    def test_is_answered_503_when_the_ledger_is_away(self, api: Made, kind: str) -> None:
        api.ledger.close()
        (api.folder / "ledger.db").unlink()
        (api.folder / "ledger.db").mkdir()
        answer = api.client.post(f"/v1/{kind}", json=KINDS[kind])

        assert 503 == answer.status_code
        assert "nothing was recorded" in answer.json()["detail"]
        assert 200 == api.client.get("/v1/slos").status_code


class TestRecurrence:
    def test_is_kept(self, api: Made) -> None:
        body = {**SPAN, "recurrence": "FREQ=WEEKLY;BYDAY=FR", "time_zone": "Europe/Berlin"}

        assert 201 == api.client.post("/v1/freezes", json=body).status_code
        far = f"/v1/freezes?start={NOW + 30 * 86_400}&end={NOW + 40 * 86_400}"
        assert 1 == len(api.client.get(far).json()["freezes"])

    @pytest.mark.parametrize("rule", ["FREQ=SECONDLY", "every day", "FREQ=DAILY;BYMINUTE=1,2"])
    def test_is_refused_where_it_cannot_be(self, api: Made, rule: str) -> None:
        answer = api.client.post("/v1/freezes", json={**SPAN, "recurrence": rule})

        assert (422, True) == (answer.status_code, "recurrence" in answer.json()["detail"])


class TestDecisions:
    def test_come_page_by_page(self, api: Made) -> None:
        for number in range(5):
            api.now += 1
            body = {"service": "search", "version": str(number)}
            api.client.post("/v1/gates/evaluate", json=body)
        first = api.client.get("/v1/decisions?limit=3").json()
        second = api.client.get(f"/v1/decisions?limit=3&before={first['before']}").json()
        found = [d["request"]["version"] for d in (*first["decisions"], *second["decisions"])]

        assert ["4", "3", "2", "1", "0"] == found
        assert second["before"] is None

    def test_are_found_by_slo_and_by_service(self, api: Made) -> None:
        api.client.post("/v1/gates/evaluate", json={"service": "search"})
        api.client.post("/v1/gates/evaluate", json={"service": "checkout"})

        for slo in ("search", "search/latency"):
            found = api.client.get("/v1/decisions", params={"slo": slo}).json()["decisions"]
            assert ["search"] == [decision["request"]["service"] for decision in found]
