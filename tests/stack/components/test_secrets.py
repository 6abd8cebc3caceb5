"""Check that secrets are made once, closed to others, and follow each other."""

from __future__ import annotations

import stat
from pathlib import Path

import bcrypt
import pytest
import yaml

from slo.engine.server.monitor_token import monitor_token
from slo.errors import ToolError
from slo.stack.secrets import make_secrets, missing_secrets, secrets_of
from tests.stack.components.stacks import EVERYTHING_PUBLIC, VARIANTS, plan


class TestMakeSecrets:
    def test_makes_random_ones_once(self, tmp_path: Path) -> None:
        stack = plan()
        first = make_secrets(stack, tmp_path)
        before = {path.name: path.read_text() for path in tmp_path.iterdir()}
        second = make_secrets(stack, tmp_path)

        assert ("grafana-password", "grafana-secret-key") == first.made
        assert () == second.made
        assert before == {path.name: path.read_text() for path in tmp_path.iterdir()}
        assert len(before["grafana-password"]) > 40

    def test_keeps_the_folder_from_others_and_from_version_control(self, tmp_path: Path) -> None:
        folder = tmp_path / "secrets"
        make_secrets(plan(), folder)

        assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
        assert "*" in (folder / ".gitignore").read_text().splitlines()

    def test_leaves_a_folder_alone_that_is_there_for_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "slostack.yaml").write_text("version: slo/v1\n")
        mode = tmp_path.stat().st_mode

        with pytest.raises(ToolError, match=r"slostack\.yaml.*a folder of its own"):
            make_secrets(plan(), tmp_path)
        assert ["slostack.yaml"] == [path.name for path in tmp_path.iterdir()]
        assert mode == tmp_path.stat().st_mode

    def test_never_changes_what_the_user_put_there(self, tmp_path: Path) -> None:
        (tmp_path / "grafana-password").write_text("mine")
        make_secrets(plan(), tmp_path)

        assert "mine" == (tmp_path / "grafana-password").read_text()

    def test_names_what_only_the_user_has(self, tmp_path: Path) -> None:
        found = make_secrets(plan(EVERYTHING_PUBLIC), tmp_path).missing

        wanted = ["ca.crt", "payments-pagerduty", "tls.crt", "tls.key"]
        assert wanted == [secret.name for secret in found]
        assert all(secret.purpose for secret in found)

    def test_is_content_when_the_user_has_provided_it(self, tmp_path: Path) -> None:
        (tmp_path / "payments-pagerduty").write_text("key")

        assert () == missing_secrets(plan(), tmp_path)

    def test_makes_a_token_that_the_engine_takes(self, tmp_path: Path) -> None:
        stack = plan(EVERYTHING_PUBLIC)
        make_secrets(stack, tmp_path)
        [token] = monitor_token(tmp_path / "engine-token").values()
        config = yaml.safe_load(stack.component("engine").configs[0].text)

        assert {"read", "gate"} == set(token.scopes)
        assert "/stack/engine/secrets/engine-token" == config["monitor-token-file"]

    @pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
    def test_hashes_the_password_for_the_server(self, name: str, tmp_path: Path) -> None:
        make_secrets(plan(EVERYTHING_PUBLIC), tmp_path)
        web = yaml.safe_load((tmp_path / f"{name}-web.yaml").read_text())
        password = (tmp_path / f"{name}-password").read_bytes()

        assert bcrypt.checkpw(password, web["basic_auth_users"]["slostack"].encode())
        assert password.decode() not in (tmp_path / f"{name}-web.yaml").read_text()

    def test_follows_a_password_that_changed(self, tmp_path: Path) -> None:
        stack = plan(EVERYTHING_PUBLIC)
        make_secrets(stack, tmp_path)
        (tmp_path / "prometheus-password").unlink()
        (tmp_path / "prometheus-password").write_text("another")
        made = make_secrets(stack, tmp_path).made

        assert {"prometheus-login", "prometheus-web.yaml"} == set(made)
        assert "slostack:another" == (tmp_path / "prometheus-login").read_text()
        web = yaml.safe_load((tmp_path / "prometheus-web.yaml").read_text())
        assert bcrypt.checkpw(b"another", web["basic_auth_users"]["slostack"].encode())

    def test_keeps_the_hash_as_long_as_it_fits(self, tmp_path: Path) -> None:
        """A new salt would be a new file, and a restart, at every run."""
        stack = plan(EVERYTHING_PUBLIC)
        make_secrets(stack, tmp_path)
        before = (tmp_path / "prometheus-web.yaml").read_text()
        make_secrets(stack, tmp_path)

        assert before == (tmp_path / "prometheus-web.yaml").read_text()

    def test_gives_the_engine_the_password_of_its_ledger(self, tmp_path: Path) -> None:
        make_secrets(plan(VARIANTS["scaled"]), tmp_path)
        password = (tmp_path / "postgres-password").read_text()

        expected = f"[slostack]\npassword={password}\n"
        assert expected == (tmp_path / "postgres-service.conf").read_text()


def test_a_secret_that_may_be_random_is_never_asked_for() -> None:
    """The owner of a password says that it may be random; whoever uses it must not undo that."""
    found = {secret.name: secret for secret in secrets_of(plan(EVERYTHING_PUBLIC))}

    assert found["prometheus-password"].generated
    assert found["alertmanager-password"].generated
    assert found["engine-token"].generated
