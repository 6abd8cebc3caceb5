from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from slo.engine.api import samples

from .made import Made, made, shop

EXAMPLES = 12


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
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder: Path = tmp_path_factory.mktemp("fuzzed")
    with made(folder, shop()) as found:
        # A stream never ends; once no more are opened, it is an answer like any other.
        found.hub.close()
        yield found


@pytest.fixture(scope="module")
def web_api(fuzzed: Made) -> Any:
    document = json.loads(fuzzed.client.get("/openapi.json").content)
    return schemathesis.openapi.from_dict(document, config=SchemathesisConfig())


schema = schemathesis.pytest.from_fixture("web_api")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
def test_every_answer_is_as_documented(case: Any, fuzzed: Made) -> None:
    """Whatever comes in: no mistakes of ours, and nothing that the document does not say."""
    arguments = case.as_transport_kwargs(base_url="http://localhost")
    arguments.pop("cookies", None)
    response = fuzzed.client.request(**arguments)
    case.validate_response(schemathesis.Response.from_any(response))
