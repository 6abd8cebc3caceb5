"""Compare with what the peer writes for the same specs, where a folder of both stands beside us."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.duration import Duration, days
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs

ROOT = Path(__file__).parents[1]
PEER = ROOT / ".." / "shared" / "conformance" / "sloth"
INPUTS = sorted(path.name for path in (PEER / "in").glob("*"))
PLUGINS = (ROOT / "tests" / "plugins",)

pytestmark = pytest.mark.skipif(
    not INPUTS, reason="no folder with a peer's inputs and outputs stands beside the checkout"
)


def compiled(name: str, **options: Any) -> list[Any]:
    """Return the documents that are compiled from input *name* as the peer's examples are."""
    result = compile_specs(
        [str(PEER / "in" / name)],
        CompileOptions(
            profile="sloth",
            kinds=("rules",),
            labels={"cmd": "examplesgen.sh"},
            plugins=PLUGINS,
            period=days(30),
            **options,
        ),
    )
    assert not result.failed, result.diagnostics
    return [d for a in result.artifacts for d in yaml.safe_load_all(a.text) if d]


def groups(documents: list[Any]) -> list[Any]:
    """Return the groups of rule files and of custom resources."""
    return [group for d in documents for group in d.get("spec", d)["groups"]]


def comparable(group: dict[str, Any]) -> dict[str, Any]:
    """Return *group* without white space in expressions, and without the tool's version."""
    rules = []
    for rule in group["rules"]:
        labels = {k: v for k, v in (rule.get("labels") or {}).items() if k != "sloth_version"}
        rules.append({**rule, "expr": "".join(rule["expr"].split()), "labels": labels})
    return {**group, "rules": rules}


@pytest.mark.parametrize("name", INPUTS)
def test_profile_sloth_makes_the_rules_of_the_peer(name: str) -> None:
    """Groups, order, intervals, names, expressions, labels and annotations are all the same."""
    expected = [d for d in yaml.safe_load_all((PEER / "out" / name).read_text("utf-8")) if d]

    found = compiled(name)

    assert [comparable(g) for g in groups(expected)] == [comparable(g) for g in groups(found)]
    kinds = [(d.get("apiVersion"), d.get("kind"), d.get("metadata")) for d in expected]
    assert kinds == [(d.get("apiVersion"), d.get("kind"), d.get("metadata")) for d in found]


@pytest.mark.parametrize("name", sorted(p.name for p in (PEER / "windows").glob("*.yaml")))
def test_catalogs_of_the_peer_decide_the_windows(name: str) -> None:
    catalog = PEER / "windows" / name
    declared = yaml.safe_load(catalog.read_text("utf-8"))["spec"]
    wanted = {
        Duration.parse(pair[key])
        for severity in ("page", "ticket")
        for pair in declared[severity].values()
        for key in ("shortWindow", "longWindow")
    }

    (spec, *_) = [n for n in INPUTS if n.startswith("getting-started")]
    result = compile_specs(
        [str(PEER / "in" / spec)],
        CompileOptions(
            profile="sloth",
            kinds=("rules",),
            windows=(catalog,),
            period=days(int(declared["sloPeriod"].removesuffix("d"))),
        ),
    )

    assert not result.failed, result.diagnostics
    (plan,) = result.specs.slos
    assert wanted == set(plan.policy.windows)
    assert str(catalog) == plan.policy.source
    text = result.artifacts[0].text
    for window in wanted:
        assert f"record: slo:sli_error:ratio_rate{window}\n" in text
