"""A Prometheus that asks for certificates is read with one, and refuses without."""

from __future__ import annotations

import asyncio
import http.client
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slo.duration import seconds
from slo.engine.sources.api_client import ApiClientSource
from slo.engine.sources.connection import Connection
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import Unavailable
from slo.errors import ToolError
from slo.stack.processes import find_program, free_ports

pytestmark = pytest.mark.servers

WEB = """\
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
"""


def made(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def certificates(folder: Path) -> None:
    """Make an authority, and certificates of a server and of a client."""
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    new += ("-days", "2")
    ca = ("-addext", "keyUsage=critical,keyCertSign")
    made(folder, *new, "-subj", "/CN=authority", *ca, "-keyout", "ca.key", "-out", "ca.pem")
    for name, more in (
        ("server", ("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")),
        ("client", ("-addext", "extendedKeyUsage=clientAuth")),
    ):
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=CA:FALSE")
        made(
            folder,
            *(*new, "-subj", f"/CN={name}", *more, *signed),
            *("-keyout", f"{name}.key", "-out", f"{name}.pem"),
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing")
    folder = tmp_path_factory.mktemp("tls")
    certificates(folder)
    (folder / "web.yaml").write_text(WEB)
    (folder / "prometheus.yaml").write_text("{}")
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [
            find_program("prometheus"),
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--web.config.file={folder / 'web.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.DEVNULL,
    )
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "client.pem", folder / "client.key")
    try:
        assert any(ready(port, context) or time.sleep(0.1) for _ in range(300))
        yield f"https://127.0.0.1:{port}", folder
    finally:
        process.kill()
        process.wait()


def ready(port: int, context: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def connection_to(server: tuple[str, Path], **more: Any) -> Connection:
    url, folder = server
    shown = {
        "client_cert_file": folder / "client.pem",
        "client_key_file": folder / "client.key",
        "timeout": seconds(10),
        **more,
    }
    return Connection(url, ca_file=folder / "ca.pem", **shown)


async def polled(connection: Connection) -> int:
    source = HttpSource(connection)
    try:
        return len((await source.instant("vector(1)")).series)
    finally:
        await source.aclose()


def analysed(connection: Connection) -> int:
    source = ApiClientSource(connection)
    try:
        return len(source.instant("vector(1)").series)
    finally:
        source.close()


class TestWithOne:
    def test_the_poller_reads(self, server: tuple[str, Path]) -> None:
        assert 1 == asyncio.run(polled(connection_to(server)))

    def test_analysis_reads(self, server: tuple[str, Path]) -> None:
        assert 1 == analysed(connection_to(server))

    def test_commands_take_it(self, server: tuple[str, Path]) -> None:
        """Nothing is recorded there; that is found out by reading."""
        url, folder = server
        run = subprocess.run(
            [
                *(sys.executable, "-m", "slo.engine.cli", "status", "--prometheus", url),
                *("--ca-file", str(folder / "ca.pem")),
                *("--client-cert-file", str(folder / "client.pem")),
                *("--client-key-file", str(folder / "client.key"), "--format", "json"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert (0, True) == (run.returncode, '"total": 0' in run.stdout), run.stderr


class TestWithoutOne:
    def test_the_poller_says_so(self, server: tuple[str, Path]) -> None:
        without = connection_to(
            server, client_cert_file=None, client_key_file=None, timeout=seconds(1)
        )
        # What it hears of the refusal depends on who closes the connection first.
        with pytest.raises(Unavailable, match="gave no answer"):
            asyncio.run(polled(without))

    def test_analysis_says_so(self, server: tuple[str, Path]) -> None:
        without = connection_to(
            server, client_cert_file=None, client_key_file=None, timeout=seconds(1)
        )
        with pytest.raises(ToolError, match=r"127\.0\.0\.1"):
            analysed(without)


class TestFiles:
    def test_that_are_missing_are_named(self, server: tuple[str, Path]) -> None:
        wrong = connection_to(server, client_cert_file=Path("nowhere.pem"))
        with pytest.raises(ToolError, match=r"nowhere\.pem"):
            HttpSource(wrong)
        with pytest.raises(ToolError, match=r"nowhere\.pem"):
            analysed(wrong)

    def test_a_key_alone_is_refused(self) -> None:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "slo.engine.cli", "status"),
                *("--prometheus", "https://localhost:1", "--client-key-file", "client.key"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert (2, True) == (run.returncode, "needs --client-cert-file" in run.stderr)
