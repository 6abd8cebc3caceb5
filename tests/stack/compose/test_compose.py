"""Check the Compose project by its published schema, by a typed model, and by rules of our own."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from jsonschema import Draft202012Validator

from slo.stack.components.images import IMAGES
from slo.stack.settings import Exposure, StackSettings
from slo.stack.targets.compose import COMPOSE_FILE, render
from tests.stack.components.stacks import EVERYTHING_PUBLIC, VARIANTS, compiled

# Their images hold one program, which cannot ask itself.
MUTE = ("collector-agent", "collector-gateway", "jaeger", "prepare")


_projects: dict[str, dict[str, str]] = {}
_documents: dict[str, dict[str, Any]] = {}


def rendered(settings: StackSettings) -> dict[str, str]:
    """Render the project and return its files by path."""
    return {a.path: a.text for a in render(settings, compiled(), Path("stack/compose"))}


def project(settings: StackSettings) -> dict[str, str]:
    """Return the files of the project by path, rendered once."""
    key = repr(settings)
    if key not in _projects:
        _projects[key] = rendered(settings)
    return _projects[key]


@cache
def schema() -> Draft202012Validator:
    """Return the schema that the Compose project publishes, as check-jsonschema carries it."""
    path = resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    return Draft202012Validator(json.loads(path.read_text("utf-8")))


def document(settings: StackSettings) -> dict[str, Any]:
    key = repr(settings)
    if key not in _documents:
        _documents[key] = yaml.load(project(settings)[COMPOSE_FILE], yaml.CSafeLoader)
    return _documents[key]


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
class TestEveryProject:
    def test_keeps_to_the_schema_of_compose(self, settings: StackSettings) -> None:
        errors = [error.message for error in schema().iter_errors(document(settings))]

        assert [] == errors

    def test_keeps_to_the_model_of_compose(self, settings: StackSettings) -> None:
        text = project(settings)[COMPOSE_FILE]
        # What Docker takes and this model does not know: images by tag and digest, the name of the
        # machine itself, and a range of ports for several containers with one port.
        text = re.sub(r"@sha256:[0-9a-f]{64}", "", text).replace(":host-gateway", ":172.17.0.1")
        text = re.sub(r"(:\d+)-\d+:", r"\1:", text)
        PyCompose.from_yaml(text).validate()

    def test_waits_only_for_what_is_there_and_can_be_healthy(self, settings: StackSettings) -> None:
        services = document(settings)["services"]
        for name, service in services.items():
            for other, wait in service.get("depends_on", {}).items():
                assert other in services, (name, other)
                condition = wait["condition"]
                assert ("healthcheck" in services[other]) == (condition == "service_healthy")

    def test_has_no_circle_of_waiting(self, settings: StackSettings) -> None:
        services = document(settings)["services"]
        seen: set[str] = set()
        while len(seen) < len(services):
            ready = {n for n, s in services.items() if set(s.get("depends_on", {})) <= seen}
            assert ready - seen, "a circle"
            seen |= ready

    def test_defines_what_it_uses_and_uses_what_it_defines(self, settings: StackSettings) -> None:
        found = document(settings)
        services = found["services"].values()
        mounts = [mount for service in services for mount in service.get("volumes", ())]
        named = {m.partition(":")[0] for m in mounts if not m.startswith(".")}
        networks = {n for service in services for n in service.get("networks", ())}
        secrets = {name for service in services for name in service.get("secrets", ())}

        assert named == set(found.get("volumes", ()))
        # The small variants have nothing that calls out; the network costs nothing.
        assert networks <= set(found["networks"])
        assert secrets == set(found.get("secrets", ()))

    def test_mounts_folders_that_it_writes(self, settings: StackSettings) -> None:
        files = project(settings)
        for service in document(settings)["services"].values():
            for mount in service.get("volumes", ()):
                if mount.startswith("./"):
                    folder = mount.partition(":")[0].removeprefix("./")
                    assert any(path.startswith(f"{folder}/") for path in files)
                    assert mount.endswith(":ro")

    def test_gives_each_volume_to_one_service(self, settings: StackSettings) -> None:
        """Two programs in one folder of data destroy it."""
        owners: dict[str, list[str]] = {}
        for name, service in document(settings)["services"].items():
            for mount in service.get("volumes", ()):
                if name != "prepare" and not mount.startswith("."):
                    owners.setdefault(mount.partition(":")[0], []).append(name)
                    assert 1 == service.get("deploy", {}).get("replicas", 1), name

        assert {1} >= {len(found) for found in owners.values()}

    def test_publishes_each_port_once(self, settings: StackSettings) -> None:
        taken: list[int] = []
        for service in document(settings)["services"].values():
            for port in service.get("ports", ()):
                first, _, last = port.rsplit(":", 2)[1].partition("-")
                taken += range(int(first), int(last or first) + 1)

        assert len(set(taken)) == len(taken)

    def test_publishes_on_the_loopback_address_unless_tls_is_on(
        self, settings: StackSettings
    ) -> None:
        for name, service in document(settings)["services"].items():
            for port in service.get("ports", ()):
                if not port.startswith("127.0.0.1:"):
                    assert "tls.crt" in service["secrets"], name

    def test_shows_what_is_not_exposed_to_the_inside_only(self, settings: StackSettings) -> None:
        found = document(settings)

        assert found["networks"]["inside"] == {"internal": True}
        for name, service in found["services"].items():
            calls_out = name.startswith(("alertmanager", "collector-gateway"))
            if not service.get("ports") and not calls_out and name != "prepare":
                assert ["inside"] == list(service["networks"]), name

    def test_asks_everything_for_its_health_that_can_answer(self, settings: StackSettings) -> None:
        for name, service in document(settings)["services"].items():
            if not name.startswith(MUTE):
                assert service["healthcheck"]["test"][0] == "CMD", name
            elif name != "prepare":
                assert "slostack.health" in service["labels"], name

    def test_bounds_and_confines_everything(self, settings: StackSettings) -> None:
        for name, service in document(settings)["services"].items():
            assert service["read_only"] is True, name
            assert ["ALL"] == service["cap_drop"], name
            assert ["no-new-privileges:true"] == service["security_opt"], name
            assert {"cpus", "memory"} == set(service["deploy"]["resources"]["limits"]), name
            if name == "prepare":
                assert ["CHOWN"] == service["cap_add"]
                continue
            assert not service["user"].startswith("0"), name
            assert "cap_add" not in service, name
            assert "unless-stopped" == service["restart"], name
            assert "max-size" in service["logging"]["options"], name
            assert "privileged" not in service, name

    def test_pins_every_image(self, settings: StackSettings) -> None:
        for service in document(settings)["services"].values():
            assert re.search(r":[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?$", service["image"])

    def test_is_the_same_every_time(self, settings: StackSettings) -> None:
        assert rendered(settings) == project(settings)

    def test_escapes_dollars_that_are_not_its_variables(self, settings: StackSettings) -> None:
        for service in document(settings)["services"].values():
            texts = [*service.get("command", ()), *service.get("healthcheck", {}).get("test", ())]
            for text in texts:
                assert not re.search(r"(?<!\$)\$(\$\$)*(?!\$)", text), text


class TestProject:
    def test_names_the_secrets_from_where_it_stands(self) -> None:
        found = document(StackSettings())["secrets"]["grafana-password"]

        assert "../../secrets/grafana-password" == found["file"]

    def test_makes_a_container_anew_when_its_configuration_changes(self) -> None:
        before = document(StackSettings())["services"]
        after = document(StackSettings(scrape={"checkout": ("checkout:8080",)}))["services"]
        changed = {name for name in before if before[name] != after.get(name)}

        assert {"prometheus"} == changed

    def test_gives_replicas_with_data_a_volume_each(self) -> None:
        services = document(VARIANTS["scaled"])["services"]

        for number in (1, 2, 3):
            service = services[f"collector-gateway-{number}"]
            assert f"collector-gateway-queue-{number}:/var/lib/slostack" in service["volumes"]
            assert ["collector-gateway"] == service["networks"]["inside"]["aliases"]

    def test_gives_replicas_without_data_a_port_each(self) -> None:
        engine = document(VARIANTS["scaled"])["services"]["engine"]

        assert 2 == engine["deploy"]["replicas"]
        assert ["127.0.0.1:9099-9100:9099"] == engine["ports"]
        assert {"condition": "service_healthy"} == engine["depends_on"]["postgres"]

    def test_spreads_samples_over_all_storage_nodes(self) -> None:
        services = document(VARIANTS["scaled"])["services"]
        nodes = "vmstorage-1:8400,vmstorage-2:8400,vmstorage-3:8400"

        assert f"-storageNode={nodes}" in services["vminsert"]["command"]
        assert {"vmstorage-1", "vmstorage-2", "vmstorage-3"} <= set(services)

    def test_listens_where_the_settings_say(self) -> None:
        settings = StackSettings(expose={"grafana": Exposure("::1", 3001)})

        assert ["[::1]:3001:3001"] == document(settings)["services"]["grafana"]["ports"]

    def test_serves_tls_and_asks_who_calls_where_others_reach_it(self) -> None:
        services = document(EVERYTHING_PUBLIC)["services"]

        assert (
            "--web.config.file=/run/secrets/prometheus-web.yaml"
            in (services["prometheus"]["command"])
        )
        assert "https" == services["grafana"]["environment"]["GF_SERVER_PROTOCOL"]
        engine = yaml.safe_load(project(EVERYTHING_PUBLIC)["config/engine/engine.yaml"])
        assert "/run/secrets/tls.crt" == engine["tls-cert"]
        assert "insecure-no-auth" not in engine
        assert "/run/secrets/prometheus-login" == engine["source"][0]["basic-auth-file"]

    def test_mirrors_every_image(self) -> None:
        settings = StackSettings(
            registry="mirror.example.com", engine="victoria-metrics", replicas={"engine": 2}
        )
        for service in document(settings)["services"].values():
            image = service["image"]
            assert image.startswith(("mirror.example.com/", f"{IMAGES['engine'].repository}:"))

    def test_dashboards_go_to_grafana(self) -> None:
        files = project(StackSettings())
        dashboards = [path for path in files if path.startswith("config/grafana/dashboards/")]

        assert dashboards
        assert all(json.loads(files[path])["uid"] for path in dashboards)
