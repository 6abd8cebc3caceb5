"""Start, stop and look at a rendered stack by Docker Compose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from slo.errors import ToolError
from slo.stack.targets.compose import COMPOSE_FILE
from slo.stack.targets.compose_service import PREPARE
from slo.stack.targets.outside_tools import OutsidePart, find_tool, run_tool, version_of

__all__ = ["ComposeStack"]

_INSTALL = "install Docker with its plugin Compose, https://docs.docker.com/compose/install"
# What is not bound by waiting: images that have to be fetched first, and containers that end.
_FETCH_SECONDS, _STOP_SECONDS, _ASK_SECONDS = 1800, 300, 60
_CONDITIONS = {"exited": "stopped", "dead": "crashing", "created": "waiting", "paused": "stopped"}


class ComposeStack:
    """Call `docker compose` on the project in *folder*."""

    def __init__(self, folder: Path) -> None:
        """
        Find the programs.

        Raises:
            ToolError: Docker or its plugin Compose is missing.
        """
        self._file = folder / COMPOSE_FILE
        docker = find_tool("docker", _INSTALL)
        asked = run_tool([docker, "compose", "version"], seconds=_ASK_SECONDS)
        if asked.returncode:
            raise ToolError(f"{docker} has no command `compose`: {_INSTALL}")
        self._command = (docker, "compose", "--file", str(self._file))

    @property
    def is_rendered(self) -> bool:
        """Say whether there is a project."""
        return self._file.is_file()

    def up(self, *, wait_seconds: float) -> None:
        """
        Make and start the containers.

        Args:
            wait_seconds: How long to wait until they are healthy; 0 not at all.

        Raises:
            ToolError: Compose failed, or something is not healthy in time.
        """
        wait = ("--wait", "--wait-timeout", f"{wait_seconds:.0f}") if wait_seconds else ()
        command = (*self._command, "up", "--detach", "--remove-orphans", *wait)
        done = run_tool(command, seconds=wait_seconds + _FETCH_SECONDS, shown=True)
        if done.returncode:
            raise ToolError(
                f"docker compose up failed ({done.returncode}); its own words are above.\n"
                "See `slo stack status --target compose`, and "
                f"`docker compose --file {self._file} logs PART`"
            )

    def down(self, *, purge: bool) -> None:
        """
        Stop and remove the containers.

        Args:
            purge: Delete the volumes, too.

        Raises:
            ToolError: Compose failed.
        """
        volumes = ("--volumes",) if purge else ()
        command = (*self._command, "down", "--remove-orphans", *volumes)
        done = run_tool(command, seconds=_STOP_SECONDS, shown=True)
        if done.returncode:
            raise ToolError(
                f"docker compose down failed ({done.returncode}); its own words are above"
            )

    def parts(self) -> tuple[OutsidePart, ...]:
        """
        Return how each service of the project stands.

        Raises:
            ToolError: Compose does not say, or not in a way that can be read.
        """
        done = run_tool((*self._command, "ps", "--all", "--format", "json"), seconds=_ASK_SECONDS)
        if done.returncode:
            raise ToolError(f"docker compose ps failed: {done.stderr.strip()}")
        try:
            found = {str(item["Service"]): _part(item) for item in _items(done.stdout)}
            services = yaml.safe_load(self._file.read_text("utf-8"))["services"]
        except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            raise ToolError(f"docker compose ps: not understood: {error}") from error
        except OSError as error:
            raise ToolError(f"{self._file}: {error.strerror}") from error
        names = [*services, *sorted(found.keys() - services.keys())]
        return tuple(
            found.get(name) or OutsidePart(name, "stopped", "has no container") for name in names
        )


def _items(text: str) -> list[Mapping[str, Any]]:
    """Read a list, which older versions print, or one object a line."""
    if text.lstrip().startswith("["):
        listed: list[Mapping[str, Any]] = json.loads(text)
        return listed
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _part(item: Mapping[str, Any]) -> OutsidePart:
    name, state, health = item["Service"], item["State"], item.get("Health") or ""
    reason = ""
    if state == "running":
        condition = {"starting": "starting", "unhealthy": "unready"}.get(health, "up")
        reason = "its check of health fails" if health == "unhealthy" else ""
    elif name == PREPARE and state == "exited" and item.get("ExitCode") == 0:
        condition = "done"
    else:
        condition = _CONDITIONS.get(state, state)
        reason = item.get("Status") or state
    addresses = {
        f"{port['URL']}:{port['PublishedPort']}"
        for port in item.get("Publishers") or ()
        if port.get("PublishedPort")
    }
    return OutsidePart(
        name,
        condition,
        reason,
        version=version_of(item.get("Image") or ""),
        addresses=tuple(sorted(addresses)),
    )
