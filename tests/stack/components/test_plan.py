"""Check that every stack hangs together, whatever the settings are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from slo.duration import days
from slo.errors import ToolError
from slo.stack.components.context import Compiled
from slo.stack.components.images import IMAGES, image_of, parse_image
from slo.stack.components.plan import component_names, retention, stack_plan
from slo.stack.components.ports import EXPOSED, PORTS
from slo.stack.settings import StackSettings
from tests.stack.components.places import FlatPlaces
from tests.stack.components.stacks import VARIANTS, compiled, plan


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
class TestEveryStack:
    def test_starts_what_is_needed_first(self, settings: StackSettings) -> None:
        seen: set[str] = set()
        for component in plan(settings).components:
            assert seen >= set(component.needs), component.name
            seen.add(component.name)

    def test_names_each_component_once(self, settings: StackSettings) -> None:
        names = [component.name for component in plan(settings).components]

        assert list(component_names(settings)) == names
        assert len(set(names)) == len(names)

    def test_asks_each_component_on_a_port_of_its_own(self, settings: StackSettings) -> None:
        for component in plan(settings).components:
            assert component.probe.port in [port.name for port in component.ports]

    def test_has_every_file_that_an_argument_names(self, settings: StackSettings) -> None:
        """A path that nobody writes is a container that restarts for ever."""
        for component in plan(settings).components:
            there = {
                *(config.path for config in component.configs),
                *(secret.path for secret in component.secrets),
                *(volume.path for volume in component.volumes),
            }
            words = [*component.arguments, *component.environment.values(), *component.check]
            texts = [config.text for config in component.configs if config.name.endswith(".yaml")]
            for path in _paths(words, texts, f"/stack/{component.name}/"):
                assert any(known == path or known.startswith(f"{path}/") for known in there), (
                    component.name,
                    path,
                )

    def test_mentions_no_component_that_is_not_there(self, settings: StackSettings) -> None:
        stack = plan(settings)
        absent = set(PORTS) - {component.name for component in stack.components}
        for component in stack.components:
            for config in component.configs:
                for name in absent:
                    assert f"//{name}:" not in config.text, (component.name, config.name)

    def test_keeps_data_in_a_volume(self, settings: StackSettings) -> None:
        for component in plan(settings).components:
            folder = f"/stack/{component.name}/data"
            if any(folder in text for text in (*component.arguments, *component.environment)):
                assert [folder] == [volume.path for volume in component.volumes]

    def test_holds_no_secret(self, settings: StackSettings) -> None:
        """Files of a stack go into version control; secrets are named by path only."""
        for component in plan(settings).components:
            for config in component.configs:
                lower = config.text.lower()
                for word in ("password: ", "credentials: ", " api_key: ", "token: "):
                    for line in lower.splitlines():
                        if word in line:
                            assert "${file:" in line or "$__file{" in line, line

    def test_gives_nobody_a_secret_that_it_has_no_use_for(self, settings: StackSettings) -> None:
        derived = ("tls.crt", "tls.key", "prometheus-password", "alertmanager-password")
        for component in plan(settings).components:
            texts = [*component.arguments, *component.environment.values()]
            texts += [config.text for config in component.configs]
            for secret in component.secrets:
                # The derived file for TLS and users is made of these.
                if component.access.tls and secret.name in derived:
                    continue
                assert any(secret.path in text for text in texts), (component.name, secret.name)

    def test_leaves_out_what_a_target_cannot_run(self, settings: StackSettings) -> None:
        """Nobody is told to reach a part that is not there."""
        stack = plan(settings, without=("jaeger", "loki", "collector-agent", "collector-gateway"))
        for component in stack.components:
            for config in component.configs:
                for name in ("jaeger:", "loki:", "collector-agent:", "collector-gateway:"):
                    assert f"//{name}" not in config.text
                    assert f"- {name}" not in config.text


def test_without_anything_that_keeps_metrics_is_an_error_with_a_way_out() -> None:
    with pytest.raises(ToolError, match="install `prometheus`"):
        plan(StackSettings(), without=("prometheus",))


def _paths(words: list[str], texts: list[str], root: str) -> set[str]:
    found = {word[word.index(root) :] for word in words if root in word}
    for text in texts:
        for line in text.splitlines():
            if root in line:
                start = line.index(root)
                found.add(line[start:].split("}")[0].split("'")[0].split('"')[0].rstrip())
    # Data is made by the programs, and a glob is there when its folder is.
    return {
        path.rpartition("/")[0] if "*" in path else path
        for path in found
        if not path.startswith(f"{root}data")
    }


class TestRetention:
    def test_is_the_longest_window_with_a_margin(self) -> None:
        assert days(32) == retention(StackSettings(), compiled())

    def test_reaches_every_component_that_keeps_samples(self) -> None:
        arguments = plan(StackSettings(retention=days(40))).component("prometheus").arguments

        assert "--storage.tsdb.retention.time=40d" in arguments

    def test_is_refused_where_a_window_would_be_cut_off(self) -> None:
        with pytest.raises(ToolError, match=r"checkout-availability.*looks back 30d") as failure:
            plan(StackSettings(retention=days(29)))

        assert "retention: 32d" in str(failure.value)

    def test_of_a_calendar_month_is_the_longest_month(self) -> None:
        from tests.stack.components.stacks import SPEC

        spec = SPEC.replace("window: 30d", "window: {calendar: month, time_zone: UTC}")

        assert days(33) < retention(StackSettings(), compiled(spec)) < days(34)

    def test_without_specs_is_a_month(self) -> None:
        assert days(32) == retention(StackSettings(), Compiled())


class TestPorts:
    def test_are_unique_over_the_stack(self) -> None:
        """One machine can run all of it."""
        numbers = Counter(number for ports in PORTS.values() for number in ports.values())

        assert [] == [number for number, count in numbers.items() if count > 1]

    def test_exposed_ones_exist(self) -> None:
        assert all(port in PORTS[name] for name, ports in EXPOSED.items() for port in ports)

    def test_follow_the_settings(self) -> None:
        from slo.stack.settings import Exposure

        settings = StackSettings(expose={"prometheus": Exposure(port=19090)})
        stack = plan(settings)

        assert 19090 == stack.component("prometheus").port("http").number
        assert "//prometheus:19090" in stack.component("engine").configs[0].text


class TestImages:
    @pytest.mark.parametrize("name", IMAGES)
    def test_can_be_read_back(self, name: str) -> None:
        assert IMAGES[name] == parse_image(IMAGES[name].reference)

    def test_come_from_a_mirror_with_the_same_digest(self) -> None:
        image = image_of("prometheus", StackSettings(registry="mirror.example.com/hub"))

        assert "mirror.example.com/hub/prom/prometheus" == image.repository
        assert IMAGES["prometheus"].digest == image.digest

    def test_of_the_library_have_no_folder_in_a_mirror(self) -> None:
        image = image_of("postgres", StackSettings(registry="mirror.example.com"))

        assert "mirror.example.com/postgres" == image.repository

    def test_of_the_settings_win(self) -> None:
        settings = StackSettings(registry="mirror", images={"loki": "here/loki:1"})

        assert "here/loki:1" == image_of("loki", settings).reference


def test_sources_and_policy_stand_beside_the_engine() -> None:
    given = compiled()
    settings = StackSettings()
    inputs = Compiled(given.specs, given.artifacts, given.sources, "policy: text\n")
    engine = stack_plan(settings, inputs, FlatPlaces(settings)).component("engine")
    config = yaml.safe_load(engine.configs[0].text)

    assert {"engine.yaml", "specs/checkout.yaml", "policy.yaml"} == {c.name for c in engine.configs}
    assert ["/stack/engine/config/specs"] == config["specs"]
    assert "/stack/engine/config/policy.yaml" == config["policy"]


def test_the_engine_understands_its_configuration(tmp_path: Path) -> None:
    from slo.engine.commands.serve import command
    from slo.engine.server.config_file import read_config

    repeatable = {
        option.lstrip("-"): parameter.multiple
        for parameter in command.params
        for option in parameter.opts
    }
    for settings in VARIANTS.values():
        stack = plan(settings)
        if stack.has("engine"):
            path = tmp_path / "engine.yaml"
            path.write_text(stack.component("engine").configs[0].text, "utf-8")
            read_config(path, repeatable)
