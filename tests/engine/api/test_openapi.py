from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import jsonschema
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error, positive_data_acceptance
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode

from slo.engine.api import samples
from slo.engine.api.app import add_routes
from slo.engine.api.openapi import document as make_document

from .made import Made, shop
from .served import served

EXAMPLES = 8
SERVER_SIDE: list[Any] = [not_a_server_error, positive_data_acceptance]
CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            # A schema cannot say that one time lies before another, or what an RRULE is.
            "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "422"]},
            "negative_data_rejection": {"expected-statuses": ["400", "404", "413", "414", "422"]},
        }
    }
)


@pytest.fixture
def document(api: Made) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(api.client.get("/openapi.json").content)
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, found in document["paths"].items():
        for method, operation in found.items():
            yield method, path, operation


class TestDocument:
    def test_says_of_everything_what_it_is_for(self, document: dict[str, Any]) -> None:
        for method, path, operation in operations(document):
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert "security" in operation, (method, path)

    def test_declares_problems_and_no_other_errors(self, document: dict[str, Any]) -> None:
        for method, path, operation in operations(document):
            for status, response in operation["responses"].items():
                kinds = set(response.get("content", {}))
                if status >= "400" and path != "/readyz" and "gates" not in path:
                    assert {"application/problem+json"} == kinds, (method, path, status)

    def test_has_no_trace_of_the_framework(self, document: dict[str, Any]) -> None:
        assert "HTTPValidationError" not in document["components"]["schemas"]

    @pytest.mark.parametrize(
        ("name", "sample"),
        [
            ("SloList", samples.SLOS),
            ("ServiceList", samples.SERVICES),
            ("SourceList", samples.SOURCES),
        ],
    )
    def test_has_examples_that_are_right(
        self, document: dict[str, Any], name: str, sample: dict[str, Any]
    ) -> None:
        schema = {**document, "$ref": f"#/components/schemas/{name}"}
        jsonschema.Draft202012Validator(schema).validate(sample)

    @pytest.mark.parametrize(
        ("name", "path"),
        [
            ("SloList", "/v1/slos"),
            ("ServiceList", "/v1/services"),
            ("SourceList", "/v1/sources"),
            ("History", "/v1/slos/checkout/latency/history"),
        ],
    )
    def test_describes_what_is_answered(
        self, api: Made, document: dict[str, Any], name: str, path: str
    ) -> None:
        schema = {**document, "$ref": f"#/components/schemas/{name}"}
        jsonschema.Draft202012Validator(schema).validate(api.client.get(path).json())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("fuzzed"), shop()) as found:
        # A stream never ends; once no more are opened, it is an answer like any other.
        found.api.hub.close()
        yield found.url


def described() -> Any:
    """Return the document without an engine, for pytest to know the operations by."""
    app = FastAPI(title="the same")
    add_routes(app)
    content = json.loads(make_document(app))
    # Who may ask what is tried elsewhere, one by one (test_access).
    for _, _, operation in operations(content):
        del operation["security"]
    return schemathesis.openapi.from_dict(content, config=CONFIG)


SCHEMA = described()
OPERATIONS = {operation.ok().label: operation.ok() for operation in SCHEMA.get_all_operations()}


@pytest.mark.parametrize("label", OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_documented(url: str, label: str, mode: GenerationMode) -> None:
    """Whatever comes in: no mistakes of ours, and nothing that the document does not say."""
    operation = OPERATIONS[label]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case: Any) -> None:
        response = case.call(base_url=url)
        # Tools that look at the status alone get 503 for "unknown"; streams are all taken.
        by_status = any(word in label for word in ("flagger", "evaluate", "events"))
        excluded = SERVER_SIDE if by_status and response.status_code == 503 else []
        case.validate_response(response, excluded_checks=excluded)

    # Some have nothing that could be wrong.
    with suppress(Unsatisfiable):
        answered()


def test_everything_that_is_served_is_tried(document: dict[str, Any]) -> None:
    assert document["paths"].keys() == SCHEMA.raw_schema["paths"].keys()
