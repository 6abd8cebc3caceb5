"""What `slo validate` says that it has found valid."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from slo.engine.cli import program

SLO = """\
version: slo/v1
service: shop
owner: shop
slos:
  - {name: availability, objective: 99.9, indicator: {http_availability: {selector: {job: shop}}}}
"""
TELEMETRY = """\
version: slo/v1
kind: Telemetry
destinations: [{name: prometheus, kind: prometheus, url: "http://prometheus:9090"}]
"""
PACKS = "version: slo/v1\nkind: Packs\nname: shop\npacks: {disk: {}}\n"
STACK = "version: slo/v1\nkind: Stack\n"
OWNERS = "version: slo/v1\nkind: Owners\nowners: [{name: shop}]\n"


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        ([SLO], "1 SLO of 1 service is valid"),
        ([SLO, TELEMETRY], "1 SLO of 1 service and telemetry are valid"),
        ([SLO, PACKS, TELEMETRY, STACK], "1 SLO of 1 service, packs and telemetry are valid"),
        ([TELEMETRY], "telemetry is valid"),
        ([PACKS], "packs are valid"),
        ([STACK], "the settings of the stack are valid"),
        ([OWNERS], "1 owner is valid"),
    ],
)
def test_what_is_valid_is_named(documents: list[str], words: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("---\n".join(documents))

    result = CliRunner().invoke(program, ["validate", str(path)])

    assert (0, f"{words}\n") == (result.exit_code, result.stderr)


def test_a_path_that_no_system_takes_is_said() -> None:
    result = CliRunner().invoke(program, ["validate", "x" * 5000])

    assert 1 == result.exit_code
    assert "error[SLO001]: file name too long" in result.stderr + result.stdout
