"""Make and check the secrets of API tokens; only their hashes are ever stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets

__all__ = ["TOKEN_PREFIX", "hash_token", "is_token", "new_token"]

# Scanners for leaked secrets find tokens by it.
TOKEN_PREFIX = "slo_"  # noqa: S105 - not a secret
_BYTES = 32


def new_token() -> tuple[str, str]:
    """Return a new secret of 256 random bits, and its hash."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(_BYTES)
    return secret, hash_token(secret)


def hash_token(secret: str) -> str:
    """
    Return the hash under which *secret* is stored, in hexadecimal digits.

    A plain hash is enough: nobody can guess 256 random bits, however fast the hash.
    """
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def is_token(secret: str, secret_hash: str) -> bool:
    """Tell whether *secret* is the one with *secret_hash*, in constant time."""
    return hmac.compare_digest(hash_token(secret).encode(), secret_hash.encode())
