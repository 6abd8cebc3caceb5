"""Write rule groups as a Prometheus rule file."""

from __future__ import annotations

from collections.abc import Iterable

from slo.alerts.model import RuleGroup
from slo.alerts.rules_yaml import groups_yaml
from slo.artifact import GENERATED

__all__ = ["header", "rule_file"]


def header(source: str, version: str) -> str:
    """Return the comment that says where a file comes from."""
    return (
        f"{GENERATED} {version} from {source}.\n"
        "# Do not edit: change the spec and run `slo compile`.\n"
    )


def rule_file(groups: Iterable[RuleGroup], source: str, version: str) -> str:
    """Return the text of a rule file; one document, since Prometheus reads only the first."""
    return header(source, version) + groups_yaml(groups)
