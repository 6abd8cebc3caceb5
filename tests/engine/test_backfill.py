"""Backfilled series say what happened: on real servers, and after every kind of interruption."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import yaml

from slo.duration import Duration
from slo.engine.backfill.confirm import unseen
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.engine.sources.protocol import Answer, SourceSeries
from slo.stack.processes import LOOPBACK, free_ports, running_server
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus

from .history_servers import Raw, load_blocks, load_remote, noisy_raw, run_victoria_metrics

pytestmark = pytest.mark.servers

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs the Debian package prometheus"
)
needs_victoria_metrics = pytest.mark.skipif(
    shutil.which("victoria-metrics") is None, reason="needs the Debian package victoria-metrics"
)

SPEC = """
version: slo/v1
service: shop
slos:
  - name: requests
    objective: 99.9
    indicator:
      events:
        error: sum(rate(errors_total{job="shop"}[{{.window}}]))
        total: sum(rate(requests_total{job="shop"}[{{.window}}]))
"""
DAY = 86_400
RETENTION = "--storage.tsdb.retention.time=1y"
EVERY_SAMPLE = 'count_over_time({job="shop"}[40d])'
BUDGET = 'slo:period_error_budget_remaining:ratio{sloth_id="shop-requests"}'


def slo(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(
        [sys.executable, "-m", "slo.engine.cli", "backfill", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )


def eventually(condition: Callable[[], bool], limit_seconds: float = 150) -> None:
    deadline = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.2)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def raw_days(days: float, ago: float = 0) -> Raw:
    end = int(time.time() - ago) // 60 * 60
    return noisy_raw(end - round(days * DAY), end)


def budget_rules(spec: Path, folder: Path) -> Path:
    """Write the compiled rules of the period, evaluated every second over thinned records."""
    result = compile_specs([str(spec)], CompileOptions(kinds=("rules",)))
    text = next(a for a in result.artifacts if a.path == "rules/spec.yaml").text
    groups = yaml.safe_load(text)["groups"]
    budget = BUDGET.partition("{")[0]
    (group,) = [g for g in groups if any(r.get("record") == budget for r in g["rules"])]
    rules = [r for r in group["rules"] if "record" in r and "_avg" not in r["record"]]
    path = folder / "rules.yaml"
    content = {"groups": [{"name": "period", "interval": "1s", "rules": rules}]}
    path.write_text(yaml.safe_dump(content))
    return path


def every_sample(url: str, start: float, end: float) -> dict[str, list[tuple[float, float]]]:
    """Return all recorded samples by series, as the server holds them."""
    found: dict[str, list[tuple[float, float]]] = {}
    at = start
    while at < end:
        stop = min(end, at + DAY)
        query = f'{{sloth_id="shop-requests"}}[{round(stop - at)}s]'
        parameters = {"query": query, "time": f"{stop - 0.001:.3f}"}
        answer = httpx.get(
            f"{url}/api/v1/query", params=parameters, timeout=60, trust_env=False
        ).json()
        for series in answer["data"]["result"]:
            name = json.dumps(series["metric"], sort_keys=True)
            found.setdefault(name, []).extend((float(t), float(v)) for t, v in series["values"])
        at = stop
    return found


@contextmanager
def prometheus(folder: Path, *flags: str, config: str | None = None) -> Iterator[PrometheusClient]:
    with run_prometheus(
        folder, config or prometheus_config(), arguments=[RETENTION, *flags]
    ) as client:
        yield client


@pytest.mark.slow
@needs_prometheus
class TestBlocks:
    def test_day_one_shows_thirty_days(self, spec: Path, tmp_path: Path) -> None:
        """The budget that the rules record next equals the count of events."""
        raw = raw_days(31)
        folder = tmp_path / "prometheus"
        load_blocks(raw, folder / "data")
        with prometheus(folder) as client:
            done = slo(
                str(spec),
                f"--prometheus={client.url}",
                f"--out={folder / 'data'}",
                cache=tmp_path,
            )
        assert 0 == done.returncode, done.stderr
        state = json.loads((folder / "data/.slo-backfill/state.json").read_text())
        assert state["until"] <= time.time() - 3 * 3600 + 60
        config = prometheus_config(rule_files=[budget_rules(spec, tmp_path)])

        with prometheus(folder, config=config) as client:
            eventually(lambda: client.value(BUDGET) is not None, 20)
            budget = client.value(BUDGET)

        assert budget is not None
        true = raw.error_ratio(state["since"], state["until"])
        assert true == pytest.approx((1 - budget) * 0.001, rel=0.005)
        shown = next(line for line in done.stdout.splitlines() if "shop-requests" in line)
        assert 100 * budget == pytest.approx(float(shown.split()[-1].rstrip("%")), abs=0.5)

    def test_killed_and_repeated(self, spec: Path, tmp_path: Path) -> None:
        """Killed at any moment and run again, nothing is missing and nothing doubled."""
        raw = raw_days(3)
        folder = tmp_path / "prometheus"
        load_blocks(raw, folder / "data")
        whole, pieces = tmp_path / "whole", tmp_path / "pieces"
        since = f"{round(time.time()) - 2 * DAY}"
        moment = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(int(since)))
        until = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(time.time() - 4 * 3600))
        with prometheus(folder) as client:
            arguments = (
                str(spec),
                f"--prometheus={client.url}",
                f"--since={moment}",
                f"--until={until}",
            )
            done = slo(*arguments, f"--out={whole}", cache=tmp_path)
            assert 0 == done.returncode, done.stderr
            command = [sys.executable, "-m", "slo.engine.cli", "backfill", *arguments]
            state = pieces / ".slo-backfill"
            kills = [
                killed([*command, f"--out={pieces}"], reached)
                for reached in (
                    (state / "raw").is_dir,
                    (state / "blocks" / "samples.om").is_file,
                    lambda: any((state / "blocks").glob("01*")),
                    lambda: any(pieces.glob("01*")),
                    lambda: len(list(pieces.glob("01*"))) > 1,
                    lambda: '"moving": true' in (state / "state.json").read_text(),
                )
            ]
            done = slo(*arguments, f"--out={pieces}", cache=tmp_path)
            assert 0 == done.returncode, done.stderr
            again = slo(*arguments, f"--out={pieces}", cache=tmp_path)
            assert 0 == again.returncode, again.stderr
        assert 4 <= sum(kills)

        assert dumped(whole) == dumped(pieces)
        # What two blocks hold alike is shown once: count what they hold.
        assert len(dumped(whole)) == held(whole) == held(pieces)
        assert [] == [p.name for p in (pieces / ".slo-backfill").iterdir() if p.name == "blocks"]

    def test_what_is_there_stays(self, spec: Path, tmp_path: Path) -> None:
        """Once the server has taken the blocks, there is nothing left to fill."""
        raw = raw_days(2)
        folder = tmp_path / "prometheus"
        load_blocks(raw, folder / "data")
        with prometheus(folder) as client:
            done = slo(
                str(spec),
                f"--prometheus={client.url}",
                "--since=1d",
                f"--out={tmp_path / 'out'}",
                cache=tmp_path,
            )
            assert 0 == done.returncode, done.stderr
        for block in (tmp_path / "out").glob("01*"):
            block.rename(folder / "data" / block.name)
        with prometheus(folder) as client:
            until = json.loads((tmp_path / "out/.slo-backfill/state.json").read_text())["until"]
            filled = every_sample(client.url, until - 1.5 * DAY, until + 600)
            again = slo(
                str(spec),
                f"--prometheus={client.url}",
                "--since=12h",
                f"--out={tmp_path / 'other'}",
                cache=tmp_path,
            )

        assert 20 < len(filled)
        assert 0 == again.returncode, again.stderr
        blocks = list((tmp_path / "other").glob("01*"))
        # The second run may end one evaluation later than the first.
        assert len(blocks) <= 1
        shown = next(line for line in again.stdout.splitlines() if "shop-requests" in line)
        written, kept = (int(cell.replace(",", "")) for cell in shown.split()[-3:-1])
        assert written < 100 < kept

    def test_head_is_left_alone(self, spec: Path, tmp_path: Path) -> None:
        """Blocks that reach into the head are refused, with the reason."""
        config = prometheus_config()
        with prometheus(
            tmp_path / "prometheus", "--web.enable-remote-write-receiver", config=config
        ) as client:
            load_remote(raw_days(0.02), f"{client.url}/api/v1/write")
            done = slo(
                str(spec),
                f"--prometheus={client.url}",
                "--since=4h",
                "--until=1m",
                f"--out={tmp_path / 'out'}",
                cache=tmp_path,
            )

        assert 1 == done.returncode
        assert "could make a restarted Prometheus lose samples" in done.stderr
        assert "--until" in done.stderr
        assert not (tmp_path / "out").exists()


def killed(command: list[str], reached: Callable[[], bool]) -> bool:
    """Run *command*, and tell whether it was killed once a stage was *reached*."""
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None:
        with suppress(OSError):
            if reached():
                break
    run.send_signal(signal.SIGKILL)
    run.wait()
    return run.returncode == -signal.SIGKILL


def held(folder: Path) -> int:
    """Return how many samples the blocks in *folder* hold."""
    metas = [json.loads(path.read_text()) for path in folder.glob("01*/meta.json")]
    return sum(meta["stats"]["numSamples"] for meta in metas)


def dumped(folder: Path) -> list[str]:
    """Return all samples of the blocks in *folder*, one a line, sorted."""
    data = folder / "dump"
    data.mkdir()
    for block in folder.glob("01*"):
        shutil.copytree(block, data / block.name)
    (data / "wal").mkdir()
    done = subprocess.run(
        ["promtool", "tsdb", "dump", str(data)], capture_output=True, text=True, check=True
    )
    lines = sorted(done.stdout.splitlines())
    shutil.rmtree(data)
    assert lines
    return lines


def evaluated_by_vmalert(url: str, rules: Path, client: PrometheusClient) -> float:
    """Return the budget that vmalert records now."""
    started = time.time()

    def arguments(address: str) -> list[str]:
        return [
            f"-httpListenAddr={address}",
            f"-rule={rules}",
            f"-datasource.url={url}",
            f"-remoteWrite.url={url}",
        ]

    fresh = f"last_over_time({BUDGET}[1m]) and timestamp({BUDGET}) > {started}"
    with running_server("vmalert", rules.parent / "vmalert", arguments, ready_path="/health"):
        eventually(lambda: client.value(fresh) is not None, 60)
        found = client.value(fresh)
    assert found is not None
    return found


@pytest.mark.slow
@needs_victoria_metrics
class TestRemoteWrite:
    def test_day_one_shows_what_was(self, spec: Path, tmp_path: Path) -> None:
        """VictoriaMetrics has the budget that the events had, and a second run adds nothing."""
        raw = raw_days(8)
        with run_victoria_metrics(tmp_path / "vm") as url:
            load_remote(raw, f"{url}/api/v1/write")
            client = PrometheusClient(url, name="victoria-metrics", deadline_seconds=60)
            eventually(lambda: client.value(f"sum({EVERY_SAMPLE})") == raw.size)
            arguments = (
                str(spec),
                f"--prometheus={url}",
                f"--write-to={url}/api/v1/write",
                "--since=8d",
                "--until=10m",
            )
            done = slo(*arguments, cache=tmp_path)
            assert 0 == done.returncode, done.stderr
            eventually(lambda: client.value(f"last_over_time({BUDGET}[1h])") is not None)
            time.sleep(2)
            now = time.time()
            before = every_sample(url, now - 9 * DAY, now)
            again = slo(*arguments, cache=tmp_path)
            assert 0 == again.returncode, again.stderr
            time.sleep(3)
            after = every_sample(url, now - 9 * DAY, now - 900)
            budget = evaluated_by_vmalert(url, budget_rules(spec, tmp_path), client)

        true = raw.error_ratio(now - 8 * DAY, now - 600)
        assert true == pytest.approx((1 - budget) * 0.001, rel=0.005)
        assert sum(map(len, before.values())) > 180_000
        for name, samples in after.items():
            kept = [sample for sample in before[name] if sample[0] < now - 900]
            assert kept == [sample for sample in samples if sample[0] < now - 900], name

    def test_killed_and_repeated(self, spec: Path, tmp_path: Path) -> None:
        """Killed while it sends and run again, each series has each time once."""
        raw = raw_days(6)
        until = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(time.time() - 600))
        with run_victoria_metrics(tmp_path / "vm") as url:
            load_remote(raw, f"{url}/api/v1/write")
            client = PrometheusClient(url, name="victoria-metrics", deadline_seconds=60)
            eventually(lambda: client.value(f"sum({EVERY_SAMPLE})") == raw.size)
            arguments = (
                str(spec),
                f"--prometheus={url}",
                f"--write-to={url}/api/v1/write",
                "--since=5d",
                f"--until={until}",
            )
            command = [sys.executable, "-m", "slo.engine.cli", "backfill", *arguments]
            environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
            run = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
            sent = 'count(last_over_time({sloth_id="shop-requests"}[6d]))'
            eventually(lambda: bool(client.value(sent)) or run.poll() is not None)
            run.send_signal(signal.SIGKILL)
            run.wait()
            time.sleep(3)
            done = slo(*arguments, cache=tmp_path)
            assert 0 == done.returncode, done.stderr
            time.sleep(3)
            filled = every_sample(url, time.time() - 6 * DAY, time.time())

        rates = filled[next(n for n in filled if 'slo:total_events:rate5m"' in n)]
        # Without the gaps of the raw series.
        assert 0.98 * 5 * 2880 < len(rates)
        for samples in filled.values():
            assert len({at for at, _ in samples}) == len(samples)

    @needs_prometheus
    def test_prometheus_with_an_out_of_order_window(self, spec: Path, tmp_path: Path) -> None:
        """It takes old samples when it is told to; without that, the refusal says how."""
        receiver = "--web.enable-remote-write-receiver"
        raw = raw_days(2, ago=4 * 3600)
        for window, code in (("3d", 0), (None, 1)):
            folder = tmp_path / f"prometheus-{window}"
            load_blocks(raw, folder / "data")
            config = prometheus_config()
            if window:
                config += f"storage: {{tsdb: {{out_of_order_time_window: {window}}}}}\n"
            with prometheus(folder, receiver, config=config) as client:
                # Something recent, so that what is older than it is out of order.
                load_remote(raw_days(0.01), f"{client.url}/api/v1/write")
                done = slo(
                    str(spec),
                    f"--prometheus={client.url}",
                    f"--write-to={client.url}/api/v1/write",
                    "--since=1d",
                    cache=tmp_path / str(window),
                )
                found = client.value(f"last_over_time({BUDGET}[1d])")

            assert code == done.returncode, done.stderr
            assert (found is not None) == (code == 0)
        assert "out_of_order_time_window" in done.stderr
        assert "--out" in done.stderr

    @needs_prometheus
    def test_receiver_is_off(self, spec: Path, tmp_path: Path) -> None:
        raw = raw_days(0.3)
        folder = tmp_path / "prometheus"
        load_blocks(raw, folder / "data")
        with prometheus(folder) as client:
            done = slo(
                str(spec),
                f"--prometheus={client.url}",
                f"--write-to={client.url}/api/v1/write",
                "--since=4h",
                cache=tmp_path,
            )

        assert 1 == done.returncode
        assert "--web.enable-remote-write-receiver" in done.stderr


class TestConfirmation:
    class Source:
        url = "http://server"

        def __init__(self, shows: int) -> None:
            self.asked: list[str] = []
            self._shows = shows

        def instant(self, query: str, at: float | None = None) -> Answer:
            self.asked.append(query)
            seen = len(self.asked) > self._shows
            return Answer((SourceSeries({}, ((0, 1),)),) if seen else ())

        def range(self, query: str, start: float, end: float, step: Duration) -> Answer:
            raise AssertionError("not asked")

        def head_start(self) -> float | None:
            return None

    def look(self, shows: int) -> tuple[str | None, list[str]]:
        source = self.Source(shows)
        ticks = iter(range(1000))
        sample = ("slo:a", {"b": 'c"'}, 1_790_000_000_000)
        problem = unseen(source, [sample], clock=lambda: next(ticks), sleep=lambda _: None)
        return problem, source.asked

    def test_waits_until_the_server_shows_what_it_was_sent(self) -> None:
        problem, asked = self.look(3)

        assert problem is None
        assert ['last_over_time(slo:a{b="c\\""}[1s])'] * 4 == asked

    def test_a_server_that_drops_old_samples(self) -> None:
        problem, _ = self.look(1000)

        assert problem is not None
        assert "does not show the samples of 2026-09-21" in problem


class TestUsage:
    def run(self, spec: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return slo(str(spec), *arguments, cache=spec.parent)

    def nowhere(self) -> str:
        return f"--prometheus=http://{LOOPBACK}:{free_ports(1)[0]}"

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "--out for blocks, or --write-to"),
            (("--out=x", "--write-to=http://localhost/"), "--out for blocks, or --write-to"),
            (("--out=x", "--profile=sloth"), "only profile `exact`"),
            (("--out=x", "--since=yesterday"), "'yesterday' is neither"),
            (("--out=x", "--since=0d"), "--since 0d is not before --until now"),
            (("--out=x", "--since=2999-01-01"), "in the future"),
            (("--out=x", "--header=nothing"), "Name: value"),
        ],
    )
    def test_wrong_use(self, spec: Path, arguments: tuple[str, ...], words: str) -> None:
        done = self.run(spec, self.nowhere(), *arguments)

        assert 2 == done.returncode
        assert words in done.stderr

    def test_nobody_answers(self, spec: Path, tmp_path: Path) -> None:
        done = self.run(spec, self.nowhere(), f"--out={tmp_path / 'out'}", "--timeout=1s")

        assert 1 == done.returncode
        assert "gave no answer within 1 s" in done.stderr
        assert "Traceback" not in done.stderr

    def test_mistakes_of_the_spec_come_first(self, spec: Path) -> None:
        spec.write_text(SPEC.replace("99.9", "199"))
        done = self.run(spec, self.nowhere(), "--out=x")

        assert 1 == done.returncode
        assert "SLO201" in done.stderr

    @needs_prometheus
    def test_nothing_to_fill(self, spec: Path, tmp_path: Path) -> None:
        """A server without the raw series is not one where nothing is missing."""
        out = tmp_path / "out"
        with prometheus(tmp_path / "prometheus") as client:
            server = f"--prometheus={client.url}"
            done = self.run(spec, server, f"--out={out}", "--since=1d")
            (tmp_path / "file").touch()
            refused = self.run(spec, server, f"--out={tmp_path / 'file' / 'x'}", "--since=1d")

        assert 0 == done.returncode, done.stderr
        assert "no samples for the queries of shop-requests" in done.stderr
        assert "Nothing was filled" in done.stdout
        assert 1 == refused.returncode
        assert f"error: cannot write to {tmp_path / 'file' / 'x'}" in refused.stderr

    @needs_prometheus
    def test_dry_run(self, spec: Path, tmp_path: Path) -> None:
        with prometheus(tmp_path / "prometheus") as client:
            done = self.run(spec, f"--prometheus={client.url}", "--dry-run", "--since=10d")

        assert 0 == done.returncode, done.stderr
        assert "shop-requests: 1 group" in done.stdout
        assert "nothing was written" in done.stdout
