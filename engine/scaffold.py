"""Make the files of a new spec folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

from slo.artifact import Artifact
from slo.schema import load_schema

__all__ = ["NAME", "scaffold"]

_TEMPLATES = Path(__file__).with_name("templates")
# The names that the language accepts for services and owners.
NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]*[A-Za-z0-9]\Z")


def scaffold(service: str, owner: str) -> tuple[Artifact, ...]:
    """Return a first spec, its owners, a stack, and the schemas that editors complete with."""
    return (
        Artifact(f"specs/{service}.yaml", "spec", _filled("service.yaml", service, owner)),
        Artifact("specs/owners.yaml", "spec", _filled("owners.yaml", service, owner)),
        Artifact("slostack.yaml", "settings", _filled("slostack.yaml", service, owner)),
        Artifact(".slo/slo-v1.schema.json", "schema", _schema("slo-v1")),
        Artifact(".slo/stack-v1.schema.json", "schema", _schema("stack-v1")),
    )


def _schema(name: str) -> str:
    return json.dumps(load_schema(name), indent=2) + "\n"


def _filled(template: str, service: str, owner: str) -> str:
    text = (_TEMPLATES / template).read_text("utf-8")
    return text.replace("@SERVICE@", service).replace("@OWNER@", owner)
