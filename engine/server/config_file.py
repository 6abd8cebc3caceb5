"""Read the options of the engine from a YAML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from slo.errors import ToolError
from slo.schema import closest
from slo.source import Source, parse_documents

__all__ = ["read_config"]

# Named from the folder of the file, like everything that a file refers to.
_PATHS = frozenset(
    (
        *("specs", "plugins", "policy", "token-file", "basic-auth-file", "monitor-token-file"),
        *("ca-file", "client-cert-file", "client-key-file", "tls-cert", "tls-key"),
    )
)
_OF_A_SOURCE = frozenset(
    (
        *("url", "name", "header", "token-file", "basic-auth-file", "tenant", "ca-file"),
        *("client-cert-file", "client-key-file", "timeout"),
    )
)


def read_config(path: Path, repeatable: Mapping[str, bool]) -> dict[str, Any]:
    """
    Return the settings in *path* by option, without the dashes before it.

    A source is a URL, or a mapping with its own settings.

    Args:
        repeatable: The options there are, and whether they take a list.

    Raises:
        ToolError: It cannot be read; the message names the place.
    """
    try:
        source = Source(str(path), path.read_text("utf-8"))
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ToolError(f"{path}: not text") from error
    documents = list(parse_documents(source))
    for document in documents:
        for found in document.diagnostics:
            place = f"{found.span.file}:{found.span.line}:{found.span.column}"
            raise ToolError(f"{place}: {found.message}")
    if not documents or documents[0].root is None:
        return {}
    root = documents[0].root
    if len(documents) > 1 or not isinstance(root, dict):
        raise ToolError(f"{path}: expected one mapping of options")
    folder = path.parent
    settings: dict[str, Any] = {}
    for key, value in root.items():
        _check_key(path, key, repeatable)
        if repeatable[key]:
            values = value if isinstance(value, list) else [value]
            settings[key] = [_setting(path, folder, key, one) for one in values]
        else:
            settings[key] = _setting(path, folder, key, value)
    return settings


def _setting(path: Path, folder: Path, key: str, value: Any) -> Any:
    if key == "source" and isinstance(value, dict):
        for name in value:
            _check_key(path, name, _OF_A_SOURCE)
        if "url" not in value:
            raise ToolError(f"{path}: a source needs a `url`")
        return {name: _setting(path, folder, name, one) for name, one in value.items()}
    if isinstance(value, (dict, list)) or value is None:
        if key == "header" and isinstance(value, list):
            return [str(one) for one in value]
        raise ToolError(f"{path}: `{key}` must be a single value")
    if key in _PATHS and value != "-":
        return str(folder / str(value))
    return value


def _check_key(path: Path, key: Any, known: Iterable[str]) -> None:
    names = sorted(known)
    if key in names:
        return
    guess = closest(str(key), names)
    hint = f"; did you mean `{guess}`?" if guess else f"; there are {', '.join(names)}"
    raise ToolError(f"{path}: there is no option `{key}`{hint}")
