from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo import conventions
from slo.alerts.burn_rate_alerts import MISSING_DATA_FOR
from slo.alerts.model import AlertingRule
from slo.artifact import Artifact
from slo.duration import Duration, minutes, seconds
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs

PROMTOOL = shutil.which("promtool") or ""
pytestmark = pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed")

W = "[{{.window}}]"
SLOTH = """\
version: prometheus/v1
service: legacy
labels: {team: a}
slos:
  - name: requests
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(http_total{code=~"(5..|429)"}[{{.window}}]))
        total_query: sum(rate(http_total[{{.window}}]))
    alerting:
      name: LegacyBurns
      page_alert: {labels: {severity: critical}}
      ticket_alert: {disable: true}
"""
RESOURCE = """\
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: shop, namespace: monitoring}
spec:
  service: shop
  slos:
    - name: requests
      objective: 99
      sli:
        events:
          errorQuery: sum(rate(http_total{code=~"5.."}[{{.window}}]))
          totalQuery: sum(rate(http_total[{{.window}}]))
      alerting:
        name: ShopBurns
        pageAlert: {}
        ticketAlert: {}
"""


def slo(name: str, indicator: Any, objective: str = "99.9", **more: Any) -> dict[str, Any]:
    return {"name": name, "objective": float(objective), "indicator": indicator, **more}


def availability(job: str = "shop") -> dict[str, Any]:
    return {"http_availability": {"selector": {"job": job}}}


def service(*slos: dict[str, Any], **more: Any) -> str:
    return yaml.safe_dump(
        {"version": "slo/v1", "service": "shop", **more, "slos": list(slos)}, sort_keys=False
    )


def compiled(folder: Path, spec: str, **options: Any) -> list[Artifact]:
    """Compile *spec* and write what comes of it to *folder*."""
    source = folder / "spec.yaml"
    source.write_text(spec)
    result = compile_specs([str(source)], CompileOptions(**options))
    assert not result.failed, result.diagnostics
    for artifact in result.artifacts:
        path = folder / artifact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artifact.text)
    return list(result.artifacts)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROMTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


def prove(folder: Path, artifacts: list[Artifact]) -> None:
    """Let promtool check all rules and run all tests."""
    tests = [folder / a.path for a in artifacts if a.kind == "tests"]
    copies = [path for path in tests if path.parent.name == "copies"]
    plain = [
        folder / a.path
        for a in artifacts
        if a.kind == "rules" and "kind: PrometheusRule" not in a.text
    ]
    checked = promtool("check", "rules", *plain, *copies)
    assert checked.returncode == 0, checked.stderr
    for path in tests:
        if path not in copies:
            ran = promtool("test", "rules", path)
            assert ran.returncode == 0, ran.stderr


WEEK = [
    slo("http", availability(), "99.9"),
    slo("grpc", {"grpc_availability": {"selector": {"job": "shop"}}}, "99"),
    slo("latency", {"http_latency": {"threshold": "300ms", "selector": {"job": "shop"}}}, "99"),
    slo("second", {"http_latency": {"threshold": "1s"}}, "95", alerting={"for": "2m"}),
    slo("probe", {"probe_success": {}}, "99.5", alerting={"min_bad_events": 3}),
    slo("guarded", availability(), "99.99", alerting={"min_bad_events": 20}),
    slo(
        "good",
        {
            "events": {
                "good": f'sum by (region) (increase(jobs{{r="ok"}}{W}))',
                "total": f"sum by (region) (increase(jobs{W}))",
            }
        },
        group_by=["region"],
        alerting={"min_bad_events": 5},
    ),
    slo(
        "sums",
        {
            "events": {
                "error": f"sum(rate(e{W})) or vector(0)",
                "total": f"sum(rate(g{W})) + sum(rate(e{W}))",
            }
        },
    ),
    slo(
        "always",
        {"events": {"error": f"sum(rate(ae{W}))", "total": f"sum(rate(at{W})) or vector(0)"}},
    ),
    slo("split", {"ratio": {"good": f"sum(rate(rg{W})) / sum(rate(rt{W}))"}}),
    slo("mean", {"ratio": {"good": f'avg_over_time(up{{job="x"}}{W})'}}),
    slo(
        "whole", {"ratio": {"error": f"histogram_quantile(0.9, sum by (le) (rate(x{W}))) > bool 3"}}
    ),
    slo(
        "opaque",
        {"events": {"error": f"sum(rate(oe{W})) ^ 1", "total": f"sum(rate(ot{W}))"}},
        alerting={"min_bad_events": 7},
    ),
    slo("tickets", availability(), "99.9", alerting={"page": False, "missing_data": False}),
    slo(
        "pages",
        availability(),
        "99.9",
        alerting={"ticket": False, "labels": {"severity": "critical"}},
    ),
    slo("silent", availability(), "99.9", alerting={"page": False, "ticket": False}),
]
MONTH = [
    slo("http", availability(), "99.9"),
    slo("all", availability(), "100", window="28d"),
]


@pytest.mark.parametrize("profile", ["exact", "sloth"])
@pytest.mark.parametrize(
    ("spec", "options"),
    [
        pytest.param(service(*WEEK, labels={"tier": "gold"}),
                     {"period": Duration.parse("7d"), "interval": minutes(1)},
                     id="typed", marks=pytest.mark.slow),
        pytest.param(service(*MONTH), {}, id="month"),
        pytest.param(service(slo("loose", availability(), "90")), {}, id="objective-of-90"),
        pytest.param(service(slo("quarter", availability(), "95", window="90d")),
                     {"interval": minutes(2)}, id="90d-every-two-minutes"),
        pytest.param(SLOTH, {}, id="sloth-dialect"),
        pytest.param(RESOURCE, {"period": Duration.parse("7d")}, id="custom-resource"),
        pytest.param(service(slo("odd", availability())),
                     {"period": Duration.parse("7d"), "interval": seconds(50)}, id="odd-interval"),
        pytest.param(service(slo("sparse", availability())),
                     {"period": Duration.parse("7d"), "interval": minutes(4)}, id="sparse"),
        pytest.param(service(slo("k8s", availability()), slo("whole", WEEK[11]["indicator"])),
                     {"period": Duration.parse("7d"), "format": "kubernetes"}, id="kubernetes"),
    ],
)  # fmt: skip
def test_promtool_agrees(tmp_path: Path, spec: str, options: dict[str, Any], profile: str) -> None:
    prove(tmp_path, compiled(tmp_path, spec, profile=profile, **options))


def test_plugins_that_set_intervals(tmp_path: Path) -> None:
    """Two intervals in one file need two tests, since promtool has one interval per file."""
    plugin = [
        {"id": "sloth.dev/contrib/rule_intervals/v1", "config": {"interval": {"default": "1m"}}}
    ]
    pages = {"ticket": False}
    spec = service(
        slo("own", availability(), plugins=plugin, alerting=pages),
        slo("usual", availability(), alerting=pages),
    )
    made = compiled(tmp_path, spec, period=Duration.parse("7d"))

    names = sorted(a.path for a in made if a.kind == "tests")
    assert names == [
        "rules-tests/slo-rules-health.yaml", "rules-tests/spec.2.yaml", "rules-tests/spec.yaml",
    ]  # fmt: skip
    prove(tmp_path, made)


@pytest.mark.parametrize(
    "plugin", ["denominator_corrected_rules", "remove_labels", "rule_intervals"]
)
def test_ported_plugins(tmp_path: Path, plugin: str) -> None:
    config = {"interval": {"default": "1m"}} if plugin == "rule_intervals" else {}
    chain = [{"id": f"sloth.dev/contrib/{plugin}/v1", "config": config}]
    spec = service(slo("own", availability(), plugins=chain), labels={"team": "a"})

    prove(tmp_path, compiled(tmp_path, spec, profile="sloth", period=Duration.parse("7d")))


class TestMutations:
    """A test that cannot fail proves nothing: each of these changes must be noticed."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("mutations")
        plan = slo("http", availability(), "99.5", alerting={"for": "1m"})
        compiled(folder, service(plan), period=Duration.parse("7d"))
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def guarded(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("guarded")
        plan = slo("http", availability(), "99.9", alerting={"min_bad_events": 20})
        compiled(folder, service(plan), period=Duration.parse("7d"))
        return folder

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("> (13.44 * 0.005)", "> (26.88 * 0.005)"),
            ("> (13.44 * 0.005)", "> (6.72 * 0.005)"),
            ("> (5.6 * 0.005)", "> (11.2 * 0.005)"),
            ("> (2.8 * 0.005)", "> (5.6 * 0.005)"),
            ("> (1.12 * 0.005)", "> (2.24 * 0.005)"),
            ("slo:sli_error:ratio_rate10m{sloth_id=\"shop-http\"}[15m]) > (5.6",
             "slo:sli_error:ratio_rate5m{sloth_id=\"shop-http\"}[15m]) > (5.6"),
            ("[1h20m] offset 2m30s", "[1h] offset 2m30s"),
            ("offset 1h25m", "offset 1h"),
            ("offset 2m30s", "offset 5m"),
            ("    10 * slo:error_events:rate5m", "    1 * slo:error_events:rate5m"),
            ("/ (slo:total_events:rate5m", "/ (2 * slo:total_events:rate5m"),
            ('code=~"5.."', 'code=~"4.."'),
            ("for: 1m", "for: 3m"),
            ("<= 0", "<= -100"),
            ("for: 10m", "for: 12m"),
            ("sloth_severity: page", "sloth_severity: ticket"),
            ("absent(slo:total_events:rate5m", "absent(slo:error_events:rate5"),
            ("sum_over_time(slo:error_events:rate5m_avg4m{sloth_id=\"shop-http\"}[1w])",
             "avg_over_time(slo:error_events:rate5m_avg4m{sloth_id=\"shop-http\"}[1w])"),
        ],
    )  # fmt: skip
    def test_change_is_noticed(self, made: Path, tmp_path: Path, before: str, after: str) -> None:
        self.fails(made, tmp_path, before, after)

    @pytest.mark.parametrize(
        ("before", "after"),
        [("> 19.5", "> 199.5"), ("> 19.5", "> 1.5"), ("30 * (", "60 * ("), ("30 * (", "15 * (")],
    )
    def test_change_of_the_guard(
        self, guarded: Path, tmp_path: Path, before: str, after: str
    ) -> None:
        self.fails(guarded, tmp_path, before, after)

    def fails(self, made: Path, folder: Path, before: str, after: str) -> None:
        rules = (made / "rules" / "spec.yaml").read_text()
        assert before in rules
        for name in ("rules", "rules-tests"):
            (folder / name).mkdir()
        (folder / "rules" / "spec.yaml").write_text(rules.replace(before, after))
        test = folder / "rules-tests" / "spec.yaml"
        shutil.copy(made / "rules-tests" / "spec.yaml", test)

        ran = promtool("test", "rules", test)

        assert ran.returncode == 1
        assert "FAILED" in ran.stderr

    def test_health_rules(self, made: Path, tmp_path: Path) -> None:
        for before, after in (("for: 5m", "for: 9m"), ("[5m]) > 0", "[15m]) > 0")):
            folder = tmp_path / before[:3].strip("[")
            for name in ("rules", "rules-tests"):
                (folder / name).mkdir(parents=True)
                text = (made / name / "slo-rules-health.yaml").read_text()
                changed = text.replace(before, after) if name == "rules" else text
                (folder / name / "slo-rules-health.yaml").write_text(changed)

            ran = promtool("test", "rules", folder / "rules-tests" / "slo-rules-health.yaml")

            assert ran.returncode == 1


class TestFiles:
    def test_few_bytes_for_each_slo(self, tmp_path: Path) -> None:
        plans = [slo(f"slo{i}", availability(f"job{i}"), "99.9") for i in range(10)]
        made = compiled(tmp_path, service(*plans))

        (text,) = [a.text for a in made if a.path == "rules-tests/spec.yaml"]
        assert len(text) < 10 * 8_000
        assert text.count("- name: ") == 1

    def test_same_input_same_output(self, tmp_path: Path) -> None:
        first = compiled(tmp_path, service(*WEEK), period=Duration.parse("7d"))
        second = compiled(tmp_path, service(*reversed(WEEK)), period=Duration.parse("7d"))
        third = compiled(tmp_path, service(*WEEK), period=Duration.parse("7d"))

        assert first == third
        assert first != second

    def test_no_tests_of_half_a_file(self, tmp_path: Path) -> None:
        for options in ({"alerts": False}, {"recordings": False}):
            made = compiled(tmp_path, service(slo("one", availability())), **options)
            assert not [a for a in made if a.path == "rules-tests/spec.yaml"]

    def test_foreign_plugin_is_said_not_to_be_tested(self, tmp_path: Path) -> None:
        plugin = tmp_path / "mine.py"
        plugin.write_text(
            'SLO_PLUGIN_ID = "mine/v1"\nSLO_PLUGIN_VERSION = "slo/v1"\n\n\n'
            "def process_slo(request, rules):\n    pass\n"
        )
        spec = service(slo("own", availability(), plugins=[{"id": "mine/v1"}]),
                       slo("usual", availability()))  # fmt: skip
        source = tmp_path / "spec.yaml"
        source.write_text(spec)
        result = compile_specs([str(source)], CompileOptions(plugins=(plugin,)))
        assert not result.failed, result.diagnostics

        (text,) = [a.text for a in result.artifacts if a.path == "rules-tests/spec.yaml"]
        assert "# shop-own is not tested: the plugin mine/v1 changes its rules." in text
        assert 'sloth_id="shop-own"' not in text

    def test_names_are_those_of_the_rules(self, make_plan: Any, exact: Any) -> None:
        alerts = [r for r in exact(make_plan()).all if isinstance(r, AlertingRule)]
        names = {alert.alert: alert.for_ for alert in alerts}

        assert conventions.EXHAUSTED_ALERT in names
        assert names[conventions.MISSING_DATA_ALERT] == MISSING_DATA_FOR
