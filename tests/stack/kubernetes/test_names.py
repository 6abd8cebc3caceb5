"""Names that people give files become names that Kubernetes takes, and large stacks stay quick."""

import re

import pytest
import yaml

from slo.engine.stack_inputs import read_stack
from slo.stack.components.context import dump_yaml
from slo.stack.targets.kubernetes import render
from slo.stack.targets.kubernetes_objects import object_text

SPEC = """\
version: slo/v1
service: {service}
slos:
  - name: availability
    objective: 99.9
    indicator: {{http_availability: {{selector: {{job: {service}}}}}}}
"""
FILES = ("my späc (1).yaml", "my-sp-c-1.yaml", "my spac_1.yaml", "日本.yaml", "sub dir/UPPER.yml")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    folder = tmp_path_factory.mktemp("stack")
    for number, name in enumerate(FILES):
        path = folder / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SPEC.format(service=f"service-{number}"))
    (folder / "slostack.yaml").write_text("version: slo/v1\nkind: Stack\n")
    inputs = read_stack(folder / "slostack.yaml")
    return [
        found
        for artifact in render(inputs.settings, inputs.compiled, folder / "out")
        for found in yaml.safe_load_all(artifact.text)
        if found
    ]


def test_keys_and_names_are_taken_by_kubernetes(objects: list[dict[str, object]]) -> None:
    for found in objects:
        name = found.get("metadata", {}).get("name")  # type: ignore[attr-defined]
        assert name is None or re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", name)
        if found.get("kind") == "ConfigMap":
            assert all(re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key) for key in found["data"])  # type: ignore[attr-defined]


def test_no_file_is_lost_to_another_of_a_like_name(objects: list[dict[str, object]]) -> None:
    rules = [found for found in objects if found.get("kind") == "PrometheusRule"]
    names = [found["metadata"]["name"] for found in rules]  # type: ignore[index]
    keys = [
        key
        for found in objects
        if found.get("kind") == "ConfigMap"
        for key in found["data"]  # type: ignore[attr-defined]
        if key.startswith("rules.")
    ]

    assert len(names) == len(set(names))
    assert len(FILES) + 2 == len(rules)  # health of the rules, and of the stack
    assert len(FILES) + 2 == len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n",
        "a\n\n  b\n",
        " a\n",
        "a \nb\n",
        "a\n\n",
        "a",
        "",
        "\na\n",
        "a\tb\n",
        "# c\n---\n...\n",
        "é 日本 \x85 \u2028\n",
        "a\r\nb\n",
    ],
)
def test_files_are_written_as_the_emitter_would(text: str) -> None:
    found = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"on": text, "x" * 140: "a\n"}}
    short = {**found, "data": {"on": text, "b.yaml": "b\n"}}

    for value in (found, short):
        assert dump_yaml(value) == object_text(value)
        assert value == yaml.safe_load(object_text(value))


def test_a_stack_of_many_specs_is_not_written_letter_by_letter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(
        "slo.stack.targets.kubernetes_objects.dump_yaml",
        lambda value: seen.append(value) or dump_yaml(value),
    )

    object_text({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "x\n" * 1000}})

    assert all("data" not in value for value in seen)  # type: ignore[operator]
