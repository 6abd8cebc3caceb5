"""Prometheus 3 evaluates the compiled rules, and its promtool passes their tests."""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.duration import seconds
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.processes import LOOPBACK
from slo.stack.prometheus import ScrapeTarget, prometheus_config, run_prometheus

FOLDER = os.environ.get("PROMETHEUS3")

pytestmark = [
    pytest.mark.prometheus3,
    pytest.mark.skipif(FOLDER is None, reason="needs Prometheus 3: make test-prometheus3"),
]

ROOT = Path(__file__).parents[2]
OUTAGE = 2 * 86_400 + 20 * 3600
PROGRAM = f"{FOLDER}/prometheus"
PROMTOOL = f"{FOLDER}/promtool"

# Any counters do whose ratio never stands still.
SELF_SPEC = """\
version: slo/v1
service: itself
slos:
  - name: allocations
    objective: 99.9
    indicator:
      events:
        error: sum(rate(go_memstats_mallocs_total[{{.window}}]))
        total: sum(rate(go_memstats_alloc_bytes_total[{{.window}}]))
"""
CLASSIC_SPEC = """\
version: slo/v1
service: shop
slos:
  - name: latency
    objective: 99
    indicator:
      http_latency:
        metric: http_request_duration_seconds
        threshold: 1s
        only_successful: false
"""
NATIVE_SPEC = """\
version: slo/v1
service: shop
slos:
  - name: latency
    objective: 99
    indicator:
      http_latency:
        metric: http_request_duration_seconds
        threshold: 250ms
        histogram: native
        only_successful: false
"""
UTF8_SPEC = """\
version: slo/v1
service: shop
slos:
  - name: requests
    objective: 99
    indicator:
      events:
        error: sum(rate({"http.errors", "service.name"="shop"}[{{.window}}]))
        total: sum(rate({"http.requests", "service.name"="shop"}[{{.window}}]))
"""


def rules_of(folder: Path, spec: str, **options: Any) -> Path:
    """Write the compiled rules of *spec* and return the file."""
    source = folder / "spec.yaml"
    source.write_text(spec)
    result = compile_specs([str(source)], CompileOptions(kinds=("rules",), **options))
    assert not result.failed, result.diagnostics
    rules = folder / "rules.yaml"
    rules.write_text(next(a.text for a in result.artifacts if a.path == "rules/spec.yaml"))
    return rules


def promtool(*arguments: str, folder: Path) -> None:
    done = subprocess.run(
        [PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert 0 == done.returncode, done.stdout + done.stderr


class TestGeneratedTests:
    @pytest.mark.parametrize(
        ("example", "profile"),
        [
            ("specs", "exact"),
            ("specs", "sloth"),
            ("demo", "exact"),
            ("demo", "sloth"),
        ],
    )
    def test_examples(self, tmp_path: Path, example: str, profile: str) -> None:
        """Every alert fires and resets when its test says, with ranges open on the left."""
        folder = ROOT / "examples" / example
        windows = (str(folder / "windows"),) if example == "demo" else ()
        specs = [str(folder / "shop.yaml")] if example == "demo" else [str(folder)]
        options = CompileOptions(
            kinds=("rules", "tests"),
            profile=profile,
            windows=windows,
            interval=seconds(2 if example == "demo" else 30),
        )
        result = compile_specs(specs, options)
        assert not result.failed, result.diagnostics
        for artifact in result.artifacts:
            path = tmp_path / artifact.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(artifact.text)

        tests = sorted((tmp_path / "rules-tests").glob("*.yaml"))
        assert tests
        promtool("check", "rules", *map(str, (tmp_path / "rules").glob("*.yaml")), folder=tmp_path)
        for test in tests:
            promtool("test", "rules", test.name, folder=test.parent)

    def test_command(self) -> None:
        """`slo test` runs the promtool that comes first on the PATH."""
        environment = {**os.environ, "PATH": f"{FOLDER}:{os.environ['PATH']}", "NO_COLOR": "1"}
        spec = ROOT / "examples" / "specs" / "checkout.yaml"
        done = subprocess.run(
            [sys.executable, "-m", "slo.engine.cli", "test", str(spec)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

        assert 0 == done.returncode, done.stdout + done.stderr


def test_same_budget_and_alerts_as_version_2(play: Any, history: Any) -> None:
    """Three days of traffic give the budget that the events give, and pages at the same time."""
    three, two = play(PROGRAM), play("prometheus")

    for job, true in history.error_ratio.items():
        assert three.error_ratio[job] == pytest.approx(true, rel=0.015), job
        assert three.error_ratio[job] == pytest.approx(two.error_ratio[job], rel=0.015), job
    pages = {key: at - OUTAGE for key, at in three.fired.items() if key[0] == "outage"}
    assert pages[("outage", "15m")] == 60
    assert len(pages) == 4
    assert three.fired.keys() == two.fired.keys()
    for key, at in two.fired.items():
        assert abs(at - three.fired[key]) <= 120, key


@pytest.mark.parametrize(
    "flags", [(), ("--enable-feature=concurrent-rule-eval", "--rules.max-concurrent-evals=16")]
)
def test_rules_see_what_the_rules_above_recorded(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Each record is made from others of the same evaluation, also when rules run concurrently."""
    windows = (str(ROOT / "examples" / "demo" / "windows"),)
    rules = rules_of(tmp_path, SELF_SPEC, windows=windows, interval=seconds(1))
    with run_prometheus(tmp_path / "target", prometheus_config(), program=PROGRAM) as target:
        job = ScrapeTarget("itself", target.url.removeprefix("http://"))
        config = prometheus_config(rule_files=[rules], targets=[job])
        with run_prometheus(
            tmp_path / "server", config, arguments=flags, program=PROGRAM
        ) as client:
            burn = "slo:current_burn_rate:ratio"
            assert eventually(lambda: (client.value(f"count_over_time({burn}[1m])") or 0) >= 12)
            end = time.time() - 1
            ratio = "slo:error_events:rate20s / slo:total_events:rate20s"
            for expression in (
                f"slo:sli_error:ratio_rate20s - ignoring (sloth_window) ({ratio})",
                f"{burn} - ignoring (sloth_window) slo:sli_error:ratio_rate20s / 0.001",
            ):
                (series,) = client.query_range(expression, end - 10, end, seconds(0.5))
                assert {0.0} == {value for _, value in series.values}, expression
            (errors,) = client.query_range("slo:error_events:rate20s", end - 10, end, seconds(1))
            assert len({value for _, value in errors.values}) >= 5
            assert not [rule for rule in client.rules() if rule.health == "err"]


EXPOSITION = """\
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="1"} 3
http_request_duration_seconds_bucket{le="+Inf"} 4
http_request_duration_seconds_count 4
http_request_duration_seconds_sum 4
"""


def test_whole_bounds_of_histograms(tmp_path: Path) -> None:
    """A bound that a service exposes as `1` is stored as `1.0`, and the rules select it."""
    rules = rules_of(tmp_path, CLASSIC_SPEC).read_text()
    (selector,) = set(re.findall(r"http_request_duration_seconds_bucket\{[^}]*\}", rules))
    with exposed(EXPOSITION) as address:
        config = prometheus_config(targets=[ScrapeTarget("shop", address)])
        with run_prometheus(tmp_path / "server", config, program=PROGRAM) as client:
            assert eventually(lambda: client.value(selector) == 3)
            assert client.value('http_request_duration_seconds_bucket{le="1.0"}') == 3
            assert client.value('http_request_duration_seconds_bucket{le="1"}') is None


class TestExpressions:
    def test_native_histograms(self, tmp_path: Path) -> None:
        """A threshold at a bucket's bound counts exactly the events of the buckets above it."""
        # Schema 0 doubles: the buckets from offset -2 on end at 0.25 s and at 0.5 s.
        histogram = "schema:0 sum:1 count:4 offset:-2 buckets:[3 1]"
        values = f"{{{{{histogram}}}}}+{{{{{histogram}}}}}x40"
        self.expect(tmp_path, NATIVE_SPEC, {"http_request_duration_seconds": values}, 0.25)

    def test_names_in_utf8(self, tmp_path: Path) -> None:
        """Queries may quote names that version 2 does not know."""
        series = {
            '{"http.requests", "service.name"="shop"}': "0+10x40",
            '{"http.errors", "service.name"="shop"}': "0+5x40",
        }
        self.expect(tmp_path, UTF8_SPEC, series, 0.5)

    def expect(self, folder: Path, spec: str, series: dict[str, str], ratio: float) -> None:
        """Demand that the error ratio over five minutes is *ratio* after 15 minutes."""
        rules = rules_of(folder, spec)
        check = {
            "expr": "round(sum(slo:sli_error:ratio_rate5m), 0.0001)",
            "eval_time": "15m",
            "exp_samples": [{"labels": "{}", "value": ratio}],
        }
        test = {
            "rule_files": [rules.name],
            "evaluation_interval": "30s",
            "tests": [
                {
                    "interval": "30s",
                    "input_series": [{"series": s, "values": v} for s, v in series.items()],
                    "promql_expr_test": [check],
                }
            ],
        }
        (folder / "test.yaml").write_text(yaml.safe_dump(test))
        promtool("test", "rules", "test.yaml", folder=folder)


@contextmanager
def exposed(text: str) -> Iterator[str]:
    """Serve *text* as metrics and yield the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{LOOPBACK}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.3)
    return False
