"""Nothing that is printed of a spec shows its secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from slo.concealment import concealed
from slo.engine.cli import program

HEAD = "version: slo/v1\nkind: Telemetry\ndestinations:\n"
SECRET = "hunter2"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("{token: hunter2, kind: otlp}", "{token: *******, kind: otlp}"),
        ('"api-key": "hunter2 and more"', '"api-key": "****************"'),
        ("tokn: hunter2", "tokn: *******"),
        ("Authorization: Bearer hunter2 # mine", "Authorization: ************** # mine"),
        ("url: https://bot:hunter2@x.example.com", "url: https://bot:*******@x.example.com"),
        ("routing_key_file: hunter2", "routing_key_file: *******"),
        ("token: aGk/bHVu", "token: ********"),
        ("url_file: 'https://x/hunter2'", "url_file: '*****************'"),
    ],
)
def test_masks_secrets_where_they_are(line: str, shown: str) -> None:
    assert shown == concealed(line)


@pytest.mark.parametrize(
    "line",
    [
        "token: env:VENDOR_TOKEN",
        'password: "file:/run/secrets/password"',
        "routing_key_file: /etc/alertmanager/payments",
        "api_url_file: secrets/slack",
        "name: token",
        "url_file: deadman-url",
        "tenant: platform",
        "expr: sum(rate(job:token_requests:rate5m[5m]))",
        "token: |",
        "url: https://x.example.com:8080/path",
    ],
)
def test_leaves_everything_else(line: str) -> None:
    assert line == concealed(line)


@pytest.mark.parametrize("text", ["a" * 1_000_000, "token" * 200_000, "token: " * 100_000])
def test_looks_at_long_lines_too(text: str) -> None:
    """Were it quadratic, this would not end."""
    assert len(text) == len(concealed(text))


@given(st.text())
def test_keeps_the_length_so_that_carets_fit(text: str) -> None:
    line = f"token: {text}"

    assert len(line) == len(concealed(line))


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("{name: vendor, kind: otlp, url: 'https://x', token: hunter2}", "SLO703"),
        ("{name: vendor, kind: otlp, url: 'https://x', token: 'hunter2'}", "SLO703"),
        ("{name: vendor, kind: otlp, url: 'https://x', token:\n      hunter2}", "SLO703"),
        ("{name: vendor, kind: otlp, url: 'https://x', tokn: hunter2}", "SLO101"),
        ("{name: vendor, kind: otlq, url: 'https://x', password: hunter2}", "SLO104"),
        ("{name: vendor, kind: otlp, url: 'htps://a:hunter2@x'}", "SLO106"),
        ("{name: vendor, kind: otlp, url: 'https://a:hunter2@x'}", "SLO703"),
        ("{name: vendor, kind: otlp, url: 'https://x', headers: {x-api-key: hunter2}}", "SLO703"),
        ("{name: vendor, kind: otlp, url: 'https://x', headers: {Cookie: 'a=hunter2'}}", "SLO703"),
    ],
)
def test_no_report_of_a_mistake_shows_the_secret(tmp_path: Path, entry: str, code: str) -> None:
    path = tmp_path / "telemetry.yaml"
    path.write_text(f"{HEAD}  - {entry}\n", "utf-8")
    text = CliRunner().invoke(program, ["validate", str(path)])
    document = CliRunner().invoke(program, ["validate", str(path), "--format", "json"])

    assert code in {d["code"] for d in json.loads(document.stdout)["diagnostics"]}
    assert f"[{code}]" in text.output
    assert SECRET not in text.output
    assert SECRET not in document.output


def test_a_number_as_a_secret_is_not_shown_either(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.yaml"
    path.write_text(
        f"{HEAD}  - {{name: vendor, kind: otlp, url: 'https://x', token: 271828}}\n", "utf-8"
    )
    result = CliRunner().invoke(program, ["validate", str(path)])

    assert "[SLO703]" in result.output
    assert "271828" not in result.output
