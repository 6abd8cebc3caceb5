"""Hold the repository to the layout that the packaging and the readers rely on."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: list[str] = PYPROJECT["tool"]["setuptools"]["packages"]
PACKAGE_DIR: dict[str, str] = PYPROJECT["tool"]["setuptools"]["package-dir"]
TOP = {name: folder for name, folder in PACKAGE_DIR.items() if "/" not in folder}
LONGEST_MODULE = 450

# Each costs more than a whole small run, or is not even a dependency of the command.
HEAVY = frozenset(
    (
        "asyncio",
        "concurrent.futures.process",
        "difflib",
        "fastapi",
        "httpx",
        "importlib.metadata",
        "jsonschema",
        "multiprocessing",
        "pkg_resources",
        "pydantic",
        "tomllib",
        "unittest",
        "xml.etree",
    )
)

SPEC = """\
version: slo/v1
service: checkout
slos:
  - name: availability
    objective: 99.9
    indicator: {http_availability: {}}
"""


def folder_of(package: str) -> Path:
    return ROOT / PACKAGE_DIR.get(package, package.replace(".", "/"))


@cache
def modules() -> dict[str, Path]:
    """Return the modules of the product by their dotted names."""
    found: dict[str, Path] = {}
    for package in PACKAGES:
        for path in sorted(folder_of(package).glob("*.py")):
            name = package if path.stem == "__init__" else f"{package}.{path.stem}"
            found[name] = path
    return found


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


MODULES = sorted(modules())


class TestFolders:
    @pytest.mark.parametrize(
        "folder", ["slo", "alerts", "dashboards", "collector", "engine", "stack", "tests"]
    )
    def test_stand_at_the_top_and_hold_code(self, folder: str) -> None:
        path = ROOT / folder

        assert path.is_dir()
        assert not path.is_symlink()
        assert any(path.rglob("*.py"))

    @pytest.mark.parametrize(("package", "folder"), sorted(TOP.items()))
    def test_links_for_static_tools_agree_with_package_dir(self, package: str, folder: str) -> None:
        link = ROOT / "slo" / package.removeprefix("slo.")

        assert f"slo.{folder}" == package
        # A checkout without symbolic links holds a file with the target instead.
        target = link.readlink().as_posix() if link.is_symlink() else link.read_text("utf-8")
        assert f"../{folder}" == target.strip()

    def test_there_are_no_other_links(self) -> None:
        links = {path.name for path in (ROOT / "slo").iterdir() if path.is_symlink()}

        assert links <= set(TOP.values())

    def test_every_folder_with_code_is_a_listed_package(self) -> None:
        """`packages` is an explicit list: a new folder must be added, or the wheel lacks it."""
        found = set()
        for package in ("slo", *TOP):
            base = folder_of(package)
            for path in base.rglob("*.py"):
                below = path.parent.relative_to(base).parts
                if not any((base / Path(*below[: i + 1])).is_symlink() for i in range(len(below))):
                    found.add(".".join((package, *below)))

        assert set(PACKAGES) == found
        assert sorted(PACKAGES) == PACKAGES

    @pytest.mark.parametrize("package", PACKAGES)
    def test_every_package_says_what_it_is(self, package: str) -> None:
        assert (folder_of(package) / "__init__.py").is_file()
        parent = package.rpartition(".")[0]
        if parent in PACKAGE_DIR:
            assert f"{PACKAGE_DIR[parent]}/{package.rpartition('.')[2]}" == PACKAGE_DIR[package]

    @pytest.mark.parametrize("folder", TOP.values())
    def test_code_is_imported_below_slo(self, folder: str) -> None:
        """From the root, `import engine` would load a second copy of every module."""
        banned = PYPROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]

        assert folder in banned


class TestModules:
    @pytest.mark.parametrize("name", MODULES)
    def test_is_short_and_named_after_a_concept(self, name: str) -> None:
        lines = modules()[name].read_text("utf-8").count("\n")

        assert lines <= LONGEST_MODULE
        assert name.rpartition(".")[2] not in ("utils", "util", "helpers", "misc", "common")

    @pytest.mark.parametrize("name", MODULES)
    def test_says_what_it_is_for(self, name: str) -> None:
        assert ast.get_docstring(tree(modules()[name]))

    @pytest.mark.parametrize(
        "name", [m for m in MODULES if modules()[m].name != "__init__.py" or m == "slo"]
    )
    def test_lists_its_public_names_sorted(self, name: str) -> None:
        """Sorted as the linter does: constants, classes, then the rest."""
        body = tree(modules()[name]).body
        lists = [
            ast.literal_eval(node.value)
            for node in body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        ]

        assert 1 == len(lists), "exactly one __all__"
        (public,) = lists

        def rank(word: str) -> tuple[int, str]:
            return (0 if word.isupper() else 1 if word[0].isupper() else 2), word

        assert sorted(public, key=rank) == public
        assert len(set(public)) == len(public)
        assert set(public) <= defined(body)


def defined(body: list[ast.stmt]) -> set[str]:
    """Return the names that the statements of a module bind."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.If, ast.Try)):
            found |= defined(node.body) | defined(node.orelse)
    return found


class TestImports:
    # Data beside an empty `__init__`: nothing is imported there, and nothing can point upwards.
    DATA = frozenset(("slo.explain", "slo.policies", "slo.schemas"))

    def contracts(self, kind: str) -> list[dict[str, Any]]:
        found = PYPROJECT["tool"]["importlinter"]["contracts"]
        return [contract for contract in found if contract["type"] == kind]

    def test_contracts_cover_every_module(self) -> None:
        (layers,) = self.contracts("layers")
        (language,) = self.contracts("forbidden")
        layered = {n.strip() for layer in layers["layers"] for n in layer.split("|")}
        top = {".".join(name.split(".")[:2]) for name in MODULES if name != "slo"}

        assert set(TOP) == layered == set(language["forbidden_modules"])
        assert top - layered - self.DATA == set(language["source_modules"])

    @pytest.mark.parametrize("package", sorted(DATA))
    def test_folders_of_data_hold_no_code(self, package: str) -> None:
        names = [name for name in MODULES if name.startswith(package)]

        assert [package] == names
        assert 1 == len(tree(modules()[package]).body)


class TestStartUp:
    """Start-up time is part of the product: a command imports what it needs and no more."""

    def imported(self, cwd: Path, *arguments: str) -> set[str]:
        """Return the modules that a command has imported when it ends."""
        program = (
            "import atexit, sys\n"
            "atexit.register(lambda: print('\\n'.join(sys.modules), file=sys.stderr))\n"
            "from slo.engine.cli import main\n"
            f"main({list(arguments)!r})\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True
        )
        assert 0 == run.returncode, run.stderr
        return set(run.stderr.split())

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "spec.yaml").write_text(SPEC)
        return tmp_path

    @pytest.mark.parametrize(
        "arguments",
        [
            ("version",),
            ("--help",),
            ("explain", "SLO201"),
            ("validate", "spec.yaml"),
            ("compile", "spec.yaml"),
            ("compile", "spec.yaml", "--profile", "sloth"),
            ("compile", "spec.yaml", "--out", "out"),
        ],
        ids=" ".join,
    )
    def test_heavy_modules_stay_out(self, folder: Path, arguments: tuple[str, ...]) -> None:
        assert set() == self.imported(folder, *arguments) & HEAVY

    @pytest.mark.parametrize("arguments", [("version",), ("--help",)], ids=" ".join)
    def test_simple_commands_need_neither_yaml_nor_promql(
        self, folder: Path, arguments: tuple[str, ...]
    ) -> None:
        found = self.imported(folder, *arguments)

        assert set() == found & {"yaml", "promql_parser", "json", "decimal", "slo.engine.pipeline"}
        assert "slo.engine.cli" in found

    def test_each_profile_imports_only_its_own_rules(self, folder: Path) -> None:
        exact = self.imported(folder, "compile", "spec.yaml")

        assert "slo.alerts.exact_rules" in exact
        assert set() == exact & {"slo.alerts.sloth_rules", "slo.alerts.unit_tests"}

    def test_routing_is_imported_only_with_owners(self, folder: Path) -> None:
        assert "slo.alerts.alertmanager" not in self.imported(
            folder, "compile", "spec.yaml", "--out", "out"
        )
