"""Ask the parts of a stack over HTTP, logged in where they want that, within a deadline."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

from slo.stack.doctor.finding import Unreachable

__all__ = ["Caller", "Login", "Reply"]

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
_PASSING_STATUS = frozenset((429, 502, 503, 504))
_LONGEST_REASON = 300


class Login(NamedTuple):
    """Hold how to log in: by user and password, by a bearer token, or not at all."""

    user: str = ""
    password: str = ""
    token: str = ""


class Reply(NamedTuple):
    """
    Hold an answer.

    Args:
        body: The JSON of it; `None` where it is none.
        clock: The sender's own time from the header `Date`, or nothing.
        seconds: How long it took.
    """

    status: int
    body: Any
    text: str
    clock: str
    seconds: float


class Caller:
    """
    Send requests to one part; each ends within *deadline_seconds*, retries included.

    Args:
        part: What messages call it.
        url: Scheme, host and port.
    """

    def __init__(self, part: str, url: str, login: Login, deadline_seconds: float = 5.0) -> None:
        self.part = part
        self.url = url
        self._deadline_seconds = deadline_seconds
        # The certificate has the name that people use, and we ask by the address.
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        headers = {"Authorization": f"Bearer {login.token}"} if login.token else {}
        self._http = httpx.Client(
            base_url=url,
            verify=unverified,
            headers=headers,
            auth=(login.user, login.password) if login.user else None,
            # A proxy from the environment has no business between us and the stack.
            trust_env=False,
        )

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """
        Return the JSON that a GET of *path* answers.

        Raises:
            Unreachable: No usable answer within the deadline.
        """
        return self._json(path, self.send("GET", path, parameters=parameters))

    def post(self, path: str, body: Any) -> Any:
        """
        Send *body* as JSON to *path*, and return the JSON of the answer, if it is some.

        Raises:
            Unreachable: No usable answer within the deadline.
        """
        return self.send("POST", path, body=body).body

    def data(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """
        Return the data in Prometheus's envelope.

        Raises:
            Unreachable: No usable answer within the deadline.
        """
        body = self.get(path, parameters)
        if not isinstance(body, dict) or body.get("status") != "success":
            raise Unreachable(self.part, f"answered {path} without success")
        return body["data"]

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """
        Return labels and value of each series of an instant query.

        Raises:
            Unreachable: No usable answer within the deadline.
        """
        data = self.data("/api/v1/query", {"query": expression})
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(series["metric"], float(series["value"][1])) for series in data["result"]]

    def value(self, expression: str) -> float | None:
        """
        Return the value of the first series of an instant query, or `None` without one.

        Raises:
            Unreachable: No usable answer within the deadline.
        """
        found = self.query(expression)
        return found[0][1] if found else None

    def send(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Reply:
        """
        Send a request and return the answer, which has a status of 2xx.

        Raises:
            Unreachable: There was none within the deadline.
        """
        deadline = time.monotonic() + self._deadline_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            left = max(0.001, deadline - began)
            try:
                response = self._http.request(
                    method, path, params=parameters, json=body, timeout=left
                )
            except httpx.TransportError as error:
                problem = f"gives no answer at {self.url}: {str(error) or type(error).__name__}"
            else:
                if response.is_success:
                    return _reply(response, time.monotonic() - began)
                words = " ".join(response.text.split())[:_LONGEST_REASON]
                problem = f"answers {path} with status {response.status_code}: {words}"
                if response.status_code not in _PASSING_STATUS:
                    raise Unreachable(self.part, problem)
            # Jitter keeps several clients from coming back in step.
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
            if time.monotonic() + wait >= deadline:
                raise Unreachable(self.part, problem)
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _json(self, path: str, reply: Reply) -> Any:
        if reply.body is None:
            raise Unreachable(self.part, f"answers {path} with something else than JSON")
        return reply.body


def _reply(response: httpx.Response, seconds: float) -> Reply:
    try:
        body = response.json()
    except ValueError:
        body = None
    clock = response.headers.get("date", "")
    return Reply(response.status_code, body, response.text, clock, seconds)
