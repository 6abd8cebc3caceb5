"""The list of diagnostics in the documentation has every code, with its title and page."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "diagnostics.md"
_HEAD = """\
# Diagnostics

Every message has a code, and every code a page; `slo explain CODE` prints it. A code never changes
its meaning. 0xx reading, 1xx form, 2xx meaning, 3xx PromQL, 4xx across files, 5xx what a target
cannot hold, 6xx gate policies, 9xx plugins.

| code | meaning |
|---|---|
"""


def test_list_is_complete(request: pytest.FixtureRequest) -> None:
    rows = []
    for path in sorted((ROOT / "slo" / "explain").glob("SLO*.md")):
        title = path.read_text().split("\n", 1)[0].removeprefix(f"# {path.stem}: ")
        rows.append(f"| [{path.stem}](../slo/explain/{path.name}) | {title} |\n")
    wanted = _HEAD + "".join(rows)
    current = PAGE.read_text() if PAGE.exists() else ""
    if wanted != current and request.config.getoption("--update-golden"):
        PAGE.write_text(wanted)

    assert wanted == current
