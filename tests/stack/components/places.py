"""Say where things are in an imagined container, for tests."""

from __future__ import annotations

from slo.stack.components.ports import port_number
from slo.stack.settings import StackSettings

__all__ = ["FlatPlaces"]


class FlatPlaces:
    """Put everything of a component below `/stack/<component>`."""

    def __init__(self, settings: StackSettings, root: str = "/stack") -> None:
        self.settings, self.root = settings, root

    def address(self, component: str, port: str) -> str:
        return f"{component}:{self.number(component, port)}"

    def each(self, component: str, port: str) -> str:
        return self.address(component, port)

    def instance(self, component: str, number: int, port: str) -> str:
        return f"{component}-{number}:{self.number(component, port)}"

    def listen(self, component: str, port: str) -> str:
        return f"0.0.0.0:{self.number(component, port)}"

    def number(self, component: str, port: str) -> int:
        return port_number(self.settings, component, port)

    def config(self, component: str, name: str) -> str:
        return f"{self.root}/{component}/config/{name}"

    def data(self, component: str) -> str:
        return f"{self.root}/{component}/data"

    def secret(self, component: str, name: str) -> str:
        return f"{self.root}/{component}/secrets/{name}"
