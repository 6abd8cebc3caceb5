"""Hold how to reach a server, and open a source that does."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from slo.duration import Duration, seconds
from slo.errors import ToolError

if TYPE_CHECKING:
    import ssl

    from slo.engine.sources.api_client import ApiClientSource

__all__ = ["Connection", "connect", "is_loopback"]

_EXTRA = frozenset(("prometheus_api_client", "requests", "dateparser"))


@dataclass(frozen=True, slots=True)
class Connection:
    """
    Hold how to reach one server.

    Args:
        url: Scheme, host and port, and a path where the server has a prefix.
        headers: Sent with every request.
        token_file: Holds a bearer token; read anew for every request, since tokens are renewed.
        basic_auth_file: Holds `user:password`.
        ca_file: Certificates to trust instead of the system's.
        client_cert_file: Certificate to show to the server, in PEM form.
        client_key_file: Its key, where that is not in the same file.
        timeout: Limit of one query, all attempts together.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    token_file: Path | None = None
    basic_auth_file: Path | None = None
    ca_file: Path | None = None
    timeout: Duration = field(default_factory=lambda: seconds(60))
    client_cert_file: Path | None = None
    client_key_file: Path | None = None

    @property
    def trusts_environment(self) -> bool:
        """Tell whether a proxy of the environment may stand between us and the server."""
        return not is_loopback(self.url)

    def tls(self) -> ssl.SSLContext | bool:
        """
        Return whom to trust and what to show to the server, in httpx's terms.

        Raises:
            ToolError: A file holds nothing that can be used.
        """
        if self.url.startswith("http:"):
            # Nothing to verify, and loading the certificates takes a while.
            return False
        import ssl

        path = self.ca_file
        try:
            context = ssl.create_default_context(cafile=str(path) if path else None)
            path = self.client_cert_file
            if path is not None:
                # Nobody is there to be asked for the password of a key.
                context.load_cert_chain(path, self.client_key_file, password=lambda: b"")
        except OSError as error:
            raise ToolError(f"{path}: not a certificate that can be used: {error}") from error
        return context

    def authorization(self) -> str | None:
        """
        Return the header of that name.

        Raises:
            ToolError: A file cannot be read, or is not what it should be.
        """
        import base64

        if self.token_file is not None:
            return f"Bearer {_secret(self.token_file)}"
        if self.basic_auth_file is not None:
            pair = _secret(self.basic_auth_file)
            if ":" not in pair:
                raise ToolError(f"{self.basic_auth_file}: expected one line `user:password`")
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return None


def is_loopback(url: str) -> bool:
    """Tell whether *url* names this machine."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _secret(path: Path) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ToolError(f"{path}: not text") from error
    if not text or "\n" in text:
        raise ToolError(f"{path}: expected one line")
    return text


def connect(connection: Connection) -> closing[ApiClientSource]:
    """
    Return a source for *connection*, to be used in a `with` statement.

    Raises:
        ToolError: The client library is not installed.
    """
    try:
        from slo.engine.sources.api_client import ApiClientSource
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise ToolError(
            f"reading history needs the Python package {error.name}: "
            "pip install 'slostack[history]'"
        ) from error
    return closing(ApiClientSource(connection))
