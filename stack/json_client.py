"""Ask a local server for JSON within one deadline, trying again where that can help."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

import httpx

from slo.errors import ToolError

__all__ = ["JsonClient"]

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
# The server may answer otherwise in a moment; every other error is ours to repair.
_PASSING_STATUS = frozenset({429, 502, 503, 504})


class JsonClient:
    """
    Send requests to one server; each ends within *deadline_seconds*, retries included.

    Args:
        name: What messages call the server.
        url: Scheme, host and port.
        deadline_seconds: Limit of one call, all attempts and pauses together.
    """

    def __init__(self, name: str, url: str, *, deadline_seconds: float = 5.0) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._deadline_seconds = deadline_seconds
        # A proxy from the environment has no business between us and the loopback address.
        self._http = httpx.Client(base_url=self.url, trust_env=False)

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """
        Return the JSON that a GET of *path* answers.

        Raises:
            ToolError: No usable answer within the deadline, or the server refused.
        """
        response = self._send("GET", path, parameters)
        try:
            return response.json()
        except ValueError as error:
            raise ToolError(f"{self.name} answered {path} with something else than JSON") from error

    def post(self, path: str) -> None:
        """
        Send an empty POST to *path*.

        Raises:
            ToolError: No usable answer within the deadline, or the server refused.
        """
        self._send("POST", path, None)

    def answers(self, path: str) -> bool:
        """Tell whether one GET of *path* succeeds right now; never raise, never retry."""
        try:
            return self._http.get(path, timeout=self._deadline_seconds).is_success
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, method: str, path: str, parameters: Mapping[str, str] | None) -> httpx.Response:
        deadline = time.monotonic() + self._deadline_seconds
        pause = _FIRST_PAUSE_SECONDS
        attempts = 0
        while True:
            attempts += 1
            left = max(0.001, deadline - time.monotonic())
            try:
                response = self._http.request(method, path, params=parameters, timeout=left)
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            else:
                if response.is_success:
                    return response
                problem = f"status {response.status_code}: {_reason(response)}"
                if response.status_code not in _PASSING_STATUS:
                    raise ToolError(f"{self.name} refused {path}: {problem}")
            # Jitter keeps several clients from coming back in step.
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
            if time.monotonic() + wait >= deadline:
                raise ToolError(
                    f"{self.name} at {self.url} gave no answer to {path} within "
                    f"{self._deadline_seconds:g} s ({attempts} attempts): {problem}"
                )
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _reason(response: httpx.Response) -> str:
    """Return the server's own words, from Prometheus's error envelope where there is one."""
    try:
        body = response.json()
    except ValueError:
        return response.text.strip()[:500]
    if isinstance(body, dict) and "error" in body:
        return str(body["error"])
    return str(body)[:500]
