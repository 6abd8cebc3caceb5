"""
Answer like the part of Grafana's HTTP API that a push uses, by its documentation.

A real server on a real socket, with real folders, versions and refusals; it is no Grafana, and
proves only that we keep to the documented API.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "glsa_secret"


class Grafana:
    """
    Hold what the server keeps.

    Args:
        faults: What goes wrong with the next requests that change something: a status to
            answer with, or `lost` for an answer that never arrives.
    """

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.homes: dict[str, str] = {}
        self.provisioned: set[str] = set()
        self.faults: list[int | str] = []
        self.writes: list[str] = []
        self.url = ""

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        parts = urlsplit(target)
        match method, parts.path.split("/")[1:]:
            case "GET", ["api", "folders", uid]:
                if uid not in self.folders:
                    return 404, {"message": "folder not found"}
                return 200, {"uid": uid, "title": self.folders[uid]}
            case "POST", ["api", "folders"]:
                self.folders[body["uid"]] = body["title"]
                return 200, body
            case "GET", ["api", "search"]:
                return 200, self._search(parse_qs(parts.query))
            case "GET", ["api", "dashboards", "uid", uid]:
                if uid not in self.dashboards:
                    return 404, {"message": "Dashboard not found"}
                meta = {"folderUid": self.homes[uid], "provisioned": uid in self.provisioned}
                return 200, {"dashboard": self.dashboards[uid], "meta": meta}
            case "DELETE", ["api", "dashboards", "uid", uid]:
                self.dashboards.pop(uid)
                return 200, {"message": "deleted"}
            case "POST", ["api", "dashboards", "db"]:
                return self._save(body)
        return 404, {"message": "Not found"}

    def _search(self, query: dict[str, list[str]]) -> list[dict[str, str]]:
        found = [
            {"uid": uid, "title": d["title"], "type": "dash-db"}
            for uid, d in self.dashboards.items()
            if self.homes[uid] in query["folderUIDs"]
        ]
        limit, page = int(query["limit"][0]), int(query["page"][0])
        return found[(page - 1) * limit : page * limit]

    def _save(self, body: dict[str, Any]) -> tuple[int, Any]:
        wanted = body["dashboard"]
        uid = wanted["uid"]
        stored = self.dashboards.get(uid)
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        if uid in self.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if stored and not body["overwrite"] and wanted.get("version") != stored["version"]:
            return 412, {"message": "The dashboard has been changed by someone else"}
        version = stored["version"] + 1 if stored else 1
        self.dashboards[uid] = {**wanted, "id": 7, "version": version}
        self.homes[uid] = body["folderUid"]
        return 200, {"uid": uid, "version": version, "status": "success"}


@contextmanager
def running_grafana() -> Iterator[Grafana]:
    """Run the server on a free port."""
    state = Grafana()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._send(401, {"message": "Invalid API key"})
            fault: int | str | None = None
            if self.command != "GET":
                state.writes.append(f"{self.command} {self.path}")
                fault = state.faults.pop(0) if state.faults else None
            if isinstance(fault, int):
                return self._send(fault, {"message": "not now"})
            status, content = state.answer(self.command, self.path, body)
            if fault == "lost":
                self.close_connection = True
                return None
            return self._send(status, content)

        def _send(self, status: int, content: Any) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _handle  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
