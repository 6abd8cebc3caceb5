"""`slo gate`: exit codes, output, and what it does while nobody answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slo.engine.cli import main
from slo.engine.gates.answer_copies import AnswerCopies
from slo.engine.gates.asking import EngineAsker
from slo.engine.gates.request import GateRequest
from slo.engine.sources.connection import Connection

from .built import HEAD, NOW, page, status
from .engines import deciding, dripping, serving, silent
from .recorded import Recorded, recording


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


Gate = Callable[..., Run]


@pytest.fixture
def gate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Gate:
    """Return a function that runs `slo gate`, with copies in a folder of the test."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("SLO_ENGINE", "SLO_PROMETHEUS", "SLO_TOKEN", "SLO_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLO_GATE_COPIES", str(tmp_path / "copies"))

    def function(*arguments: str) -> Run:
        with pytest.raises(SystemExit) as raised:
            main(["gate", *map(str, arguments)])
        captured = capsys.readouterr()
        assert isinstance(raised.value.code, int)
        return Run(raised.value.code, captured.out, captured.err)

    return function


@pytest.fixture
def policy_file(tmp_path: Path) -> Callable[[str], Path]:
    def function(text: str) -> Path:
        path = tmp_path / "policy.yaml"
        path.write_text(HEAD + text)
        return path

    return function


def now_status(left: float | None = 0.5, **more: Any) -> Any:
    return status(left, now=time.time(), **more)


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            (),
            ("checkout",),
            ("/slo", "--engine", "http://127.0.0.1:1"),
            ("checkout/", "--engine", "http://127.0.0.1:1"),
            ("checkout", "--engine", "nonsense"),
            ("checkout", "--engine", "http://a", "--prometheus", "http://b"),
            ("checkout", "--freezes-only"),
            ("checkout", "--engine", "http://127.0.0.1:1", "--deadline", "soon"),
            ("c" * 300, "--engine", "http://127.0.0.1:1"),
            ("checkout", "--engine", "http://127.0.0.1:1", "--policy", "missing.yaml"),
            ("checkout", "--engine", "http://127.0.0.1:1", "--token-file", "missing"),
        ],
    )
    def test_what_is_wrong_exits_with_2(self, gate: Gate, arguments: tuple[str, ...]) -> None:
        run = gate(*arguments)

        assert (2, "") == (run.code, run.out)
        assert run.err

    def test_a_wrong_policy_is_shown_with_its_place(
        self, gate: Gate, policy_file: Callable[[str], Path]
    ) -> None:
        path = policy_file("rules: [{name: all, deny_at: 50}]")

        run = gate("checkout", "--freezes-only", "--policy", path)

        assert 2 == run.code
        assert "policy.yaml:4:" in run.err
        assert "error[SLO602]" in run.err

    def test_the_command_line_wins_over_the_environment(
        self, gate: Gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SLO_PROMETHEUS", "http://127.0.0.1:1")
        with serving(deciding(now_status())) as engine:
            assert 0 == gate("checkout", "--engine", engine.url).code


class TestEngine:
    @pytest.mark.parametrize(("left", "code"), [(0.5, 0), (-1.0, 1), (None, 3)])
    def test_exits_with_the_verdict(self, gate: Gate, left: float | None, code: int) -> None:
        with serving(deciding(now_status(left))) as engine:
            assert code == gate("checkout", "--engine", engine.url).code

    def test_sends_all_that_was_given(
        self, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "token").write_text("slo_secret\n")
        with serving(deciding(now_status(), now_status(name="latency"))) as engine:
            run = gate(
                *("checkout/availability", "checkout/latency", "--engine", engine.url),
                *("-e", "staging", "--cause", "fix", "--ref", "OPS-1", "--approved-by", "ann"),
                *("--deploy-version", "1.2", "--dry-run", "--token-file", tmp_path / "token"),
            )
            monkeypatch.setenv("SLO_TOKEN", "slo_other")
            gate("checkout", "--engine", engine.url)

        assert 0 == run.code
        key = engine.bodies[0].pop("idempotency_key")
        assert key
        assert key != engine.bodies[1]["idempotency_key"]
        assert engine.bodies[0] == {
            "service": "checkout",
            "slos": ["availability", "latency"],
            "environment": "staging",
            "cause": "fix",
            "reference": "OPS-1",
            "approved_by": "ann",
            "version": "1.2",
            "dry_run": True,
        }
        assert ["Bearer slo_secret", "Bearer slo_other"] == engine.tokens
        assert "slo_secret" not in run.out + run.err

    def test_the_worst_of_several_services_decides(self, gate: Gate) -> None:
        with serving(deciding(now_status(), now_status(-1.0, service="search"))) as engine:
            run = gate("checkout", "search", "--engine", engine.url, "--format", "json")

        body = json.loads(run.out)
        assert (1, "deny") == (run.code, body["verdict"])
        assert ["allow", "deny"] == [d["verdict"] for d in body["decisions"]]

    def test_a_failure_is_tried_again_as_the_same_question(self, gate: Gate) -> None:
        with serving(deciding(now_status())) as engine:
            good, failures = engine.answer, [(500, b"oops"), (503, b"{}"), (429, b"{}")]
            engine.answer = lambda body: failures.pop() if failures else good(body)
            run = gate("checkout", "--engine", engine.url)

        assert 0 == run.code
        assert 4 == len(engine.bodies)
        assert 1 == len({body["idempotency_key"] for body in engine.bodies})

    @pytest.mark.parametrize(
        ("code", "body"),
        [
            (401, b'{"title": "Token?"}'),
            (403, b""),
            (404, b"{}"),
            (422, b'{"detail": "`slos`"}'),
            (200, b"{}"),
            (200, b"<html>"),
            (200, b"[]"),
            (301, b""),
        ],
    )
    def test_a_refusal_is_not_tried_again(self, gate: Gate, code: int, body: bytes) -> None:
        with serving(lambda _: (code, body)) as engine:
            run = gate("checkout", "--engine", engine.url)

        assert (2, "", 1) == (run.code, run.out, len(engine.bodies))
        assert run.err.startswith("error: ")


class TestEngineAway:
    @pytest.mark.parametrize("away", [silent, dripping])
    def test_the_deadline_holds_whatever_the_engine_does(self, gate: Gate, away: Any) -> None:
        with away() as url:
            run = gate("checkout", "--engine", url, "--deadline", "1500ms")

        assert 3 == run.code
        assert "The engine is away" in run.out

    @pytest.mark.parametrize(("word", "code"), [("allow", 0), ("deny", 1)])
    def test_the_caller_may_say_what_unknown_means(self, gate: Gate, word: str, code: int) -> None:
        run = gate(
            *("checkout", "--engine", "http://127.0.0.1:1", "--deadline", "500ms"),
            *("--on-unknown", word),
        )

        assert code == run.code
        assert f"--on-unknown says {word}" in run.out

    @pytest.mark.parametrize(("left", "code"), [(0.5, 0), (-1.0, 1)])
    def test_its_last_answer_counts_until_it_expires(
        self, gate: Gate, left: float, code: int
    ) -> None:
        with serving(deciding(now_status(left))) as engine:
            asked = ("checkout", "--engine", engine.url, "--deadline", "1s")
            gate(*asked)
            engine.answer = lambda _: (503, b"{}")
            away = gate(*asked)
            other = gate(*asked, "-e", "staging")
            without = gate(*asked, "--no-copies")

        assert code == away.code
        assert "the engine's answer of" in away.out
        assert (3, 3) == (other.code, without.code)

    def test_an_expired_answer_does_not_count(self, tmp_path: Path) -> None:
        times = [NOW]
        copies = AnswerCopies(tmp_path, [])
        with serving(deciding(status(), now=NOW)) as engine:
            asker = EngineAsker(Connection(engine.url), None, None, copies, lambda: times[0])
            kept = asker.ask(GateRequest("checkout"), 5.0)
            engine.answer = lambda _: (503, b"{}")
            verdicts = []
            for at in (NOW, kept.expires_at - 1, kept.expires_at):
                times[0] = at
                verdicts.append(asker.ask(GateRequest("checkout"), 0.3).verdict.value)

        assert NOW + 600 == kept.expires_at
        assert ["allow", "allow", "unknown"] == verdicts

    def test_a_changed_copy_is_told_of_and_not_used(self, gate: Gate, tmp_path: Path) -> None:
        with serving(deciding(now_status(-1.0))) as engine:
            asked = ("checkout", "--engine", engine.url, "--deadline", "1s")
            gate(*asked)
            (copy,) = (tmp_path / "copies").glob("*.json")
            copy.write_text(copy.read_text().replace("deny", "allow"))
            engine.answer = lambda _: (503, b"{}")
            run = gate(*asked)

        assert 3 == run.code
        assert "was changed" in run.err

    def test_a_policy_at_hand_decides_then(
        self, gate: Gate, policy_file: Callable[[str], Path]
    ) -> None:
        policy = policy_file("rules: [{name: all, on_unknown: deny}]")

        run = gate(
            *("checkout", "--engine", "http://127.0.0.1:1", "--deadline", "500ms"),
            *("--policy", policy),
        )

        assert 1 == run.code
        assert "policy test" in run.out


class TestOutput:
    def test_says_verdict_numbers_reason_and_change(self, gate: Gate) -> None:
        found = now_status(0.62), now_status(-0.12, name="latency")
        with serving(deciding(*found)) as engine:
            lines = gate("checkout", "--engine", engine.url).out.splitlines()

        assert "DENY  checkout to production" == lines[0]
        assert "  availability  ████████████░░░░░░░░      62 % left" in lines[2]
        assert "  latency       ░░░░░░░░░░░░░░░░░░░░     -12 % left" in lines[3]
        assert "     deny  checkout/latency has spent 112 % of its error budget" in lines[5]
        assert any(line.startswith("  to pass  ") for line in lines)
        assert all(len(line) <= 120 for line in lines)

    def test_what_others_wrote_does_not_steer_the_terminal(self, gate: Gate) -> None:
        found = now_status(0.5, alerts=(page(),))
        with serving(deciding(found)) as engine:
            good = engine.answer
            engine.answer = lambda b: (200, good(b)[1].replace(b"Burns", b"\\u001b[2J"))
            run = gate("checkout", "--engine", engine.url)

        assert 1 == run.code
        assert "\x1b" not in run.out

    def test_github_gets_annotations_outputs_and_a_summary(
        self, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outputs, summary = tmp_path / "outputs", tmp_path / "summary"
        monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        with serving(deciding(now_status(-0.12))) as engine:
            run = gate("checkout", "--engine", engine.url, "--format", "github")

        assert 1 == run.code
        assert run.out.startswith("::error title=deny%3A checkout to production (budget_spent)::")
        assert 1 == len(run.out.splitlines())
        rows = outputs.read_text().splitlines()
        assert {"verdict", "would-be", "reason", "message", "decision"} == {
            row.partition("<<")[0] for row in rows[::3]
        }
        assert "deny" == rows[1]
        assert "| `checkout/availability` | deny | -12 % |" in summary.read_text()

    def test_json_is_the_answer_of_the_engine(self, gate: Gate) -> None:
        with serving(deciding(now_status())) as engine:
            body = json.loads(gate("checkout", "--engine", engine.url, "--format", "json").out)

        (decision,) = body["decisions"]
        assert "allow" == body["verdict"] == decision["verdict"]
        assert "budget_ok" == decision["reasons"][0]["code"]


@pytest.mark.servers
class TestServer:
    """Decide from what a real server has recorded."""

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        with recording(
            tmp_path_factory.mktemp("server"),
            Recorded("checkout", "availability", 0.62),
            Recorded("checkout", "latency", 0.12, objective="99"),
            Recorded("search", "availability", -0.12),
            Recorded("cart", "availability", 0.5, firing="page"),
            Recorded("mail", "delivery", -0.3, tier="internal"),
        ) as recorder:
            yield recorder.url

    @pytest.mark.parametrize(
        ("target", "code", "reason"),
        [
            ("checkout", 0, "budget_ok"),
            ("checkout/availability", 0, "budget_ok"),
            ("search", 1, "budget_spent"),
            ("cart", 1, "page_fires"),
            ("chekout", 3, "service_not_known"),
            ("checkout/latncy", 3, "slo_not_known"),
        ],
    )
    def test_exits_with_the_verdict(
        self, gate: Gate, url: str, target: str, code: int, reason: str
    ) -> None:
        run = gate(target, "--prometheus", url, "--format", "json")

        (decision,) = json.loads(run.out)["decisions"]
        assert (code, reason) == (run.code, decision["reasons"][0]["code"])

    def test_reads_the_numbers_right(self, gate: Gate, url: str) -> None:
        run = gate("search", "--prometheus", url, "--format", "json")

        (decision,) = json.loads(run.out)["decisions"]
        (numbers,) = decision["slos"]
        assert -0.12 == pytest.approx(numbers["remaining"])
        assert 0.4 == pytest.approx(numbers["burn_rates"]["1h"])
        assert "critical" == numbers["tier"]
        assert 1.0 == numbers["coverage"]
        assert numbers["age"] >= 15

    def test_the_policy_is_chosen_by_tier(
        self, gate: Gate, url: str, policy_file: Callable[[str], Path]
    ) -> None:
        policy = policy_file(
            "rules: [{name: internal, tiers: [internal], deny_at: -100, warn_at: 0}]"
        )

        run = gate("mail", "--prometheus", url, "--policy", policy)

        assert 0 == run.code
        assert "warning  mail/delivery has only -30 %" in run.out

    def test_what_was_denied_recovers_only_later(
        self, gate: Gate, tmp_path: Path, policy_file: Callable[[str], Path]
    ) -> None:
        """As in four pipelines: the copy of the last answer is all that they share."""
        policy = policy_file("rules: [{name: all, recover_at: 10}]")
        codes = []
        with recording(tmp_path / "server") as recorder:
            for left in (0.05, -0.1, 0.05, 0.2):
                recorder.record(Recorded("checkout", "orders", left))
                run = gate("checkout", "--prometheus", recorder.url, "--policy", policy)
                codes.append(run.code)

        assert [0, 1, 1, 0] == codes

    def test_a_server_that_does_not_answer_is_unknown(self, gate: Gate) -> None:
        with silent() as url:
            run = gate("checkout", "--prometheus", url, "--deadline", "1500ms")

        assert 3 == run.code
        assert "The metrics server is away" in run.out

    def test_what_is_no_server_of_metrics_is_wrong_usage(self, gate: Gate) -> None:
        with serving(deciding()) as engine:
            run = gate("checkout", "--prometheus", engine.url)

        assert (2, "") == (run.code, run.out)

    @pytest.mark.parametrize(("spent", "code"), [(0.19, 0), (0.21, 1)])
    def test_one_large_incident_is_found_in_the_history(
        self,
        gate: Gate,
        tmp_path: Path,
        policy_file: Callable[[str], Path],
        spent: float,
        code: int,
    ) -> None:
        """Ten events a second for 30 days allow 25,920 bad ones: spend a share in one hour."""
        policy = policy_file("rules: [{name: all, incident: {share: 20, reviewed_by: 'PM-.+'}}]")
        with recording(tmp_path / "server", Recorded("checkout", "orders", 0.5)) as recorder:
            recorder.record_rates(
                "checkout", "orders", days=30, rate=10, bad=spent * 25_920, hours_ago=50
            )
            asked = ("checkout", "--prometheus", recorder.url, "--policy", policy)
            run = gate(*asked, "--format", "json")
            reviewed = gate(*asked, "--ref", "PM-1")

        (decision,) = json.loads(run.out)["decisions"]
        assert (code, 0) == (run.code, reviewed.code)
        wanted = "incident_share" if code else "budget_ok"
        assert wanted == decision["reasons"][0]["code"]
        assert all(reason["code"] != "incidents_not_known" for reason in decision["reasons"])
