"""Send traces of the engine's own requests to a collector (OTLP over HTTP)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from slo.errors import ToolError
from slo.version import __version__

__all__ = ["Tracing"]

_PATH = "/v1/traces"
_SECONDS = 5


class Tracing:
    """
    Make a span of each request, and send them now and then from a thread.

    A collector that is away costs spans, never answers.

    Args:
        url: Of the collector, with or without the path for traces.

    Raises:
        ToolError: The libraries are not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ModuleNotFoundError as error:
            raise ToolError(
                "--otlp needs the OpenTelemetry SDK: pip install 'slostack[traces]'"
            ) from error
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        endpoint = url if url.endswith(_PATH) else url.rstrip("/") + _PATH
        resource = Resource.create({"service.name": "slo-engine", "service.version": __version__})
        # Not the global one: libraries would trace themselves all the way down.
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("slo.engine", __version__)
        self._parent: Callable[..., Any] = TraceContextTextMapPropagator().extract
        self._kind = SpanKind.SERVER

    def request(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        headers: Mapping[bytes, bytes],
        attributes: Mapping[str, str],
    ) -> None:
        """Note a request that has just ended; its caller's trace goes on with it."""
        carrier = {
            name: headers[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in headers
        }
        ended = time.time_ns()
        span = self._tracer.start_span(
            f"{method} {route}",
            context=self._parent(carrier),
            kind=self._kind,
            start_time=ended - int(seconds * 1e9),
            attributes={
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                **attributes,
            },
        )
        if status >= 500:
            span.set_attribute("error.type", str(status))
        span.end(ended)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
