"""What a composite makes of its members, by promtool's own engine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")

# All and bad events per second that a member records; `None` where it records nothing.
State = tuple[float, float] | None
IDLE: State = (0, 0)
SILENT: State = None

MEMBERS = """
version: slo/v1
service: shop
slos:
  - {name: cart, objective: 99, indicator: {http_availability: {selector: {job: a}}}}
  - {name: pay, objective: 99, indicator: {http_availability: {selector: {job: b}}}}
  - name: grouped
    objective: 99
    group_by: [route]
    indicator: {http_availability: {selector: {job: c}}}
  - name: journey
    objective: 99
    indicator:
      composite:
"""


def composite(rule: str, silent: str, members: str = "[{slo: cart}, {slo: pay}]") -> str:
    return f"{MEMBERS}        {{rule: {rule}, silent: {silent}, members: {members}}}\n"


def ratio(folder: Path, text: str, states: dict[str, State], slo: str = "shop-journey") -> str:
    """Return the ratio that the composite records, or `none`."""
    spec = folder / "spec.yaml"
    spec.write_text(text)
    result = compile_specs([str(spec)], CompileOptions(kinds=("rules",)))
    assert not result.failed, result.diagnostics
    (rules,) = [a.text for a in result.artifacts if a.path == "rules/spec.yaml"]
    groups = [g for g in yaml.safe_load(rules)["groups"] if g["name"].startswith("slo-fast-")]
    for group in groups:
        # What the members record is given.
        given = () if group["name"].endswith(("-journey", "-day")) else ("_events:rate5m",)
        records = [rule for rule in group["rules"] if "record" in rule]
        group["rules"] = [rule for rule in records if not rule["record"].endswith(given)]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    series = []
    for labels, state in states.items():
        for name, value in zip(("total", "error"), state or (), strict=False):
            series.append(
                {"series": f"slo:{name}_events:rate5m{{{labels}}}", "values": f"{value}x20"}
            )
    expr = f'round(slo:sli_error:ratio_rate5m{{sloth_id="{slo}"}}, 0.0001)'
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "30s",
        "group_eval_order": [group["name"] for group in groups],
        "tests": [
            {
                "interval": "30s",
                "input_series": series,
                "promql_expr_test": [{"expr": f"sum({expr})", "eval_time": "5m"}],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    run = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    # It expects nothing; what there is stands in its complaint.
    if run.returncode == 0:
        return "none"
    (value,) = re.findall(r"got:.*\{\} ([-+.\w]+)", run.stdout + run.stderr)
    return f"{float(value):g}"


def own(name: str) -> str:
    return f'sloth_id="shop-{name}",sloth_service="shop",sloth_slo="{name}"'


TABLE: list[tuple[State, State, dict[str, tuple[str, str, str]]]] = [
    # a, b: what series and worst say for silent members that are ignored, good and bad.
    ((100, 10), (100, 20), {"series": ("0.28",) * 3, "worst": ("0.2",) * 3}),
    ((100, 10), (1, 1), {"series": ("1",) * 3, "worst": ("1",) * 3}),
    ((100, 0), (100, 0), {"series": ("0",) * 3, "worst": ("0",) * 3}),
    ((100, 10), SILENT, {"series": ("0.1", "0.1", "1"), "worst": ("0.1", "0.1", "1")}),
    (SILENT, (100, 0), {"series": ("0", "0", "1"), "worst": ("0", "0", "1")}),
    ((100, 10), IDLE, {"series": ("0.1",) * 3, "worst": ("0.1",) * 3}),
    (SILENT, SILENT, {"series": ("none", "0", "1"), "worst": ("none", "0", "1")}),
    (IDLE, IDLE, {"series": ("none",) * 3, "worst": ("none",) * 3}),
    (SILENT, IDLE, {"series": ("none", "0", "1"), "worst": ("none", "0", "1")}),
]


@pytest.mark.parametrize("rule", ["series", "worst"])
@pytest.mark.parametrize(("a", "b", "expected"), TABLE)
def test_ratios_of_members(
    tmp_path: Path, rule: str, a: State, b: State, expected: dict[str, tuple[str, str, str]]
) -> None:
    states = {own("cart"): a, own("pay"): b}

    found = tuple(
        ratio(tmp_path, composite(rule, silent), states) for silent in ("ignored", "good", "bad")
    )

    assert expected[rule] == found


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((100, 10), (50, 0), "0.05"),
        ((100, 10), (900, 0), "0.0053"),
        ((100, 10), SILENT, "0.1"),
        ((100, 10), IDLE, "0.1"),
        (IDLE, IDLE, "none"),
        (SILENT, SILENT, "none"),
    ],
)
def test_weighted_adds_up_events(tmp_path: Path, a: State, b: State, expected: str) -> None:
    """Count each event of the second member twice."""
    text = composite("weighted", "ignored", "[{slo: cart}, {slo: pay, weight: 2}]")

    assert expected == ratio(tmp_path, text, {own("cart"): a, own("pay"): b})


@pytest.mark.parametrize(
    ("rule", "expected"),
    # Groups add up in `weighted`; elsewhere the worst one stands for the member.
    [("weighted", "0.2"), ("series", "0.55"), ("worst", "0.5")],
)
def test_groups_of_a_member(tmp_path: Path, rule: str, expected: str) -> None:
    states: dict[str, State] = {
        own("cart"): (100, 10),
        f'route="x",{own("grouped")}': (100, 50),
        f'route="y",{own("grouped")}': (100, 0),
    }
    text = composite(rule, "ignored", "[{slo: cart}, {slo: grouped}]")

    assert expected == ratio(tmp_path, text, states)


def test_composite_of_a_composite(tmp_path: Path) -> None:
    text = composite("series", "ignored") + (
        "  - name: day\n    objective: 99\n    indicator:\n      composite:\n"
        "        {rule: worst, silent: ignored, members: [{slo: journey}, {slo: pay}]}\n"
    )
    states: dict[str, State] = {own("cart"): (100, 10), own("pay"): (100, 20)}

    assert "0.28" == ratio(tmp_path, text, states, "shop-day")


def test_slice_of_a_journey_is_bad_when_one_of_its_steps_is(tmp_path: Path) -> None:
    """Judge the worst step of each slice: any bad one makes it bad."""
    text = composite("worst", "ignored") + "    budgeting: {timeslices: {slice: 5m, target: 95}}\n"

    for a, b, expected in (
        ((100, 4), (100, 5), "0"),
        ((100, 4), (100, 6), "1"),
        ((100, 7), (100, 6), "1"),
    ):
        assert expected == ratio(tmp_path, text, {own("cart"): a, own("pay"): b})
