"""Ask a Grafana over its HTTP API, within deadlines."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote

import httpx
import stamina

from slo.errors import ToolError

__all__ = ["Changed", "GrafanaServer", "Stored"]

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0
_SHARE_OF_ONE = 0.4
_PAGE = 1_000
_MOST_PAGES = 100
_LARGEST_ANSWER = 64 * 1024 * 1024
_PASSING_STATUS = frozenset((408, 429, 502, 503, 504))
_OK, _NOT_FOUND, _CHANGED = 200, 404, 412


class _Away(ToolError):
    """Say that trying again may help."""


class Changed(ToolError):
    """Say that somebody else has saved the dashboard in the meantime."""


class Stored(NamedTuple):
    """
    Hold a dashboard as Grafana keeps it.

    Args:
        content: Without what Grafana adds to it.
        provisioned: It comes from a file, and the API cannot change it.
    """

    content: dict[str, Any]
    version: int
    folder: str
    provisioned: bool


class GrafanaServer:
    """
    Read and save dashboards and their folder.

    Args:
        url: Up to the path that Grafana is served from.
        token: Of a service account that may edit dashboards in the folder.
        ca_file: Certificates to trust; those of the system if left out.
        within: Seconds for one call, all attempts together.
    """

    def __init__(
        self, url: str, token: str, *, ca_file: Path | None = None, within: float = 30.0
    ) -> None:
        self.url = url.rstrip("/")
        self._within = within
        tls: ssl.SSLContext | bool = True
        if ca_file is not None:
            try:
                tls = ssl.create_default_context(cafile=str(ca_file))
            except OSError as error:
                raise ToolError(f"{ca_file}: {error.strerror or error}") from error
        self._client = httpx.Client(
            verify=tls, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def has_folder(self, uid: str) -> bool:
        """
        Tell whether there is a folder *uid*.

        Raises:
            ToolError: Grafana cannot be asked, as in every other method.
        """
        return self._call("GET", f"/api/folders/{quote(uid, safe='')}", missing=True) is not None

    def make_folder(self, uid: str, title: str) -> None:
        """Make a folder at the top."""
        self._call("POST", "/api/folders", {"uid": uid, "title": title})

    def uids_in(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield uid and title of the dashboards in a folder."""
        for page in range(1, _MOST_PAGES + 1):
            query = f"type=dash-db&folderUIDs={quote(folder, safe='')}&limit={_PAGE}&page={page}"
            found = self._call("GET", f"/api/search?{query}")
            if not isinstance(found, list):
                raise ToolError(f"{self.url}/api/search: not the answer of a Grafana")
            yield from ((str(one.get("uid", "")), str(one.get("title", ""))) for one in found)
            if len(found) < _PAGE:
                return

    def dashboard(self, uid: str) -> Stored | None:
        """Return a dashboard, or `None` where there is none."""
        found = self._call("GET", _path(uid), missing=True)
        if found is None:
            return None
        try:
            content, meta = dict(found["dashboard"]), found["meta"]
            content.pop("id", None)
            version = int(content.pop("version", 0))
            folder, provisioned = str(meta.get("folderUid") or ""), bool(meta.get("provisioned"))
        except (KeyError, TypeError, ValueError) as error:
            raise ToolError(f"{self.url}{_path(uid)}: not the answer of a Grafana") from error
        return Stored(content, version, folder, provisioned)

    def save(self, content: Mapping[str, Any], folder: str, version: int | None) -> None:
        """
        Save a dashboard.

        Args:
            version: That it replaces; `None` for a new one.

        Raises:
            Changed: It is not at that version any more.
        """
        dashboard = {**content, "id": None}
        if version is not None:
            dashboard["version"] = version
        body = {
            "dashboard": dashboard,
            "folderUid": folder,
            "message": "pushed by slostack",
            "overwrite": False,
        }
        try:
            self._call("POST", "/api/dashboards/db", body)
        except Changed:
            # The attempt before may have arrived although its answer did not.
            stored = self.dashboard(str(content["uid"]))
            if stored is None or stored.content != content or stored.folder != folder:
                raise

    def delete(self, uid: str) -> None:
        """Delete a dashboard; one that is gone already is fine."""
        self._call("DELETE", _path(uid), missing=True)

    def _call(
        self, method: str, path: str, body: object | None = None, *, missing: bool = False
    ) -> Any:
        ends = time.monotonic() + self._within
        try:
            for attempt in stamina.retry_context(
                on=_Away,
                attempts=None,
                timeout=self._within,
                wait_initial=_FIRST_PAUSE_SECONDS,
                wait_max=_LONGEST_PAUSE_SECONDS,
                wait_jitter=_FIRST_PAUSE_SECONDS,
            ):
                with attempt:
                    limit = min(ends - time.monotonic(), self._within * _SHARE_OF_ONE)
                    return self._once(method, path, body, max(0.1, limit), missing)
        except _Away as error:
            raise ToolError(
                f"{self.url} gave no answer within {self._within:g} s: {error}"
            ) from error
        raise AssertionError("a retry either returns or raises")

    def _once(
        self, method: str, path: str, body: object | None, limit: float, missing: bool
    ) -> Any:
        ends = time.monotonic() + limit
        read = bytearray()
        try:
            with self._client.stream(
                method, f"{self.url}{path}", json=body, timeout=limit
            ) as reply:
                for part in reply.iter_bytes():
                    read += part
                    if len(read) > _LARGEST_ANSWER or time.monotonic() > ends:
                        raise _Away("the answer does not end")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ToolError(f"{self.url}: {error}") from error
        except httpx.TimeoutException as error:
            raise _Away("it does not answer") from error
        except httpx.HTTPError as error:
            raise _Away(str(error) or type(error).__name__) from error
        return self._answer(method, path, reply.status_code, bytes(read), missing)

    def _answer(self, method: str, path: str, status: int, body: bytes, missing: bool) -> Any:
        try:
            content = json.loads(body)
        except ValueError:
            content = None
        if status == _OK and content is not None:
            return content
        if status == _NOT_FOUND and missing and isinstance(content, dict):
            return None
        detail = content.get("message") if isinstance(content, dict) else None
        said = f"{method} {self.url}{path} answered {status}" + (f": {detail}" if detail else "")
        if status in _PASSING_STATUS:
            raise _Away(said)
        if status == _CHANGED:
            raise Changed(f"{said}; push again to see what changed")
        if status in (401, 403):
            said += "; the token needs a service account with the role Editor on the folder"
        elif content is None:
            said += "; that is not a Grafana, or not the path that it is served from"
        raise ToolError(said)


def _path(uid: str) -> str:
    return f"/api/dashboards/uid/{quote(uid, safe='')}"
