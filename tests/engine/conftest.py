"""Write specs to a folder for the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


def spec(service: str = "checkout", objective: str = "99.9", more: str = "") -> str:
    return (
        f"version: slo/v1\nservice: {service}\nslos:\n  - name: availability\n"
        f"    objective: {objective}\n    indicator: {{http_availability: {{}}}}\n{more}"
    )


@pytest.fixture(scope="session")
def spec_text() -> Callable[..., str]:
    """Return a function that makes the text of a spec with one objective."""
    return spec


@pytest.fixture
def write_spec(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a spec below `specs/`."""

    def function(name: str = "checkout.yaml", text: str | None = None, **fields: str) -> Path:
        path = tmp_path / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(spec(**fields) if text is None else text, "utf-8")
        return path

    return function
