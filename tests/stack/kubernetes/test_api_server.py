"""A real API server of Kubernetes takes every object, and has nothing to change after that."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.stack.processes import LOOPBACK, Process, free_ports
from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes import render
from tests.stack.components.stacks import VARIANTS, compiled
from tests.stack.kubernetes.cluster import BASE, STACKS, named, pods

FOLDER = os.environ.get("KUBERNETES")

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.skipif(FOLDER is None, reason="needs an API server: make test-kubernetes"),
]

TOKEN = "test"


class Cluster:
    """Call kubectl on one server; there is nothing behind it that would run a pod."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [f"{FOLDER}/kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)

    def must(self, *arguments: str, stdin: str | None = None) -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        # Pods that break the security standard are warned of when their workload is applied.
        assert "Warning" not in done.stderr, done.stderr
        return done.stdout


def until(done: Any) -> None:
    deadline = time.monotonic() + 90
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    client, peer, secure = free_ports(3)
    etcd = f"http://{LOOPBACK}:{client}"
    key = folder / "accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,1,"system:masters"\n')
    kubeconfig = folder / "kubeconfig"
    server = {"server": f"https://{LOOPBACK}:{secure}", "insecure-skip-tls-verify": True}
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "it", "cluster": server}],
                "users": [{"name": "it", "user": {"token": TOKEN}}],
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "current-context": "it",
            }
        )
    )
    store = Process(
        [
            "etcd",
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://{LOOPBACK}:{peer}",
            "--log-level=error",
        ],
        log=folder / "etcd.log",
        ready_url=f"{etcd}/health",
    )
    api = Process(
        [
            f"{FOLDER}/kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={secure}",
            f"--cert-dir={folder / 'certificates'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/16",
        ],
        log=folder / "api.log",
        grace_seconds=20,
    )
    with store, api:
        found = Cluster(kubeconfig)
        until(lambda: found.run("get", "--raw", "/readyz").returncode == 0)
        found.must("apply", "--server-side", "-f", f"{FOLDER}/crds")
        until(lambda: found.run("get", "prometheusrules,servicemonitors", "-A").returncode == 0)
        yield found


def renamed(name: str, suffix: str) -> StackSettings:
    """Return the variant *name* with a namespace of its own: here nobody would clean one up."""
    return replace(VARIANTS[name], name=f"{name}-{suffix}")


def written(settings: StackSettings, folder: Path) -> Path:
    for artifact in render(settings, compiled(), folder / "out"):
        path = folder / "out" / artifact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artifact.text)
    return folder / "out"


@pytest.mark.parametrize("name", VARIANTS)
def test_goes_from_one_overlay_to_the_other(name: str, cluster: Cluster, tmp_path: Path) -> None:
    folder = written(renamed(name, "overlays"), tmp_path)
    for overlay in ("development", "production"):
        kustomization = str(folder / "overlays" / overlay)
        cluster.must("apply", "--server-side", "--validate=strict", "-k", kustomization)

        assert cluster.must("diff", "--server-side", "-k", kustomization) == ""


@pytest.mark.parametrize("name", [n for n, form in STACKS if form != BASE])
def test_takes_the_objects_for_the_operator(name: str, cluster: Cluster, tmp_path: Path) -> None:
    settings = renamed(name, "operator")
    folder = str(written(settings, tmp_path) / "kube-prometheus-stack")
    cluster.must("create", "namespace", settings.name)
    cluster.must("apply", "--server-side", "--validate=strict", "-k", folder)

    assert cluster.must("diff", "--server-side", "-k", folder) == ""
    rules = json.loads(cluster.must("get", "prometheusrules", "-n", settings.name, "-o", "json"))
    assert len(rules["items"]) >= 3


def test_values_for_the_chart_are_a_prometheus_that_the_operator_knows(
    cluster: Cluster, tmp_path: Path
) -> None:
    values = yaml.safe_load(
        (written(VARIANTS["watched"], tmp_path) / "kube-prometheus-stack/values.yaml").read_text()
    )
    spec = values["prometheus"]["prometheusSpec"]
    # The chart has these under names of its own.
    spec = {k: v for k, v in spec.items() if not k.endswith("NilUsesHelmValues")}
    spec["storage"] = spec.pop("storageSpec")
    del spec["additionalScrapeConfigs"]
    found = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": "values", "namespace": "default"},
        "spec": spec,
    }

    cluster.must(
        *("create", "--validate=strict", "--dry-run=server", "-f", "-"), stdin=json.dumps(found)
    )


@pytest.fixture(scope="module")
def running(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Return a cluster that has accounts and a namespace for pods to come to."""
    folder = written(VARIANTS["scaled"], tmp_path_factory.mktemp("scaled"))
    cluster.must("apply", "--server-side", "-k", str(folder / "base"))
    return cluster


class TestSecurityStandard:
    def pod(self, component: str) -> dict[str, Any]:
        found = deepcopy(pods("scaled")[component])
        volumes = [v["metadata"]["name"] for v in self.claims(component)]
        spec = {
            **found["spec"],
            "volumes": [
                *found["spec"]["volumes"],
                *({"name": n, "persistentVolumeClaim": {"claimName": n}} for n in volumes),
            ],
        }
        metadata = {"name": component, "namespace": "slostack", **found["metadata"]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def claims(self, component: str) -> list[dict[str, Any]]:
        sets = named("scaled", BASE, "StatefulSet")
        found = sets.get(component, {"spec": {}})["spec"].get("volumeClaimTemplates", [])
        return list(found)

    @pytest.mark.parametrize("component", sorted(pods("scaled")))
    def test_admits_every_pod(self, component: str, running: Cluster) -> None:
        running.must("create", "--dry-run=server", "-f", "-", stdin=json.dumps(self.pod(component)))

    def test_refuses_one_with_more_rights(self, running: Cluster) -> None:
        pod = self.pod("loki")
        pod["spec"]["containers"][0]["securityContext"]["capabilities"] = {"add": ["SYS_ADMIN"]}
        done = running.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))

        assert done.returncode != 0
        assert 'violates PodSecurity "restricted' in done.stderr


def test_unknown_fields_would_be_refused(cluster: Cluster) -> None:
    found = next(iter(named("plain", BASE, "Service").values()))
    found = {**found, "spec": {**found["spec"], "selectors": {}}, "metadata": {"name": "x"}}
    done = cluster.run("create", "--validate=strict", "-f", "-", stdin=json.dumps(found))

    assert done.returncode != 0
    assert 'unknown field "spec.selectors"' in done.stderr


def test_makes_secrets_of_the_files_in_the_folder(cluster: Cluster, tmp_path: Path) -> None:
    settings = renamed("public", "secrets")
    folder = written(settings, tmp_path)
    kustomization = yaml.safe_load((folder / "secrets/kustomization.yaml").read_text())
    for generator in kustomization["secretGenerator"]:
        for file in generator["files"]:
            path = folder / "secrets" / file.partition("=")[2]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("hush")
    built = cluster.must(
        *("kustomize", "--load-restrictor", "LoadRestrictionsNone", str(folder / "secrets"))
    )
    cluster.must("create", "namespace", settings.name)
    cluster.must("apply", "--server-side", "--validate=strict", "-f", "-", stdin=built)
    found = json.loads(cluster.must("get", "secrets", "-n", settings.name, "-o", "json"))

    assert {"engine-secrets", "grafana-secrets", "prometheus-secrets"} <= {
        item["metadata"]["name"] for item in found["items"]
    }
