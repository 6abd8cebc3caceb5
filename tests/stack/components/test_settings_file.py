"""Check that settings are read with a place for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo.duration import days, hours, minutes, seconds
from slo.errors import CompileFailed, ToolError
from slo.schema import load_schema
from slo.stack.components.images import IMAGES
from slo.stack.components.plan import component_names
from slo.stack.components.ports import PORTS
from slo.stack.settings import (
    ENGINES,
    OPTIONAL_PARTS,
    Deadman,
    Exposure,
    Notifications,
    StackSettings,
)
from slo.stack.settings_file import load_settings
from tests.stack.components.stacks import VARIANTS, settings_of


class TestReadSettings:
    def test_two_lines_are_enough(self) -> None:
        assert StackSettings(folder=Path("/shop")) == settings_of("")

    def test_reads_everything(self) -> None:
        found = settings_of(
            """\
name: shop
specs: [slos, more.yaml]
policy: policy.yaml
windows: [windows]
metrics:
  engine: victoria-metrics
  shards: 3
  retention: 40d
  scrape_interval: 5s
  evaluation_interval: 10s
engine: {interval: 15s}
notifications: {group_wait: 10s, group_interval: 1m, repeat_interval: 3h}
without: [jaeger, loki]
replicas: {engine: 2, collector-gateway: 3}
expose: {grafana: {address: 0.0.0.0, port: 3001}, collector-gateway: {address: 0.0.0.0}}
runbooks: https://example.com/runbooks
host: slo.example.com
registry: mirror.example.com/hub
images: {engine: "registry.example.com/slostack:1"}
resources: {vmstorage: {cpu: 2, memory: 8Gi}}
secrets: ../secrets
data: /var/lib/shop
scrape: {checkout: ["checkout:8080"]}
deadman: {url_file: heartbeat, interval: 5m}
"""
        )

        assert found == StackSettings(
            name="shop",
            folder=Path("/shop"),
            specs=("slos", "more.yaml"),
            policy="policy.yaml",
            engine="victoria-metrics",
            shards=3,
            windows=("windows",),
            retention=days(40),
            scrape_interval=seconds(5),
            evaluation_interval=seconds(10),
            reading_interval=seconds(15),
            notifications=Notifications(seconds(10), minutes(1), hours(3)),
            parts=frozenset(OPTIONAL_PARTS) - {"jaeger", "loki"},
            replicas={"engine": 2, "collector-gateway": 3},
            expose={
                "grafana": Exposure("0.0.0.0", 3001),
                "collector-gateway": Exposure("0.0.0.0"),
            },
            runbooks="https://example.com/runbooks",
            host="slo.example.com",
            registry="mirror.example.com/hub",
            images={"engine": "registry.example.com/slostack:1"},
            secrets="../secrets",
            data="/var/lib/shop",
            scrape={"checkout": ("checkout:8080",)},
            resources={"vmstorage": (2.0, 8192)},
            deadman=Deadman("heartbeat", minutes(5)),
        )

    @pytest.mark.parametrize(
        ("text", "code", "place"),
        [
            ("nmae: shop", "SLO101", "3:1"),
            ("name: Shop", "SLO106", "3:7"),
            ("metrics: {retention: forever}", "SLO108", "3:22"),
            ("metrics: {engine: influx}", "SLO104", "3:19"),
            ("expose: {loki: {address: 0.0.0.0}}", "SLO101", "3:10"),
            ("expose: {grafana: {port: 99999}}", "SLO105", "3:26"),
            ("expose: {collector-gateway: {port: 4317}}", "SLO101", "3:30"),
            ("runbooks: docs/runbooks", "SLO106", "3:11"),
            ("images: {grafana: grafana/grafana}", "SLO106", "3:19"),
            ("images: {graphana: grafana/grafana:1}", "SLO104", "3:10"),
            ("deadman: {url_file: 'https://example.com/secret'}", "SLO106", "3:21"),
            ("replicas: {prometheus: 2}", "SLO101", "3:12"),
            ("expose: {grafana: {address: 999.1.1.1}}", "SLO106", "3:29"),
            ("scrape: {shop: ['shop:99999']}", "SLO106", "3:17"),
            ("resources: {loki: {cpu: 1, memory: 99999999999Gi}}", "SLO106", "3:36"),
            ("a: 1\na: 2", "SLO", "4:1"),
        ],
    )
    def test_says_where_a_mistake_is(self, text: str, code: str, place: str) -> None:
        with pytest.raises(CompileFailed) as failure:
            settings_of(text)

        found = failure.value.diagnostics[0]
        assert found.code.startswith(code), found
        assert place == f"{found.span.line}:{found.span.column}"

    def test_does_not_repeat_what_may_be_secret(self) -> None:
        """The address of a dead man's switch is one."""
        with pytest.raises(CompileFailed) as failure:
            settings_of("deadman: {url_file: 'https://example.com/hunter2'}")

        assert "hunter2" not in str(failure.value.diagnostics)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("metrics: {shards: 3}", "keeps everything in one place"),
            ("expose: {prometheus: {port: 9093}}", "would both listen on port 9093"),
            ("scrape: {engine: ['a:1']}", "the job `engine` is the stack's own"),
            (
                "metrics: {engine: victoria-metrics}\nexpose: {prometheus: {address: 0.0.0.0}}",
                "`prometheus` is not part of this stack",
            ),
            ("without: [grafana]\nexpose: {grafana: {port: 3001}}", "`grafana` is not part"),
        ],
    )
    def test_refuses_what_does_not_fit_together(self, text: str, message: str) -> None:
        with pytest.raises(CompileFailed) as failure:
            settings_of(text)

        found = failure.value.diagnostics[0]
        assert "SLO801" == found.code
        assert message in found.message
        assert found.span.line >= 3

    def test_says_what_to_write_where_there_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ToolError, match="Two lines are enough"):
            load_settings(tmp_path / "slostack.yaml")

    def test_refuses_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "slostack.yaml").write_text("")
        with pytest.raises(CompileFailed) as failure:
            load_settings(tmp_path / "slostack.yaml")

        assert "SLO007" == failure.value.diagnostics[0].code


class TestSchema:
    """Names stand in the schema and in the code; they must not drift apart."""

    definitions = load_schema("stack-v1")["$defs"]
    properties = definitions["Stack"]["properties"]

    def test_knows_every_image(self) -> None:
        assert sorted(IMAGES) == sorted(self.definitions["ImageName"]["enum"])

    def test_knows_every_component(self) -> None:
        assert sorted(PORTS) == sorted(self.definitions["ComponentName"]["enum"])
        names = {name for settings in VARIANTS.values() for name in component_names(settings)}
        assert names == set(PORTS)

    def test_knows_every_part_that_may_be_left_out(self) -> None:
        assert sorted(OPTIONAL_PARTS) == sorted(self.properties["without"]["items"]["enum"])

    def test_knows_every_engine(self) -> None:
        assert list(ENGINES) == self.properties["metrics"]["properties"]["engine"]["enum"]

    def test_describes_every_setting(self) -> None:
        assert all("description" in entry for entry in self.properties.values())
