"""
Compare the interpreter with a general validator, on documents that are right and wrong.

Whether a query is PromQL is beyond JSON Schema: documents here hold valid queries or text that
both refuse.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import slo.schemas
from slo.diagnostics import Diagnostic
from slo.schema import checker, closest, load_schema
from slo.source import Source, parse_documents

NAMES = sorted(path.stem for path in Path(slo.schemas.__path__[0]).glob("*.json"))
QUERY = "sum(rate(requests_total[{{.window}}]))"

SERVICE: dict[str, Any] = {
    "version": "slo/v1",
    "kind": "Service",
    "service": "checkout",
    "owner": "payments",
    "tier": "critical",
    "description": "Takes orders.",
    "labels": {"env": "production"},
    "links": {"dashboard": "https://grafana.example.com/d/checkout"},
    "runbook": "https://runbooks.example.com/checkout",
    "slos": [
        {
            "name": "availability",
            "objective": 99.9,
            "window": "30d",
            "description": "Customers get an answer.",
            "labels": {"kind": "availability"},
            "links": {"repository": "https://git.example.com/checkout"},
            "runbook": "http://runbooks.example.com/availability",
            "indicator": {
                "http_availability": {
                    "metric": "http_requests_total",
                    "selector": {"job": "api"},
                    "status_label": "code",
                    "error_status": "5..",
                }
            },
            "group_by": ["route"],
            "expected_events_per_hour": 1200.5,
            "alerting": {
                "name": "CheckoutBurns",
                "labels": {"team": "a"},
                "annotations": {"note": "text"},
                "for": "1m",
                "min_bad_events": 5,
                "page": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
                "ticket": False,
                "budget_exhausted": False,
                "missing_data": True,
            },
            "plugins": [{"id": "a/b", "config": {"x": [1, None]}, "priority": -3}],
        },
        {
            "name": "latency",
            "objective": 99,
            "indicator": {
                "http_latency": {
                    "selector": 'job="api"',
                    "threshold": "300ms",
                    "unit": "milliseconds",
                }
            },
        },
        {
            "name": "calls",
            "objective": 99,
            "indicator": {"grpc_availability": {"code_label": "code", "error_codes": ["Internal"]}},
        },
        {"name": "probe", "objective": 100, "indicator": {"probe_success": {}}},
        {
            "name": "events",
            "objective": 95,
            "indicator": {"events": {"error": QUERY, "total": QUERY}},
        },
        {"name": "good", "objective": 95, "indicator": {"events": {"good": QUERY, "total": QUERY}}},
        {"name": "ratio", "objective": 95, "indicator": {"ratio": {"error": QUERY}}},
        {
            "name": "plugin",
            "objective": 95,
            "indicator": {"plugin": {"id": "queue", "options": {"name": "q"}}},
        },
    ],
}
OWNERS: dict[str, Any] = {
    "version": "slo/v1",
    "kind": "Owners",
    "owners": [
        {
            "name": "payments",
            "page": [
                {"pagerduty": {"routing_key_file": "/run/key", "send_resolved": True}},
                {"webhook": {"url": "http://127.0.0.1:9/page", "max_alerts": 3}},
            ],
            "ticket": [
                {"slack": {"api_url_file": "/run/slack", "channel": "#payments"}},
                {"email": {"to": "a@example.com", "from": "b@example.com", "smarthost": "m:25"}},
                {
                    "webhook": {
                        "url_file": "/run/url",
                        "http_config": {
                            "basic_auth": {"username": "u", "password_file": "/run/p"},
                            "tls_config": {"ca_file": "/run/ca"},
                        },
                    }
                },
            ],
        }
    ],
}
CATALOG: dict[str, Any] = {
    "apiVersion": "sloth.slok.dev/v1",
    "kind": "AlertWindows",
    "spec": {
        "sloPeriod": "30d",
        **{
            severity: {
                speed: {"errorBudgetPercent": 2, "shortWindow": "5m", "longWindow": "1h"}
                for speed in ("quick", "slow")
            }
            for severity in ("page", "ticket")
        },
    },
}
SLOTH: dict[str, Any] = {
    "version": "prometheus/v1",
    "service": "checkout",
    "labels": {"owner": "a"},
    "slo_plugins": {"overridePrevious": False, "chain": [{"id": "x", "priority": 1, "config": {}}]},
    "slos": [
        {
            "name": "requests",
            "description": "",
            "objective": 99.9,
            "labels": {"a": "b"},
            "plugins": {"chain": [{"id": "y"}]},
            "sli": {"events": {"error_query": QUERY, "total_query": QUERY}},
            "alerting": {
                "name": "",
                "labels": {"a": "b"},
                "annotations": {"c": "d"},
                "page_alert": {"disable": True},
                "ticket_alert": {"labels": {"severity": "low"}},
            },
        },
        {"name": "raw-one", "objective": 1, "sli": {"raw": {"error_ratio_query": QUERY}}},
        {"name": "plug", "objective": 1, "sli": {"plugin": {"id": "p", "options": {"a": ""}}}},
    ],
}
OPENSLO: dict[str, Any] = {
    "apiVersion": "openslo/v1alpha",
    "kind": "SLO",
    "metadata": {"name": "ab", "displayName": "AB"},
    "spec": {
        "service": "checkout",
        "description": "",
        "budgetingMethod": "Occurrences",
        "objectives": [
            {
                "target": 0.99,
                "displayName": "d",
                "ratioMetrics": {
                    "counter": True,
                    "good": {"source": "prometheus", "queryType": "promql", "query": QUERY},
                    "total": {"source": "sloth", "queryType": "promql", "query": QUERY},
                },
            }
        ],
        "timeWindows": [{"count": 30, "unit": "Day", "isRolling": True}],
    },
}
TELEMETRY: dict[str, Any] = {
    "version": "slo/v1",
    "kind": "Telemetry",
    "environment": "production",
    "collector_version": "0.161",
    "detectors": ["env", "system"],
    "destinations": [
        {
            "name": "metrics",
            "kind": "prometheus",
            "url": "https://prometheus.example.com",
            "protocol": "remote_write",
            "signals": ["metrics"],
            "default": True,
            "username": "collector",
            "password": "file:/run/secrets/prometheus",
            "headers": {"X-Team": "a"},
            "tls": {"ca_file": "/etc/ca.pem"},
            "naming": "escaped",
        },
        {"name": "vendor", "kind": "datadog", "token": "env:DD_API_KEY", "site": "datadoghq.eu"},
        {"name": "logs", "kind": "elasticsearch", "url": "http://search:9200", "index": "logs"},
        {"name": "more-logs", "kind": "loki", "url": "http://loki:3100", "tenant": "shop"},
    ],
    "routes": [{"owner": "payments", "destinations": ["vendor"]}],
    "sampling": {"baseline": 12.5, "decision_wait": "10s"},
    "redaction": {"keys": ["^x"], "values": ["y+"], "allow": ["z"], "emails": False},
    "span_metrics": {"dimensions": ["http.route"], "buckets": ["2s"]},
    "agent": {"memory_limit_mib": 128, "queue_size": 5, "storage": "/data"},
    "gateway": {
        "address": "gateway:4317",
        "replicas": 2,
        "resolver": {"static": ["a:4317", "b:4317"]},
        "memory_limit_mib": 512,
        "queue_size": 5,
        "storage": "/data",
    },
}
SENDING: dict[str, Any] = {
    "version": "slo/v1",
    "service": "ab",
    "slos": [{"name": "cd", "objective": 99, "indicator": {"log_events": {}}}],
    "telemetry": {
        "names": ["ab", "ab-worker"],
        "logs": {
            "files": [
                {
                    "paths": ["/var/log/*.log"],
                    "format": "regex",
                    "pattern": "(?P<level>\\w+)",
                    "starts": "^[0-9]",
                    "severity": "level",
                    "time": {"field": "time", "layout": "%s"},
                }
            ],
            "count": {"pay.failed": "severity_number > 8"},
        },
        "scrape": [
            {"job": "ab", "targets": ["a:1"], "path": "/m", "scheme": "https", "interval": "5s"}
        ],
        "sampling": {"baseline": 0, "slower_than": "2s"},
        "attributes": {"keep": ["a"], "drop": ["b"], "hash": ["c"]},
        "dimensions": ["http.route"],
    },
}
DOCUMENTS = {
    ("slo-v1", "Service"): SERVICE,
    ("slo-v1", "Owners"): OWNERS,
    ("slo-v1", "Telemetry"): TELEMETRY,
    ("alert-windows-v1", "AlertWindows"): CATALOG,
    ("sloth-prometheus-v1", "Spec"): SLOTH,
    ("openslo-v1alpha", "SLO"): OPENSLO,
}
# The same, but one objective at a time: a small document is judged faster.
SMALL = [
    ("slo-v1", "Service", SENDING),
    ("slo-v1", "Service", {**SERVICE, "slos": SERVICE["slos"][3:4]}),
    *(
        ("slo-v1", "Service", {"version": "slo/v1", "service": "ab", "slos": [objective]})
        for objective in SERVICE["slos"]
    ),
    *((*key, document) for key, document in DOCUMENTS.items() if document is not SERVICE),
]
# One of each type, and values at and beyond the limits of some schema.
REPLACEMENTS = [
    None, True, False, 0, 1, -1, 100, 100.5, 101, 99.9, -0.5, 1.5, 1e-9,
    "", " ", "a", "ab", "a\n", "ab\n", "-ab", "a b", "A_b.c-9", "x" * 128, "x" * 129,
    "5m", "5m\n", "30d", "1m1h", "http://a", "https://", "ftp://a", "1", "__name__", "é", "a-b",
    "Owners", "slo/v1", "DAY", "promql", [], [None], ["a"], [1], {}, {"a": "b"}, {"a": 1},
]  # fmt: skip


def check(name: str, definition: str, document: Any) -> list[Diagnostic]:
    """Return what the interpreter says of *document*, but for the queries."""
    text = json.dumps(document)
    (parsed,) = parse_documents(Source("spec.yaml", text))
    assert parsed.node is not None
    assert not [d for d in parsed.diagnostics if d.is_error]
    found = checker(name, definition).check(parsed.source, parsed.root, parsed.node)
    return [d for d in found if not d.code.startswith("SLO3")]


def validator(name: str, definition: str) -> jsonschema.Draft202012Validator:
    """Return a general validator; `$` means the very end in JSON Schema, but not in Python."""
    definitions = json.loads(json.dumps(load_schema(name)["$defs"]).replace('$",', '\\\\Z",'))
    schema = {"$ref": f"#/$defs/{definition}", "$defs": definitions}
    return jsonschema.Draft202012Validator(schema)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value below *value*."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        yield (*path, key)
        if isinstance(member, (dict, list)):
            yield from places(member, (*path, key))


def holder(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def rename(container: Any, key: Any, name: str) -> None:
    if isinstance(container, dict):
        container[name] = container.pop(key)
    else:
        container.append(container[key])


@st.composite
def mutated(draw: Callable[..., Any], original: dict[str, Any]) -> dict[str, Any]:
    """Draw a document that differs from *original* in one to three places."""
    document = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(document))
        if not found:
            break
        path = draw(st.sampled_from(found))
        container, key = holder(document, path), path[-1]
        action = draw(st.sampled_from(("delete", "rename", "add", "replace", "replace")))
        if action == "delete":
            del container[key]
        elif action == "rename":
            rename(container, key, draw(st.sampled_from(("a", "Name", "error", "good", "url"))))
        elif action == "add" and isinstance(container, dict):
            key = draw(st.sampled_from(("extra", "kind", "total", "page", "0x")))
            container[key] = copy.deepcopy(draw(st.sampled_from(REPLACEMENTS)))
        else:
            container[key] = copy.deepcopy(draw(st.sampled_from(REPLACEMENTS)))
    return document


class TestAgainstJsonschema:
    @pytest.mark.parametrize("name", NAMES)
    def test_published_schemas_are_valid_draft_2020_12(self, name: str) -> None:
        schema = load_schema(name)

        jsonschema.Draft202012Validator.check_schema(schema)
        assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]

    @pytest.mark.parametrize(("name", "definition"), DOCUMENTS)
    def test_both_accept_the_originals(self, name: str, definition: str) -> None:
        document = DOCUMENTS[name, definition]

        assert [] == check(name, definition, document)
        assert [] == list(validator(name, definition).iter_errors(document))

    @pytest.mark.parametrize(("name", "definition", "original"), SMALL)
    def test_both_judge_every_single_replacement_alike(
        self, name: str, definition: str, original: dict[str, Any]
    ) -> None:
        """Put each replacement at each place: both accept or both refuse."""
        reference = validator(name, definition)
        refused = accepted = 0
        for path in places(original):
            document = copy.deepcopy(original)
            container, key = holder(document, path), path[-1]
            for value in REPLACEMENTS:
                container[key] = value
                valid = reference.is_valid(document)
                assert valid == (not check(name, definition, document)), (path, value)
                refused, accepted = refused + (not valid), accepted + valid

        assert refused
        assert accepted

    @pytest.mark.parametrize(("name", "definition"), DOCUMENTS)
    @settings(max_examples=100, deadline=None)
    @given(data=st.data())
    def test_both_judge_mutations_alike(
        self, name: str, definition: str, data: st.DataObject
    ) -> None:
        document = data.draw(mutated(DOCUMENTS[name, definition]))

        found = check(name, definition, document)

        assert validator(name, definition).is_valid(document) == (not found), found

    def test_a_whole_float_is_no_whole_number(self) -> None:
        """The one intended difference: `3.0` events are an accident, though JSON allows them."""
        document = copy.deepcopy(SERVICE)
        document["slos"][0]["alerting"]["min_bad_events"] = 3.0

        assert ["SLO103"] == [d.code for d in check("slo-v1", "Service", document)]
        assert validator("slo-v1", "Service").is_valid(document)

    def test_the_root_chooses_the_definition_by_kind(self) -> None:
        """An editor validates from the root, where `kind` tells a service from owners."""
        root = jsonschema.Draft202012Validator(load_schema("slo-v1"))

        assert root.is_valid(SERVICE)
        assert root.is_valid(OWNERS)
        assert root.is_valid({k: v for k, v in SERVICE.items() if k != "kind"})
        assert not root.is_valid({**SERVICE, "kind": "Owners"})
        assert not root.is_valid({**OWNERS, "kind": "Service"})


class TestDiagnostics:
    def run(self, text: str, definition: str = "Service") -> list[Diagnostic]:
        (document,) = parse_documents(Source("spec.yaml", text))
        assert document.node is not None
        return checker("slo-v1", definition).check(document.source, document.root, document.node)

    def test_all_mistakes_are_found_in_one_run(self) -> None:
        found = self.run(
            "version: slo/v1\nservice: a-\nslos:\n- name: x\n  objective: 101\n  indicatr: {}\n"
        )

        assert ["SLO106", "SLO106", "SLO201", "SLO101", "SLO102"] == [d.code for d in found]

    def test_an_unknown_key_is_located_and_guessed(self) -> None:
        (found,) = [
            d
            for d in self.run("version: slo/v1\nservice: ab\nslso: []\nslos: []\n")
            if d.code == "SLO101"
        ]

        assert (3, 1, 5) == (found.span.line, found.span.column, found.span.end_column)
        assert "did you mean `slos`?" == found.hint

    def test_a_missing_key_is_blamed_on_the_nearest_parent_key(self) -> None:
        found = self.run(
            "version: slo/v1\nservice: ab\nslos:\n  - name: cd\n    objective: 9\n"
            "    indicator:\n      http_latency: {}\n"
        )

        assert [("SLO102", 7, 7)] == [(d.code, d.span.line, d.span.column) for d in found]
        assert "`threshold` is missing" in found[0].message

    def test_a_number_in_quotes_gets_a_hint(self) -> None:
        (found,) = self.run(
            'version: slo/v1\nservice: ab\nslos:\n- {name: cd, objective: "99.9", '
            "indicator: {probe_success: {}}}\n"
        )

        assert ("SLO103", "write it without quotes") == (found.code, found.hint)

    def test_text_that_yaml_reads_as_a_boolean_gets_a_hint(self) -> None:
        (found,) = self.run(
            "version: slo/v1\nservice: ab\nlabels: {canary: true}\nslos:\n"
            "- {name: cd, objective: 9, indicator: {probe_success: {}}}\n"
        )

        assert ("SLO103", 'quote it: "true"', 3) == (found.code, found.hint, found.span.line)

    @pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
    def test_numbers_that_json_lacks_are_refused(self, value: str) -> None:
        (found,) = self.run(
            f"version: slo/v1\nservice: ab\nslos:\n- {{name: cd, objective: {value}, "
            "indicator: {probe_success: {}}}\n"
        )

        assert "SLO201" == found.code

    def test_two_indicators_are_one_too_many(self) -> None:
        found = self.run(
            "version: slo/v1\nservice: ab\nslos:\n- name: cd\n  objective: 9\n"
            "  indicator: {probe_success: {}, http_availability: {}}\n"
        )

        assert ["SLO107"] == [d.code for d in found]
        assert "found `probe_success`, `http_availability`" in found[0].message


class TestClosest:
    @pytest.mark.parametrize(
        ("word", "expected"),
        [
            ("objektive", "objective"),
            ("groupBy", "group_by"),
            ("group-by", "group_by"),
            ("xyzzy", None),
        ],
    )
    def test_guesses_only_what_is_near(self, word: str, expected: str | None) -> None:
        assert expected == closest(word, ["objective", "group_by", "name"])
