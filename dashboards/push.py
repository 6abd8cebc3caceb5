"""
Bring the dashboards of a Grafana folder in line with the compiled ones.

What differs is found first. Only dashboards with our uids are ever touched, and none is
deleted unless asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from slo.artifact import Artifact
from slo.dashboards.grafana_server import GrafanaServer, Stored
from slo.dashboards.identity import PREFIX
from slo.errors import ToolError

__all__ = ["Change", "PushPlan", "apply_push", "plan_push"]


@dataclass(frozen=True, slots=True)
class Change:
    """
    Say what a push does to one dashboard.

    Args:
        action: `add`, `change`, `delete`, or `leave` for one that nothing compiles to any more.
        details: What is different, in words.
        version: That is replaced.
    """

    action: str
    uid: str
    title: str
    details: tuple[str, ...] = ()
    version: int | None = None
    content: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PushPlan:
    """
    Hold what a push would do.

    Args:
        unchanged: How many dashboards are as compiled.
        new_folder: The folder has to be made.
    """

    changes: tuple[Change, ...]
    unchanged: int
    new_folder: bool


def plan_push(
    artifacts: Iterable[Artifact],
    server: GrafanaServer,
    folder: str,
    *,
    prune: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> PushPlan:
    """
    Return what has to be done so that *folder* holds the dashboards among *artifacts*.

    Args:
        folder: Its uid.
        prune: Delete ours that nothing compiles to any more, instead of leaving them.
        progress: Told how many dashboards have been compared.

    Raises:
        ToolError: Grafana cannot be asked, or a dashboard is not ours to change.
    """
    wanted = _wanted(artifacts)
    new_folder = not server.has_folder(folder)
    changes: list[Change] = []
    for number, (uid, content) in enumerate(wanted.items(), 1):
        change = _change(uid, content, server.dashboard(uid), folder)
        if change is not None:
            changes.append(change)
        progress(number)
    unchanged = len(wanted) - len(changes)
    if not new_folder:
        changes += [
            Change("delete" if prune else "leave", uid, title)
            for uid, title in sorted(server.uids_in(folder))
            if uid.startswith(PREFIX) and uid not in wanted
        ]
    return PushPlan(tuple(changes), unchanged, new_folder)


def apply_push(plan: PushPlan, server: GrafanaServer, folder: str, title: str) -> None:
    """
    Do what *plan* says.

    Raises:
        ToolError: Grafana refused a change; what was done before stays done, and pushing
            again goes on from there.
    """
    if plan.new_folder:
        server.make_folder(folder, title)
    for change in plan.changes:
        if change.content is not None:
            server.save(change.content, folder, change.version)
        elif change.action == "delete":
            server.delete(change.uid)


def _wanted(artifacts: Iterable[Artifact]) -> dict[str, dict[str, Any]]:
    contents = [
        json.loads(found.text)
        for found in artifacts
        if found.kind == "dashboards" and found.path.endswith(".json")
    ]
    return {str(content["uid"]): content for content in contents}


def _change(uid: str, content: dict[str, Any], stored: Stored | None, folder: str) -> Change | None:
    title = str(content["title"])
    if stored is None:
        return Change("add", uid, title, content=content)
    details = _differences(stored.content, content)
    if stored.folder != folder:
        details = (f"moves from folder {stored.folder or 'General'}", *details)
    if not details:
        return None
    if stored.provisioned:
        raise ToolError(
            f"dashboard {title!r} ({uid}) comes from a provisioned file, which the API cannot "
            "change: push to a Grafana without these files, or replace the files"
        )
    return Change("change", uid, title, details, stored.version, content)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what is different: the titles of panels, the names of other settings."""
    before, after = ({str(p.get("title")): p for p in d.get("panels", ())} for d in (old, new))
    said = [f"new panel {title!r}" for title in after if title not in before]
    said += [f"without panel {title!r}" for title in before if title not in after]
    said += [
        f"panel {title!r}" for title in after if title in before and before[title] != after[title]
    ]
    if not said and old.get("panels") != new.get("panels"):
        said.append("order of panels")
    keys = sorted({*old, *new} - {"panels"})
    return (*said, *(key for key in keys if old.get(key) != new.get(key)))
