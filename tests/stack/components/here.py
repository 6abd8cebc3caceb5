"""Put a stack on this machine, for tests that run it."""

from __future__ import annotations

from pathlib import Path

from slo.stack.components.model import StackPlan
from tests.stack.components.places import FlatPlaces

__all__ = ["HerePlaces", "write_configs"]


class HerePlaces(FlatPlaces):
    """Listen on the loopback address, under the name that the test's certificate has."""

    def address(self, component: str, port: str) -> str:
        return f"localhost:{self.number(component, port)}"

    def listen(self, component: str, port: str) -> str:
        return f"127.0.0.1:{self.number(component, port)}"

    def secret(self, component: str, name: str) -> str:
        return f"{self.root}/secrets/{name}"


def write_configs(plan: StackPlan) -> None:
    """Write the files of *plan* to where its components read them."""
    for component in plan.components:
        for config in component.configs:
            path = Path(config.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(config.text, "utf-8")
