"""Hold what the supervisor runs: one program with everything it needs to start and be asked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

__all__ = ["Asking", "Part", "parts_from_json", "parts_to_json"]


class Asking(NamedTuple):
    """
    Say how a part is asked whether it is ready.

    Args:
        address: `host:port` of this machine.
        path: Answers 2xx once ready; empty where a connection is the answer.
        user: With *password_file*, for basic authentication.
        token_file: Holds a bearer token.
    """

    address: str
    path: str = ""
    tls: bool = False
    user: str = ""
    password_file: str = ""
    token_file: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """
    Describe one program.

    Args:
        argv: Absolute path of the program, and its arguments.
        folder: That it runs in.
        startup_seconds: How long it may take to become ready.
        needs: Parts that must have become ready before its first start.
        reload_path: To `POST` to after a change of its files.
        reload_signal: To send after one, such as `HUP`; without both it is restarted.
        launch: Changes when only a restart takes the change up.
        config: Changes when its files do.
        addresses: Where people reach it.
        version: Of the program.
    """

    name: str
    argv: tuple[str, ...]
    folder: str
    asking: Asking
    environment: Mapping[str, str] = field(default_factory=dict)
    startup_seconds: int = 60
    needs: tuple[str, ...] = ()
    reload_path: str = ""
    reload_signal: str = ""
    launch: str = ""
    config: str = ""
    addresses: tuple[str, ...] = ()
    version: str = ""


def parts_to_json(parts: Iterable[Part]) -> str:
    """Return *parts* as JSON, in the order in which they start."""
    return json.dumps({"parts": [asdict(part) for part in parts]}, indent=1) + "\n"


def parts_from_json(text: str) -> tuple[Part, ...]:
    """
    Return the parts that `parts_to_json` wrote.

    Raises:
        ValueError: *text* is something else.
    """
    try:
        return tuple(_part(entry) for entry in json.loads(text)["parts"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a list of parts: {error!r}") from error


def _part(entry: Mapping[str, Any]) -> Part:
    lists = {name: tuple(entry[name]) for name in ("argv", "needs", "addresses")}
    # A named tuple has become a list.
    return Part(**{**entry, **lists, "asking": Asking(*entry["asking"])})
