"""A real API server is brought a stack, asked about it, and rid of it; no pod runs behind it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from slo.engine.cli import program
from tests.stack.components.stacks import SPEC
from tests.stack.kubernetes.test_api_server import FOLDER, Cluster, cluster

__all__ = ["cluster"]

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.skipif(FOLDER is None, reason="needs an API server: make test-kubernetes"),
]

SECRETS = ("payments-pagerduty", "payments-slack")
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: prometheus-prometheus-0
  labels: {app.kubernetes.io/name: prometheus, app.kubernetes.io/instance: NAME}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


class Shop:
    """Run the commands on one stack in the cluster."""

    def __init__(self, folder: Path, name: str, cluster: Cluster) -> None:
        self.folder, self.name, self.cluster = folder, name, cluster
        (folder / "specs").mkdir()
        (folder / "specs/checkout.yaml").write_text(SPEC)
        (folder / "slostack.yaml").write_text(f"version: slo/v1\nkind: Stack\nname: {name}\n")
        (folder / "secrets").mkdir(mode=0o700)
        (folder / "secrets/.gitignore").write_text("# Secrets never go into version control.\n*\n")
        for secret in SECRETS:
            (folder / "secrets" / secret).write_text("hush")

    def stack(self, command: str, *arguments: str) -> Result:
        settings = ("--settings", str(self.folder / "slostack.yaml"), "--target", "kubernetes")
        return CliRunner().invoke(program, ["stack", command, *settings, *arguments])

    def up(self, *arguments: str) -> Result:
        return self.stack("up", "--context", "it", "--no-wait", *arguments)

    def get(self, kinds: str) -> dict[str, Any]:
        text = self.cluster.must("get", kinds, "--namespace", self.name, "--output", "json")
        return {item["metadata"]["name"]: item for item in json.loads(text)["items"]}

    def claim(self) -> None:
        """Make a volume claim as the controller of stateful sets would."""
        text = CLAIM.replace("NAME", self.name)
        self.cluster.must("create", "--namespace", self.name, "-f", "-", stdin=text)


@pytest.fixture
def shop(
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Shop]:
    monkeypatch.setenv("PATH", f"{FOLDER}:{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    name = request.node.name.removeprefix("test_").replace("_", "-")
    yield Shop(tmp_path, name, cluster)


def test_comes_up_and_changes_nothing_twice(shop: Shop) -> None:
    first = shop.up()
    assert 0 == first.exit_code, first.output
    assert f"context it, namespace {shop.name}" in first.stderr
    before = shop.get("deployments,statefulsets,daemonsets,configmaps,services,secrets")
    second = shop.up()

    assert 0 == second.exit_code, second.output
    after = shop.get("deployments,statefulsets,daemonsets,configmaps,services,secrets")
    assert {"alertmanager-secrets", "grafana-secrets", "prometheus", "grafana"} <= after.keys()
    assert {name: item["metadata"]["resourceVersion"] for name, item in before.items()} == {
        name: item["metadata"]["resourceVersion"] for name, item in after.items()
    }


def test_status_lists_every_workload(shop: Shop) -> None:
    assert 1 == shop.stack("status").exit_code
    shop.up("--overlay", "production")
    result = shop.stack("status", "--format", "json")
    parts = {part["name"]: part for part in json.loads(result.stdout)["parts"]}

    assert 1 == result.exit_code
    assert parts.keys() == shop.get("deployments,statefulsets,daemonsets").keys()
    assert {part["state"] for part in parts.values()} == {"waiting"}


def test_status_believes_the_server(shop: Shop) -> None:
    shop.up()
    for name, item in shop.get("deployments,statefulsets,daemonsets").items():
        kind, count = item["kind"].lower(), item["spec"].get("replicas", 1)
        counts = ["readyReplicas", "updatedReplicas", "replicas", "availableReplicas"]
        if kind == "daemonset":
            counts = ["desiredNumberScheduled", "numberReady", "updatedNumberScheduled"]
            counts += ["currentNumberScheduled", "numberMisscheduled", "numberAvailable"]
        status = dict.fromkeys(counts, count) | {
            "observedGeneration": item["metadata"]["generation"]
        }
        patch = json.dumps({"status": status})
        names = (kind, name, "--namespace", shop.name, "--subresource=status", "--type=merge")
        shop.cluster.must("patch", *names, "--patch", patch)
    result = shop.stack("status")
    assert 0 == result.exit_code, result.output

    half = json.dumps({"status": {"readyReplicas": 0, "availableReplicas": 0}})
    names = ("statefulset", "loki", "--namespace", shop.name, "--subresource=status")
    shop.cluster.must("patch", *names, "--type=merge", "--patch", half)
    result = shop.stack("status")
    assert 1 == result.exit_code
    assert "loki: 0 of 1 pods are ready" in result.stdout


def test_waiting_ends(shop: Shop) -> None:
    result = shop.stack("up", "--wait", "2s")

    assert 1 == result.exit_code
    assert "is not up within 2 seconds" in result.stderr


def test_down_keeps_claims_secrets_and_namespace(shop: Shop) -> None:
    shop.up("--overlay", "production")
    shop.claim()
    result = shop.stack("down", "--context", "it")

    assert 0 == result.exit_code, result.output
    kinds = "deployments,statefulsets,daemonsets,services,networkpolicies,poddisruptionbudgets"
    assert shop.get(kinds) == {}
    assert "prometheus-prometheus-0" in shop.get("persistentvolumeclaims")
    assert "grafana-secrets" in shop.get("secrets")
    assert 0 == shop.up().exit_code


def test_purge_deletes_all(shop: Shop) -> None:
    shop.up()
    shop.claim()
    refused = CliRunner().invoke(
        program,
        [
            *("stack", "down", "--settings", str(shop.folder / "slostack.yaml")),
            *("--target", "kubernetes", "--purge"),
        ],
        input="n\n",
    )
    assert 1 == refused.exit_code
    assert "prometheus" in shop.get("statefulsets")

    result = shop.stack("down", "--purge", "--yes")
    assert 0 == result.exit_code, result.output
    assert shop.get("secrets") == {}
    # Nothing here takes away the finalizers that guard a volume in use.
    claims = shop.get("persistentvolumeclaims").values()
    assert all("deletionTimestamp" in claim["metadata"] for claim in claims)
    namespace = json.loads(shop.cluster.must("get", "namespace", shop.name, "--output", "json"))
    assert namespace["status"]["phase"] == "Terminating"


def test_goes_nowhere_without_a_context(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(shop.folder / "none"))
    result = shop.stack("up")

    assert 1 == result.exit_code
    assert "kubectl has no current context: choose a cluster by --context" in result.stderr
    assert not (shop.folder / "stack").exists()
