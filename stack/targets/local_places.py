"""Say where things are when the whole stack runs on this machine."""

from __future__ import annotations

from pathlib import Path

from slo.stack.components.ports import port_number
from slo.stack.settings import LOOPBACK, StackSettings
from slo.stack.supervisor.folder import StackFolder

__all__ = ["LocalPlaces", "local_folder"]


def local_folder(settings: StackSettings) -> StackFolder:
    """Return the folder that the stack keeps on this machine."""
    return StackFolder(settings.folder / settings.data)


class LocalPlaces:
    """
    Put everything below the stack's folder, and everybody on the loopback address.

    Args:
        config: Folder of the configuration; another one for files that are only to be checked.
    """

    def __init__(self, settings: StackSettings, config: Path | None = None) -> None:
        self._settings = settings
        self._folder = local_folder(settings)
        self._config = config or self._folder.config

    def address(self, component: str, port: str) -> str:
        """Return a port of the address that the component listens on."""
        host = self._settings.exposure(component).address
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
            host = LOOPBACK
        return f"{_bracketed(host)}:{port_number(self._settings, component, port)}"

    def each(self, component: str, port: str) -> str:
        """Return the same: one machine runs one of each."""
        return self.address(component, port)

    def instance(self, component: str, number: int, port: str) -> str:
        """Return the same: one machine runs one of each."""
        return self.address(component, port)

    def listen(self, component: str, port: str) -> str:
        """Return the address of the settings: nothing stands between it and the network."""
        host = self._settings.exposure(component).address
        return f"{_bracketed(host)}:{port_number(self._settings, component, port)}"

    def config(self, component: str, name: str) -> str:
        """Return a path in the component's own folder."""
        return str(self._config / component / name)

    def data(self, component: str) -> str:
        """Return the component's own folder of data."""
        return str(self._folder.data / component)

    def secret(self, component: str, name: str) -> str:
        """Return the file in the user's folder of secrets."""
        return str((self._settings.folder / self._settings.secrets / name).absolute())


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
