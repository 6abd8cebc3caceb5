"""
Measure what the rules of one SLO cost a real Prometheus, by its own account.

Days of raw counters are loaded with promtool and go on live from a target that Prometheus
scrapes. Each kind of rules runs for a few minutes; the duration of every group's evaluation, as
the rule manager reports it, weighed by the group's interval, gives milliseconds of evaluation a
minute. `python benchmarks/rule_cost.py` prints the table; `--series 3000` wants 3 GB of disk and
a quarter of an hour.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

from slo.alerts.sloth_rules import sli_rules
from slo.duration import Duration, seconds
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.processes import find_program
from slo.stack.prometheus import (
    PrometheusClient,
    ScrapeTarget,
    prometheus_config,
    run_prometheus,
)

_DAY = 86_400
_SPEC = """\
version: slo/v1
service: shop
slos:
  - name: requests
    objective: 99.9
    indicator:
      events:
        error: sum(rate(requests_total{job="shop",code=~"5.."}[{{.window}}]))
        total: sum(rate(requests_total{job="shop"}[{{.window}}]))
"""
_SELECTOR = '{sloth_id="shop-requests", sloth_service="shop", sloth_slo="requests"}'
_FLAGS = ("--storage.tsdb.retention.time=20y", "--query.max-samples=500000000")


def kinds() -> dict[str, list[dict[str, Any]]]:
    """Return the rule groups of each kind, alerts left out."""
    found = {profile: _compiled(profile) for profile in ("exact", "sloth")}
    plain = yaml.safe_load(yaml.safe_dump(found["sloth"]))
    plan = compile_specs([_spec_path()], CompileOptions(kinds=("rules",))).specs.slos[0]
    period = sli_rules(plan, optimized=False)[-1]
    plain[0]["rules"][-1]["expr"] = period.expr
    found["sloth, not optimised"] = plain
    found["Pyrra's shapes"] = _pyrra()
    return found


def _spec_path() -> str:
    path = Path(tempfile.gettempdir()) / "rule-cost-spec.yaml"
    path.write_text(_SPEC)
    return str(path)


def _compiled(profile: str) -> list[dict[str, Any]]:
    options = CompileOptions(profile=profile, kinds=("rules",), alerts=False)
    result = compile_specs([_spec_path()], options)
    text = next(a.text for a in result.artifacts if "health" not in a.path)
    groups: list[dict[str, Any]] = yaml.safe_load(text)["groups"]
    return groups


def _pyrra() -> list[dict[str, Any]]:
    """Return rules of Pyrra's shape for 30 days: burn rates from raw series, and increases."""
    error, total = 'requests_total{job="shop",code=~"5.."}', 'requests_total{job="shop"}'
    windows = ("5m", "32m", "1h4m", "2h9m", "6h26m", "1d1h43m", "4d6h51m")
    burn = [
        {
            "record": f"requests:burnrate{w}",
            "expr": f"sum(rate({error}[{w}])) / sum(rate({total}[{w}]))",
            "labels": {"slo": "requests"},
        }
        for w in windows
    ]
    increase = [
        {
            "record": "requests:increase30d",
            "expr": f"sum by (code) (increase({total}[30d]))",
            "labels": {"slo": "requests"},
        }
    ]
    return [
        {"name": "requests", "interval": "30s", "rules": burn},
        {"name": "requests-increase", "interval": "2m30s", "rules": increase},
    ]


class _Service:
    """Count like a service with *series* counters, a sixth of which count errors."""

    def __init__(self, series: int, days: float, scrape: int) -> None:
        self._series, self._span, self._scrape = series, int(days * _DAY), scrape
        self._born = int(time.time()) - self._span
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = service.exposition().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()

    def _counters(self) -> Iterator[tuple[str, float]]:
        for number in range(self._series):
            code = "500" if number % 6 == 0 else "200"
            yield f'code="{code}",pod="p{number}"', 0.001 if code == "500" else 1.0

    def exposition(self) -> str:
        age = time.time() - self._born
        rows = [f"requests_total{{{labels}}} {rate * age:g}" for labels, rate in self._counters()]
        return "# TYPE requests_total counter\n" + "\n".join(rows) + "\n"

    def history(self) -> Iterator[str]:
        """Yield what earlier scrapes would have read."""
        yield "# TYPE requests counter\n"
        now = int(time.time())
        for labels, rate in self._counters():
            full = f'{{job="shop",instance="{self.address}",{labels}}}'
            for at in range(self._born, now, self._scrape):
                yield f"requests_total{full} {rate * (at - self._born):g} {at}\n"


def _records(end: int) -> Iterator[str]:
    """Yield thirty days of the records that long windows sum, as an old installation has them."""
    ids = _SELECTOR.replace(", ", ",")
    for name, step in (
        ("slo:total_events:rate5m", 30),
        ("slo:error_events:rate5m", 30),
        ("slo:total_events:rate5m_avg2m", 120),
        ("slo:error_events:rate5m_avg2m", 120),
        ("slo:sli_error:ratio_rate5m", 30),
    ):
        yield f"# TYPE {name} gauge\n"
        window = ids.replace("}", ',sloth_window="5m"}') if "ratio" in name else ids
        for at in range(end - 30 * _DAY, end + 1, step):
            yield f"{name}{window} 1 {at}\n"


def load(folder: Path, name: str, lines: Iterator[str]) -> None:
    """Write *lines* as blocks of the server's data folder."""
    text = folder / f"{name}.om"
    with text.open("w") as out:
        out.writelines(lines)
        out.write("# EOF\n")
    subprocess.run(
        [
            find_program("promtool"),
            "tsdb",
            "create-blocks-from",
            "--max-block-duration=744h",
            "openmetrics",
            str(text),
            str(folder / "data"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    text.unlink()


def measure(
    folder: Path, target: ScrapeTarget, scrape: int, groups: list[dict[str, Any]], minutes: float
) -> tuple[float, int]:
    """Return milliseconds of evaluation a minute, and the number of recorded series."""
    rules = folder / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": groups}))
    config = prometheus_config(
        rule_files=[rules],
        targets=[target],
        scrape_interval=seconds(scrape),
        evaluation_interval=seconds(30),
    )
    intervals = {g["name"]: Duration.parse(g.get("interval", "30s")).seconds for g in groups}
    seen: dict[str, dict[str, float]] = {name: {} for name in intervals}
    with run_prometheus(folder, config, arguments=_FLAGS) as client:
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            time.sleep(5)
            for group, evaluated, lasted in _durations(client):
                seen[group][evaluated] = lasted
        bad = [rule for rule in client.rules() if rule.health != "ok"]
        if bad:
            raise SystemExit(f"{bad[0].name}: {bad[0].health} {bad[0].error}")
        recorded = sum(
            len(client.query(rule["record"])) for group in groups for rule in group["rules"]
        )
    cost = 0.0
    for name, lasted in seen.items():
        if not lasted:
            raise SystemExit(f"group {name} was never evaluated: measure for longer")
        cost += sum(lasted.values()) / len(lasted) * 1000 * 60 / intervals[name]
    return cost, recorded


def _durations(client: PrometheusClient) -> Iterator[tuple[str, str, float]]:
    data = client._data("/api/v1/rules")
    for group in data["groups"]:
        if not group["lastEvaluation"].startswith("0001"):
            yield group["name"], group["lastEvaluation"], float(group["evaluationTime"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, nargs="+", default=[16, 300])
    parser.add_argument("--days", type=float, default=4.3, help="raw history to load")
    parser.add_argument("--scrape", type=int, default=15, help="seconds between scrapes")
    parser.add_argument(
        "--minutes", type=float, default=6, help="how long each kind runs; over two slow intervals"
    )
    parser.add_argument("--kinds", nargs="+", help="measure only these, such as exact sloth")
    arguments = parser.parse_args()
    print("| raw series | rules | ms of evaluation a minute | recorded series |")
    print("|---:|---|---:|---:|")
    for series in arguments.series:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "data").mkdir()
            service = _Service(series, arguments.days, arguments.scrape)
            load(folder, "raw", service.history())
            load(folder, "records", _records(int(time.time())))
            target = ScrapeTarget("shop", service.address)
            for kind, groups in kinds().items():
                if arguments.kinds and kind not in arguments.kinds:
                    continue
                cost, recorded = measure(
                    folder, target, arguments.scrape, groups, arguments.minutes
                )
                print(f"| {series} | {kind} | {cost:,.1f} | {recorded} |", flush=True)
            service.close()


if __name__ == "__main__":
    main()
