"""
Pin the images of the stack.

A digest stands here only where public sources agree on it; a reference in the settings replaces
any of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from slo.stack.components.model import Image
from slo.stack.settings import StackSettings
from slo.version import __version__

__all__ = ["IMAGES", "image_of", "parse_image"]

# Digests are those of the multi-platform index, as at least two public repositories pin them
# for the same tag (seen in 2026-11). Official images are rebuilt under the same tag: theirs is
# one build among several.
IMAGES: Mapping[str, Image] = {
    "alertmanager": Image(
        "docker.io/prom/alertmanager",
        "v0.34.1",
        "sha256:e9733bafb1bdef9b00e25a21f8f99dc26a22224bf16641ad754d1649f4c3357a",
    ),
    "busybox": Image(
        "docker.io/library/busybox",
        "1.37.0",
        "sha256:bdf57e528e45e4433820e045b29b4597825a1c9e38353532d90a01445013f82e",
    ),
    "collector": Image(
        "docker.io/otel/opentelemetry-collector-contrib",
        "0.162.0",
        "sha256:39923a8e431bd1f57be82411999d389fcfe40857492e4365456d97a4c1f74be6",
    ),
    # Built from the Dockerfile of this project.
    "engine": Image("slostack", __version__),
    "grafana": Image(
        "docker.io/grafana/grafana",
        "13.1.1",
        "sha256:7cb8c64c4d57a57e734073f3cc94620adb24a0acb929bd80ba9f14017e3a975b",
    ),
    "jaeger": Image(
        "docker.io/jaegertracing/jaeger",
        "2.21.0",
        "sha256:3d0ac795ff98aa04d1be04311d2dac6c25b4bfc8322dc02e53bc5b170c5018c3",
    ),
    "loki": Image(
        "docker.io/grafana/loki",
        "3.7.8",
        "sha256:1107dd5274e0ada47e42472b7a7e71f3b2a2fe878878108f3e2f9e51528f0193",
    ),
    "postgres": Image(
        "docker.io/library/postgres",
        "17.6-bookworm",
        "sha256:f3bd19c606e442c3d7bdfa8002e03fe260a1023351e0ea4598032022b68dd6e3",
    ),
    "prometheus": Image(
        "docker.io/prom/prometheus",
        "v3.13.3",
        "sha256:6976aa8a60fec930796ce5772b8d12da7a318a5daa8d40d69c5c7819a05eeed7",
    ),
    "victoria-metrics": Image("docker.io/victoriametrics/victoria-metrics", "v1.151.0"),
    "vmagent": Image("docker.io/victoriametrics/vmagent", "v1.151.0"),
    "vmalert": Image("docker.io/victoriametrics/vmalert", "v1.151.0"),
    "vminsert": Image("docker.io/victoriametrics/vminsert", "v1.151.0-cluster"),
    "vmselect": Image("docker.io/victoriametrics/vmselect", "v1.151.0-cluster"),
    "vmstorage": Image("docker.io/victoriametrics/vmstorage", "v1.151.0-cluster"),
}

_REFERENCE = re.compile(
    r"(?P<repository>[a-z0-9.-]+(?::\d+)?(?:/[a-z0-9._/-]+)*)"
    r":(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def parse_image(reference: str) -> Image:
    """
    Read `repository:tag`, with `@sha256:...` after it or not.

    Raises:
        ValueError: It is neither.

    >>> parse_image("registry.example.com/prom/prometheus:v3.5.0").tag
    'v3.5.0'
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise ValueError(f"{reference!r} is not an image such as prom/prometheus:v3.5.0")
    return Image(found["repository"], found["tag"], found["digest"] or "")


def image_of(name: str, settings: StackSettings) -> Image:
    """
    Return the image called *name*, as the settings want it.

    Args:
        name: Of `IMAGES`; components that share a program share it.
    """
    given = settings.images.get(name)
    if given is not None:
        return parse_image(given)
    image = IMAGES[name]
    if not settings.registry:
        return image
    path = image.repository.removeprefix("docker.io/").removeprefix("library/")
    return image._replace(repository=f"{settings.registry.rstrip('/')}/{path}")
