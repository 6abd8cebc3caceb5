"""Make the exporters of destinations: address, authentication, queue and retry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from slo.collector.versions import component_name, version_of
from slo.telemetry import Destination, Secret, Tier

__all__ = ["Exporter", "escaped", "exporter_of", "queue", "retry"]

STORAGE = "file_storage"

# The exporter's own translation, by the words of typed indicators.
_STRATEGIES = {
    "escaped": "UnderscoreEscapingWithSuffixes",
    "escaped_without_suffixes": "UnderscoreEscapingWithoutSuffixes",
    "utf8": "NoTranslation",
    "utf8_with_suffixes": "NoUTF8EscapingWithSuffixes",
}
_OTLP_PATHS = {
    "prometheus": "/api/v1/otlp",
    "victoriametrics": "/opentelemetry",
    "mimir": "/otlp",
    "loki": "/otlp",
}
_WRITE_PATHS = {
    "prometheus": "/api/v1/write",
    "victoriametrics": "/api/v1/write",
    "mimir": "/api/v1/push",
}
# They refuse samples that come after later ones of the same series.
_ORDERED = frozenset(("prometheus", "mimir"))
# From here on, settings of the connection stand below `http`, and apart from them a time limit
# for a request with all its retries.
_NESTED_HTTP = (0, 158)


class Exporter(NamedTuple):
    """Hold an exporter with its id, and the extensions that it needs."""

    id: str
    settings: Mapping[str, Any]
    extensions: Mapping[str, Mapping[str, Any]]


def escaped(text: str) -> str:
    """
    Return *text* so that the collector does not expand it.

    >>> escaped("cost: $5"), escaped("${HOME}")
    ('cost: $$5', '$${HOME}')
    """
    return text.replace("$", "$$")


def retry() -> dict[str, Any]:
    """Return the settings of retries that never give up; the queue bounds what waits."""
    return {"enabled": True, "initial_interval": "1s", "max_interval": "30s", "max_elapsed_time": 0}


def queue(size: int) -> dict[str, Any]:
    """Return the settings of a queue that survives a restart, and sends in batches."""
    return {
        "enabled": True,
        "storage": STORAGE,
        "sizer": "requests",
        "queue_size": size,
        "batch": {"sizer": "items", "flush_timeout": "1s", "min_size": 2000, "max_size": 8000},
    }


def exporter_of(destination: Destination, tier: Tier, version: str) -> Exporter:
    """Return the exporter that sends to *destination*."""
    kind, settings = _SHAPES[_shape(destination)](destination, version)
    extensions: dict[str, Mapping[str, Any]] = {}
    if destination.kind != "debug":
        extensions = _authenticate(destination, settings, version)
        settings |= _patience(destination, tier)
    return Exporter(f"{component_name(kind, version)}/{destination.name}", settings, extensions)


def _shape(destination: Destination) -> str:
    if destination.kind in ("elasticsearch", "zipkin", "datadog", "debug"):
        return destination.kind
    if destination.protocol == "remote_write":
        return "remote_write"
    return "otlp_grpc" if destination.protocol == "grpc" else "otlp_http"


def _patience(destination: Destination, tier: Tier) -> dict[str, Any]:
    """Return queue and retry in the exporter's own words."""
    if destination.protocol == "remote_write":
        # This exporter has no stored queue. Its log on disk (`wal`) would be one, but begins
        # anew for ever at the first sample that the server refuses, and delays all others.
        return {
            "retry_on_failure": retry(),
            "remote_write_queue": {"enabled": True, "queue_size": tier.queue_size},
        }
    if destination.kind == "elasticsearch":
        # It retries by document, and has no other retry.
        endless = {"enabled": True, "max_retries": 1_000_000, "max_interval": "30s"}
        return {"retry": endless, "sending_queue": queue(tier.queue_size)}
    waiting = queue(tier.queue_size)
    if destination.kind in _ORDERED:
        waiting["num_consumers"] = 1
    if destination.kind == "datadog":
        # Its intake refuses large requests.
        waiting["batch"] |= {"min_size": 10, "max_size": 100}
    return {"retry_on_failure": retry(), "sending_queue": waiting}


def _headers(destination: Destination) -> dict[str, str]:
    headers = {name: _value(value) for name, value in destination.headers.items()}
    if destination.tenant is not None:
        headers["X-Scope-OrgID"] = escaped(destination.tenant)
    return headers


def _value(value: str | Secret) -> str:
    """Return a value, or what makes the collector read it when it starts."""
    if isinstance(value, Secret):
        return f"${{{value.source}:{value.name}}}"
    return escaped(value)


def _tls(destination: Destination) -> dict[str, Any]:
    names = {"server_name": "server_name_override"}
    files = {
        names.get(name, name): escaped(value)
        for name, value in destination.tls._asdict().items()
        if value is not None
    }
    insecure = urlsplit(destination.url).scheme != "https"
    return {"insecure": True} if insecure else files


def _connection(destination: Destination, endpoint: str) -> dict[str, Any]:
    """Return the settings of a client over HTTP."""
    settings: dict[str, Any] = {"endpoint": escaped(endpoint), "timeout": "10s"}
    tls, headers = _tls(destination), _headers(destination)
    if tls and not tls.get("insecure"):
        settings["tls"] = tls
    if headers:
        settings["headers"] = headers
    return settings


def _otlp_http(destination: Destination, version: str) -> tuple[str, dict[str, Any]]:
    path = _OTLP_PATHS.get(destination.kind, "")
    return "otlp_http", _connection(destination, destination.url + path)


def _otlp_grpc(destination: Destination, version: str) -> tuple[str, dict[str, Any]]:
    address = urlsplit(destination.url)
    port = address.port or 4317
    settings: dict[str, Any] = {"endpoint": f"{address.hostname}:{port}", "timeout": "10s"}
    if tls := _tls(destination):
        settings["tls"] = tls
    if headers := _headers(destination):
        # Metadata of gRPC is in lower case.
        settings["headers"] = {name.lower(): value for name, value in headers.items()}
    return "otlp_grpc", settings


def _remote_write(destination: Destination, version: str) -> tuple[str, dict[str, Any]]:
    connection = _connection(destination, destination.url + _WRITE_PATHS[destination.kind])
    if urlsplit(destination.url).scheme != "https":
        connection["tls"] = {"insecure": True}
    if version_of(version) >= _NESTED_HTTP:
        settings: dict[str, Any] = {"timeout": 0, "http": connection}
    else:
        # One setting for both: too short loses what waits, too long waits for the dead.
        settings = {**connection, "timeout": "10m"}
    return "prometheus_remote_write", {
        **settings,
        "translation_strategy": _STRATEGIES[destination.naming],
    }


def _elasticsearch(destination: Destination, version: str) -> tuple[str, dict[str, Any]]:
    settings: dict[str, Any] = {"endpoints": [escaped(destination.url)]}
    if destination.index_name is not None:
        for signal in destination.signals:
            settings[f"{signal}_index"] = escaped(destination.index_name)
    tls, headers = _tls(destination), _headers(destination)
    if tls and not tls.get("insecure"):
        settings["tls"] = tls
    if headers:
        settings["headers"] = headers
    return "elasticsearch", settings


def _zipkin(destination: Destination, version: str) -> tuple[str, dict[str, Any]]:
    return "zipkin", _connection(destination, f"{destination.url}/api/v2/spans")


def _datadog(destination: Destination, version: str) -> tuple[str, dict[str, Any]]:
    assert destination.token is not None
    api: dict[str, Any] = {"key": _value(destination.token)}
    if destination.site is not None:
        api["site"] = escaped(destination.site)
    settings: dict[str, Any] = {"api": api}
    if destination.url:
        for signal in destination.signals:
            settings[signal] = {"endpoint": escaped(destination.url)}
    return "datadog", settings


def _debug(destination: Destination, version: str) -> tuple[str, dict[str, Any]]:
    return "debug", {"verbosity": "normal"}


_SHAPES: Mapping[str, Callable[[Destination, str], tuple[str, dict[str, Any]]]] = {
    "otlp_http": _otlp_http,
    "otlp_grpc": _otlp_grpc,
    "remote_write": _remote_write,
    "elasticsearch": _elasticsearch,
    "zipkin": _zipkin,
    "datadog": _datadog,
    "debug": _debug,
}


def _authenticate(
    destination: Destination, settings: dict[str, Any], version: str
) -> dict[str, Mapping[str, Any]]:
    """Add authentication to *settings* and return the extensions that provide it."""
    if destination.kind == "datadog":
        return {}
    if destination.kind == "elasticsearch":
        if destination.token is not None:
            settings["api_key"] = _value(destination.token)
        if destination.username is not None and destination.password is not None:
            settings["user"] = escaped(destination.username)
            settings["password"] = _value(destination.password)
        return {}
    extension: tuple[str, dict[str, Any]] | None = None
    if destination.token is not None:
        # A file is read again when it changes.
        in_file = destination.token.source == "file"
        extension = (
            f"bearertokenauth/{destination.name}",
            {"filename": escaped(destination.token.name)}
            if in_file
            else {"token": _value(destination.token)},
        )
    elif destination.username is not None and destination.password is not None:
        in_file = destination.password.source == "file"
        password = {"password_file": escaped(destination.password.name)}
        login = {"username": escaped(destination.username)} | (
            password if in_file else {"password": _value(destination.password)}
        )
        extension = (f"basicauth/{destination.name}", {"client_auth": login})
    client = settings.get("http", settings)
    if extension is None:
        extension = _header_from_file(destination, client)
    if extension is None:
        return {}
    client["auth"] = {"authenticator": extension[0]}
    return {extension[0]: extension[1]}


def _header_from_file(
    destination: Destination, client: dict[str, Any]
) -> tuple[str, dict[str, Any]] | None:
    """
    Move the one header whose value stands in a file from *client* to an extension.

    It leaves out the line break at the file's end, with which no request could be sent, and
    reads the file again when it changes. A connection has room for one such extension.
    """
    files = {
        name: value
        for name, value in destination.headers.items()
        if isinstance(value, Secret) and value.source == "file"
    }
    if len(files) != 1 or destination.protocol == "grpc":
        return None
    ((name, file),) = files.items()
    del client["headers"][name]
    if not client["headers"]:
        del client["headers"]
    settings = {"header": name, "scheme": "", "filename": escaped(file.name)}
    return f"bearertokenauth/{destination.name}", settings
