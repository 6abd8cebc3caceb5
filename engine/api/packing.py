"""
Pack large answers, each once a snapshot, however many ask.

The head of an answer holds its age, so it differs each time; the rest does not. Deflated
blocks that end on a byte can follow one another, so a fresh head is put before a rest that was
packed before, and only the check sum is computed anew.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import MutableMapping

from starlette.datastructures import Headers

__all__ = ["SMALLEST", "Kept", "gzipped", "packed", "wants_gzip"]

# Below this, headers and the network's packets weigh more than what is saved.
SMALLEST = 4_096
# Of JSON, higher levels save little more and take three times as long.
_LEVEL = 4
_RAW = -zlib.MAX_WBITS
# Magic number, deflate, no flags, no time, no level, no system.
_MEMBER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_MOST_KEPT = 256

Kept = MutableMapping[str, "asyncio.Task[bytes]"]


def wants_gzip(headers: Headers) -> bool:
    """Tell whether who asks can unpack gzip (RFC 9110, 12.5.3)."""
    wanted: dict[str, float] = {}
    for part in headers.get("accept-encoding", "").lower().split(","):
        name, _, more = part.partition(";")
        weight = more.strip().removeprefix("q=")
        try:
            wanted[name.strip()] = float(weight) if weight else 1.0
        except ValueError:
            wanted[name.strip()] = 0.0
    return wanted.get("gzip", wanted.get("*", 0.0)) > 0


async def packed(kept: Kept, question: str, rest: bytes) -> bytes:
    """
    Return *rest* deflated, from *kept* where somebody has asked *question* before.

    Args:
        kept: Belongs to the snapshot that *rest* is made of.
    """
    task = kept.get(question)
    if task is None:
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        task = kept[question] = asyncio.create_task(asyncio.to_thread(_deflated, rest))
    # Who gives up must not take the answer from the others who wait for it.
    return await asyncio.shield(task)


def gzipped(head: bytes, rest: bytes, deflated: bytes) -> bytes:
    """
    Return *head* and *rest* as one gzip stream.

    Args:
        deflated: What `packed` makes of *rest*.
    """
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    first = packer.compress(head) + packer.flush(zlib.Z_SYNC_FLUSH)
    check = zlib.crc32(rest, zlib.crc32(head))
    length = (len(head) + len(rest)) & 0xFFFF_FFFF
    return b"".join((_MEMBER, first, deflated, struct.pack("<II", check, length)))


def _deflated(rest: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    return packer.compress(rest) + packer.flush()
