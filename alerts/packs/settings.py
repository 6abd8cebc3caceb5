"""Give the rules of a pack their settings, and make the alerts that these ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from slo import conventions as names
from slo.alerts.model import AlertingRule, RecordingRule
from slo.alerts.regex_sample import matching_texts
from slo.duration import Duration
from slo.indicators.params import label, matcher, series
from slo.numbers import decimal_text
from slo.promql import Matcher, selectors

__all__ = ["SET_LABEL", "Settings", "Words"]

SET_LABEL = "slo_packs"
"""Label of recorded series: the name of the Packs document that they belong to."""


@dataclass(frozen=True, slots=True)
class Words:
    """
    Hold what an alert says.

    Args:
        title: A few words, with the labels that tell which one.
        summary: One sentence with the numbers.
        first: What to look at first.
        note: What else there is to know.
    """

    title: str
    summary: str
    first: str
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """
    Hold the settings of one pack, defaults filled in.

    Args:
        name: Name of the Packs document.
        runbooks: Address of the folder that holds the runbooks; empty if there is none.
        pages: Whether the pack may page; if not, it sends tickets.
        given: The pack's own settings.
    """

    pack: str
    name: str
    owner: str = ""
    runbooks: str = ""
    pages: bool = True
    keep_firing_for: Duration | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)

    def text(self, key: str) -> str:
        """Return a setting that is text, such as the name of a metric."""
        return str(self.given[key])

    def number(self, key: str) -> Decimal:
        """Return a setting that is a number."""
        return Decimal(str(self.given[key]))

    def duration(self, key: str) -> Duration:
        """Return a setting that is a duration."""
        return Duration.parse(self.given[key])

    def seconds(self, key: str) -> str:
        """Return a duration as PromQL compares it, in seconds."""
        return decimal_text(Decimal(self.duration(key).milliseconds) / 1000)

    def amount(self, key: str) -> str:
        """Return a number as PromQL writes it."""
        return decimal_text(self.number(key))

    def series(self, key: str, *more: str, suffix: str = "") -> str:
        """Return the selector of the metric that the setting *key* names."""
        return series(self.text(key) + suffix, self.given.get("selector"), *more)

    def by(self, *more: str) -> str:
        """Return the clause that keeps the labels which tell one thing from another."""
        kept = dict.fromkeys((*self.given["by"], *more))
        return f"by ({', '.join(label(name) for name in kept)})"

    def who(self) -> str:
        """Return a template that names the thing which an alert is about, as `mail/orders`."""
        return "/".join(f"{{{{ $labels.{name} }}}}" for name in self.given["by"])

    # --- Rules --------------------------------------------------------------------------

    def record(self, name: str, expr: str) -> RecordingRule:
        """Return a rule that records *expr* for this document alone."""
        return RecordingRule(f"pack:{name}", expr, {SET_LABEL: self.name})

    def recorded(self, name: str) -> str:
        """Return the selector of a recorded series of this document."""
        return series(f"pack:{name}", {SET_LABEL: self.name})

    def alert(
        self, name: str, severity: str, expr: str, words: Words, for_: Duration
    ) -> AlertingRule:
        """
        Return an alert that the compiled Alertmanager configuration routes.

        Args:
            severity: `page` or `ticket`, before the settings turn pages into tickets.
        """
        urgency = severity if self.pages else "ticket"
        labels = {
            **self.labels,
            names.LABEL_SEVERITY: urgency,
            names.LABEL_ALERT_KIND: self.pack,
        }
        if self.owner:
            labels[names.OWNER_LABEL] = self.owner
        lines = [f"First: {words.first}"]
        lines += [words.note] if words.note else []
        annotations = {"title": f"({urgency}) {words.title}", "summary": words.summary}
        if self.runbooks:
            url = f"{self.runbooks.rstrip('/')}/{self.pack}.md#{name.lower()}"
            annotations["runbook_url"] = url
            lines.append(f"Runbook: {url}")
        annotations["description"] = "\n".join(lines)
        return AlertingRule(name, expr, labels, annotations, for_, self.keep_firing_for)

    # --- Tests --------------------------------------------------------------------------

    def sample(self, key: str, suffix: str = "", **labels: str) -> str:
        """Return a raw series that the settings select, with *labels* where they allow it."""
        return self.sample_of(self.text(key) + suffix, **labels)

    def sample_of(self, metric: str, **labels: str) -> str:
        """Return a raw series of *metric* that the selector of the settings takes."""
        return series(metric, {**labels, **self._selected()})

    def _selected(self) -> dict[str, str]:
        selector = self.given.get("selector") or {}
        if isinstance(selector, Mapping):
            return {name: str(value) for name, value in selector.items()}
        found = selectors(series("any", selector))[0].matchers
        return {each.label: value for each in found if (value := _accepted(each))}

    def thing(self, **usual: str) -> dict[str, str]:
        """Return labels of one thing: those of *usual*, and a value for each other one of `by`."""
        return usual | {name: "a" for name in self.given.get("by", ()) if name not in usual}

    def matcher(self, name_key: str, operator: str, value_key: str) -> str:
        """Return a matcher whose label and value are settings."""
        return matcher(self.text(name_key), operator, self.text(value_key))


def _accepted(wanted: Matcher) -> str:
    """Return a value that *wanted* accepts; empty when it accepts a missing label."""
    if wanted.accepts(""):
        return ""
    if wanted.op == "=":
        return wanted.value
    candidates = matching_texts(wanted.value) if wanted.op == "=~" else ("a", "b")
    return next((text for text in candidates if text and wanted.accepts(text)), "")
