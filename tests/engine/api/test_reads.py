from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from slo.engine.ledger.records import BudgetPoint
from slo.engine.status.model import State
from slo.engine.status.past import BurnDown
from slo.errors import LedgerError

from .made import NOW, Made, made, shop, snapshot, status


def keys(body: dict) -> list[str]:  # type: ignore[type-arg]
    return [found["key"] for found in body["slos"]]


class TestList:
    def test_holds_all_slos_in_the_order_of_their_keys(self, api: Made) -> None:
        body = api.client.get("/v1/slos").json()

        assert 5 == body["total"]
        assert body["next"] is None
        assert [
            "checkout/availability",
            "checkout/latency",
            "search/availability",
            "search/latency{region=eu}",
            "search/latency{region=us}",
        ] == keys(body)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("service=search", 3),
            ("service=search&service=checkout", 5),
            ("owner=search", 1),
            ("tier=low", 1),
            ("state=breached&state=warning", 2),
            ("service=search&state=ok", 2),
            ("service=nobody", 0),
        ],
    )
    def test_takes_filters(self, api: Made, query: str, expected: int) -> None:
        body = api.client.get(f"/v1/slos?{query}").json()

        assert expected == body["total"] == len(body["slos"])

    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
    @pytest.mark.parametrize("query", ["", "state=ok&"])
    def test_pages_hold_every_slo_once(self, api: Made, limit: int, query: str) -> None:
        whole = keys(api.client.get(f"/v1/slos?{query}").json())
        found, cursor = [], ""
        while True:
            body = api.client.get(f"/v1/slos?{query}limit={limit}{cursor}").json()
            found += keys(body)
            if body["next"] is None:
                break
            cursor = f"&cursor={body['next']}"

        assert whole == found

    def test_a_page_goes_on_where_it_was_when_slos_come_and_go(self, api: Made) -> None:
        first = api.client.get("/v1/slos?limit=2").json()
        left = [found for found in shop().statuses if found.key != "checkout/latency"]
        api.publish(snapshot(status("aaa/first"), *left, number=2))

        second = api.client.get(f"/v1/slos?limit=2&cursor={first['next']}").json()

        assert ["search/availability", "search/latency{region=eu}"] == keys(second)

    def test_what_nobody_knows_is_null(self, api: Made) -> None:
        budget = api.client.get("/v1/slos").json()["slos"][0]["budget"]

        assert budget["remaining_minutes"] is None

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=1001", "state=fine", "cursor=zz", "cursor=ff", "limit=x"]
    )
    def test_refuses_what_makes_no_sense(self, api: Made, query: str) -> None:
        answer = api.client.get(f"/v1/slos?{query}")

        assert 422 == answer.status_code
        assert "application/problem+json" == answer.headers["content-type"]

    def test_says_so_before_the_first_snapshot(self, tmp_path: Path) -> None:
        with made(tmp_path) as api:
            answer = api.client.get("/v1/slos")

            assert 503 == answer.status_code
            assert "5" == answer.headers["retry-after"]
            assert not api.client.get("/healthz").is_error


class TestAge:
    def test_grows_while_no_snapshot_comes(self, api: Made) -> None:
        api.now = NOW + 42.5
        answer = api.client.get("/v1/slos")

        assert 42.5 == answer.json()["age"]
        assert "42.500" == answer.headers["slo-data-age"]
        assert not answer.json()["stale"]

    def test_makes_everything_stale_in_the_end(self, api: Made) -> None:
        fresh = api.client.get("/v1/slos").headers["etag"]
        api.now = NOW + 1_000
        answer = api.client.get("/v1/slos", headers={"If-None-Match": fresh})

        assert 200 == answer.status_code
        assert answer.json()["stale"]
        assert {"stale"} == {found["state"] for found in answer.json()["slos"]}
        assert 5 == api.client.get("/v1/slos?state=stale").json()["total"]

    @pytest.mark.parametrize("path", ["/v1/services", "/v1/sources", "/v1/slos/checkout/latency"])
    def test_is_in_every_answer(self, api: Made, path: str) -> None:
        api.now = NOW + 3
        answer = api.client.get(path)

        assert 3.0 == answer.json()["age"]
        assert "3.000" == answer.headers["slo-data-age"]


class TestEntityTags:
    def test_spare_a_body_that_is_known(self, api: Made) -> None:
        tag = api.client.get("/v1/slos").headers["etag"]
        api.now = NOW + 7
        answer = api.client.get("/v1/slos", headers={"If-None-Match": f'"other", {tag}'})

        assert (304, b"") == (answer.status_code, answer.content)
        assert "7.000" == answer.headers["slo-data-age"]

    def test_differ_between_questions(self, api: Made) -> None:
        paths = (
            *("/v1/slos", "/v1/slos?service=search", "/v1/slos?owner=search", "/v1/slos?limit=2"),
            *("/v1/services", "/v1/sources", "/v1/slos/search/latency"),
            "/v1/slos/search/latency?group=region%3Deu",
        )
        tags = {api.client.get(path).headers["etag"] for path in paths}

        assert len(paths) == len(tags)

    def test_change_with_a_snapshot(self, api: Made) -> None:
        tag = api.client.get("/v1/slos").headers["etag"]
        api.publish(snapshot(status(remaining=0.4), number=1))
        answer = api.client.get("/v1/slos", headers={"If-None-Match": tag})

        assert 0.4 == answer.json()["slos"][0]["budget"]["remaining"]

    def test_differ_between_replicas(self, api: Made, tmp_path: Path) -> None:
        """Two replicas count their snapshots each for itself; a client may meet both."""
        (tmp_path / "other").mkdir()
        with made(tmp_path / "other", snapshot(status())) as other:
            assert (
                api.client.get("/v1/slos").headers["etag"]
                != other.client.get("/v1/slos").headers["etag"]
            )


class TestOne:
    def test_has_an_element_for_each_group(self, api: Made) -> None:
        body = api.client.get("/v1/slos/search/latency").json()

        assert [{"region": "eu"}, {"region": "us"}] == [found["group"] for found in body["slos"]]

    def test_groups_can_be_chosen(self, api: Made) -> None:
        body = api.client.get("/v1/slos/search/latency?group=region=us").json()

        assert ["search/latency{region=us}"] == keys(body)

    @pytest.mark.parametrize(
        "path", ["/v1/slos/search/nope", "/v1/slos/nope/latency", "/v1/slos/a/b?group=region=cn"]
    )
    def test_is_404_where_there_is_none(self, api: Made, path: str) -> None:
        assert 404 == api.client.get(path).status_code


class TestHistory:
    def test_holds_the_points_of_the_ledger(self, api: Made) -> None:
        point = BudgetPoint("checkout/availability", NOW - 600, 300.0, 1.0, 100.0, 0.5)
        api.ledger.add_budget_points([point])
        body = api.client.get("/v1/slos/checkout/availability/history").json()

        assert NOW - 2_592_000 == body["start"]
        assert [
            {"at": NOW - 600, "seconds": 300.0, "bad": 1.0, "total": 100.0, "remaining": 0.5}
        ] == body["points"]
        assert body["burn_down"] is None

    def test_shows_how_the_period_was_spent(self, api: Made) -> None:
        api.parts.burn_down = lambda _: BurnDown([(NOW - 10, 1.0), (NOW, 0.5)], "events")
        body = api.client.get("/v1/slos/checkout/availability/history").json()

        assert [{"at": NOW - 10, "remaining": 1.0}, {"at": NOW, "remaining": 0.5}] == body[
            "burn_down"
        ]

    def test_goes_on_without_the_ledger(self, api: Made) -> None:
        api.parts.burn_down = lambda _: BurnDown([(NOW - 10, 1.0), (NOW, 0.5)], "events")

        async def away(*_: object) -> list[BudgetPoint]:
            raise LedgerError("away")

        api.parts.history = away
        body = api.client.get("/v1/slos/checkout/availability/history").json()

        assert (False, []) == (body["complete"], body["points"])
        assert 0.5 == body["burn_down"][-1]["remaining"]

    def test_takes_times_in_words(self, api: Made) -> None:
        path = "/v1/slos/checkout/availability/history"
        body = api.client.get(f"{path}?start=2026-11-01T00:00:00%2B01:00&end={NOW}").json()

        assert 1_793_487_600.0 == body["start"]

    @pytest.mark.parametrize(
        "query", ["start=2026-11-01", "start=nan", "start=2&end=1", "start=0", "end=1e400"]
    )
    def test_refuses_other_times(self, api: Made, query: str) -> None:
        path = "/v1/slos/checkout/availability/history"

        assert 422 == api.client.get(f"{path}?{query}").status_code

    def test_asks_for_one_group(self, api: Made) -> None:
        path = "/v1/slos/search/latency/history"

        assert "?group=region=eu" in api.client.get(path).json()["detail"]
        assert 200 == api.client.get(f"{path}?group=region=eu").status_code


class TestNames:
    @pytest.mark.parametrize(
        "name", ["a/b", "..", "a b&c=d?e", "<script>alert(1)</script>", "täglich ☃"]
    )
    def test_are_whatever_is_recorded(self, api: Made, name: str) -> None:
        """What cannot stand in a path is asked for by parameters."""
        found = replace(status(), id="odd", service=name, name=name)
        api.publish(snapshot(found, status()))
        asked = {"service": name, "name": name}

        (slo,) = api.client.get("/v1/slos", params=asked).json()["slos"]
        history = api.client.get("/v1/history", params=asked)

        assert (name, name) == (slo["service"], slo["name"])
        assert (200, f"{name}/{name}") == (history.status_code, history.json()["slo"])

    def test_that_nobody_has_are_said_to_be_none(self, api: Made) -> None:
        asked = {"service": "checkout", "name": "nothing"}

        assert 404 == api.client.get("/v1/history", params=asked).status_code
        assert 422 == api.client.get("/v1/history", params={"service": "checkout"}).status_code


class TestServices:
    def test_show_the_worst_state_and_the_least_budget(self, api: Made) -> None:
        checkout, search = api.client.get("/v1/services").json()["services"]

        assert ("breached", -0.25, 2) == (
            checkout["state"],
            checkout["least_remaining"],
            checkout["slos"],
        )
        assert ("warning", 2, ["payments", "search"]) == (
            search["state"],
            search["slos"],
            search["owners"],
        )

    def test_not_knowing_is_worse_than_breached(self, api: Made) -> None:
        states = (State.BREACHED, State.NO_DATA)
        api.publish(snapshot(*(status(f"a/{s.value}", state=s) for s in states)))

        assert "no_data" == api.client.get("/v1/services").json()["services"][0]["state"]


class TestMetrics:
    def test_hold_budgets_with_their_groups(self, api: Made) -> None:
        text = api.client.get("/metrics").text

        assert (
            'slo_engine_error_budget_remaining_ratio{region="us",sloth_id="search-latency",'
            'sloth_service="search",sloth_slo="latency"} 0.9\n'
        ) in text
        assert 'slo_engine_slo_state{state="breached"} 1\n' in text

    def test_leave_out_what_is_stale(self, api: Made) -> None:
        api.now = NOW + 1_000

        assert "slo_engine_error_budget_remaining_ratio{" not in api.client.get("/metrics").text

    def test_escape_labels(self, api: Made) -> None:
        api.publish(snapshot(status(group={"path": 'a"b\\c\nd'})))

        assert 'path="a\\"b\\\\c\\nd"' in api.client.get("/metrics").text

    def test_count_requests_by_route_not_by_address(self, api: Made) -> None:
        for name in ("a", "b"):
            api.client.get(f"/v1/slos/{name}/x")
            api.client.get(f"/{name}")
        text = api.client.get("/metrics").text

        assert (
            'slo_engine_http_requests_total{code="404",method="GET",'
            'route="/v1/slos/{service}/{name}"} 2.0'
        ) in text
        assert 'route="unmatched"} 2.0' in text


def test_events_are_json_that_others_can_read(api: Made) -> None:
    """Numbers that JSON has no name for must not slip in."""
    for path in ("/v1/slos", "/v1/services", "/v1/sources", "/v1/slos/checkout/latency"):
        json.loads(api.client.get(path).content, parse_constant=pytest.fail)
