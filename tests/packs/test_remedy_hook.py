"""The example of a remedy does little by default, not too often, and writes down what it does."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from slo.stack.alertmanager import run_alertmanager

EXAMPLE = Path(__file__).parents[2] / "examples" / "packs"
TOKEN = "t0ken"
LABELS = {"alertname": "WorkloadRestartLoop", "namespace": "shop", "container": "checkout"}


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    """Return the example as a module."""
    spec = importlib.util.spec_from_file_location("remedy_hook", EXAMPLE / "remedy_hook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["remedy_hook"] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def served(hook: ModuleType, folder: Path, run: bool, **settings: Any) -> Iterator[str]:
    """Serve one remedy that appends to a file, and yield the address."""
    command = ["sh", "-c", f"echo done >> {folder / 'made'}"]
    remedy = hook.Remedy("WorkloadRestartLoop", command, {"namespace": "shop"}, **settings)
    journal = hook.Journal(folder / "audit.jsonl")
    server = hook.make_server(("127.0.0.1", 0), TOKEN, hook.Hook([remedy], journal, run))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def send(url: str, started: str = "1", token: str = TOKEN, **changes: Any) -> int:
    alert = {"status": "firing", "labels": LABELS, "fingerprint": "f", "startsAt": started}
    body = json.dumps({"version": "4", "alerts": [alert | changes]})
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(url, content=body, headers=headers, timeout=10).status_code


def audit(folder: Path) -> list[str]:
    path = folder / "audit.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["decision"] for line in lines]


def test_it_does_nothing_but_say_so_by_default(hook: ModuleType, tmp_path: Path) -> None:
    with served(hook, tmp_path, run=False) as url:
        assert 204 == send(url)

    assert ["dry run"] == audit(tmp_path)
    assert not (tmp_path / "made").exists()


def test_it_runs_once_for_each_occurrence_and_not_too_often(
    hook: ModuleType, tmp_path: Path
) -> None:
    with served(hook, tmp_path, run=True, per_hour=2) as url:
        for started in ("1", "1", "2", "3"):
            assert 204 == send(url, started)
    with served(hook, tmp_path, run=True, per_hour=2) as url:
        # It knows after a restart what it did before.
        assert 204 == send(url, "1")
        assert 204 == send(url, "4")

    assert ["run", "result", "run", "result", "too often", "too often"] == audit(tmp_path)
    assert "done\ndone\n" == (tmp_path / "made").read_text()


def test_a_command_that_hangs_is_stopped(hook: ModuleType, tmp_path: Path) -> None:
    remedy = hook.Remedy("A", ["sleep", "60"], timeout_seconds=0.05)
    journal = hook.Journal(tmp_path / "audit.jsonl")
    alert = {"status": "firing", "labels": {"alertname": "A"}, "fingerprint": "f", "startsAt": "1"}

    hook.Hook([remedy], journal, True).receive({"alerts": [alert]})

    result = json.loads((tmp_path / "audit.jsonl").read_text().splitlines()[-1])["result"]
    assert "stopped after 0.05s" == result


def test_others_and_nonsense_are_refused(hook: ModuleType, tmp_path: Path) -> None:
    with served(hook, tmp_path, run=True) as url:
        assert 401 == send(url, token="guess")
        assert 204 == send(url, status="resolved")
        assert 204 == send(url, labels=LABELS | {"namespace": "other"})
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert 400 == httpx.post(url, content="[]", headers=headers).status_code
        assert 400 == httpx.post(url, content="{", headers=headers).status_code

    assert [] == audit(tmp_path)


def test_without_a_journal_nothing_is_done(hook: ModuleType, tmp_path: Path) -> None:
    with served(hook, tmp_path, run=True) as url:
        (tmp_path / "audit.jsonl").mkdir()
        assert 503 == send(url)

    assert not (tmp_path / "made").exists()


def test_its_list_of_remedies_is_readable(hook: ModuleType) -> None:
    (remedy,) = [hook.Remedy(**r) for r in json.loads((EXAMPLE / "remedies.json").read_text())]

    assert remedy.fits(LABELS)


@pytest.mark.servers
@pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None,
    reason="needs the Debian package prometheus-alertmanager",
)
def test_a_real_alertmanager_starts_it(hook: ModuleType, tmp_path: Path) -> None:
    with served(hook, tmp_path, run=True) as url:
        config = (
            "route: {receiver: hook, group_wait: 0s}\n"
            "receivers:\n  - name: hook\n    webhook_configs:\n"
            f"      - url: {url}\n"
            f"        http_config: {{authorization: {{credentials: {TOKEN}}}}}\n"
        )
        with run_alertmanager(tmp_path / "alertmanager", config) as alertmanager:
            alerts = f"{alertmanager.url}/api/v2/alerts"
            httpx.post(alerts, json=[{"labels": LABELS}], timeout=10).raise_for_status()
            deadline = time.monotonic() + 20
            while "result" not in audit(tmp_path):
                assert time.monotonic() < deadline
                time.sleep(0.1)

    assert ["run", "result"] == audit(tmp_path)
    assert "done\n" == (tmp_path / "made").read_text()
