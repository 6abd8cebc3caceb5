from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
import yaml

from slo.alerts import alertmanager
from slo.alerts.alertmanager import routing_artifacts
from slo.alerts.alertmanager_receivers import HTTP_SETTINGS, ONE_OF, SETTINGS, TLS_SETTINGS
from slo.burnrate import AlertPolicy, BurnWindow
from slo.diagnostics import Diagnostic, Severity, Span
from slo.duration import days, hours, minutes
from slo.plan import (
    AlertMeta,
    EventsIndicator,
    Origin,
    Owner,
    Receiver,
    ServicePlan,
    SloPlan,
    SpecSet,
)

AMTOOL = shutil.which("amtool") or ""
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager") or ""
needs_amtool = pytest.mark.skipif(not AMTOOL, reason="amtool is not installed")
needs_alertmanager = pytest.mark.skipif(not ALERTMANAGER, reason="Alertmanager is missing")

PAIR = BurnWindow(Decimal(2), minutes(5), hours(1))
POLICY = AlertPolicy(days(30), PAIR, PAIR, PAIR, PAIR, "test")


def span(line: int) -> Span:
    return Span("specs/a.yaml", line, 1, line, 9)


def slo(name: str = "availability", *, line: int = 1, **changes: Any) -> SloPlan:
    values: dict[str, Any] = {
        "id": f"checkout-{name}",
        "service": "checkout",
        "name": name,
        "objective": Decimal("99.9"),
        "time_window": days(30),
        "indicator": EventsIndicator("e", "t", span(line), span(line)),
        "policy": POLICY,
        "origin": Origin("native", "cli", "slo/v1"),
        "span": span(line),
        "objective_span": span(line),
        "owner": "payments",
        "page": AlertMeta("Checkout"),
        "ticket": AlertMeta("Checkout"),
    }
    return SloPlan(**values | changes)


def receiver(kind: str, line: int = 1, **settings: Any) -> Receiver:
    return Receiver(kind, {k.rstrip("_"): v for k, v in settings.items()}, span(line))


def pagerduty(**more: Any) -> Receiver:
    return receiver("pagerduty", routing_key_file="/etc/alertmanager/pagerduty", **more)


def slack(channel: str = "#payments", **more: Any) -> Receiver:
    return receiver("slack", api_url_file="/etc/alertmanager/slack", channel=channel, **more)


def email(**more: Any) -> Receiver:
    return receiver("email", to="a@pay.example", from_="am@pay.example", smarthost="mx:25", **more)


def webhook(url: str = "http://127.0.0.1:9/hook", **more: Any) -> Receiver:
    return receiver("webhook", url=url, **more)


def owner(name: str = "payments", *, line: int = 1, **severities: Any) -> Owner:
    both = {"page": (pagerduty(),), "ticket": (slack(),)} | severities
    return Owner(name, both["page"], both["ticket"], span(line))


def specs(*owners: Owner, slos: tuple[SloPlan, ...] = ()) -> SpecSet:
    return SpecSet((ServicePlan("checkout", slos, "specs/a.yaml"),), owners)


def compiled(*owners: Owner, slos: tuple[SloPlan, ...] = ()) -> str:
    artifacts, diagnostics = routing_artifacts(specs(*owners, slos=slos))

    assert [d for d in diagnostics if d.is_error] == []
    assert [(a.path, a.kind) for a in artifacts] == [
        ("alertmanager/alertmanager.yaml", "alertmanager")
    ]
    return artifacts[0].text


def found(*owners: Owner, slos: tuple[SloPlan, ...] = ()) -> tuple[Diagnostic, ...]:
    return routing_artifacts(specs(*owners, slos=slos))[1]


OWNER_SETS = {
    "one owner": (owner(),),
    "two owners": (owner(), owner("search", page=(slack("#search"),), ticket=(email(),))),
    "with default": (owner("default", page=(webhook(),)), owner()),
    "default takes tickets only": (owner("default", page=()), owner(ticket=())),
    "several receivers": (
        owner(
            page=(
                pagerduty(severity="error", url="https://events.eu.pagerduty.com/v2/enqueue"),
                slack("no", username="5m", icon_emoji=":fire:"),
                webhook(max_alerts=3),
                webhook(
                    http_config={
                        "authorization": {"type": "Bearer", "credentials_file": "/run/token"},
                        "proxy_url": "http://proxy.example:3128",
                    }
                ),
            ),
            ticket=(
                email(
                    auth_username="mailer",
                    auth_identity="mailer",
                    auth_password_file="/run/mail",
                    hello="am.pay.example",
                    require_tls=True,
                    tls_config={"server_name": "mx"},
                    send_resolved=False,
                ),
            ),
        ),
    ),
    "no receivers at all": (owner(page=(), ticket=()),),
    "odd names": (owner('a "b", {c}\\d'), owner("no"), owner("5m"), owner("équipe: #1")),
}


class TestDocument:
    def test_no_owners_make_nothing(self) -> None:
        """Without Owners documents there is nothing to route and nothing to complain about."""
        assert routing_artifacts(specs(slos=(slo(owner="nobody"), slo(owner=None)))) == ((), ())

    @needs_amtool
    @pytest.mark.parametrize("owners", OWNER_SETS.values(), ids=OWNER_SETS.keys())
    def test_amtool_accepts_it(self, owners: tuple[Owner, ...], tmp_path: Path) -> None:
        """Alertmanager's own checker loads the document."""
        path = tmp_path / "alertmanager.yaml"
        path.write_text(compiled(*owners, slos=(slo(group_by=("route", "cluster")),)))

        checked = subprocess.run([AMTOOL, "check-config", path], capture_output=True, text=True)

        assert checked.returncode == 0, checked.stdout + checked.stderr

    @needs_amtool
    def test_amtool_accepts_every_setting_of_the_tables(self, tmp_path: Path) -> None:
        """Every key that the schema may offer is one that Alertmanager knows."""
        values = {"string": "x", "path": "/run/x", "url": "http://x.example/", "boolean": True}
        tls = {key: values[setting.type] for key, setting in TLS_SETTINGS.items()}
        http: dict[str, Any] = {}
        for dotted, setting in HTTP_SETTINGS.items():
            *above, key = dotted.split(".")
            inner = http.setdefault(above[0], {}) if above else http
            inner[key] = tls if setting.type == "tls" else values[setting.type]
        basic = {k: v for k, v in http.items() if k != "authorization"}
        token = {k: v for k, v in http.items() if k != "basic_auth"}
        # Debian's Alertmanager is older than this key.
        too_new = {"url_file"}
        receivers = tuple(
            Receiver(
                kind,
                {
                    key: {"integer": 3, "http": login, "tls": tls}.get(setting.type)
                    or ("mx:25" if key == "smarthost" else values[setting.type])
                    for key, setting in table.items()
                    if key not in too_new
                },
                span(1),
            )
            for kind, table in SETTINGS.items()
            for login in (basic, token)
        )
        path = tmp_path / "alertmanager.yaml"
        path.write_text(compiled(owner(page=receivers)))

        checked = subprocess.run([AMTOOL, "check-config", path], capture_output=True, text=True)

        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert all(set(keys) <= SETTINGS[kind].keys() for kind, keys in ONE_OF.items())

    @pytest.mark.parametrize("owners", OWNER_SETS.values(), ids=OWNER_SETS.keys())
    def test_strings_survive_yaml(self, owners: tuple[Owner, ...]) -> None:
        """What an owner wrote is what a YAML reader gets, with its type."""
        document = yaml.safe_load(compiled(*owners))
        entries = [
            entry
            for named in document["receivers"]
            for key, configs in named.items()
            if key != "name"
            for entry in configs
        ]
        settings = [dict(r.settings) for o in owners for r in (*o.page, *o.ticket)]

        for wanted in settings:
            assert any(wanted.items() <= entry.items() for entry in entries), wanted

    @pytest.mark.parametrize(
        "text",
        [
            "", " ", "no", "Yes", "null", "~", "5m", "12", "1e3", "0x1", "1:30", "#chan", "a #b",
            "a: b", "a:", "- a", "it's", '"q"', "{{ .x }}", "a\nb", "a\nb\n", "a\n\n", "\na",
            " a\nb", "a \nb", "\n", "a\tb", "\x00\x1b\x7f\u2028\ufeff", "é🔥", "=", "<<", ".inf",
            "2024-01-01", "a\\b", "&a", "*a", "!a", "%a", "@a", "`a", "|", ">", "?", "a, b", "[a]",
            "http://x/y?z=1#w", "a:b", "a\r\nb", "---", "mx:25", "a::b", "t", "on", "None",
        ],
    )  # fmt: skip
    def test_emitter_keeps_text(self, text: str) -> None:
        """The emitter's quoting is read back unchanged, in every position."""
        value = {"a": text, "b": [text, {"c": text, "d": [[text], {}, []]}], "e": {text: {}}}

        assert yaml.safe_load(alertmanager._yaml(value)) == value

    def test_reads_as_if_by_hand(self) -> None:
        """The head says what made the file; routes, lists and templates are laid out plainly."""
        text = compiled(owner(page=(webhook(),), ticket=(slack(),)))

        assert text.startswith("# Generated by slostack from the Owners documents. Do not edit:")
        assert '      matchers:\n        - owner="payments"\n' in text
        assert (
            "  group_by: [sloth_id, sloth_service, sloth_slo, sloth_severity, slo_alert]\n" in text
        )
        assert "        channel: '#payments'\n" in text
        assert "        text: |-\n          {{ range .Alerts -}}\n" in text
        assert all(line == line.rstrip() for line in text.splitlines())
        assert text.endswith("\n") and not text.endswith("\n\n")

    def test_order_of_reading_does_not_matter(self) -> None:
        """Owners are sorted by name, with the catch-all route last."""
        one, two, three = owner("default"), owner("search"), owner("checkout")

        assert compiled(one, two, three) == compiled(three, one, two)
        routes = yaml.safe_load(compiled(one, two, three))["route"]["routes"]
        assert [r["receiver"] for r in routes] == [
            f"{name}-{severity}"
            for name in ("checkout", "search", "default")
            for severity in ("page", "ticket")
        ]

    def test_hash_seed_does_not_matter(self) -> None:
        """Two processes with different hash seeds write the same bytes."""
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); import test_alertmanager as t;"
            "print(t.compiled(t.owner(), t.owner('search'),"
            " slos=(t.slo(group_by=tuple('hgfedcba')),)))"
        )
        outputs = {
            subprocess.run(
                [sys.executable, "-c", code, Path(__file__).parent],
                env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                check=True,
            ).stdout
            for seed in ("1", "2", "3")
        }

        assert len(outputs) == 1

    def test_own_settings_win(self) -> None:
        """A receiver that brings its own texts keeps them."""
        document = yaml.safe_load(compiled(owner(page=(slack(title="T", send_resolved=False),))))
        entry = document["receivers"][0]["slack_configs"][0]

        assert (entry["title"], entry["send_resolved"]) == ("T", False)


@needs_amtool
class TestRoutes:
    @pytest.mark.parametrize(
        ("owners", "labels", "expected"),
        [
            ("two owners", "owner=payments sloth_severity=page", "payments-page"),
            ("two owners", "owner=payments sloth_severity=ticket", "payments-ticket"),
            ("two owners", "owner=search sloth_severity=ticket", "search-ticket"),
            ("two owners", "owner=other sloth_severity=page", "unowned"),
            ("two owners", "sloth_severity=page", "unowned"),
            ("two owners", "owner=payments", "unowned"),
            ("two owners", "alertname=Watchdog", "unowned"),
            ("with default", "owner=payments sloth_severity=page", "payments-page"),
            ("with default", "owner=other sloth_severity=page", "default-page"),
            ("with default", "sloth_severity=ticket", "default-ticket"),
            ("with default", "owner=default sloth_severity=page", "default-page"),
            ("with default", "alertname=Watchdog", "default-ticket"),
            ("default takes tickets only", "owner=payments sloth_severity=page", "payments-page"),
            (
                "default takes tickets only",
                "owner=payments sloth_severity=ticket",
                "default-ticket",
            ),
            ("default takes tickets only", "owner=other sloth_severity=page", "default-ticket"),
            ("no receivers at all", "owner=payments sloth_severity=page", "unowned"),
            ("odd names", "owner=no sloth_severity=page", "no-page"),
            ("odd names", "owner=5m sloth_severity=ticket", "5m-ticket"),
        ],
    )
    def test_alert_reaches(self, owners: str, labels: str, expected: str, tmp_path: Path) -> None:
        """An alert goes to its owner's receiver of its severity, any other to the catch-all."""
        path = tmp_path / "alertmanager.yaml"
        path.write_text(compiled(*OWNER_SETS[owners]))

        tested = subprocess.run(
            [AMTOOL, "config", "routes", "test", f"--config.file={path}", *labels.split()],
            capture_output=True,
            text=True,
        )

        assert tested.stdout.strip() == expected, tested.stderr

    def test_pages_go_out_faster_than_tickets(self) -> None:
        """A page waits seconds and is repeated within the hour; a ticket has time."""
        routes = yaml.safe_load(compiled(owner()))["route"]["routes"]
        keys = ("group_wait", "group_interval", "repeat_interval")

        assert [tuple(r[k] for k in keys) for r in routes] == [
            ("10s", "2m", "1h"),
            ("5m", "15m", "1d"),
        ]


class TestInhibition:
    def test_page_silences_tickets_of_the_same_slo_and_group(self) -> None:
        """The labels that must agree are the identity and every label that any SLO groups by."""
        text = compiled(
            owner(),
            slos=(slo(group_by=("route", "cluster")), slo("b", group_by=None), slo("c")),
        )

        assert yaml.safe_load(text)["inhibit_rules"] == [
            {
                "source_matchers": ['sloth_severity="page"', 'slo_alert=~"burn_rate|"'],
                "target_matchers": [
                    'sloth_severity="ticket"',
                    'slo_alert=~"burn_rate|budget_exhausted|"',
                ],
                "equal": ["sloth_id", "cluster", "route"],
            }
        ]


class TestSecrets:
    @pytest.mark.parametrize(
        ("bad", "hint"),
        [
            (receiver("pagerduty", 7, routing_key="S3CRET"), "routing_key_file"),
            (receiver("pagerduty", 7, service_key="S3CRET"), "service_key_file"),
            (receiver("slack", 7, api_url="https://hooks.example/S3CRET"), "api_url_file"),
            (receiver("slack", 7, api_url_file="https://hooks.example/S3CRET"), "api_url_file"),
            (receiver("email", 7, auth_password="S3CRET"), "auth_password_file"),
            (receiver("email", 7, auth_secret="S3CRET"), "auth_password_file"),
            (receiver("webhook", 7, url="https://u:S3CRET@x.example/"), "basic_auth.password_file"),
            (receiver("webhook", 7, url="HTTPS://S3CRET@x.example"), "credentials_file"),
            (
                receiver("webhook", 7, http_config={"basic_auth": {"password": "S3CRET"}}),
                "password_file",
            ),
            (
                receiver("webhook", 7, http_config={"authorization": {"credentials": "S3CRET"}}),
                "credentials_file",
            ),
            (receiver("slack", 7, http_config={"bearer_token": "S3CRET"}), "credentials_file"),
            (receiver("slack", 7, actions=[{"token": "S3CRET"}]), "credentials_file"),
            (receiver("slack", 7, api_url={"nested": "S3CRET"}), "api_url_file"),
            (
                receiver("slack", 7, http_config={"proxy_url": "http://u:S3CRET@p.example"}),
                "take them out",
            ),
        ],
    )
    @pytest.mark.parametrize("severity", ["page", "ticket"])
    def test_inline_secret_is_refused(self, bad: Receiver, hint: str, severity: str) -> None:
        """A secret stops the compiler, is never repeated, and the hint says where it belongs."""
        artifacts, diagnostics = routing_artifacts(
            specs(owner(page=(bad,)) if severity == "page" else owner(ticket=(bad,)))
        )

        assert artifacts == ()
        assert [(d.code, d.severity, d.span) for d in diagnostics] == [
            ("SLO504", Severity.ERROR, span(7))
        ]
        assert hint in (diagnostics[0].hint or "")
        assert "S3CRET" not in diagnostics[0].message + (diagnostics[0].hint or "")

    def test_at_sign_in_a_path_is_no_credential(self) -> None:
        """Only the part of an address before its host can hold credentials."""
        assert found(owner(page=(webhook("https://x.example/@team?mail=a@b.example"),))) == ()

    def test_webhook_url_file_is_for_newer_alertmanagers(self) -> None:
        """The address of a webhook may come from a file, with a word on the version."""
        newer = receiver("webhook", 4, url_file="/run/hook")
        artifacts, diagnostics = routing_artifacts(specs(owner(page=(newer,))))

        assert "      - url_file: /run/hook\n" in artifacts[0].text
        assert [(d.code, d.severity, d.span) for d in diagnostics] == [
            ("SLO505", Severity.WARNING, span(4))
        ]


class TestDiagnostics:
    def test_unknown_owner(self) -> None:
        """An owner that nobody declared is reported at the SLO, with the likely name."""
        (problem,) = found(owner(), slos=(slo(line=3, owner="paymnts"), slo("b")))

        assert (problem.code, problem.severity, problem.span) == (
            "SLO403", Severity.WARNING, span(3),
        )  # fmt: skip
        assert "did you mean `payments`?" in (problem.hint or "")
        assert "`unowned`" in (problem.hint or "")

    def test_unknown_owner_with_catch_all(self) -> None:
        """With a default owner the hint says who gets the alerts instead."""
        (problem,) = found(owner("default"), slos=(slo(owner="zzz"),))

        assert problem.hint == "its alerts go to receiver `default-page`"

    def test_owner_label_of_one_alert_counts(self) -> None:
        """An alert's own owner label is what Alertmanager sees, unless it is a template."""
        odd = AlertMeta("A", labels={"owner": "serch"})
        template = AlertMeta("A", labels={"owner": "{{ $labels.team }}"})
        problems = found(owner(), slos=(slo(page=odd), slo("b", ticket=template)))

        assert [d.code for d in problems] == ["SLO403"]
        assert "`serch`" in problems[0].message

    def test_owner_declared_twice(self) -> None:
        """The second declaration is an error that shows the first."""
        artifacts, (problem,) = routing_artifacts(specs(owner(line=2), owner(line=9)))

        assert artifacts == ()
        assert (problem.code, problem.severity, problem.span) == ("SLO404", Severity.ERROR, span(9))
        assert problem.related == (("declared first here", span(2)),)

    def test_slos_without_owner(self) -> None:
        """SLOs without owner are told once per run, unless a default owner takes them."""
        slos = tuple(slo(f"s{n}", line=n, owner=None) for n in range(1, 9))
        (problem,) = found(owner(), slos=slos)

        assert (problem.code, problem.severity, problem.span) == (
            "SLO405", Severity.WARNING, span(1),
        )  # fmt: skip
        assert "and 7 more have no owner" in problem.message
        assert len(problem.related) == 5
        assert found(owner(), owner("default"), slos=slos) == ()
        assert found(owner(), slos=(slo(owner=None, page=None, ticket=None),)) == ()

    def test_severity_without_receiver(self) -> None:
        """An owner who cannot be told of a severity that its SLOs send is warned."""
        (problem,) = found(owner(line=5, page=()), slos=(slo(), slo("b")))

        assert (problem.code, problem.severity, problem.span) == (
            "SLO406", Severity.WARNING, span(5),
        )  # fmt: skip
        assert "2 SLOs" in problem.message and "reach nobody" in (problem.hint or "")
        assert found(owner(page=()), slos=(slo(page=None),)) == ()

    def test_catch_all_without_receiver(self) -> None:
        """The default owner answers for the alerts of SLOs without owner."""
        problems = found(owner("default", ticket=()), slos=(slo(owner=None),))

        assert [d.code for d in problems] == ["SLO406"]
        assert "`default-page`" in (problems[0].hint or "")


# --- A real Alertmanager ----------------------------------------------------------------


class Sinks:
    """Collect what Alertmanager sends: JSON by HTTP path, and mails."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, Any]] = []
        self.mails: list[str] = []
        self.http_port = self.smtp_port = 0

    def bodies(self, path: str) -> list[Any]:
        return [body for posted, body in self.posts if posted == path]


@contextmanager
def sinks() -> Iterator[Sinks]:
    collected = Sinks()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collected.posts.append((self.path, json.loads(body)))
            self.send_response(202 if self.path == "/pagerduty" else 200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    class Mail(StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    collected.mails.append(b"".join(lines).decode())
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Hook) as http,
        ThreadingTCPServer(("127.0.0.1", 0), Mail) as smtp,
    ):
        smtp.daemon_threads = True
        collected.http_port, collected.smtp_port = http.server_address[1], smtp.server_address[1]
        for server in (http, smtp):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield collected
        finally:
            http.shutdown()
            smtp.shutdown()


@contextmanager
def running_alertmanager(config: str, directory: Path) -> Iterator[str]:
    path = directory / "alertmanager.yaml"
    path.write_text(config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [
                ALERTMANAGER,
                f"--config.file={path}",
                f"--storage.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        wait_for(lambda: answers(f"{base}/-/ready"), (directory / "log").read_text)
        yield base
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return int(response.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_for(condition: Any, explain: Any, seconds: float = 8) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


def post(base: str, *alerts: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{base}/api/v2/alerts",
        json.dumps(alerts).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        assert response.status == 200


def alert(
    name: str, severity: str, kind: str | None = "burn_rate", **labels: str
) -> dict[str, Any]:
    identity = {"sloth_id": name, "sloth_service": "checkout", "sloth_slo": name}
    return {
        "labels": identity
        | {"alertname": "Burn", "owner": "payments", "sloth_severity": severity}
        | ({"slo_alert": kind} if kind else {})
        | labels,
        "annotations": {
            "title": "checkout burns its budget 14 times too fast",
            "summary": "At this rate the error budget is gone in 2h.",
            "description": "3.1 % of events fail.\nAllowed are 0.1 %.",
            "runbook_url": "https://runbooks.example/checkout",
            "dashboard_url": "https://grafana.example/d/checkout",
        },
    }


def impatient(text: str) -> str:
    """Return the configuration with waits that suit a test."""
    for slow in ("10s", "30s", "5m"):
        text = text.replace(f"group_wait: {slow}\n", "group_wait: 1s\n")
    for slow in ("2m", "15m", "5m"):
        text = text.replace(f"group_interval: {slow}\n", "group_interval: 1s\n")
    return text


@pytest.mark.servers
@needs_alertmanager
class TestAlertmanager:
    def test_page_inhibits_only_what_it_should(self, tmp_path: Path) -> None:
        """Of one SLO's tickets, those that a page already tells of are not delivered."""
        with sinks() as sink:
            hook = f"http://127.0.0.1:{sink.http_port}"
            config = compiled(
                owner(page=(webhook(f"{hook}/page"),), ticket=(webhook(f"{hook}/ticket"),)),
                slos=(slo(group_by=("route",)),),
            )
            with running_alertmanager(impatient(config), tmp_path) as base:
                post(
                    base,
                    # One SLO pages for one route; only the ticket of another route stands.
                    alert("grouped", "page", route="/pay"),
                    alert("grouped", "ticket", route="/pay"),
                    alert("grouped", "ticket", route="/cart"),
                    # An SLO without groups: the page hides the burn and the spent budget, but
                    # neither missing data nor failing rules.
                    alert("plain", "page"),
                    alert("plain", "ticket"),
                    alert("plain", "ticket", "budget_exhausted"),
                    alert("plain", "ticket", "missing_data"),
                    alert("plain", "ticket", "rules_failing"),
                    # Alerts of profile `sloth` have no kind.
                    alert("drop-in", "page", None),
                    alert("drop-in", "ticket", None),
                    # Pages for other kinds hide nothing.
                    alert("spent", "page", "budget_exhausted"),
                    alert("spent", "ticket"),
                    alert("silent", "page", "missing_data"),
                    alert("silent", "ticket"),
                    # An SLO that nobody pages for.
                    alert("other", "ticket"),
                )
                wait_for(
                    lambda: len(sink.bodies("/page")) >= 5 and len(sink.bodies("/ticket")) >= 6,
                    lambda: sink.posts,
                )
                # Whatever is inhibited had the same second to arrive in.
                time.sleep(1.5)

        delivered = {
            path: sorted(
                {
                    (
                        a["labels"]["sloth_id"],
                        a["labels"].get("slo_alert", ""),
                        a["labels"].get("route", ""),
                    )
                    for body in sink.bodies(path)
                    for a in body["alerts"]
                }
            )
            for path in ("/page", "/ticket")
        }
        assert delivered == {
            "/page": [
                ("drop-in", "", ""),
                ("grouped", "burn_rate", "/pay"),
                ("plain", "burn_rate", ""),
                ("silent", "missing_data", ""),
                ("spent", "budget_exhausted", ""),
            ],
            "/ticket": [
                ("grouped", "burn_rate", "/cart"),
                ("other", "burn_rate", ""),
                ("plain", "missing_data", ""),
                ("plain", "rules_failing", ""),
                ("silent", "burn_rate", ""),
                ("spent", "burn_rate", ""),
            ],
        }

    def test_texts(self, tmp_path: Path) -> None:
        """Slack, PagerDuty and mail carry the alert's words, and tell when it is over."""
        with sinks() as sink:
            hook = f"http://127.0.0.1:{sink.http_port}"
            (tmp_path / "slack").write_text(f"{hook}/slack")
            (tmp_path / "key").write_text("k")
            config = compiled(
                owner(
                    page=(
                        receiver("slack", api_url_file=f"{tmp_path}/slack", channel="#pay"),
                        receiver(
                            "pagerduty",
                            routing_key_file=f"{tmp_path}/key",
                            url=f"{hook}/pagerduty",
                        ),
                    ),
                    ticket=(
                        receiver(
                            "email",
                            to="a@pay.example",
                            from_="am@pay.example",
                            smarthost=f"127.0.0.1:{sink.smtp_port}",
                            require_tls=False,
                        ),
                    ),
                )
            )
            with running_alertmanager(impatient(config), tmp_path) as base:
                page = alert("availability", "page", route="/pay")
                ticket = alert("latency", "ticket", None)
                post(base, page, ticket)
                wait_for(lambda: len(sink.posts) >= 2 and sink.mails, lambda: sink.posts)
                post(base, page | {"endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
                wait_for(
                    lambda: len(sink.bodies("/slack")) >= 2 and len(sink.bodies("/pagerduty")) >= 2,
                    lambda: sink.posts,
                )

        firing, resolved = (body["attachments"][0] for body in sink.bodies("/slack")[:2])
        assert firing["title"] == "PAGE: checkout / availability (burn rate)"
        assert firing["title_link"] == "https://grafana.example/d/checkout"
        lines = firing["text"].splitlines()
        assert lines[:4] == [
            "*checkout burns its budget 14 times too fast*",
            "At this rate the error budget is gone in 2h.",
            "3.1 % of events fail.",
            "Allowed are 0.1 %.",
        ]
        assert lines[4].rstrip() == "Where: route=/pay"
        assert lines[5].startswith("Since: 2") and lines[5].endswith(" UTC")
        assert lines[6:8] == [
            "<https://runbooks.example/checkout|Runbook>",
            "<https://grafana.example/d/checkout|Dashboard>",
        ]
        assert resolved["title"] == "RESOLVED: checkout / availability (burn rate)"
        assert resolved["text"].startswith("*Resolved: checkout burns")

        incident, over = sink.bodies("/pagerduty")[:2]
        assert incident["payload"]["summary"] == (
            "checkout / availability (burn rate): At this rate the error budget is gone in 2h."
        )
        assert incident["payload"]["severity"] == "critical"
        details = incident["payload"]["custom_details"]
        assert details["runbook"] == "https://runbooks.example/checkout"
        assert "route = /pay" in details["firing"]
        assert (incident["event_action"], over["event_action"]) == ("trigger", "resolve")
        assert incident["dedup_key"] == over["dedup_key"]

        (mail,) = sink.mails
        assert "Subject: TICKET: checkout / latency\r\n" in mail
        assert "Runbook: https://runbooks.example/checkout" in mail.replace("=\r\n", "")
        assert "text/html" not in mail
        assert "Where:" not in mail
