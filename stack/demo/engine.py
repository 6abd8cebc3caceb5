"""Ask the live engine of the demo's stack, as a user would."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from slo.errors import ToolError
from slo.stack.json_client import JsonClient

__all__ = ["Done", "Engine", "run_slo"]

_CALL_SECONDS = 30.0
_POST_ATTEMPTS = 3
_POST_SECONDS = 5.0
# What the lines of the terminal leave beside their indentation.
_COLUMNS = "92"


@dataclass(frozen=True, slots=True)
class Done:
    """Hold how a run of `slo` ended and what it printed."""

    code: int
    output: str


class Engine:
    """
    Ask one running engine.

    Args:
        url: Where it serves.
        ledger: Address of its ledger, as `slo serve` takes it.
        directory: Takes copies of answers.
    """

    def __init__(self, url: str, ledger: str, directory: Path) -> None:
        self.url = url
        self.ledger = ledger
        self._directory = directory

    def run(self, arguments: Sequence[str]) -> Done:
        """
        Run `slo` with *arguments* and return how it ended.

        Raises:
            ToolError: It did not end within its limit.
        """
        copies = self._directory / "copies"
        environment = {"COLUMNS": _COLUMNS, "SLO_GATE_COPIES": str(copies), "NO_COLOR": "1"}
        return run_slo(arguments, environment)

    def override(self, token: str, override: Mapping[str, Any]) -> Mapping[str, Any]:
        """
        Record an override and return it as the engine has it.

        Raises:
            ToolError: The engine refused, or gave no answer.
        """
        headers = {
            "Authorization": f"Bearer {token}",
            # Sent again after a lost answer, it is recorded once all the same.
            "Idempotency-Key": str(uuid.uuid4()),
        }
        url = f"{self.url}/v1/overrides"
        with httpx.Client(timeout=_POST_SECONDS, trust_env=False) as client:
            for attempt in range(1, _POST_ATTEMPTS + 1):
                try:
                    response = client.post(url, json=dict(override), headers=headers)
                except httpx.TransportError as error:
                    problem = str(error) or type(error).__name__
                else:
                    if response.is_success:
                        found: Mapping[str, Any] = response.json()
                        return found
                    problem = f"status {response.status_code}: {response.text[:500]}"
                    if response.is_client_error:
                        break
                # Jitter keeps several clients from coming back in step.
                time.sleep(attempt * random.uniform(0.1, 0.3))  # noqa: S311 - not a secret
        raise ToolError(f"the engine did not take the override: {problem}")

    def decisions(self) -> Sequence[Mapping[str, Any]]:
        """
        Return the decisions in the ledger, the newest first.

        Raises:
            ToolError: No usable answer.
        """
        client = JsonClient("engine", self.url)
        try:
            found: Sequence[Mapping[str, Any]] = client.get("/v1/decisions")["decisions"]
        finally:
            client.close()
        return found


def run_slo(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    limit_seconds: float = _CALL_SECONDS,
) -> Done:
    """
    Run the command `slo` of this installation.

    Args:
        environment: Variables that it gets besides ours; those of `slo` itself are left out.

    Raises:
        ToolError: It did not end within its limit.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SLO_")}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "slo.engine.cli", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_seconds,
            check=False,
            env=ours | dict(environment),
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"slo {arguments[0]} did not end within {limit_seconds:g} s") from error
    output = "\n".join(filter(None, (done.stdout.rstrip(), done.stderr.rstrip())))
    return Done(done.returncode, output)
