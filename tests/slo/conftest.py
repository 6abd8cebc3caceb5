"""Read specs from text for the tests of the language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any

import pytest

from slo.alert_windows import builtin_policies
from slo.diagnostics import Diagnostic
from slo.plan import SloPlan, SpecSet
from slo.source import Document, Source, parse_documents
from slo.spec.context import ReadContext
from slo.spec.registry import read_document


@dataclass(frozen=True)
class Reading:
    """Hold what was read from a text, and what was wrong with it."""

    specs: SpecSet
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def codes(self) -> list[str]:
        return [d.code for d in self.diagnostics]

    @property
    def errors(self) -> list[str]:
        return [d.code for d in self.diagnostics if d.is_error]

    @property
    def slo(self) -> SloPlan:
        assert [] == self.errors, self.diagnostics
        (plan,) = self.specs.slos
        return plan


@pytest.fixture(scope="session")
def read() -> Callable[..., Reading]:
    """Return a function that reads a text, with options of the context by name."""

    def function(text: str, **options: Any) -> Reading:
        context = ReadContext(options.pop("policies", builtin_policies()), **options)
        services, owners = [], []
        for document in parse_documents(Source("spec.yaml", dedent(text))):
            found = read_document(document, context)
            services += found.services
            owners += found.owners
        return Reading(SpecSet(tuple(services), tuple(owners)), context.diagnostics)

    return function


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Document]:
    """Return a function that parses a text of one YAML document."""

    def function(text: str) -> Document:
        (document,) = parse_documents(Source("spec.yaml", text))
        return document

    return function
