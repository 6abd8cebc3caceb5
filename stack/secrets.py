"""
Make the secrets that may be random, and those that follow from others.

The folder is closed to everybody else; the files in it can be read by anybody who gets that far.
It has to be so: a container sees its secret as a mounted file with the owner it has here, and
runs as a user that owns nothing.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from slo.errors import ToolError
from slo.stack.components.context import ENGINE_TOKEN, TLS_CERTIFICATE, TLS_KEY
from slo.stack.components.model import Component, Secret, StackPlan
from slo.stack.components.postgres import DATABASE, PASSWORD, SERVICE_FILE

__all__ = ["MadeSecrets", "make_secrets", "missing_secrets", "secrets_of"]

_FOLDER_MODE, _FILE_MODE = 0o700, 0o444
_IGNORE = "# Secrets never go into version control.\n*\n"
# What those who read a secret know it by.
_PREFIXES = {ENGINE_TOKEN: "slo_"}
_BCRYPT_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class MadeSecrets:
    """
    Say what was made, and what only the user can provide.

    Args:
        made: Names of files that are new or followed a change.
        missing: Secrets that are not there.
    """

    made: tuple[str, ...]
    missing: tuple[Secret, ...]


def secrets_of(plan: StackPlan) -> tuple[Secret, ...]:
    """Return every secret of *plan* once, by name."""
    found: dict[str, Secret] = {}
    for component in plan.components:
        for secret in component.secrets:
            known = found.get(secret.name)
            # Who owns a password says that it may be random; who uses it does not.
            if known is None or (secret.generated and not known.generated):
                found[secret.name] = secret
    return tuple(found[name] for name in sorted(found))


def missing_secrets(plan: StackPlan, folder: Path) -> tuple[Secret, ...]:
    """Return the secrets that only the user can provide, and has not yet."""
    return tuple(
        secret
        for secret in secrets_of(plan)
        if not (secret.generated or secret.derived) and not (folder / secret.name).is_file()
    )


def make_secrets(plan: StackPlan, folder: Path) -> MadeSecrets:
    """
    Make what can be made in *folder*; what is there is never changed, unless it follows.

    Raises:
        ToolError: The folder cannot be written, or is there for something else.
    """
    wanted = secrets_of(plan)
    made: list[str] = []
    try:
        if wanted:
            _make_folder(folder, {secret.name for secret in wanted})
        for secret in wanted:
            if secret.generated and not (folder / secret.name).exists():
                text = _PREFIXES.get(secret.name, "") + secrets.token_urlsafe(32)
                _write(folder / secret.name, text)
                made.append(secret.name)
        for secret in wanted:
            if secret.derived and _derive(secret.name, plan, folder):
                made.append(secret.name)
    except OSError as error:
        raise ToolError(f"{error.filename or folder}: {error.strerror or error}") from error
    return MadeSecrets(tuple(made), missing_secrets(plan, folder))


def _make_folder(folder: Path, names: Collection[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ours = (folder / ".gitignore").exists() and (folder / ".gitignore").read_text() == _IGNORE
    others = sorted(path.name for path in folder.iterdir() if path.name not in names)
    if others and not ours:
        # It is about to be closed to everybody, and to version control.
        raise ToolError(
            f"{folder} is to hold secrets and nothing else, but has {', '.join(others[:3])}: "
            "name a folder of its own with `secrets`"
        )
    folder.chmod(_FOLDER_MODE)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text(_IGNORE, "utf-8")


def _write(path: Path, text: str) -> None:
    """Write *text* so that no reader ever sees half of it, or sees it with other rights."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    waiting.chmod(_FILE_MODE)
    waiting.replace(path)


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        return None


def _derive(name: str, plan: StackPlan, folder: Path) -> bool:
    """Bring the secret *name* in line with what it follows from; tell whether it changed."""
    path = folder / name
    if name == SERVICE_FILE:
        password = _read(folder / PASSWORD)
        text = f"[{DATABASE}]\npassword={password}\n"
        return _replace(path, text, lambda current: current == text.strip())
    for suffix, make in _OF_COMPONENTS.items():
        if name.endswith(suffix):
            return make(path, plan.component(name.removesuffix(suffix)), folder)
    raise KeyError(name)


def _replace(path: Path, text: str, fits: Callable[[str], bool]) -> bool:
    current = _read(path)
    if current is not None and fits(current):
        return False
    _write(path, text)
    return True


def _login(path: Path, component: Component, folder: Path) -> bool:
    """Keep user and password in the form that `slo serve` reads."""
    password = _read(folder / component.access.password)
    text = f"{component.access.user}:{password}"
    return _replace(path, text, lambda current: current == text)


def _web_config(path: Path, component: Component, folder: Path) -> bool:
    """Keep TLS and the hash of the password in the form of Prometheus and Alertmanager."""
    password = _read(folder / component.access.password) or ""
    places = {secret.name: secret.path for secret in component.secrets}

    def document(hashed: str) -> Mapping[str, object]:
        return {
            "tls_server_config": {
                "cert_file": places[TLS_CERTIFICATE],
                "key_file": places[TLS_KEY],
                "min_version": "TLS12",
            },
            "basic_auth_users": {component.access.user: hashed},
        }

    def fits(current: str) -> bool:
        try:
            hashed = yaml.safe_load(current)["basic_auth_users"][component.access.user]
        except (yaml.YAMLError, KeyError, TypeError):
            return False
        return yaml.safe_load(current) == document(hashed) and _matches(password, hashed)

    current = _read(path)
    if current is not None and fits(current):
        return False
    _write(path, yaml.safe_dump(document(_hash(password)), sort_keys=False))
    return True


_OF_COMPONENTS: Mapping[str, Callable[[Path, Component, Path], bool]] = {
    "-login": _login,
    "-web.yaml": _web_config,
}


def _hash(password: str) -> str:
    try:
        import bcrypt
    except ModuleNotFoundError as error:
        raise ToolError(
            "passwords of what is exposed need the Python package bcrypt: "
            "pip install 'slostack[stack]'"
        ) from error
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_BCRYPT_ROUNDS)).decode()


def _matches(password: str, hashed: str) -> bool:
    try:
        import bcrypt

        return bcrypt.checkpw(password.encode(), hashed.encode())
    except (ModuleNotFoundError, ValueError):
        return False
