"""Know the token of what watches the engine, which is there before any ledger is."""

from __future__ import annotations

from pathlib import Path

from slo.engine.ledger.records import Token
from slo.engine.ledger.tokens import TOKEN_PREFIX, hash_token
from slo.errors import ToolError

__all__ = ["monitor_token"]

_NAME, _ID = "monitor", "monitor-token-file"
_SCOPES = ("read", "gate")
# Its hash must be safe against guessing, as those of made tokens are: 192 random bits at least.
_SHORTEST = len(TOKEN_PREFIX) + 32


def monitor_token(path: Path) -> dict[str, Token]:
    """
    Return the token in *path* by the hash of its secret.

    Raises:
        ToolError: It cannot be read, or is no token.
    """
    try:
        secret = path.read_text("utf-8").strip()
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ToolError(f"{path}: not text") from error
    if not secret.startswith(TOKEN_PREFIX) or len(secret) < _SHORTEST or len(secret.split()) != 1:
        raise ToolError(
            f"{path}: expected one token: `{TOKEN_PREFIX}` and at least 32 random characters"
        )
    return {hash_token(secret): Token(_ID, _NAME, _SCOPES, 0.0, None)}
