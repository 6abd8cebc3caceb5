"""Policies are read as they are written, and mistakes have a place."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from slo.engine.gates.policy import (
    BurnLimit,
    IncidentLimit,
    LastKnown,
    Rule,
    Scope,
    Then,
    Topic,
    Unknown,
)
from slo.engine.gates.policy_file import load_policy
from slo.errors import CompileFailed
from slo.schema import checker, load_schema
from slo.source import Source, parse_documents

from .built import HEAD, policy, read

EVERYTHING = """\
description: What production asks for.
fresh_for: 2m
max_age: 30m
reuse_for: 5m
rules:
  - name: critical
    slos: ["checkout/*"]
    tiers: [critical]
    environments: ["prod*"]
    deny_at: 5
    warn_at: 30
    recover_at: 12.5
    page: warn
    ticket: ignore
    burn_rates: [{window: 60m, above: 6, then: warn}]
    incident: {share: 20, then: warn, reviewed_by: "PM-[0-9]+"}
    min_coverage: 80
    on_unknown: {last_known_for: 30m, then: deny}
    dry_run: true
  - {name: rest, deny_at: false, warn_at: false, on_unknown: allow}
freezes:
  - name: weekend
    reason: Nobody is here.
    slos: ["*"]
    tiers: [critical]
    environments: [production]
    time_zone: Europe/Berlin
    start: 2026-11-27 16:00
    length: 62h
    repeats: FREQ=WEEKLY;BYDAY=FR
  - {name: launch, reason: A launch., start: 2026-12-01, end: 2026-12-02 12:00}
  - {name: holidays, reason: Closed., dates: [2026-12-24, 2026-12-25]}
exemptions:
  - cause: security_fix
    slos: ["*"]
    tiers: [critical]
    environments: [production]
    lifts: [budget, burning, incident, freeze, unknown]
    reference: "SEC-[0-9]+"
    approvers: [ann]
  - {cause: rollback, reference: true}
  - {cause: fix, reference: false}
"""
REPLACEMENTS: list[Any] = [
    None, True, False, 0, -1, 50, 100, 100.5, 1e9, "", "a", "a\n", "5m", "0s", "deny", "allow",
    "unknown", "2026-11-27", "2026-11-27 16:00", "2026-1-1", [], [None], ["a"], [1], {},
    {"a": "b"}, {"last_known_for": "5m"}, "slo/v1", "GatePolicy", "budget", ["budget"],
]  # fmt: skip


class TestReading:
    def test_every_key(self) -> None:
        found = policy(EVERYTHING)

        assert (120.0, 1800.0, 300.0) == (found.fresh_for, found.max_age, found.reuse_for)
        assert found.rules[0] == Rule(
            "critical",
            Scope(("checkout/*",), ("critical",), ("prod*",)),
            deny_at=0.05,
            warn_at=0.3,
            recover_at=0.125,
            page=Then.WARN,
            ticket=Then.IGNORE,
            burn_rates=(BurnLimit("1h", 6.0, Then.WARN),),
            incident=IncidentLimit(0.2, Then.WARN, "PM-[0-9]+"),
            min_coverage=0.8,
            on_unknown=LastKnown(1800.0, Unknown.DENY),
            dry_run=True,
        )
        assert found.rules[1] == Rule("rest", deny_at=None, warn_at=None, on_unknown=Unknown.ALLOW)
        assert ["weekend", "launch", "holidays"] == [f.name for f in found.freezes]
        assert [1, 1, 2] == [len(f.spans) for f in found.freezes]
        assert tuple(Topic) == found.exemptions[0].lifts
        assert ["SEC-[0-9]+", ".+", None] == [e.reference for e in found.exemptions]

    def test_what_is_left_out_has_sane_defaults(self) -> None:
        found = policy("rules: [{name: all}]")

        assert found.rules[0] == Rule("all")
        assert (0.0, 0.2, Then.DENY, Then.WARN) == (
            found.rules[0].deny_at,
            found.rules[0].warn_at,
            found.rules[0].page,
            found.rules[0].ticket,
        )
        assert Unknown.UNKNOWN is found.rules[0].on_unknown

    def test_the_digest_is_of_the_content_not_of_its_form(self) -> None:
        spread = "rules:\n  # comment\n  - name: all\n    deny_at: 5\n"

        assert policy("rules: [{deny_at: 5, name: all}]").digest == policy(spread).digest

    def test_times_are_local(self) -> None:
        (weekend, *_) = policy(EVERYTHING).freezes

        assert 1_795_791_600.0 == weekend.spans[0].start  # 15:00 UTC


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "codes"),
        [
            ("rules: [{name: all, deny: 5}]", ["SLO101"]),
            ("rules: [{deny_at: 5}]", ["SLO102"]),
            ("rules: [{name: all, page: denied}]", ["SLO104"]),
            ("rules: [{name: all, deny_at: 101}]", ["SLO105"]),
            ("max_age: 5 minutes", ["SLO108"]),
            ("rules: [{name: all}, {name: b, tiers: [a]}]", ["SLO601"]),
            ("rules: [{name: a, slos: ['a/*']}, {name: b, slos: ['a/b*']}]", ["SLO601"]),
            ("rules: [{name: a, slos: ['a/*']}, {name: b, slos: ['*']}]", []),
            ("rules: [{name: a, slos: ['*']}, {name: b}]", ["SLO601"]),
            ("rules: [{name: a, slos: ['a/?']}, {name: b, slos: ['a/*']}]", []),
            ("rules: [{name: a, tiers: [x]}, {name: b, environments: [staging]}]", []),
            ("rules: [{name: all, deny_at: 30}]", ["SLO602"]),
            ("rules: [{name: all, deny_at: 30, warn_at: false}]", []),
            ("freezes: [{name: a, reason: b, start: 2026-01-01, length: 1h}]", []),
            ("freezes: [{name: a, reason: b}]", ["SLO607"]),
            ("freezes: [{name: a, reason: b, dates: [2026-13-01]}]", ["SLO607"]),
            (
                "freezes: [{name: a, reason: b, time_zone: Mars, dates: [2026-01-01]}]",
                ["SLO109"],
            ),
        ],
    )
    def test_have_a_code(self, text: str, codes: list[str]) -> None:
        found, diagnostics = read(text)

        assert codes == [d.code for d in diagnostics]
        assert (found is None) == any(d.is_error for d in diagnostics)

    def test_are_all_found_at_once(self) -> None:
        _, diagnostics = read(
            "rules: [{name: a, deny_at: 50}, {name: a}]\n"
            "freezes: [{name: f, reason: r, dates: [2026-02-30]}]\n"
            "exemptions: [{cause: c, reference: '['}]\n"
        )

        assert {"SLO601", "SLO602", "SLO605", "SLO606", "SLO607"} == {d.code for d in diagnostics}

    @pytest.mark.parametrize(
        "text",
        [
            "version: slo/v1\nservice: checkout\n",
            "",
            f"{HEAD}---\n{HEAD}",
            f"{HEAD}rules: 5\n",
        ],
        ids=["a service", "nothing", "two", "wrong"],
    )
    def test_a_gate_needs_one_policy(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "policy.yaml"
        path.write_text(text)

        with pytest.raises(CompileFailed):
            load_policy(path)

    def test_a_gate_needs_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(CompileFailed) as raised:
            load_policy(tmp_path / "missing.yaml")

        assert ["SLO001"] == [d.code for d in raised.value.diagnostics]


class TestSchema:
    def accepts(self, document: Any) -> bool:
        (parsed,) = parse_documents(Source("policy.yaml", json.dumps(document)))
        assert parsed.node is not None
        found = checker("gate-policy-v1", "GatePolicy")
        return not found.check(parsed.source, parsed.root, parsed.node)

    def test_agrees_with_a_general_validator_at_every_place(self) -> None:
        """Put each replacement at each place: both accept or both refuse."""
        document = yaml.load(HEAD + EVERYTHING, Loader=yaml.BaseLoader)
        document = json.loads(json.dumps(_typed(document)))
        text = json.dumps(load_schema("gate-policy-v1")).replace('$",', '\\\\Z",')
        reference = jsonschema.Draft202012Validator(json.loads(text))
        assert reference.is_valid(document)
        assert self.accepts(document)
        counts = [0, 0]
        for path in _places(document):
            changed = copy.deepcopy(document)
            holder = changed
            for key in path[:-1]:
                holder = holder[key]
            for value in REPLACEMENTS:
                holder[path[-1]] = value
                valid = reference.is_valid(changed)
                assert valid == self.accepts(changed), (path, value)
                counts[valid] += 1

        assert min(counts) > 100

    def test_every_key_is_described(self) -> None:
        definitions = load_schema("gate-policy-v1")["$defs"]
        keys = [
            (name, key, value)
            for name, definition in definitions.items()
            for key, value in definition.get("properties", {}).items()
        ]

        assert [] == [(name, key) for name, key, value in keys if not value.get("description")]


def _typed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _typed(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_typed(member) for member in value]
    if value in ("true", "false"):
        return value == "true"
    try:
        return float(value)
    except ValueError:
        return value


def _places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    for key, member in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(member, (dict, list)):
            yield from _places(member, (*path, key))
