"""Describe Alertmanager: it routes what fires to the owners, the dead man's switch and doctor."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import PurePosixPath
from typing import Any

import yaml

from slo.alerts.alertmanager import PATH, UNOWNED
from slo.stack.components.context import Context
from slo.stack.components.meta_rules import DEADMAN
from slo.stack.components.model import Component, Probe, Reload, Secret, Volume
from slo.stack.settings import Notifications

__all__ = ["CONFIG", "DOCTOR_LABEL", "DOCTOR_RECEIVER", "alertmanager"]

CONFIG = "alertmanager.yaml"
_WEB_CONFIG = "alertmanager-web.yaml"
# `slo stack doctor` sends an alert with this label and listens where its receiver calls.
DOCTOR_LABEL = "slostack_doctor"
DOCTOR_RECEIVER = "slostack-doctor"
_DEADMAN_RECEIVER = "slostack-deadman"
# Before, an address that is itself a secret could only stand in the configuration.
_URL_FILE_SINCE = (0, 26)
_MINIMAL: dict[str, Any] = {
    "route": {"receiver": UNOWNED, "group_by": ["..."]},
    "receivers": [{"name": UNOWNED}],
}


def alertmanager(context: Context) -> Component:
    """Return Alertmanager with the routes of the owners."""
    name = "alertmanager"
    places = context.places
    config, secrets = _config(context)
    access = context.access(name)
    arguments = [
        f"--config.file={places.config(name, CONFIG)}",
        f"--storage.path={places.data(name)}",
        f"--web.listen-address={places.listen(name, 'http')}",
        # One of it needs no gossip.
        "--cluster.listen-address=",
    ]
    if access.tls:
        secrets += context.tls_secrets(name)
        secrets.append(
            context.secret(name, access.password, "password of Alertmanager", generated=True)
        )
        secrets.append(
            context.secret(name, _WEB_CONFIG, "TLS and users of Alertmanager", derived=True)
        )
        arguments.append(f"--web.config.file={places.secret(name, _WEB_CONFIG)}")
    if context.settings.host:
        port = context.port(name, "http").number
        arguments.append(f"--web.external-url={access.scheme}://{context.settings.host}:{port}/")
    return Component(
        name=name,
        role="routes alerts to their owners",
        image=context.image(name),
        program="prometheus-alertmanager",
        arguments=tuple(arguments),
        ports=context.ports(name),
        probe=Probe("http", "/-/ready", 30, _health_command(context), "/-/healthy"),
        resources=context.resources(name, 0.1, 64, 256),
        configs=(context.config(name, CONFIG, context.yaml(config)),),
        volumes=(Volume("alertmanager-data", places.data(name), 1),),
        secrets=tuple(dict.fromkeys(secrets)),
        check=("amtool", "check-config", places.config(name, CONFIG)),
        access=access,
        reload=Reload(path="/-/reload"),
        extra_hosts=("host.docker.internal",),
    )


def _health_command(context: Context) -> tuple[str, ...]:
    name = "alertmanager"
    access = context.access(name)
    port = context.port(name, "http").number
    url = f"{access.scheme}://localhost:{port}/-/ready"
    if not access.tls:
        return ("wget", "-q", "-O", "/dev/null", url)
    # It asks itself, under a name that no certificate has.
    password = context.places.secret(name, access.password)
    login = f"printf '{access.user}:%s' \"$(cat {password})\" | base64"
    return (
        *("sh", "-c"),
        f"wget -q -O /dev/null --no-check-certificate "
        f'--header "Authorization: Basic $({login})" {url}',
    )


def _config(context: Context) -> tuple[dict[str, Any], list[Secret]]:
    text = context.compiled.of_kind("alertmanager").get(PATH.partition("/")[2])
    config: dict[str, Any] = yaml.safe_load(text) if text else deepcopy(_MINIMAL)
    secrets: list[Secret] = []
    for receiver in config["receivers"]:
        _place_secrets(context, receiver, secrets)
    _time(config["route"], context.settings.notifications)
    routes = [*_own_routes(context), *config["route"].get("routes", ())]
    config["route"]["routes"] = routes
    config["receivers"] += _own_receivers(context, secrets)
    return config, secrets


def _place_secrets(context: Context, value: Any, secrets: list[Secret]) -> None:
    """Let every `*_file` of a receiver point to where the stack puts that secret."""
    if isinstance(value, list):
        for member in value:
            _place_secrets(context, member, secrets)
    elif isinstance(value, dict):
        for key, member in value.items():
            if key.endswith("_file") and isinstance(member, str):
                name = PurePosixPath(member).name
                secrets.append(context.secret("alertmanager", name, f"`{key}` of a receiver"))
                value[key] = context.places.secret("alertmanager", name)
            else:
                _place_secrets(context, member, secrets)


def _time(route: dict[str, Any], notifications: Notifications) -> None:
    """Give *route* and those below it the waits of the settings."""
    for name in ("group_wait", "group_interval", "repeat_interval"):
        wanted = getattr(notifications, name)
        if wanted is not None:
            route[name] = str(wanted)
    for below in route.get("routes", ()):
        _time(below, notifications)


def _own_routes(context: Context) -> Iterator[dict[str, Any]]:
    yield {
        "receiver": DOCTOR_RECEIVER,
        "matchers": [f'{DOCTOR_LABEL}=~".+"'],
        "group_by": [DOCTOR_LABEL],
        "group_wait": "0s",
        "group_interval": "1s",
        "repeat_interval": "1h",
    }
    deadman = context.settings.deadman
    interval = str(deadman.interval) if deadman else "1h"
    yield {
        "receiver": _DEADMAN_RECEIVER,
        "matchers": [f'alertname="{DEADMAN}"'],
        "group_wait": "0s",
        "group_interval": interval,
        # A little less, or every second call would be left out.
        "repeat_interval": "50s" if interval == "1m" else interval,
    }


def _own_receivers(context: Context, secrets: list[Secret]) -> Iterator[dict[str, Any]]:
    receiver: dict[str, Any] = {"name": DOCTOR_RECEIVER}
    doctor = context.places.address("doctor", "http")
    if doctor:
        # Elsewhere it shows that alerts are routed; a call would only fail, and page for that.
        receiver["webhook_configs"] = [{"url": f"http://{doctor}/alert", "send_resolved": True}]
    yield receiver
    deadman = context.settings.deadman
    receiver = {"name": _DEADMAN_RECEIVER}
    if deadman is not None and context.versions.alertmanager >= _URL_FILE_SINCE:
        secrets.append(
            context.secret("alertmanager", deadman.url_file, "URL of the dead man's switch")
        )
        receiver["webhook_configs"] = [
            {
                "url_file": context.places.secret("alertmanager", deadman.url_file),
                "send_resolved": False,
            }
        ]
    yield receiver
