"""Argo Rollouts and Flagger are understood, and understand the answer."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from slo.engine.gates.decision import GateDecision
from slo.engine.gates.evaluate import evaluate
from slo.engine.gates.policy import DEFAULT_POLICY
from slo.engine.gates.request import GateRequest, InvalidRequest, request_from_json
from slo.engine.gates.webhooks import (
    argo_answer,
    argo_request,
    flagger_answer,
    flagger_request,
    flagger_token,
    strict_status,
)

from .built import NOW, snapshot, status

FULL = GateRequest(
    "checkout", ("availability", "latency"), "staging", "fix", "OPS-1", "ann", "1.2", True
)
TEXTS = {
    "slos": "availability, latency",
    "environment": "staging",
    "cause": "fix",
    "reference": "OPS-1",
    "approved_by": "ann",
    "version": "1.2",
    "dry_run": "true",
}


def decided(left: float | None) -> GateDecision:
    asked = GateRequest("checkout")
    return evaluate(DEFAULT_POLICY, asked, snapshot(status(left)), now=NOW)


class TestArgo:
    def test_parameters_become_a_request(self) -> None:
        assert FULL == argo_request({"service": "checkout", **TEXTS})
        assert GateRequest("checkout") == argo_request({"service": "checkout", "cause": ""})

    @pytest.mark.parametrize(
        "parameters",
        [{}, {"service": "a", "url": "http://x"}, {"service": "a", "dry_run": "yes"}],
    )
    def test_what_is_wrong_is_refused(self, parameters: dict[str, str]) -> None:
        with pytest.raises(InvalidRequest):
            argo_request(parameters)

    @pytest.mark.parametrize(
        ("left", "verdict"), [(0.5, "allow"), (-1.0, "deny"), (None, "unknown")]
    )
    def test_the_answer_is_always_200(self, left: float | None, verdict: str) -> None:
        code, body = argo_answer(decided(left))

        assert (200, verdict) == (code, body["verdict"])


class TestFlagger:
    PAYLOAD: ClassVar[dict[str, Any]] = {
        "name": "checkout",
        "namespace": "shop",
        "phase": "Progressing",
        "checksum": "85d557f47b",
        "metadata": {**TEXTS, "token": "slo_secret", "eventMessage": "text"},
    }

    def test_the_payload_becomes_a_request(self) -> None:
        assert FULL == flagger_request(self.PAYLOAD)

    def test_the_canary_is_the_service_unless_the_metadata_says_otherwise(self) -> None:
        metadata = {"service": "shop"}

        assert GateRequest("checkout") == flagger_request({"name": "checkout"})
        assert "shop" == flagger_request({"name": "checkout", "metadata": metadata}).service

    @pytest.mark.parametrize(
        "body",
        [
            None,
            [],
            {},
            {"name": 5},
            {"name": "a" * 500},
            {"name": "a", "metadata": []},
            {"name": "a", "metadata": {"cause": 5}},
            {"name": "a", "metadata": {"eventMessage": 5}},
            {"name": "a", "namespace": False},
            {"name": "a", "phase": 5},
        ],
    )
    def test_what_is_wrong_is_refused(self, body: object) -> None:
        with pytest.raises(InvalidRequest):
            flagger_request(body)

    def test_the_token_is_not_part_of_the_request(self) -> None:
        assert "slo_secret" == flagger_token(self.PAYLOAD)
        assert "slo_secret" not in str(flagger_request(self.PAYLOAD))
        assert [None] * 4 == [flagger_token(b) for b in (None, [], {}, {"metadata": 1})]

    @pytest.mark.parametrize(("left", "code"), [(0.5, 200), (-1.0, 409), (None, 503)])
    def test_only_allow_goes_on(self, left: float | None, code: int) -> None:
        decision = decided(left)

        assert code == flagger_answer(decision)[0] == strict_status(decision)


class TestRequest:
    def test_goes_over_the_wire_and_back(self) -> None:
        assert FULL == request_from_json(FULL.to_json())

    @pytest.mark.parametrize(
        "body",
        [
            [],
            {},
            {"service": ""},
            {"service": 5},
            {"service": "a\nb"},
            {"service": "a" * 201},
            {"service": "a", "slos": "b"},
            {"service": "a", "slos": [1]},
            {"service": "a", "slos": ["b"] * 101},
            {"service": "a", "dry_run": 1},
            {"service": "a", "nonsense": 1},
        ],
    )
    def test_what_is_wrong_is_refused(self, body: Any) -> None:
        with pytest.raises(InvalidRequest):
            request_from_json(body)
