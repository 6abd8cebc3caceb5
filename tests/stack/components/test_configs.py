"""Have the programs themselves check what they are configured with."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from slo.stack.components.context import Versions
from slo.stack.components.meta_rules import META_RULES_FILE
from slo.stack.components.model import Component, StackPlan
from slo.stack.secrets import make_secrets
from slo.stack.settings import StackSettings
from tests.stack.components.stacks import EVERYTHING_PUBLIC, VARIANTS, plan

# What Debian has.
OLD = Versions(prometheus=(2, 42), alertmanager=(0, 25), victoria_metrics=(1, 79))
CACHED = sorted((Path.home() / ".cache" / "slostack").glob("prometheus-*/promtool"))


def write(stack: StackPlan, secrets: Path) -> None:
    """Write all files of *stack* to where it reads them; missing secrets get some content."""
    make_secrets(stack, secrets)
    for component in stack.components:
        for config in component.configs:
            path = Path(config.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(config.text, "utf-8")
        for secret in component.secrets:
            path = Path(secret.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            source = secrets / secret.name
            path.write_text(source.read_text("utf-8") if source.exists() else "x", "utf-8")


def run(*argv: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in argv], capture_output=True, text=True, timeout=60, check=False
    )
    output = done.stdout + done.stderr
    assert 0 == done.returncode, output
    return done.stdout


def prometheus_of(stack: StackPlan) -> Iterable[Component]:
    return (c for c in stack.components if c.name == "prometheus")


@pytest.mark.servers
class TestPrometheus:
    @pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
    def test_accepts_its_configuration_and_rules(
        self, settings: StackSettings, tmp_path: Path
    ) -> None:
        stack = plan(settings, root=str(tmp_path / "stack"), versions=OLD)
        write(stack, tmp_path / "secrets")
        for component in prometheus_of(stack):
            run(*component.check)

    @pytest.mark.skipif(not CACHED, reason="no promtool 3: `make test-prometheus3` builds one")
    @pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
    def test_of_the_image_accepts_them_too(self, settings: StackSettings, tmp_path: Path) -> None:
        stack = plan(settings, root=str(tmp_path / "stack"))
        write(stack, tmp_path / "secrets")
        for component in prometheus_of(stack):
            run(CACHED[-1], *component.check[1:])

    def test_gets_nothing_that_its_version_does_not_know(self) -> None:
        """Prometheus 2.42 stops at a key that it does not know."""
        old = plan(versions=OLD).component("prometheus")
        new = plan().component("prometheus")

        assert "otlp" not in yaml.safe_load(old.configs[0].text)
        assert "otlp" in yaml.safe_load(new.configs[0].text)
        assert "--web.enable-otlp-receiver" not in old.arguments
        assert "--web.enable-otlp-receiver" in new.arguments

    def test_has_tls_and_users_where_others_reach_it(self, tmp_path: Path) -> None:
        stack = plan(EVERYTHING_PUBLIC, root=str(tmp_path / "stack"))
        secrets = tmp_path / "secrets"
        secrets.mkdir()
        certificate(secrets)
        write(stack, secrets)
        path = tmp_path / "stack/prometheus/secrets/prometheus-web.yaml"

        run("promtool", "check", "web-config", path)
        assert f"--web.config.file={path}" in stack.component("prometheus").arguments


def certificate(folder: Path) -> None:
    """Make a certificate that signs itself."""
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-days", "2", "-subj", "/CN=slo.example.com"),
        *("-keyout", folder / "tls.key", "-out", folder / "tls.crt"),
    )
    shutil.copy(folder / "tls.crt", folder / "ca.crt")


@pytest.mark.servers
@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
class TestAlertmanager:
    def test_accepts_its_configuration(self, settings: StackSettings, tmp_path: Path) -> None:
        stack = plan(settings, root=str(tmp_path / "stack"), versions=OLD)
        write(stack, tmp_path / "secrets")
        if stack.has("alertmanager"):
            run("amtool", "check-config", stack.component("alertmanager").configs[0].path)

    def test_routes_to_owners_doctor_and_the_dead_mans_switch(
        self, settings: StackSettings, tmp_path: Path
    ) -> None:
        stack = plan(settings, root=str(tmp_path / "stack"), versions=OLD)
        write(stack, tmp_path / "secrets")
        if not stack.has("alertmanager"):
            return
        path = stack.component("alertmanager").configs[0].path

        def receiver(*labels: str) -> str:
            return run(
                "amtool", "config", "routes", "test", f"--config.file={path}", *labels
            ).strip()

        assert "payments-page" == receiver("owner=payments", "sloth_severity=page")
        assert "slostack-deadman" == receiver("alertname=Watchdog", "sloth_severity=none")
        assert "slostack-doctor" == receiver(
            "slostack_doctor=1", "owner=payments", "sloth_severity=page"
        )


class TestReceivers:
    def test_read_their_secrets_where_the_stack_puts_them(self) -> None:
        alertmanager = plan().component("alertmanager")
        config = yaml.safe_load(alertmanager.configs[0].text)
        page = next(r for r in config["receivers"] if r["name"] == "payments-page")

        path = "/stack/alertmanager/secrets/payments-pagerduty"
        assert path == page["pagerduty_configs"][0]["routing_key_file"]
        assert path in [secret.path for secret in alertmanager.secrets]

    def test_of_the_dead_mans_switch_needs_a_version_that_reads_its_address_from_a_file(
        self,
    ) -> None:
        def webhooks(versions: Versions) -> list[object]:
            stack = plan(VARIANTS["watched"], versions=versions)
            config = yaml.safe_load(stack.component("alertmanager").configs[0].text)
            found = next(r for r in config["receivers"] if r["name"] == "slostack-deadman")
            return list(found.get("webhook_configs", ()))

        assert [] == webhooks(OLD)
        assert 1 == len(webhooks(Versions()))


@pytest.mark.servers
class TestVictoriaMetrics:
    def test_accepts_the_rules(self, tmp_path: Path) -> None:
        stack = plan(VARIANTS["victoria"], root=str(tmp_path), versions=OLD)
        write(stack, tmp_path / "secrets")

        run(*stack.component("vmalert").check)

    def test_accepts_what_to_scrape(self, tmp_path: Path) -> None:
        stack = plan(VARIANTS["victoria"], root=str(tmp_path), versions=OLD)
        write(stack, tmp_path / "secrets")
        arguments = stack.component("victoria-metrics").arguments

        run("victoria-metrics", "-dryRun", "-promscrape.config.strictParse", *arguments)

    def test_agent_of_the_cluster_accepts_what_to_scrape(self, tmp_path: Path) -> None:
        stack = plan(VARIANTS["scaled"], root=str(tmp_path), versions=OLD)
        write(stack, tmp_path / "secrets")
        arguments = stack.component("vmagent").arguments

        run("vmagent", "-dryRun", "-promscrape.config.strictParse", *arguments)

    def test_of_old_gets_no_flag_that_it_does_not_know(self) -> None:
        old = plan(VARIANTS["victoria"], versions=OLD).component("vmalert").arguments
        new = plan(VARIANTS["victoria"]).component("vmalert").arguments

        assert not any("evalDelay" in argument for argument in old)
        assert "-rule.evalDelay=1s" in new


@pytest.mark.servers
@pytest.mark.parametrize("test", sorted(Path(__file__).parent.glob("meta_rules_*.yaml")), ids=str)
def test_alerts_on_the_stack_itself(test: Path, tmp_path: Path) -> None:
    """Each of them fires when it should, with the words that people read."""
    settings = StackSettings(parts=VARIANTS["plain"].parts)
    variant = VARIANTS["scaled"] if "cluster" in test.name else settings
    stack = plan(variant)
    owner = "vmalert" if stack.has("vmalert") else "prometheus"
    text = next(c.text for c in stack.component(owner).configs if META_RULES_FILE in c.name)
    (tmp_path / META_RULES_FILE).write_text(text, "utf-8")
    copied = shutil.copy(test, tmp_path)

    run("promtool", "test", "rules", copied)


def test_every_alert_on_the_stack_is_tested() -> None:
    tested = {
        case["alertname"]
        for path in Path(__file__).parent.glob("meta_rules_*.yaml")
        for scene in yaml.safe_load(path.read_text("utf-8"))["tests"]
        for case in scene["alert_rule_test"]
    }
    declared = set()
    for settings in VARIANTS.values():
        for component in plan(settings).components:
            for config in component.configs:
                if META_RULES_FILE in config.name:
                    groups = yaml.safe_load(config.text)["groups"]
                    declared |= {rule["alert"] for group in groups for rule in group["rules"]}

    assert declared == tested
