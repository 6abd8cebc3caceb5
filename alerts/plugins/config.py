"""Read the settings of the ported plugins, refusing what they do not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slo.duration import Duration
from slo.errors import PluginError

__all__ = ["duration", "flag", "only", "strings", "text_map"]


def only(config: Mapping[str, Any], *known: str) -> None:
    """
    Refuse settings outside *known*.

    Raises:
        PluginError: With the unknown keys and the known ones.
    """
    if not isinstance(config, Mapping):
        raise PluginError("settings must be a mapping")
    unknown = sorted(set(config) - set(known))
    if unknown:
        expected = ", ".join(f"`{key}`" for key in known) or "none"
        raise PluginError(f"unknown setting `{unknown[0]}`; known: {expected}")


def text_map(config: Mapping[str, Any], key: str) -> dict[str, str]:
    """Return the mapping at *key* with text values; an empty one when it is missing."""
    value = config.get(key) or {}
    if not isinstance(value, Mapping):
        raise PluginError(f"`{key}` must be a mapping")
    return {str(name): str(member) for name, member in value.items()}


def strings(config: Mapping[str, Any], key: str) -> list[str]:
    """Return the list at *key*; an empty one when it is missing."""
    value = config.get(key) or []
    if not isinstance(value, list):
        raise PluginError(f"`{key}` must be a list")
    return [str(member) for member in value]


def flag(config: Mapping[str, Any], key: str) -> bool:
    """Return the switch at *key*; off when it is missing."""
    value = config.get(key, False)
    if not isinstance(value, bool):
        raise PluginError(f"`{key}` must be true or false")
    return value


def duration(config: Mapping[str, Any], key: str) -> Duration | None:
    """Return the duration at *key*; `None` when it is missing or zero."""
    value = config.get(key)
    if value is None:
        return None
    try:
        parsed = Duration.parse(str(value))
    except ValueError:
        raise PluginError(f"`{key}` must be a duration such as 5m, got `{value}`") from None
    return parsed if parsed.milliseconds else None
