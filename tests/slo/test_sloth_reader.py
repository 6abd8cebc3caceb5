from __future__ import annotations

from decimal import Decimal
from textwrap import dedent
from typing import Any

import pytest

from slo.diagnostics import Severity
from slo.plan import EventsIndicator, KubernetesMeta, RatioIndicator

SNAKE = dedent(
    """\
    version: prometheus/v1
    service: checkout
    labels:
      owner: payments
    slos:
      - name: requests
        objective: 99.90
        description: Orders work.
        labels: {category: availability}
        sli:
          events:
            error_query: sum(rate(bad[{{.window}}]))
            total_query: sum(rate(all[{{.window}}]))
        alerting:
          name: CheckoutErrors
          labels: {a: both, b: both}
          annotations: {c: both}
          page_alert: {labels: {b: page}}
          ticket_alert: {annotations: {d: ticket}}
    """
)
CAMEL = dedent(
    """\
    apiVersion: sloth.slok.dev/v1
    kind: PrometheusServiceLevel
    metadata:
      name: checkout
      namespace: shop
      labels: {release: 1}
      annotations: {note: true}
    spec:
      service: checkout
      slos:
        - name: requests
          objective: 99.9
          sli:
            raw:
              errorRatioQuery: sum(rate(bad[{{.window}}])) / sum(rate(all[{{.window}}]))
          alerting:
            name: CheckoutErrors
            ticketAlert: {disable: true}
    """
)


class TestPrometheusV1:
    def test_everything_is_read(self, read: Any) -> None:
        slo = read(SNAKE).slo

        assert ("checkout-requests", Decimal("99.9"), "Orders work.", "payments") == (
            slo.id,
            slo.objective,
            slo.description,
            slo.owner,
        )
        assert {"owner": "payments", "category": "availability"} == slo.labels
        assert ("cli-gen-prom", "prometheus/v1") == (slo.origin.mode, slo.origin.spec)
        assert isinstance(slo.indicator, EventsIndicator)
        assert "sum(rate(bad[{{.window}}]))" == slo.indicator.error
        assert slo.page is not None
        assert slo.ticket is not None
        assert ("CheckoutErrors", {"a": "both", "b": "page"}, {"c": "both"}) == (
            slo.page.name,
            slo.page.labels,
            slo.page.annotations,
        )
        assert ({"a": "both", "b": "both"}, {"c": "both", "d": "ticket"}) == (
            slo.ticket.labels,
            slo.ticket.annotations,
        )

    @pytest.mark.parametrize("key", ["page_alert", "ticket_alert"])
    def test_a_disabled_alert_is_none(self, read: Any, key: str) -> None:
        text = SNAKE.replace(f"{key}: {{", f"{key}: {{disable: true, ")

        slo = read(text).slo

        assert (key == "page_alert") == (slo.page is None)
        assert (key == "ticket_alert") == (slo.ticket is None)

    def test_labels_of_the_command_line_win(self, read: Any) -> None:
        slo = read(SNAKE, extra_labels={"owner": "line"}).slo

        assert "line" == slo.labels["owner"]


class TestGoDecoding:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("service:", "Service:"),
            ("objective:", "OBJECTIVE:"),
            ("error_query:", "Error_Query:"),
            ("page_alert:", "PAGE_ALERT:"),
            ("slos:", "SLOs:"),
        ],
    )
    def test_keys_match_in_any_case(self, read: Any, old: str, new: str) -> None:
        reading = read(SNAKE.replace(old, new))

        assert [] == reading.codes
        assert read(SNAKE).slo.page == reading.slo.page

    @pytest.mark.parametrize(
        ("old", "new"), [("error_query", "errorQuery"), ("total_query", "totalquery")]
    )
    def test_queries_without_underscores_are_read_with_a_warning(
        self, read: Any, old: str, new: str
    ) -> None:
        reading = read(SNAKE.replace(old, new))

        (found,) = reading.diagnostics
        assert ("SLO101", Severity.WARNING) == (found.code, found.severity)
        assert read(SNAKE).slo.indicator.error == reading.slo.indicator.error

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("true", "true"),
            ("12", "12"),
            ("1.50", "1.5"),
            ("1000000.0", "1e+06"),
            ("'x'", "x"),
        ],
    )
    def test_numbers_and_booleans_become_text_as_in_go(
        self, read: Any, value: str, text: str
    ) -> None:
        slo = read(SNAKE.replace("owner: payments", f"owner: {value}")).slo

        assert text == slo.labels["owner"]

    def test_unknown_keys_are_warnings(self, read: Any) -> None:
        reading = read(SNAKE.replace("    description:", "    descriptoin:"))

        (found,) = reading.diagnostics
        assert ("SLO101", Severity.WARNING, 8) == (found.code, found.severity, found.span.line)
        assert "did you mean `description`?" == found.hint
        assert "" == reading.slo.description

    @pytest.mark.parametrize(
        ("old", "new", "code"),
        [
            ("objective: 99.90", "objective: '99.9'", "SLO103"),
            ("objective: 99.90", "objective: 0", "SLO201"),
            ("objective: 99.90", "objective: 100.1", "SLO201"),
            ("name: requests", "name: r", "SLO106"),
            ("name: requests", "name: 'a b'", "SLO106"),
            ("slos:", "slo:", "SLO102"),
            ("labels: {category: availability}", "labels: {__name__: a}", "SLO110"),
            ("labels: {category: availability}", "labels: {a: ''}", "SLO110"),
            ("error_query: sum", "error_query: summ", "SLO301"),
            ("bad[{{.window}}]", "bad[5m]", "SLO302"),
        ],
    )
    def test_what_sloth_refuses_is_an_error(self, read: Any, old: str, new: str, code: str) -> None:
        assert code in read(SNAKE.replace(old, new)).errors

    def test_two_kinds_of_sli_are_refused(self, read: Any) -> None:
        text = SNAKE.replace("    sli:\n", "    sli:\n      plugin: {id: x}\n")

        assert ["SLO107"] == read(text).errors


class TestAlertName:
    @pytest.mark.parametrize("new", ["", "      name: ''\n"])
    def test_is_required_of_every_enabled_alert(self, read: Any, new: str) -> None:
        reading = read(SNAKE.replace("      name: CheckoutErrors\n", new))

        assert {"SLO214"} == set(reading.errors)

    def test_is_not_required_of_disabled_alerts(self, read: Any) -> None:
        text = SNAKE.replace("      name: CheckoutErrors\n", "").replace(
            "_alert: {", "_alert: {disable: true, "
        )

        slo = read(text).slo

        assert (None, None) == (slo.page, slo.ticket)


class TestPluginChains:
    GROUP = "slo_plugins: {chain: [{id: g1, priority: 5}, {id: g2, config: {x: 1}}]}\n"

    def calls(self, read: Any, group: str, own: str) -> tuple[list[str], bool]:
        text = SNAKE.replace("slos:\n", f"{group}slos:\n").replace("    sli:\n", f"{own}    sli:\n")
        slo = read(text).slo
        return [call.id for call in slo.plugins], slo.override_default_plugins

    def test_the_service_chain_comes_before_the_own_one(self, read: Any) -> None:
        own = "    plugins: {chain: [{id: own}]}\n"

        assert (["g1", "g2", "own"], False) == self.calls(read, self.GROUP, own)

    def test_an_override_drops_what_came_before(self, read: Any) -> None:
        own = "    plugins: {overridePrevious: true, chain: [{id: own}]}\n"

        assert (["own"], True) == self.calls(read, self.GROUP, own)

    def test_an_override_of_the_service_drops_the_default_rules_only(self, read: Any) -> None:
        group = self.GROUP.replace("{chain", "{overridePrevious: true, chain")

        assert (["g1", "g2"], True) == self.calls(read, group, "")

    def test_settings_and_priorities_are_kept(self, read: Any) -> None:
        slo = read(SNAKE.replace("slos:\n", f"{self.GROUP}slos:\n")).slo

        assert [(5, {}), (0, {"x": 1})] == [(c.priority, c.config) for c in slo.plugins]


class TestMetricsQl:
    TEXT = SNAKE.replace("sum(rate(bad[{{.window}}]))", "sum(rate(bad[{{.window}}])) default 0")
    CHAIN = "chain: [{id: sloth.dev/contrib/validate_victoria_metrics/v1}]"

    def test_passes_where_its_plugin_is_called(self, read: Any) -> None:
        """VictoriaMetrics' dialect is not parsed, only passed on."""
        service = self.TEXT.replace("slos:\n", f"slo_plugins: {{{self.CHAIN}}}\nslos:\n")
        own = self.TEXT.replace("    sli:\n", f"    plugins: {{{self.CHAIN}}}\n    sli:\n")

        for text in (service, own):
            assert "sum(rate(bad[{{.window}}])) default 0" == read(text).slo.indicator.error

    def test_is_an_error_elsewhere(self, read: Any) -> None:
        assert ["SLO301"] == read(self.TEXT).errors


class TestPrometheusServiceLevel:
    def test_everything_is_read(self, read: Any) -> None:
        reading = read(CAMEL)
        slo = reading.slo

        assert isinstance(slo.indicator, RatioIndicator)
        assert ("cli-gen-k8s", "sloth.slok.dev/v1") == (slo.origin.mode, slo.origin.spec)
        assert slo.ticket is None
        assert (
            KubernetesMeta("checkout", "shop", {"release": "1"}, {"note": "true"})
            == reading.specs.services[0].kubernetes
        )

    def test_other_fields_of_the_object_are_ignored_with_a_warning(self, read: Any) -> None:
        reading = read(CAMEL + "status: {processedSLOs: 1}\n")

        assert [] == reading.errors
        assert 1 == len(reading.specs.slos)

    def test_snake_case_queries_are_known_too(self, read: Any) -> None:
        """Other keys in snake case are unknown here."""
        reading = read(CAMEL.replace("ticketAlert", "ticket_alert"))

        assert ["SLO101"] == reading.codes
        assert reading.slo.ticket is not None
