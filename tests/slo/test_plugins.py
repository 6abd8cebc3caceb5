from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from slo.errors import PluginError
from slo.plan import EventsIndicator, RatioIndicator
from slo.plugins import PluginRegistry, load_plugins

EXAMPLE = Path(__file__).parents[1] / "plugins" / "getting_started_availability.py"
QUERY = "sum(rate(x[{{.window}}]))"
LABELS = {"owner": "a", "tier": "2"}

SPEC = """\
version: slo/v1
service: checkout
owner: payments
tier: critical
slos:
  - name: plugged
    objective: 99.9
    indicator:
      plugin:
        id: %s
        options: {%s}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a plugin file with an id and a function body."""

    def function(body: str, plugin_id: str = "p", name: str = "p.py", head: str = "") -> Path:
        path = tmp_path / name
        path.write_text(
            f"SLI_PLUGIN_ID = {plugin_id!r}\n{head}\n"
            f"def sli_plugin(meta, labels, options):\n    {body}\n"
        )
        return path

    return function


class TestLoading:
    def test_a_file_registers_its_id(self, write: Callable[..., Path]) -> None:
        registry = load_plugins([write("return 'x'")])

        plugin = registry.find_sli("p")
        assert plugin is not None
        assert "x" == plugin.run({}, {}, {})

    def test_a_folder_is_searched_for_plugins_and_runs_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "a.py").write_text(
            "SLO_PLUGIN_ID = 'a'\ndef process_slo(request, rules): pass\n"
        )
        (tmp_path / "other.py").write_text("raise SystemExit('must not run')\n")

        registry = load_plugins([tmp_path])

        assert registry.find_slo("a") is not None
        assert ["a"] == list(registry.slo)

    def test_one_file_may_define_both_kinds(self, write: Callable[..., Path]) -> None:
        path = write("return 'x'", head="SLO_PLUGIN_ID = 'q'\ndef process_slo(r, s): pass")

        registry = load_plugins([path])

        assert (["p"], ["q"]) == (list(registry.sli), list(registry.slo))

    def test_an_id_that_is_taken_is_refused(self, write: Callable[..., Path]) -> None:
        paths = [write("return 'x'", name="one.py"), write("return 'y'", name="two.py")]

        with pytest.raises(PluginError, match=r"two\.py: plugin id `p` is defined twice"):
            load_plugins(paths)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("x = 1\n", "defines neither SLI_PLUGIN_ID nor SLO_PLUGIN_ID"),
            ("SLI_PLUGIN_ID = 'p'\n", "defines no function `sli_plugin`"),
            ("SLO_PLUGIN_ID = 'p'\nprocess_slo = 1\n", "defines no function `process_slo`"),
            ("import no_such_module_at_all\n", "ModuleNotFoundError: No module named"),
            ("SLI_PLUGIN_ID = \n", "SyntaxError"),
            ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ],
    )
    def test_a_file_that_is_no_plugin_is_named(
        self, tmp_path: Path, text: str, reason: str
    ) -> None:
        path = tmp_path / "bad.py"
        path.write_text(text)

        with pytest.raises(PluginError, match=r"bad\.py: ") as caught:
            load_plugins([path])

        assert reason in str(caught.value)

    @pytest.mark.parametrize("name", ["missing.py", "missing"])
    def test_a_missing_path_is_named(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(PluginError, match="no such file or folder"):
            load_plugins([tmp_path / name])

    def test_a_file_that_is_not_python_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "plugin.txt"
        path.write_text("SLI_PLUGIN_ID = 'p'\n")

        with pytest.raises(PluginError, match="not a Python file"):
            load_plugins([path])

    def test_files_of_one_name_in_two_folders_stay_apart(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "plugin.py").write_text(
                f"SLI_PLUGIN_ID = {name!r}\ndef sli_plugin(m, l, o): return {name!r}\n"
            )

        registry = load_plugins([tmp_path / "a", tmp_path / "b"])

        assert ["a", "b"] == [registry.sli[i].run({}, {}, {}) for i in ("a", "b")]


class TestEntryPoints:
    @pytest.fixture
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
        """Return a function that pretends a package with one entry point is installed."""

        def function(loaded: Any) -> None:
            class Entry:
                value = "package.module"

                def load(self) -> Any:
                    if isinstance(loaded, Exception):
                        raise loaded
                    return loaded

            monkeypatch.setattr(
                metadata,
                "entry_points",
                lambda group, name: [Entry()] if (group, name) == ("slo.sli_plugins", "p") else [],
            )

        return function

    def test_an_installed_package_is_found_by_id(self, installed: Callable[[Any], None]) -> None:
        module = ModuleType("plugin")
        module.SLI_PLUGIN_ID = "p"  # type: ignore[attr-defined]
        module.sli_plugin = lambda meta, labels, options: "x"  # type: ignore[attr-defined]
        installed(module)

        plugin = PluginRegistry().find_sli("p")

        assert plugin is not None
        assert "x" == plugin.run({}, {}, {})

    def test_a_package_that_fails_is_named(self, installed: Callable[[Any], None]) -> None:
        installed(ImportError("broken"))

        with pytest.raises(PluginError, match=r"package\.module: ImportError: broken"):
            PluginRegistry().find_sli("p")

    def test_an_unknown_id_is_not_found(self, installed: Callable[[Any], None]) -> None:
        installed(None)

        assert PluginRegistry().find_sli("q") is None
        assert PluginRegistry().find_slo("q") is None


class TestRunning:
    def run(self, path: Path, **options: str) -> str | tuple[str, str]:
        plugin = load_plugins([path]).find_sli("p")
        assert plugin is not None
        return plugin.run({}, {}, options)

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("raise ValueError('no such queue')", "no such queue"),
            ("raise KeyError('job')", "KeyError: 'job'"),
            ("return None", "returned NoneType, not a query or a pair of queries"),
            ("return ['a', 'b']", "returned list"),
            ("return ('a', 'b', 'c')", "returned tuple"),
            ("return ('a', 1)", "returned tuple"),
        ],
    )
    def test_a_failure_is_told_to_the_user(
        self, write: Callable[..., Path], body: str, reason: str
    ) -> None:
        with pytest.raises(PluginError) as caught:
            self.run(write(body))

        assert reason in str(caught.value)

    def test_options_are_checked_against_the_schema(self, write: Callable[..., Path]) -> None:
        head = (
            "OPTIONS_SCHEMA = {'type': 'object', 'required': ['job'], "
            "'additionalProperties': False, 'properties': {'job': {'minLength': 2}}}"
        )
        path = write("return options['job']", head=head)

        assert "ab" == self.run(path, job="ab")
        for options, reason in (
            ({}, "'job' is a required property"),
            ({"job": "a"}, "'a' is too short"),
            ({"job": "ab", "jib": "x"}, "('jib' was unexpected)"),
        ):
            with pytest.raises(PluginError) as caught:
                self.run(path, **options)
            assert reason in str(caught.value)

    def test_all_wrong_options_are_named(self, write: Callable[..., Path]) -> None:
        head = "OPTIONS_SCHEMA = {'required': ['one', 'two']}"

        with pytest.raises(PluginError, match=r"'one' is .*; 'two' is "):
            self.run(write("return ''", head=head))


class TestInSpecs:
    def test_a_ratio_query_becomes_a_ratio(self, read: Any, write: Callable[..., Path]) -> None:
        plugins = load_plugins([write(f"return {QUERY!r}")])

        slo = read(SPEC % ("p", ""), plugins=plugins).slo

        assert isinstance(slo.indicator, RatioIndicator)
        assert (QUERY, 10) == (slo.indicator.error_ratio, slo.indicator.span.line)

    def test_a_pair_becomes_events(self, read: Any, write: Callable[..., Path]) -> None:
        plugins = load_plugins([write(f"return ({QUERY!r}, {QUERY.replace('x', 'y')!r})")])

        slo = read(SPEC % ("p", ""), plugins=plugins).slo

        assert isinstance(slo.indicator, EventsIndicator)
        assert (QUERY, QUERY.replace("x", "y")) == (slo.indicator.error, slo.indicator.total)

    def test_a_plugin_sees_the_slo_its_labels_and_its_options(
        self, read: Any, write: Callable[..., Path]
    ) -> None:
        """The objective is text with six digits, as sloth gives it."""
        seen = "raise ValueError(repr((meta, dict(labels), dict(options))))"

        reading = read(SPEC % ("p", "a: x"), plugins=load_plugins([write(seen)]))

        (found,) = reading.diagnostics
        expected = (
            {"service": "checkout", "slo": "plugged", "objective": "99.900000"},
            {"owner": "payments", "tier": "critical"},
            {"a": "x"},
        )
        assert f"plugin `p` failed: {expected!r}" == found.message

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ("raise ValueError('no')", "SLO902"),
            ("return 'sum('", "SLO301"),
            ("return 'sum(x)'", "SLO302"),
        ],
    )
    def test_a_failure_is_a_diagnostic_at_the_id(
        self, read: Any, write: Callable[..., Path], body: str, code: str
    ) -> None:
        reading = read(SPEC % ("p", ""), plugins=load_plugins([write(body)]))

        (found,) = reading.diagnostics
        assert (code, 10, 13) == (found.code, found.span.line, found.span.column)
        assert "p" in found.message

    def test_an_unknown_plugin_names_the_loaded_ones(
        self, read: Any, write: Callable[..., Path]
    ) -> None:
        reading = read(SPEC % ("q", ""), plugins=load_plugins([write("return ''")]))

        (found,) = reading.diagnostics
        assert ("SLO901", 10, "loaded: p") == (found.code, found.span.line, found.hint)


class TestGettingStartedAvailability:
    """The example that sloth's documentation ports plugins with."""

    def run(self, labels: dict[str, str] = LABELS, **options: str) -> Any:
        plugin = load_plugins([EXAMPLE]).find_sli("getting_started_availability")
        assert plugin is not None
        return plugin.run({}, labels, options)

    @pytest.mark.parametrize(
        ("text", "selector"),
        [
            ("", 'job="api"'),
            ('f1="v1",f2="v2"', 'f1="v1",f2="v2",job="api"'),
            ('{f1="v1",f2="v2",}', 'f1="v1",f2="v2",job="api"'),
            ("{}", 'job="api"'),
        ],
    )
    def test_the_filter_narrows_both_sides(self, text: str, selector: str) -> None:
        metric = "http_request_duration_seconds_count"
        expected = (
            f'\nsum(rate({metric}{{ {selector},code=~"(5..|429)" }}[{{{{.window}}}}]))\n/\n'
            f"sum(rate({metric}{{ {selector} }}[{{{{.window}}}}]))"
        )

        assert expected == self.run(job="api", filter=text)

    @pytest.mark.parametrize(
        ("labels", "options", "reason"),
        [
            ({"tier": "1"}, {"job": "api"}, "'owner' is required"),
            ({"owner": "a"}, {"job": "api"}, "'tier' is required"),
            (LABELS, {}, "'job' is required"),
            (LABELS, {"job": "api", "filter": "nonsense"}, "'filter' holds 'nonsense'"),
        ],
    )
    def test_what_is_missing_is_named(
        self, labels: dict[str, str], options: dict[str, str], reason: str
    ) -> None:
        with pytest.raises(PluginError, match=reason):
            self.run(labels, **options)
