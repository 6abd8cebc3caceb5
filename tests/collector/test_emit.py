"""Configurations hold what the specs ask for, and what the SLOs need to be measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from slo.collector.emit import collector_artifacts
from slo.collector.graph import faults
from slo.collector.model import config_text
from slo.collector.options import TierOptions
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from tests.collector.documents import PLATFORM, make, read, service

EXAMPLES = Path(__file__).parents[2] / "examples" / "telemetry"
SPANS = "{span_availability: {selector: {service_name: shop}}}"
LATENCY = "{span_latency: {threshold: 730ms, selector: {service_name: shop}}}"
LOGS = "{log_events: {selector: {service_name: shop}}}"


class TestExamples:
    def test_become_configurations_without_a_fault(self) -> None:
        result = compile_specs([str(EXAMPLES)], CompileOptions())

        assert () == result.diagnostics
        made = [a for a in result.artifacts if a.kind == "collector"]
        assert ["collector/agent.yaml", "collector/gateway.yaml"] == [a.path for a in made]

    def test_text_says_the_same_as_the_model(self) -> None:
        made = make(PLATFORM, service(SPANS), service(LOGS, "bills"))

        for config in (made.agent, made.gateway):
            text = config_text(config, "A role.", "1.0")
            assert yaml.safe_load(text) == yaml.safe_load(
                yaml.safe_dump(plain(config.as_mapping()))
            )
            assert [] == faults(config)


def plain(value: object) -> object:
    """Return *value* of plain lists and mappings."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list | tuple) else value


def test_without_a_platform_nothing_is_made() -> None:
    specs, _ = read(service(SPANS))

    assert ((), ()) == collector_artifacts(specs)


class TestSpanMetrics:
    def test_are_made_of_all_spans_before_any_is_dropped(self) -> None:
        made = make(PLATFORM, service(SPANS))
        (into,) = (n for n, p in made.gateway.pipelines.items() if "span_metrics" in p.exporters)

        assert ("otlp",) == made.gateway.pipelines[into].receivers
        assert "tail_sampling" not in made.gateway.pipelines[into].processors
        assert made.reaches(into, "otlp_http/metrics")
        assert made.reaches(into, "otlp_grpc/traces")

    def test_have_each_threshold_as_a_bound(self) -> None:
        connector = make(PLATFORM, service(LATENCY)).gateway.connectors["span_metrics"]

        buckets = connector["histogram"]["explicit"]["buckets"]
        assert "730ms" in buckets
        assert "ms" == connector["histogram"]["unit"]

    def test_are_in_seconds_where_objectives_are(self) -> None:
        latency = "{span_latency: {threshold: 2s, unit: seconds}}"
        histogram = make(PLATFORM, service(latency)).gateway.connectors["span_metrics"]["histogram"]

        assert "s" == histogram["unit"]
        assert "2s" in histogram["explicit"]["buckets"]

    @pytest.mark.parametrize("naming", ["escaped_without_suffixes", "utf8"])
    @pytest.mark.parametrize(("unit", "wanted"), [("seconds", "s"), ("milliseconds", "ms")])
    def test_are_in_the_unit_of_objectives_whose_names_do_not_show_it(
        self, naming: str, unit: str, wanted: str
    ) -> None:
        platform = PLATFORM.replace('9090"}', f'9090", naming: {naming}}}')
        latency = f"{{span_latency: {{threshold: 2300ms, unit: {unit}, naming: {naming}}}}}"
        made = make(platform, service(latency))
        histogram = made.gateway.connectors["span_metrics"]["histogram"]
        [slow] = [
            p["ottl_condition"]["span"]
            for p in made.gateway.processors["tail_sampling"]["policies"]
            if p["name"] == "slow"
        ]

        assert wanted == histogram["unit"]
        assert "2300ms" in histogram["explicit"]["buckets"]
        assert all(condition.endswith("> 2300000000") for condition in slow)
        assert [] == made.codes

    def test_have_one_unit_also_where_names_do_not_show_it(self) -> None:
        platform = PLATFORM.replace('9090"}', '9090", naming: utf8}')
        units = ("seconds", "milliseconds")
        services = [
            service(f"{{span_latency: {{threshold: 2s, unit: {u}, naming: utf8}}}}", u)
            for u in units
        ]
        made = make(platform, *services)

        assert ["SLO709"] == made.codes

    def test_are_exponential_where_objectives_want_native_histograms(self) -> None:
        latency = "{span_latency: {threshold: 42ms, histogram: native}}"
        made = make(PLATFORM, service(latency))

        assert "exponential" in made.gateway.connectors["span_metrics"]["histogram"]
        (slow,) = (
            p["ottl_condition"]["span"]
            for p in made.gateway.processors["tail_sampling"]["policies"]
            if p["name"] == "slow"
        )
        assert ["> 42000000"] == [condition[-10:] for condition in slow]

    @pytest.mark.parametrize(
        ("selector", "more", "attribute"),
        [
            ("{http_route: /pay}", "", "http.route"),
            ("'rpc_method=~\"Get.*\"'", "", "rpc.method"),
            ("{shop_tenant: a}", "telemetry: {dimensions: [shop.tenant]}\n", "shop.tenant"),
        ],
    )
    def test_keep_apart_what_objectives_select_by(
        self, selector: str, more: str, attribute: str
    ) -> None:
        spec = service(f"{{span_availability: {{selector: {selector}}}}}", more=more)
        made = make(PLATFORM, spec)

        assert {"name": attribute} in made.gateway.connectors["span_metrics"]["dimensions"]
        assert [] == made.codes

    def test_keep_apart_what_objectives_group_by(self) -> None:
        spec = service("{span_availability: {}}") + "    group_by: [http_route]\n"
        connector = make(PLATFORM, spec).gateway.connectors["span_metrics"]

        assert [{"name": "http.route"}] == connector["dimensions"]

    def test_have_names_of_spans_only_where_objectives_ask(self) -> None:
        named = service("{span_availability: {selector: {span_name: GET /}}}")
        without = make(PLATFORM, service(SPANS)).gateway.connectors["span_metrics"]
        with_names = make(PLATFORM, named).gateway.connectors["span_metrics"]

        assert ["span.name"] == without["exclude_dimensions"]
        assert "exclude_dimensions" not in with_names

    def test_are_not_made_where_nobody_reads_them(self) -> None:
        made = make(PLATFORM, service("{http_availability: {}}"))

        assert {} == made.gateway.connectors


class TestLogCounts:
    def test_are_made_of_all_records(self) -> None:
        made = make(PLATFORM, service(LOGS))
        counts = made.gateway.connectors["count"]["logs"]

        assert ["log.record.count", "log.record.error.count"] == list(counts)
        assert made.reaches("logs/in", "otlp_http/metrics")
        assert made.reaches("logs/in", "otlp_http/logs")

    def test_count_by_what_objectives_select_by(self) -> None:
        spec = service("{log_events: {selector: {service_name: shop, k8s_pod_name: a}}}")
        counts = make(PLATFORM, spec).gateway.connectors["count"]["logs"]

        keys = [a["key"] for a in counts["log.record.count"]["attributes"]]
        assert ["service.name", "k8s.pod.name"] == keys

    def test_own_counters_take_only_the_records_of_their_service(self) -> None:
        spec = service(
            "{log_events: {errors: pay_failed_total, selector: {service_name: shop}}}",
            more="""\
            telemetry:
              names: [shop, shop-worker]
              logs:
                count: {pay.failed: 'attributes["event"] == "pay"'}
            """,
        )
        counts = make(PLATFORM, spec).gateway.connectors["count"]["logs"]

        assert [
            '(resource.attributes["service.name"] == "shop" or '
            'resource.attributes["service.name"] == "shop-worker") and '
            '(attributes["event"] == "pay")'
        ] == counts["pay.failed"]["conditions"]

    def test_of_one_name_count_for_every_service_that_declares_it(self) -> None:
        count = "telemetry:\n  logs:\n    count: {{pay.failed: '{}'}}\n"
        shop = service(LOGS, more=count.format("severity_number > 5"))
        bills = service(LOGS, "bills", more=count.format('IsMatch(body, "no$")'))
        counts = make(PLATFORM, shop, bills).gateway.connectors["count"]["logs"]

        assert [
            '(resource.attributes["service.name"] == "shop") and (severity_number > 5)',
            # The collector would put a variable's value in place of a single `$`.
            '(resource.attributes["service.name"] == "bills") and (IsMatch(body, "no$$"))',
        ] == counts["pay.failed"]["conditions"]


def test_two_services_cannot_scrape_one_job() -> None:
    scrape = "telemetry: {scrape: [{job: node, targets: ['a:1']}]}\n"
    documents = (PLATFORM, service(LOGS, more=scrape), service(LOGS, "bills", more=scrape))

    assert ["SLO717"] == make(*documents).codes
    assert [] == make(*documents[:2]).codes


class TestSampling:
    def policies(self, *documents: str) -> dict[str, dict[str, object]]:
        processor = make(*documents).gateway.processors["tail_sampling"]
        return {policy["name"]: policy for policy in processor["policies"]}

    def test_keeps_errors_and_what_violates_an_objective(self) -> None:
        policies = self.policies(PLATFORM, service(LATENCY))

        assert {"status_codes": ["ERROR"]} == policies["errors"]["status_code"]
        assert {
            "error_mode": "ignore",
            "span": [
                'resource.attributes["service.name"] == "shop" and kind.string == "Server"'
                " and end_time_unix_nano - start_time_unix_nano > 730000000"
            ],
        } == policies["slow"]["ottl_condition"]
        assert {"sampling_percentage": 10} == policies["baseline"]["probabilistic"]

    def test_a_service_has_a_baseline_of_its_own(self) -> None:
        spec = service(SPANS, more="telemetry: {sampling: {baseline: 2.5, slower_than: 2s}}\n")
        policies = self.policies(PLATFORM, spec)

        own = policies["baseline-shop"]["and"]["and_sub_policy"]  # type: ignore[index]
        others = policies["baseline"]["and"]["and_sub_policy"]  # type: ignore[index]
        assert ["shop"] == own[0]["string_attribute"]["values"]
        assert 2.5 == own[1]["probabilistic"]["sampling_percentage"]
        assert others[0]["string_attribute"]["invert_match"] is True
        assert "> 2000000000" in str(policies["slow"])

    def test_nothing_decides_where_everything_is_kept(self) -> None:
        made = make(PLATFORM + "sampling: {baseline: 100}\n", service(SPANS))

        assert "tail_sampling" not in made.gateway.processors


class TestRouting:
    ROUTED = (
        "  - {name: bank, kind: otlp, url: 'https://otlp.bank.example', default: false}\n"
        "routes: [{owner: payments, destinations: [bank]}]\n"
    )

    def test_a_team_has_destinations_of_its_own_for_what_it_sends(self) -> None:
        spec = service(SPANS).replace("service: shop", "service: shop\nowner: payments")
        made = make(PLATFORM + self.ROUTED, spec)

        mine, others = (made.gateway.pipelines[f"traces/{n}"] for n in ("to-payments", "others"))
        assert ("otlp_http/bank",) == mine.exporters
        assert ("otlp_grpc/traces",) == others.exporters
        condition = 'resource.attributes["service.name"] == "shop"'
        filters = made.gateway.processors
        assert [f"not ({condition})"] == filters["filter/traces-to-payments"]["traces"]["span"]
        assert [condition] == filters["filter/traces-others"]["traces"]["span"]

    def test_metrics_go_to_the_default_all_the_same(self) -> None:
        spec = service(SPANS).replace("service: shop", "service: shop\nowner: payments")
        made = make(PLATFORM + self.ROUTED, spec)

        pipelines = made.gateway.pipelines
        assert ("otlp_http/bank",) == pipelines["metrics/to-payments"].exporters
        for name in ("metrics/everybody", "metrics/spans"):
            assert ("otlp_http/metrics",) == pipelines[name].exporters
            assert not [p for p in pipelines[name].processors if p.startswith("filter")]


class TestAgent:
    def test_one_gateway_is_asked_directly(self) -> None:
        agent = make(PLATFORM, service(SPANS), gateway_address="127.0.0.1:14317").agent

        assert ["otlp_grpc/gateway"] == list(agent.exporters)
        assert "127.0.0.1:14317" == agent.exporters["otlp_grpc/gateway"]["endpoint"]

    @pytest.mark.parametrize(
        ("resolver", "expected"),
        [
            ("dns: gateways", {"dns": {"hostname": "gateways"}}),
            ("kubernetes: gateways.otel", {"k8s": {"service": "gateways.otel"}}),
            ("static: ['a:4317', 'b:4317']", {"static": {"hostnames": ["a:4317", "b:4317"]}}),
        ],
    )
    def test_spans_of_a_trace_meet_in_one_of_several_gateways(
        self, resolver: str, expected: dict[str, object]
    ) -> None:
        gateways = f"gateway: {{replicas: 2, resolver: {{{resolver}}}}}\n"
        agent = make(PLATFORM + gateways, service(SPANS)).agent

        assert ("load_balancing",) == agent.pipelines["traces"].exporters
        assert "traceID" == agent.exporters["load_balancing"]["routing_key"]
        assert expected == agent.exporters["load_balancing"]["resolver"]
        assert ("otlp_grpc/gateway",) == agent.pipelines["logs"].exporters

    def test_sends_only_what_the_gateway_takes(self) -> None:
        only_metrics = "\n".join(PLATFORM.splitlines()[:4]) + "\n"
        agent = make(only_metrics, service("{http_availability: {}}")).agent

        assert ["metrics"] == list(agent.pipelines)

    def test_reads_files_and_scrapes(self) -> None:
        spec = service(
            LOGS,
            more="""\
            telemetry:
              names: [shop-web]
              logs:
                files: [{paths: [/var/log/shop/*.log], format: regex, pattern: '(?P<l>\\w+) $'}]
              scrape: [{job: shop, targets: ["shop:9464"], interval: 30s}]
            """,
        )
        agent = make(PLATFORM, spec).agent

        receiver = agent.receivers["file_log/shop"]
        assert {"service.name": "shop-web"} == receiver["resource"]
        assert "file_storage" == receiver["storage"]
        assert r"(?P<l>\w+) $$" == receiver["operators"][0]["regex"]
        assert ("otlp", "file_log/shop") == agent.pipelines["logs"].receivers
        (job,) = agent.receivers["prometheus"]["config"]["scrape_configs"]
        assert "30s" == job["scrape_interval"]


class TestPlaces:
    def test_options_win_over_specs(self) -> None:
        made = make(
            PLATFORM,
            service(SPANS),
            endpoints={"metrics": "http://127.0.0.1:9999"},
            gateway=TierOptions("127.0.0.1", 1, 2, 3, 4, "/tmp/queues", 99),
        )
        gateway = made.gateway

        endpoint = gateway.exporters["otlp_http/metrics"]["endpoint"]
        assert "http://127.0.0.1:9999/api/v1/otlp" == endpoint
        assert "/tmp/queues" == gateway.extensions["file_storage"]["directory"]
        assert 99 == gateway.processors["memory_limiter"]["limit_mib"]
        assert "127.0.0.1:3" == gateway.extensions["health_check"]["endpoint"]
        assert [] == faults(gateway)

    @pytest.mark.parametrize(
        ("version", "names"),
        [
            ("0.146", {"spanmetrics", "deltatocumulative", "prometheusremotewrite/metrics"}),
            ("0.162", {"span_metrics", "delta_to_cumulative", "prometheus_remote_write/metrics"}),
        ],
    )
    def test_names_are_those_of_the_version(self, version: str, names: set[str]) -> None:
        platform = PLATFORM.replace('9090"}', '9090", protocol: remote_write}')
        platform += f'collector_version: "{version}"\n'
        gateway = make(platform, service(SPANS), service(LOGS, "bills")).gateway

        assert names <= {*gateway.connectors, *gateway.processors, *gateway.exporters}
        assert [] == faults(gateway)
