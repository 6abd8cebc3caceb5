"""Ask a part over HTTP whether it is ready, or to take up its changed files."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from slo.stack.supervisor.part import Asking

__all__ = ["Answer", "ask", "reload"]

_ASK_SECONDS = 2.0
_RELOAD_SECONDS = 30.0
_LONGEST_REASON = 300


class Answer(NamedTuple):
    """
    Hold what came back.

    Args:
        answered: Something came back at all, so the part is not hung.
        reason: Why it is not ready.
    """

    ready: bool
    answered: bool
    reason: str = ""


def ask(asking: Asking) -> Answer:
    """Return whether the part is ready; never raise."""
    if not asking.path:
        return _connect(asking.address)
    return _request(asking, "GET", asking.path, _ASK_SECONDS)


def reload(asking: Asking, path: str) -> Answer:
    """Tell the part by a POST to *path* to read its files again; never raise."""
    return _request(asking, "POST", path, _RELOAD_SECONDS)


def _connect(address: str) -> Answer:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _ASK_SECONDS).close()
    except OSError as error:
        return Answer(False, False, error.strerror or str(error))
    return Answer(True, True)


def _request(asking: Asking, method: str, path: str, seconds: float) -> Answer:
    try:
        headers = _headers(asking)
        with closing(_connection(asking, seconds)) as connection:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            body = response.read(_LONGEST_REASON)
    except (OSError, http.client.HTTPException) as error:
        return Answer(False, False, str(error) or type(error).__name__)
    if response.status // 100 == 2:
        return Answer(True, True)
    words = body.decode(errors="replace").strip()
    return Answer(False, True, f"status {response.status}{f': {words}' if words else ''}")


def _connection(asking: Asking, seconds: float) -> http.client.HTTPConnection:
    if not asking.tls:
        return http.client.HTTPConnection(asking.address, timeout=seconds)
    # The certificate has the name that people use; here it is asked for by its address, on the
    # machine that runs it.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(asking.address, timeout=seconds, context=context)


def _headers(asking: Asking) -> Mapping[str, str]:
    if asking.token_file:
        token = Path(asking.token_file).read_text("utf-8").strip()
        return {"Authorization": f"Bearer {token}"}
    if asking.user:
        password = Path(asking.password_file).read_text("utf-8").strip()
        login = base64.b64encode(f"{asking.user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {login}"}
    return {}
