from __future__ import annotations

import re
from decimal import Decimal
from textwrap import dedent, indent
from typing import Any

import pytest

from slo.duration import days, minutes
from slo.plan import EventsIndicator, Link, RatioIndicator
from slo.promql import parse_template

W = "{{.window}}"
EVENTS = """\
events:
  error: sum(rate(bad[{{.window}}]))
  total: sum(rate(all[{{.window}}]))
"""


def service(slo: str = "", indicator: str = EVENTS, head: str = "") -> str:
    """Return a service with one objective: extra keys of both, and the indicator."""
    return (
        "version: slo/v1\nservice: checkout\n"
        + dedent(head)
        + "slos:\n  - name: availability\n    objective: 99.90\n    indicator:\n"
        + indent(dedent(indicator), " " * 6)
        + indent(dedent(slo), " " * 4)
    )


class TestService:
    def test_the_shortest_spec_has_sound_defaults(self, read: Any) -> None:
        slo = read(service()).slo

        assert ("checkout-availability", "checkout", "availability") == (
            slo.id,
            slo.service,
            slo.name,
        )
        assert (Decimal("99.9"), Decimal("0.001")) == (slo.objective, slo.error_budget)
        assert days(30) == slo.time_window == slo.policy.time_window
        assert ({}, (), None, None, 0) == (
            slo.labels,
            slo.group_by,
            slo.owner,
            slo.runbook,
            slo.min_bad_events,
        )
        assert (True, True) == (slo.alert_on_exhaustion, slo.alert_on_missing_data)
        assert slo.page is not None
        assert "CheckoutAvailabilityErrorBudgetBurn" == slo.page.name
        assert slo.page == slo.ticket
        assert ("slo/v1", "slo-v1") == (slo.origin.spec, slo.origin.dialect)

    def test_owner_and_tier_become_labels(self, read: Any) -> None:
        slo = read(service(head="owner: payments\ntier: critical\n")).slo

        assert ("payments", "critical") == (slo.owner, slo.tier)
        assert {"owner": "payments", "tier": "critical"} == slo.labels

    def test_labels_win_from_service_to_slo_to_command_line(self, read: Any) -> None:
        text = service(
            "labels: {a: slo, b: slo}\n", head="labels: {a: service, b: service, c: service}\n"
        )

        slo = read(text, extra_labels={"a": "line"}).slo

        assert {"a": "line", "b": "slo", "c": "service"} == slo.labels

    def test_the_slo_overrides_runbook_and_adds_links(self, read: Any) -> None:
        text = service(
            "runbook: https://r.example.com/slo\nlinks: {b: 'https://slo.example.com'}\n",
            head="runbook: https://r.example.com\n"
            "links: {a: 'https://a.example.com', b: 'https://b.example.com'}\n",
        )

        slo = read(text).slo

        assert "https://r.example.com/slo" == slo.runbook
        assert (Link("a", "https://a.example.com"), Link("b", "https://slo.example.com")) == (
            slo.links
        )

    def test_the_period_of_the_command_line_is_only_a_default(self, read: Any) -> None:
        assert days(90) == read(service(), default_time_window=days(90)).slo.time_window
        assert (
            days(7) == read(service("window: 7d\n"), default_time_window=days(90)).slo.time_window
        )

    @pytest.mark.parametrize("window", ["6d", "91d", "1h"])
    def test_a_period_without_windows_is_located(self, read: Any, window: str) -> None:
        reading = read(service(f"window: {window}\n"))

        (found,) = reading.diagnostics
        assert ("SLO204", 10, 13) == (found.code, found.span.line, found.span.column)
        assert () == reading.specs.slos

    def test_traffic_and_grouping_are_read(self, read: Any) -> None:
        slo = read(service("expected_events_per_hour: 0.5\ngroup_by: [route, job]\n")).slo

        assert (Decimal("0.5"), ("route", "job")) == (slo.events_per_hour, slo.group_by)

    def test_rule_plugins_keep_their_order(self, read: Any) -> None:
        slo = read(service("plugins: [{id: b, priority: -2}, {id: a, config: {x: 1}}]\n")).slo

        assert [("b", -2, {}), ("a", 0, {"x": 1})] == [
            (call.id, call.priority, call.config) for call in slo.plugins
        ]


class TestAlerting:
    def test_all_settings_are_read(self, read: Any) -> None:
        slo = read(
            service(
                """\
                alerting:
                  name: Burning
                  for: 2m
                  min_bad_events: 7
                  budget_exhausted: false
                  missing_data: false
                  labels: {a: both, b: both}
                  annotations: {c: both}
                  page: {labels: {b: page}}
                  ticket: {annotations: {d: ticket}}
                """
            )
        ).slo

        assert slo.page is not None
        assert slo.ticket is not None
        assert ("Burning", minutes(2)) == (slo.page.name, slo.page.for_)
        assert ({"a": "both", "b": "page"}, {"c": "both"}) == (
            slo.page.labels,
            slo.page.annotations,
        )
        assert ({"a": "both", "b": "both"}, {"c": "both", "d": "ticket"}) == (
            slo.ticket.labels,
            slo.ticket.annotations,
        )
        assert (7, False, False) == (
            slo.min_bad_events,
            slo.alert_on_exhaustion,
            slo.alert_on_missing_data,
        )

    @pytest.mark.parametrize("severity", ["page", "ticket"])
    def test_a_severity_can_be_turned_off(self, read: Any, severity: str) -> None:
        slo = read(service(f"alerting: {{{severity}: false}}\n")).slo

        assert [severity] == [s for s in ("page", "ticket") if getattr(slo, s) is None]

    @pytest.mark.parametrize("value", ["true", "off", "[]", "1"])
    def test_a_severity_is_a_mapping_or_false(self, read: Any, value: str) -> None:
        assert ["SLO103"] == read(service(f"alerting: {{page: {value}}}\n")).errors


class TestIndicators:
    def test_events_are_kept_word_for_word(self, read: Any) -> None:
        slo = read(service()).slo

        assert isinstance(slo.indicator, EventsIndicator)
        assert (f"sum(rate(bad[{W}]))", f"sum(rate(all[{W}]))", None) == (
            slo.indicator.error,
            slo.indicator.total,
            slo.indicator.good,
        )
        assert (8, 9) == (slo.indicator.error_span.line, slo.indicator.total_span.line)

    def test_good_events_make_the_bad_ones(self, read: Any) -> None:
        slo = read(
            service(indicator=EVENTS.replace("error: sum(rate(bad", "good: sum(rate(ok"))
        ).slo

        good, total = f"sum(rate(ok[{W}]))", f"sum(rate(all[{W}]))"
        assert good == slo.indicator.good
        assert f"clamp_min(({total}) - (({good}) or 0 * ({total})), 0)" == slo.indicator.error

    def test_ratios_are_error_ratios(self, read: Any) -> None:
        query = "sum(rate(a[{{.window}}])) / sum(rate(b[{{.window}}]))"

        error = read(service(indicator=f"ratio: {{error: '{query}'}}\n")).slo.indicator
        good = read(service(indicator=f"ratio: {{good: '{query}'}}\n")).slo.indicator

        assert isinstance(error, RatioIndicator)
        assert (query, f"1 - ({query})") == (error.error_ratio, good.error_ratio)

    @pytest.mark.parametrize(
        ("indicator", "error", "total"),
        [
            (
                "http_availability: {}",
                f'sum(rate(http_server_request_duration_seconds_count{{http_response_status_code=~"5.."}}[{W}]))',
                f"sum(rate(http_server_request_duration_seconds_count[{W}]))",
            ),
            (
                "http_availability: {metric: r, status_label: code, error_status: 5..|429, "
                "selector: {job: a}}",
                f'sum(rate(r{{job="a",code=~"5..|429"}}[{W}]))',
                f'sum(rate(r{{job="a"}}[{W}]))',
            ),
            (
                "grpc_availability: {metric: g, code_label: c, error_codes: [A, B]}",
                f'sum(rate(g{{c=~"A|B"}}[{W}]))',
                f"sum(rate(g[{W}]))",
            ),
            (
                'http_availability: {metric: r, selector: \'{job=~"a|b", x!="1"}\'}',
                f'sum(rate(r{{job=~"a|b", x!="1",http_response_status_code=~"5.."}}[{W}]))',
                f'sum(rate(r{{job=~"a|b", x!="1"}}[{W}]))',
            ),
        ],
    )
    def test_availability_counts_errors(
        self, read: Any, indicator: str, error: str, total: str
    ) -> None:
        found = read(service(indicator=indicator + "\n")).slo.indicator

        assert (error, total) == (found.error, found.total)

    @pytest.mark.parametrize(
        ("settings", "bound"),
        [
            ("threshold: 300ms", 'le="0.3"'),
            ("threshold: 1s", 'le=~"1(\\\\.0)?"'),
            ("threshold: 300ms, unit: milliseconds", 'le=~"300(\\\\.0)?"'),
            ("threshold: 1m30s", 'le=~"90(\\\\.0)?"'),
        ],
    )
    def test_latency_counts_what_is_fast(self, read: Any, settings: str, bound: str) -> None:
        """Prometheus 3 writes whole bounds as floats: both spellings are matched."""
        text = f"http_latency: {{metric: h, only_successful: false, {settings}}}\n"
        found = read(service(indicator=text)).slo.indicator

        assert f"sum(rate(h_bucket{{{bound}}}[{W}]))" == found.good
        assert f"sum(rate(h_count[{W}]))" == found.total

    def test_probes_are_counted(self, read: Any) -> None:
        found = read(service(indicator="probe_success: {selector: {job: p}}\n")).slo.indicator

        assert f'sum(sum_over_time(probe_success{{job="p"}}[{W}]))' == found.good
        assert f'sum(count_over_time(probe_success{{job="p"}}[{W}]))' == found.total

    @pytest.mark.parametrize(
        "indicator",
        [
            "http_availability: {}",
            "grpc_availability: {}",
            "http_latency: {threshold: 1s}",
            "probe_success: {}",
        ],
    )
    def test_grouping_keeps_the_labels_on_every_side(self, read: Any, indicator: str) -> None:
        found = read(service("group_by: [a, b]\n", indicator + "\n")).slo.indicator

        for query in (found.total, found.error):
            assert query.count("sum by (a, b)(") == len(re.findall(r"\bsum\b", query))

    def test_label_values_are_quoted(self, read: Any) -> None:
        found = read(service(indicator="probe_success: {selector: {a: 'x\"y\\z'}}\n")).slo.indicator

        assert '{a="x\\"y\\\\z"}' in found.total

    def test_a_selector_that_is_no_promql_is_reported_at_the_indicator(self, read: Any) -> None:
        reading = read(service(indicator="http_availability: {selector: 'job=api'}\n"))

        assert [("SLO301", 7, 7)] == [
            (d.code, d.span.line, d.span.column) for d in reading.diagnostics
        ]


class TestQueries:
    @pytest.mark.parametrize(
        ("query", "code", "column"),
        [
            ("sum(rate(bad[{{.window}}])", "SLO301", 19),
            ("sum(rate(bad[5m]))", "SLO302", 16),
            ("sum(rate(bad[{{.windw}}]))", "SLO304", 29),
        ],
    )
    def test_mistakes_are_located_in_the_file(
        self, read: Any, query: str, code: str, column: int
    ) -> None:
        text = service(indicator=EVENTS.replace("sum(rate(bad[{{.window}}]))", query))

        (found,) = read(text).diagnostics

        assert (code, 8, column) == (found.code, found.span.line, found.span.column)

    @pytest.mark.parametrize(
        "indicator",
        [
            "events:\n  good: 'sum(rate(ok[{{.window}}])) # served'\n"
            "  total: |-\n    sum(rate(all[{{.window}}])) # all\n",
            "ratio:\n  good: |-\n    sum(rate(a[{{.window}}])) / sum(rate(b[{{.window}}])) # x\n",
        ],
    )
    def test_a_comment_at_the_end_swallows_nothing(self, read: Any, indicator: str) -> None:
        """Queries are put together on one line; a comment would end that line."""
        found = read(service(indicator=indicator)).slo.indicator

        query = found.error if isinstance(found, EventsIndicator) else found.error_ratio
        assert parse_template(query) is not None


class TestOwners:
    TEXT = """\
    version: slo/v1
    kind: Owners
    owners:
      - name: payments
        page: [{pagerduty: {routing_key_file: /run/key}}, {webhook: {url: "http://x/y"}}]
        ticket: [{slack: {api_url_file: /run/slack, channel: "#pay"}}]
    """

    def test_receivers_keep_kind_settings_and_place(self, read: Any) -> None:
        reading = read(self.TEXT)

        (owner,) = reading.specs.owners
        assert [] == reading.diagnostics
        assert ("payments", ["pagerduty", "webhook"], ["slack"]) == (
            owner.name,
            [r.kind for r in owner.page],
            [r.kind for r in owner.ticket],
        )
        assert {"routing_key_file": "/run/key"} == owner.page[0].settings
        assert (5, 13) == (owner.page[0].span.line, owner.page[0].span.column)

    def test_a_secret_in_the_file_is_refused(self, read: Any) -> None:
        reading = read(self.TEXT.replace("routing_key_file: /run/key", "routing_key: 1234"))

        assert {"SLO101", "SLO107"} == set(reading.errors)


class TestChoosingTheReader:
    @pytest.mark.parametrize(
        ("text", "code", "line"),
        [
            ("service: x\n", "SLO007", 1),
            ("version: slo/v2\n", "SLO007", 1),
            ("a: 1\nversion: prometheus/v2\n", "SLO007", 2),
            ("apiVersion: openslo/v2\nkind: SLO\n", "SLO007", 1),
            ("- a\n", "SLO007", 1),
            ("text\n", "SLO007", 1),
        ],
    )
    def test_unknown_documents_are_refused(
        self, read: Any, text: str, code: str, line: int
    ) -> None:
        (found,) = read(text).diagnostics

        assert (code, line) == (found.code, found.span.line)
        assert found.hint is not None

    def test_an_empty_document_is_nothing(self, read: Any) -> None:
        assert [] == read("---\n---\n# nothing\n").diagnostics

    def test_documents_of_several_dialects_share_a_file(self, read: Any) -> None:
        sloth = (
            "version: prometheus/v1\nservice: mail\n"
            "slos: [{name: sent, objective: 99, alerting: {name: A}, "
            "sli: {raw: {error_ratio_query: 'avg_over_time(x[{{.window}}])'}}}]\n"
        )

        reading = read(service() + "---\n" + sloth)

        assert [] == reading.diagnostics
        assert ["slo-v1", "sloth-prometheus-v1"] == [s.origin.dialect for s in reading.specs.slos]
