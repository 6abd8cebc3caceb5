"""Ask a server through prometheus-api-client, with a deadline, retries and clear errors."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import requests
from prometheus_api_client import PrometheusConnect
from requests.auth import AuthBase
from urllib3.util.retry import Retry

from slo.duration import Duration
from slo.engine.sources.connection import Connection
from slo.engine.sources.protocol import (
    Answer,
    BadAnswer,
    QueryRefused,
    SourceSeries,
    TooMuchData,
)
from slo.errors import ToolError

__all__ = ["ApiClientSource"]

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0
# The server may answer otherwise in a moment; every other status is its last word.
_PASSING_STATUS = frozenset((408, 429, 502, 503, 504))
_LARGEST_ANSWER = 512 * 1024 * 1024
_CHUNK = 256 * 1024
# How Prometheus, VictoriaMetrics, Thanos and Mimir say that a query reads too much.
_TOO_MUCH = re.compile(
    r"too many (samples|points|series|chunks)|exceed|maximum resolution|-search\.max|"
    r"max(imum)? (number|allowed)|limit|timed out|timeout|deadline",
    re.IGNORECASE,
)
# A query that cannot be parsed has this status too, whatever words it holds.
_TOO_POINTED = re.compile(r"maximum resolution|too many points|-search\.max", re.IGNORECASE)
# Half an answer would be taken for half the events: Thanos and VictoriaMetrics must fail
# instead. VictoriaMetrics must not move the start either. Others ignore these.
_WHOLE: Mapping[str, str] = {
    "partial_response": "false",
    "deny_partial_response": "1",
    "nocache": "1",
}


class ApiClientSource:
    """
    Ask one server; each call ends within the connection's deadline, retries included.

    Args:
        connection: How to reach it.
        clock: Seconds that only grow.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = connection.url.rstrip("/")
        self._connection, self._clock, self._sleep = connection, clock, sleep
        self._session = _Session(connection, clock)
        self._client: Any = PrometheusConnect(
            self.url, session=self._session, retry=Retry(0), method="POST"
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def instant(self, query: str, at: float | None = None) -> Answer:
        """Return the series of *query* at one moment; see `MetricsSource`."""
        parameters = dict(_WHOLE)
        if at is not None:
            parameters["time"] = f"{at:.3f}"
        return self._answer(lambda: self._client.custom_query(query, params=parameters))

    def range(self, query: str, start: float, end: float, step: Duration) -> Answer:
        """Return the series of *query* every *step*; see `MetricsSource`."""
        # The library rounds times to whole seconds; these parameters replace its own.
        exactly = {"start": f"{start:.3f}", "end": f"{end:.3f}", **_WHOLE}
        first, last = (datetime.fromtimestamp(at, UTC) for at in (start, end))
        width = f"{step.seconds:.3f}"
        return self._answer(
            lambda: self._client.custom_query_range(query, first, last, width, params=exactly)
        )

    def head_start(self) -> float | None:
        """Return where the head of a Prometheus begins; see `MetricsSource`."""
        try:
            found = self._repeated(
                lambda: self._session.request("GET", f"{self.url}/api/v1/status/tsdb").json()
            )
            oldest = int(found["data"]["headStats"]["minTime"])
        except (BadAnswer, QueryRefused, KeyError, TypeError, ValueError):
            return None
        # An empty head begins at the end of time.
        return min(oldest / 1000, time.time())

    def _answer(self, ask: Callable[[], list[dict[str, Any]]]) -> Answer:
        try:
            series = tuple(map(_series, self._repeated(ask)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadAnswer(f"{self.url} answers with something else than series") from error
        return Answer(series, self._session.warnings)

    def _repeated(self, ask: Callable[[], T]) -> T:
        limit = self._connection.timeout.seconds
        self._session.deadline = deadline = self._clock() + limit
        pause, attempts = _FIRST_PAUSE_SECONDS, 0
        while True:
            attempts += 1
            try:
                return ask()
            except _Passing as error:
                problem = str(error)
            except requests.exceptions.SSLError as error:
                hint = "name the certificates to trust with --ca-file"
                if "WRONG_VERSION_NUMBER" in str(error):
                    hint = "perhaps the server speaks http://, not https://"
                raise ToolError(f"{self.url}: {_cause(error)}; {hint}") from error
            except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader) as error:
                raise ToolError(f"{self.url}: {error}") from error
            except requests.RequestException as error:
                problem = _cause(error)
            # Jitter keeps several clients from coming back in step.
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
            if self._clock() + wait >= deadline:
                tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
                raise ToolError(
                    f"{self.url} gave no answer within {limit:g} s ({tried}): {problem}"
                )
            self._sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


class _Passing(Exception):
    """Carry a failure that another attempt may not meet."""


class _Authorization(AuthBase):
    """Set our own header; without this, requests would look for a .netrc."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        value = self._connection.authorization()
        if value is not None:
            request.headers["Authorization"] = value
        return request


class _Session(requests.Session):
    """
    Send the library's requests: parameters in the body, one deadline, errors in our words.

    Args:
        connection: How to reach the server.
        clock: Seconds that only grow.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        super().__init__()
        self._connection, self._clock = connection, clock
        self.trust_env = connection.trusts_environment
        self.verify = str(connection.ca_file) if connection.ca_file else True
        self.cert = _client_certificate(connection)
        self.headers.update(connection.headers)
        self.deadline = 0.0
        self.warnings: tuple[str, ...] = ()

    def request(self, method: Any, url: Any, **given: Any) -> requests.Response:  # type: ignore[override]
        left = max(0.001, self.deadline - self._clock())
        response = super().request(
            method,
            url,
            # A query may be longer than a proxy lets a URL be.
            data=given.get("params") if method == "POST" else None,
            params=None if method == "POST" else given.get("params"),
            auth=_Authorization(self._connection),
            timeout=left,
            stream=True,
            # A redirected POST loses its query, and our headers are not for other servers.
            allow_redirects=False,
        )
        with response:
            body = self._body(response)
        if response.is_redirect:
            raise BadAnswer(
                f"{self._connection.url} redirects to {response.headers['location'][:200]}: name "
                "the server's own address, and log in with --token-file or --basic-auth-file"
            )
        if response.status_code != 200:
            raise _error(self._connection.url, response.status_code, body)
        found = _envelope(self._connection.url, body)
        self.warnings = tuple(map(str, found.get("warnings") or ()))
        # The library asks for the content as if it had arrived in one piece.
        response.json = lambda **_: found  # type: ignore[method-assign]
        return response

    def _body(self, response: requests.Response) -> bytes:
        parts, size = [], 0
        for part in response.iter_content(_CHUNK):
            parts.append(part)
            size += len(part)
            if size > _LARGEST_ANSWER:
                raise TooMuchData(f"{self._connection.url}: the answer is larger than 512 MiB")
            if self._clock() > self.deadline:
                raise requests.Timeout("the answer did not end in time")
        return b"".join(parts)


def _client_certificate(connection: Connection) -> str | tuple[str, str] | None:
    certificate, key = connection.client_cert_file, connection.client_key_file
    if certificate is None:
        return None
    for path in (certificate, key):
        # The library would say this of every attempt, and not which option it was.
        if path is not None and not path.is_file():
            raise ToolError(f"{path}: there is no such file")
    return str(certificate) if key is None else (str(certificate), str(key))


def _series(found: Mapping[str, Any]) -> SourceSeries:
    labels = found["metric"]
    if "values" in found:
        pairs = found["values"]
    elif "value" in found:
        pairs = [found["value"]]
    else:
        raise QueryRefused("the query returns native histograms, not numbers")
    return SourceSeries(labels, tuple((float(t), float(v)) for t, v in pairs))


def _envelope(url: str, body: bytes) -> dict[str, Any]:
    """
    Return what a server said that answers as Prometheus does.

    Raises:
        BadAnswer: It is something else.
    """
    try:
        found = json.loads(body)
    except ValueError:
        if body.lstrip().startswith(b"{"):
            raise _Passing("the answer is cut off") from None
        found = None
    if isinstance(found, dict) and isinstance(found.get("data"), dict):
        return found
    said = _reason(body) or "nothing"
    raise BadAnswer(
        f"{url} does not answer as a Prometheus does; is this its address, with its path prefix? "
        f"It says: {said[:120]}"
    )


def _error(url: str, status: int, body: bytes) -> Exception:
    reason = _reason(body) or "no reason given"
    too_much = _TOO_POINTED if status == 400 else _TOO_MUCH
    if status in (400, 413, 422, 503, 504) and too_much.search(reason):
        return TooMuchData(f"{url} refused the query (status {status}): {reason}")
    if status in _PASSING_STATUS:
        return _Passing(f"status {status}: {reason}")
    hint = ""
    if status in (401, 403):
        hint = "; log in with --token-file or --basic-auth-file, or name the --tenant"
    elif status == 404:
        hint = "; is this the address of a Prometheus, with its path prefix?"
    return QueryRefused(f"{url} refused the query (status {status}): {reason}{hint}")


def _reason(body: bytes) -> str:
    """Return the server's own words, from Prometheus's error envelope where there is one."""
    try:
        found = json.loads(body)
    except ValueError:
        return " ".join(body.decode(errors="replace").split())[:300]
    if isinstance(found, dict) and found.get("error"):
        return str(found["error"])[:500]
    return str(found)[:300]


def _cause(error: BaseException) -> str:
    """Return the innermost reason: requests and urllib3 wrap it several times."""
    reason: Any = error
    for _ in range(6):
        arguments = getattr(reason, "args", ())
        inner = getattr(reason, "reason", None) or (arguments[0] if arguments else None)
        if not isinstance(inner, BaseException):
            break
        reason = inner
    text = re.sub(r"\. \(read timeout=[\d.]+\)$", "", str(reason))
    return re.sub(r"^<?[\w.]+(?:\(.*?\))?(?: object at 0x[0-9a-f]+)?>?: ", "", text) or repr(error)
