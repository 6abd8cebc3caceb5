"""Hold the examples of the OpenAPI document; a test holds them to their schemas."""

from __future__ import annotations

from typing import Any

__all__ = ["SERVICES", "SLOS", "SOURCES"]

_HEAD: dict[str, Any] = {
    "snapshot": 17,
    "taken_at": 1_795_523_400.0,
    "age": 4.2,
    "stale": False,
    "stale_after": 900.0,
    "complete": True,
}
SLOS: dict[str, Any] = {
    **_HEAD,
    "total": 1,
    "next": None,
    "slos": [
        {
            "key": "checkout/availability",
            "id": "checkout-availability",
            "service": "checkout",
            "name": "availability",
            "state": "ok",
            "objective": 99.9,
            "method": "occurrences",
            "period": {
                "name": "30d",
                "kind": "rolling",
                "seconds": 2_592_000.0,
                "start": 1_792_931_400.0,
                "end": None,
                "elapsed": 1.0,
            },
            "events": {"unit": "events", "good": 9_995e3, "bad": 5e3, "total": 1e7},
            "budget": {
                "ratio": 0.001,
                "consumed": 0.5,
                "remaining": 0.5,
                "projected": 0.5,
                "remaining_events": 5e3,
                "remaining_minutes": 21.6,
            },
            "provenance": {
                "evaluated_at": 1_795_523_390.0,
                "age": 10.0,
                "coverage": 1.0,
                "source": "http://prometheus:9090",
                "warnings": [],
            },
            "group": {},
            "sli": 0.9995,
            "burn_rates": [
                {
                    "window": "1h",
                    "rate": 0.4,
                    "thresholds": [{"severity": "page", "rate": 14.4}],
                }
            ],
            "alerts": [],
            "exhaustion": None,
            "corrections": [],
            "reasons": [],
            "description": "Requests to the checkout succeed.",
            "owner": "payments",
            "tier": "1",
            "runbook": None,
            "revision": "3f2a9c01d4be",
        }
    ],
}
SERVICES: dict[str, Any] = {
    **_HEAD,
    "services": [
        {
            "service": "checkout",
            "state": "ok",
            "slos": 2,
            "least_remaining": 0.5,
            "owners": ["payments"],
            "tiers": ["1"],
            "states": {"ok": 2},
        }
    ],
}
SOURCES: dict[str, Any] = {
    **_HEAD,
    "sources": [
        {
            "name": "http://prometheus:9090",
            "state": "up",
            "circuit": "closed",
            "last_success": 1_795_523_400.0,
            "last_error": None,
        }
    ],
}
