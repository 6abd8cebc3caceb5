"""
Name dashboards for good.

Links between dashboards, bookmarks and a second push all go by the uid. It is made from what
the dashboard is about, never from a title or from when it was made.
"""

from __future__ import annotations

import hashlib

__all__ = ["DETAIL", "OVERVIEW", "PREFIX", "address", "service_uid", "slo_uid", "team_uid"]

# Every uid of ours begins with this; a push touches no other dashboard.
PREFIX = "slostack-"
OVERVIEW = f"{PREFIX}overview"
DETAIL = f"{PREFIX}detail"
# Grafana takes 40 characters at most.
_DIGEST_BYTES = 10


def slo_uid(slo_id: str) -> str:
    """Return the uid of the dashboard of one SLO."""
    return _uid("slo", slo_id)


def service_uid(service: str) -> str:
    """Return the uid of the dashboard of one service."""
    return _uid("service", service)


def team_uid(owner: str) -> str:
    """Return the uid of the dashboard of one team."""
    return _uid("team", owner)


def address(uid: str, query: str = "") -> str:
    """Return where a dashboard is, seen from another one."""
    return f"/d/{uid}?{query}" if query else f"/d/{uid}"


def _uid(what: str, name: str) -> str:
    digest = hashlib.blake2s(name.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{PREFIX}{what}-{digest}"
