"""Put SLOs into as few tests as their raw series allow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from slo.alerts.indicator_form import indicator_form
from slo.alerts.sample_series import OTHER_VALUES, Sample, World, total_per_event
from slo.diagnostics import Span
from slo.plan import EventsIndicator, Indicator, RatioIndicator

__all__ = ["Member", "Scene", "scenes_of"]

# Label matchers with values that need no escaping anywhere.
_MATCHER = re.compile(r'\b(\w+) *(=~|!=|!~|=) *"([^"\\]*)"')
_SAFE = re.compile(r"[A-Za-z_][\w./:@-]*\Z")
_PLACEHOLDER = "\ue000{}\ue000"
_BETWEEN = "\ue001"
_NOWHERE = Span("")


@dataclass(frozen=True, slots=True)
class Member:
    """
    Name one SLO of a scene by its position, and say how its events are counted.

    Args:
        kind: As in `Feed`.
        per_event: Value of the total query for one event per second, or per window.
        always: There is a total even when there are no series.
    """

    index: int
    kind: str
    per_event: float
    always: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """Hold SLOs that one test proves together, and the raw series of that test."""

    members: tuple[Member, ...]
    samples: tuple[tuple[str, Sample], ...]


_Templates = tuple[str, str | None]


def scenes_of(indicators: Sequence[Indicator]) -> tuple[list[Scene], list[int]]:
    """Return the scenes of *indicators*, and the positions of those whose series are unknown."""
    templates: list[_Templates] = []
    for indicator in indicators:
        if isinstance(indicator, EventsIndicator):
            templates.append((indicator.error, indicator.total))
        else:
            assert isinstance(indicator, RatioIndicator), "a composite reads no raw series"
            templates.append((indicator.error_ratio, None))
    general, values = _generalized(templates)
    scenes, unknown = _scenes(general)
    if not values:
        return list(scenes), list(unknown)
    return [
        Scene(scene.members, tuple((_filled(text, values), s) for text, s in scene.samples))
        for scene in scenes
    ], list(unknown)


def _filled(text: str, values: Sequence[str]) -> str:
    for number, value in enumerate(values):
        text = text.replace(_PLACEHOLDER.format(number), value)
    return text


def _generalized(templates: Sequence[_Templates]) -> tuple[tuple[_Templates, ...], list[str]]:
    """
    Replace label values that only equality asks for, so that services of one shape are alike.

    Only their being different matters then, which the tokens keep.
    """
    flat = [text or "" for pair in templates for text in pair]
    pieces = _MATCHER.split(_BETWEEN.join(flat))
    labels, operators, found = pieces[1::4], pieces[2::4], pieces[3::4]
    compared = {label for label, op in zip(labels, operators, strict=True) if op != "="}
    values: dict[str, int] = {}
    for position, (label, value) in enumerate(zip(labels, found, strict=True)):
        if label in compared or value in OTHER_VALUES or not _SAFE.match(value):
            text = f'{label}{operators[position]}"{value}"'
        else:
            text = f'{label}="{_PLACEHOLDER.format(values.setdefault(value, len(values)))}"'
        pieces[4 * position + 1 : 4 * position + 4] = (text, "", "")
    if not values:
        return tuple(templates), []
    texts = "".join(pieces).split(_BETWEEN)
    return tuple(
        (error, total if given is not None else None)
        for error, total, (_, given) in zip(texts[::2], texts[1::2], templates, strict=True)
    ), list(values)


@lru_cache(maxsize=1024)
def _scenes(templates: tuple[_Templates, ...]) -> tuple[tuple[Scene, ...], tuple[int, ...]]:
    """Put every SLO into the first scene that it does not disturb."""
    worlds: list[World] = []
    members: list[list[int]] = []
    unknown: list[int] = []
    forms = []
    for index, (error, total) in enumerate(templates):
        indicator: Indicator
        if total is None:
            indicator = RatioIndicator(error, _NOWHERE)
        else:
            indicator = EventsIndicator(error, total, _NOWHERE, _NOWHERE)
        form = indicator_form(indicator)
        forms.append(form)
        if form is None:
            unknown.append(index)
            continue
        for world, inside in zip(worlds, members, strict=True):
            if world.add(form):
                inside.append(index)
                break
        else:
            world = World()
            if world.add(form):
                worlds.append(world)
                members.append([index])
            else:
                unknown.append(index)
    scenes = []
    for world, inside in zip(worlds, members, strict=True):
        samples = tuple(world.samples)
        made = []
        for index in inside:
            form = forms[index]
            assert form is not None
            kind = "difference" if form.subtracts and form.kind == "counter" else form.kind
            made.append(Member(index, kind, total_per_event(samples, form), form.always))
        scenes.append(Scene(tuple(made), tuple((str(s), s) for s in samples)))
    return tuple(scenes), tuple(unknown)
