"""Build the distribution and look at what users would install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGE_DIR: dict[str, str] = PYPROJECT["tool"]["setuptools"]["package-dir"]
TOP = {folder: name for name, folder in PACKAGE_DIR.items() if "/" not in folder}

SPEC = """\
version: slo/v1
service: checkout
slos:
  - name: availability
    objective: 99.9
    indicator: {http_availability: {}}
"""


def _missing() -> str | None:
    """Return why nothing can be built here, or `None`."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return "not a git checkout: nothing to compare the wheel with"
    for name, least in (("build", 1), ("setuptools", 77)):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            return f"the package {name} is missing"
        if int(version.split(".")[0]) < least:
            return f"{name} {version} is older than {least}"
    return None


pytestmark = pytest.mark.skipif(_missing() is not None, reason=str(_missing()))


def tracked() -> list[str]:
    """Return the files of the checkout that git knows, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in sorted(set(run.stdout.split("\n"))) if name and _exists(ROOT / name)]


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def installed(name: str) -> str | None:
    """Return the path in the wheel of a file of the checkout, `None` if it stays out."""
    top, _, rest = name.partition("/")
    if top in TOP:
        return f"{TOP[top].replace('.', '/')}/{rest}"
    return name if top == "slo" and not (ROOT / name).is_symlink() else None


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist, in a copy of the checkout."""
    folder = tmp_path_factory.mktemp("packaging")
    copy = folder / "checkout"
    for name in tracked():
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(copy)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert 0 == run.returncode, run.stdout + run.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel without its dependencies, which this environment has."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run = subprocess.run(
        [*command, "--target", str(folder), str(wheel)], capture_output=True, text=True
    )
    assert 0 == run.returncode, run.stderr
    return folder


class TestWheel:
    def names(self, wheel: Path) -> set[str]:
        with zipfile.ZipFile(wheel) as archive:
            return {n for n in archive.namelist() if ".dist-info/" not in n}

    def test_holds_every_module_of_the_checkout_and_no_other(self, wheel: Path) -> None:
        expected = {installed(name) for name in tracked() if name.endswith(".py")} - {None}

        assert expected == {name for name in self.names(wheel) if name.endswith(".py")}

    def test_holds_every_data_file_beside_the_modules(self, wheel: Path) -> None:
        """Schemas, policies, explanations and templates are read at run time."""
        expected = {installed(name) for name in tracked() if not name.endswith(".py")} - {None}
        found = self.names(wheel)

        assert expected <= found
        for suffix in ("slo/schemas/slo-v1.json", "slo/policies/google-30d.yaml"):
            assert suffix in found

    def test_everything_is_below_one_import_root(self, wheel: Path) -> None:
        assert {"slo"} == {name.split("/")[0] for name in self.names(wheel)}

    def test_declares_the_command_the_licence_and_the_dependencies(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            (entry,) = [n for n in archive.namelist() if n.endswith("/entry_points.txt")]
            (info,) = [n for n in archive.namelist() if n.endswith("/METADATA")]
            points, about = archive.read(entry).decode(), archive.read(info).decode()

        assert "slo = slo.engine.cli:main" in points
        assert "License-Expression: Apache-2.0" in about
        for dependency in PYPROJECT["project"]["dependencies"]:
            assert f"Requires-Dist: {dependency}" in about


class TestSdist:
    def test_holds_what_the_wheel_is_built_from(self, built: Path) -> None:
        (path,) = built.glob("*.tar.gz")
        with tarfile.open(path) as archive:
            found = {n.partition("/")[2] for n in archive.getnames()}

        expected = {name for name in tracked() if installed(name) is not None}
        assert expected <= found
        assert {"pyproject.toml", "README.md", "LICENSE"} <= found


class TestInstalled:
    def run(self, site: Path, cwd: Path, *arguments: str) -> str:
        """Run Python with the installed copy before everything else."""
        environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
        run = subprocess.run(
            [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
        )
        assert 0 == run.returncode, run.stderr
        return run.stdout

    def test_every_module_is_imported_from_the_wheel(self, site: Path, tmp_path: Path) -> None:
        names = [
            ".".join(path.relative_to(site).with_suffix("").parts).removesuffix(".__init__")
            for path in sorted((site / "slo").rglob("*.py"))
            if "demo" not in path.parts  # needs the extra of that name
        ]
        program = (
            "import importlib, sys\nfor name in sys.argv[2:]:\n"
            "    module = importlib.import_module(name)\n"
            "    assert module.__file__.startswith(sys.argv[1]), module.__file__\n"
            "print('fine')"
        )

        assert "fine\n" == self.run(site, tmp_path, "-c", program, str(site), *names)
        assert "slo.alerts.emit" in names

    def test_the_command_compiles_explains_and_prints_schemas(
        self, site: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "spec.yaml").write_text(SPEC)

        rules = self.run(site, tmp_path, "-m", "slo.engine.cli", "compile", "spec.yaml")
        page = self.run(site, tmp_path, "-m", "slo.engine.cli", "explain", "SLO201")
        schema = self.run(site, tmp_path, "-m", "slo.engine.cli", "schema")

        assert "record: slo:sli_error:ratio_rate5m" in rules
        assert page.startswith("# SLO201")
        assert '"title": "slo/v1"' in schema
