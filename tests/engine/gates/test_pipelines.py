"""
The pipelines of `examples/ci` work: their steps are run, their questions asked and answered.

What a pipeline's own tool does with the answer is written down here as that tool documents it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from slo.engine.gates.evaluate import evaluate
from slo.engine.gates.policy import DEFAULT_POLICY
from slo.engine.gates.policy_file import load_policy
from slo.engine.gates.request import GateRequest
from slo.engine.gates.webhooks import flagger_answer, flagger_request, flagger_token

from .built import snapshot, status
from .engines import Engine, deciding, serving

ROOT = Path(__file__).parents[3]
CI = ROOT / "examples" / "ci"
VERDICTS = [(0.5, "allow", 0), (-1.0, "deny", 1), (None, "unknown", 3)]


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((CI / name).read_text("utf-8")))


def stand(left: float | None) -> Any:
    return status(left, now=time.time())


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., int]:
    """Return a function that runs a script as a pipeline's step, with `slo` on the path."""
    (tmp_path / "slo").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m slo.engine.cli "$@"\n')
    (tmp_path / "slo").chmod(0o755)

    def function(script: str, **variables: str) -> int:
        environment = {
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            **variables,
        }
        run = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        (tmp_path / "stdout").write_text(run.stdout)
        return run.returncode

    return function


def asked(engine: Engine) -> dict[str, Any]:
    """Return what a pipeline asked, without what nobody filled in."""
    (body,) = engine.bodies
    return {key: value for key, value in body.items() if value and key not in ("idempotency_key",)}


def jsonschema_accepts(*arguments: str) -> bool:
    command = [sys.executable, "-m", "check_jsonschema", *arguments]
    return 0 == subprocess.run(command, capture_output=True, text=True).returncode


class TestPolicy:
    def test_of_the_examples_is_right(self) -> None:
        policy, warnings = load_policy(ROOT / "examples" / "gates" / "production.yaml")

        assert [] == warnings
        assert ["critical in production", "production", "elsewhere"] == [
            rule.name for rule in policy.rules
        ]
        assert "elsewhere" == policy.rule_of("a/b", "critical", "staging").name


class TestGithubActions:
    FILE = CI / "github-actions.yaml"

    def step(self) -> dict[str, Any]:
        (workflow,) = documents(self.FILE.name)
        return next(s for s in workflow["jobs"]["gate"]["steps"] if s.get("id") == "gate")

    def test_is_a_workflow(self) -> None:
        assert jsonschema_accepts("--builtin-schema", "vendor.github-workflows", str(self.FILE))

    def test_a_broken_workflow_is_found(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.yaml"
        broken.write_text(self.FILE.read_text().replace("runs-on:", "runs:"))

        assert not jsonschema_accepts("--builtin-schema", "vendor.github-workflows", str(broken))

    @pytest.mark.parametrize(("left", "verdict", "code"), VERDICTS)
    def test_the_step_asks_and_passes_on_the_verdict(
        self,
        shell: Callable[..., int],
        tmp_path: Path,
        left: float | None,
        verdict: str,
        code: int,
    ) -> None:
        step = self.step()
        assert {"SLO_ENGINE", "SLO_TOKEN", "CAUSE", "REFERENCE"} == set(step["env"])
        with serving(deciding(stand(left))) as engine:
            ended = shell(
                step["run"],
                SLO_ENGINE=engine.url,
                SLO_TOKEN="slo_secret",
                CAUSE="",
                REFERENCE="OPS-1",
                GITHUB_SHA="abc",
            )

        assert code == ended
        assert ["Bearer slo_secret"] == engine.tokens
        assert asked(engine) == {
            "service": "checkout",
            "environment": "production",
            "reference": "OPS-1",
            "version": "abc",
        }
        assert f"\n{verdict}\n" in (tmp_path / "output").read_text()

    def test_deploying_waits_for_it(self) -> None:
        (workflow,) = documents(self.FILE.name)

        assert "gate" == workflow["jobs"]["deploy"]["needs"]

    def test_its_causes_are_those_of_the_policy(self) -> None:
        (workflow,) = documents(self.FILE.name)
        # YAML 1.1 reads `on` as true.
        inputs = workflow[True]["workflow_dispatch"]["inputs"]
        policy, _ = load_policy(ROOT / "examples" / "gates" / "production.yaml")

        assert ["", *(e.cause for e in policy.exemptions)] == inputs["cause"]["options"]


class TestGitlab:
    FILE = CI / "gitlab-ci.yaml"

    def test_is_a_pipeline(self) -> None:
        assert jsonschema_accepts(
            *("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
            str(self.FILE),
        )

    @pytest.mark.parametrize(("left", "verdict", "code"), VERDICTS)
    def test_the_script_exits_with_the_verdict(
        self, shell: Callable[..., int], left: float | None, verdict: str, code: int
    ) -> None:
        (pipeline,) = documents(self.FILE.name)
        (script,) = pipeline["gate"]["script"]
        with serving(deciding(stand(left))) as engine:
            ended = shell(
                script,
                SLO_ENGINE=engine.url,
                CI_COMMIT_SHORT_SHA="abc",
                CAUSE="rollback",
                REFERENCE="",
            )

        assert code == ended
        assert asked(engine) == {
            "service": "checkout",
            "environment": "production",
            "cause": "rollback",
            "version": "abc",
        }

    def test_the_gate_is_the_stage_before(self) -> None:
        (pipeline,) = documents(self.FILE.name)

        assert ["gate", "deploy"] == pipeline["stages"]
        assert pipeline["gate"]["rules"] == pipeline["deploy"]["rules"]


class TestJenkins:
    TEXT = (CI / "Jenkinsfile").read_text("utf-8")

    @pytest.mark.parametrize(("left", "verdict", "code"), VERDICTS)
    def test_the_shell_step_exits_with_the_verdict(
        self, shell: Callable[..., int], left: float | None, verdict: str, code: int
    ) -> None:
        (script,) = re.findall(r"sh\(returnStatus: true, script: '''(.*?)'''\)", self.TEXT, re.S)
        # Groovy joins a line that ends with a backslash to the next one, as the shell does.
        with serving(deciding(stand(left))) as engine:
            ended = shell(script, SLO_ENGINE=engine.url, BUILD_TAG="b-1", CAUSE="", REFERENCE="")

        assert code == ended
        assert "b-1" == asked(engine)["version"]

    def test_unknown_asks_somebody_and_everything_else_fails(self) -> None:
        assert "if (code == 3) {" in self.TEXT
        assert "} else if (code != 0) {" in self.TEXT

    def test_its_brackets_are_closed(self) -> None:
        text = re.sub(r"'''.*?'''|'[^']*'|\"[^\"]*\"|//[^\n]*", "", self.TEXT, flags=re.S)
        for opening, closing in ("()", "[]", "{}"):
            assert text.count(opening) == text.count(closing)


class TestArgoRollouts:
    def template(self) -> dict[str, Any]:
        template: dict[str, Any] = documents("argo-rollouts.yaml")[0]
        return template

    def measured(self, engine: Engine) -> Any:
        """Measure as the web provider does: fill in arguments, send, take the JSON path."""
        (metric,) = self.template()["spec"]["metrics"]
        text = json.dumps(metric["provider"]["web"])
        arguments = {"service": "checkout", "environment": "production", "token": "slo_secret"}
        for name, value in arguments.items():
            text = text.replace(f"{{{{args.{name}}}}}", value)
        assert "{{" not in text
        web = json.loads(text)
        path = "/" + web["url"].split("/", 3)[3]
        reply = httpx.request(
            web["method"],
            f"{engine.url}{path}",
            json=web["jsonBody"],
            headers={h["key"]: h["value"] for h in web["headers"]},
        )
        assert httpx.codes.OK == reply.status_code
        (key,) = re.fullmatch(r"\{\$\.(\w+)\}", web["jsonPath"]).groups()  # type: ignore[union-attr]
        return reply.json()[key]

    @pytest.mark.parametrize(
        ("left", "phase"), [(0.5, "Successful"), (-1.0, "Failed"), (None, "Inconclusive")]
    )
    def test_the_metric_tells_the_three_answers_apart(self, left: float | None, phase: str) -> None:
        (metric,) = self.template()["spec"]["metrics"]
        with serving(deciding(stand(left))) as engine:
            result = self.measured(engine)

        # Both conditions are false: inconclusive.
        success = eval(metric["successCondition"], {"result": result})
        failure = eval(metric["failureCondition"], {"result": result})
        found = "Failed" if failure else "Successful" if success else "Inconclusive"
        assert phase == found
        assert ["Bearer slo_secret"] == engine.tokens

    def test_the_rollout_gives_the_arguments_that_have_no_value(self) -> None:
        template, rollout = documents("argo-rollouts.yaml")
        needed = {a["name"] for a in template["spec"]["args"] if len(a) == 1}
        analyses = [
            step["analysis"]
            for step in rollout["spec"]["strategy"]["canary"]["steps"]
            if "analysis" in step
        ]

        assert 2 == len(analyses)
        for analysis in analyses:
            assert [{"templateName": template["metadata"]["name"]}] == analysis["templates"]
            assert needed == {argument["name"] for argument in analysis["args"]}

    def test_one_measurement_without_an_answer_pauses(self) -> None:
        """The limits of failures and of inconclusive measurements are zero unless given."""
        (metric,) = self.template()["spec"]["metrics"]

        assert set() == {"failureLimit", "inconclusiveLimit"} & set(metric)


class TestFlagger:
    def webhooks(self) -> list[dict[str, Any]]:
        (canary,) = documents("flagger.yaml")
        found: list[dict[str, Any]] = canary["spec"]["analysis"]["webhooks"]
        return found

    def payload(self, webhook: dict[str, Any]) -> dict[str, Any]:
        (canary,) = documents("flagger.yaml")
        return {
            "name": canary["metadata"]["name"],
            "namespace": canary["metadata"]["namespace"],
            "phase": "Progressing",
            "checksum": "85d557f47b",
            "metadata": webhook["metadata"],
        }

    def test_the_webhooks_ask_about_the_canary(self) -> None:
        waiting, during = (flagger_request(self.payload(webhook)) for webhook in self.webhooks())

        assert GateRequest("checkout", (), "production") == waiting
        assert GateRequest("checkout", ("availability",), "production") == during
        assert all(flagger_token(self.payload(webhook)) for webhook in self.webhooks())

    @pytest.mark.parametrize(("left", "verdict", "code"), VERDICTS)
    def test_only_allow_goes_on(self, left: float | None, verdict: str, code: int) -> None:
        request = flagger_request(self.payload(self.webhooks()[0]))
        now = time.time()
        decision = evaluate(DEFAULT_POLICY, request, snapshot(status(left, now=now)), now=now)

        status_code, body = flagger_answer(decision)

        assert verdict == body["verdict"]
        assert (code == 0) == (200 <= status_code < 300)

    def test_none_of_them_rolls_back_when_it_is_allowed(self) -> None:
        """A hook of the type `rollback` means the opposite: 2xx rolls back."""
        assert {"confirm-rollout", "rollout"} == {w["type"] for w in self.webhooks()}


class TestArgoCd:
    def job(self) -> dict[str, Any]:
        (job,) = documents("argocd-presync.yaml")
        return dict(job)

    @pytest.mark.parametrize(("left", "verdict", "code"), VERDICTS)
    def test_the_container_exits_with_the_verdict(
        self, shell: Callable[..., int], left: float | None, verdict: str, code: int
    ) -> None:
        (container,) = self.job()["spec"]["template"]["spec"]["containers"]
        words = [*container["command"], *container["args"]]
        assert {"SLO_ENGINE", "SLO_TOKEN"} == {v["name"] for v in container["env"]}
        with serving(deciding(stand(left))) as engine:
            ended = shell(" ".join(words), SLO_ENGINE=engine.url, SLO_TOKEN="slo_secret")

        assert code == ended
        assert ["Bearer slo_secret"] == engine.tokens

    def test_the_job_runs_once_before_the_sync(self) -> None:
        job = self.job()
        notes = job["metadata"]["annotations"]

        assert "PreSync" == notes["argocd.argoproj.io/hook"]
        assert int(notes["argocd.argoproj.io/sync-wave"]) < 0
        assert 0 == job["spec"]["backoffLimit"]
        assert "Never" == job["spec"]["template"]["spec"]["restartPolicy"]

    def test_its_deadline_is_longer_than_that_of_the_gate(self) -> None:
        (container,) = self.job()["spec"]["template"]["spec"]["containers"]
        deadline = container["args"][container["args"].index("--deadline") + 1]

        assert self.job()["spec"]["activeDeadlineSeconds"] > int(deadline.removesuffix("s"))


def test_the_command_imports_only_what_its_extra_installs() -> None:
    """A pipeline installs `slostack[gate]`, not the engine."""
    program = (
        "import sys\n"
        "sys.argv = ['slo', 'gate', 'a', '--prometheus', 'http://127.0.0.1:1', '--no-copies',"
        " '--deadline', '500ms']\n"
        "from slo.engine.cli import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert ended.code == 3, ended.code\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert 0 == run.returncode, run.stderr
    heavy = {"fastapi", "sqlalchemy", "pydantic", "apscheduler", "alembic", "uvicorn", "jsonschema"}
    assert set() == heavy & set(run.stderr.split())
    assert "httpx" in run.stderr.split()
