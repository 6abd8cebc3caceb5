"""The tables of docs/gates.md are those of schema and code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slo.engine.gates.reason_codes import table
from slo.schema import load_schema

PAGE = Path(__file__).parents[3] / "docs" / "gates.md"
PARTS = {
    "GatePolicy": "",
    "Rule": "rules[].",
    "OnUnknown": "rules[].on_unknown.",
    "BurnRate": "rules[].burn_rates[].",
    "Incident": "rules[].incident.",
    "Freeze": "freezes[].",
    "Exemption": "exemptions[].",
}


def reference() -> str:
    """Return the keys of a policy as a Markdown table."""
    definitions = load_schema("gate-policy-v1")["$defs"]

    def rows() -> Iterator[str]:
        yield "| key | meaning |"
        yield "|---|---|"
        for name, prefix in PARTS.items():
            needed = definitions[name]["required"]
            for key, value in definitions[name]["properties"].items():
                must = " (needed)" if key in needed else ""
                yield f"| `{prefix}{key}`{must} | {_meaning(value)} |"

    return "\n".join(rows())


def _meaning(value: dict[str, Any]) -> str:
    text: str = value["description"]
    words = value.get("enum") or (value.get("items") or {}).get("enum")
    return text + (" One of " + ", ".join(f"`{word}`" for word in words) + "." if words else "")


@pytest.mark.parametrize(
    ("name", "wanted"), [("policy", reference()), ("reasons", table())], ids=["policy", "reasons"]
)
def test_a_table_is_current(name: str, wanted: str, update_golden: bool) -> None:
    text = PAGE.read_text("utf-8")
    place = re.compile(rf"<!-- {name}: generated -->\n(.*?)<!-- end -->", re.DOTALL)
    (found,) = place.findall(text)

    if update_golden and found != f"{wanted}\n":
        block = f"<!-- {name}: generated -->\n{wanted}\n<!-- end -->"
        PAGE.write_text(place.sub(lambda _: block, text), "utf-8")
        pytest.fail(f"{PAGE.name} is rewritten: review it and run again")
    assert f"{wanted}\n" == found


def test_every_definition_is_in_the_reference() -> None:
    definitions = load_schema("gate-policy-v1")["$defs"]

    assert set(PARTS) == {name for name, d in definitions.items() if "properties" in d}
