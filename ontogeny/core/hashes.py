"""Hashes and the randomness that comes from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1 << 20


def canonical_json(value: Any) -> bytes:
    """The one way a value is written before it is hashed: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def sha256_hex(value: Any) -> str:
    """SHA-256 of bytes, of a string's UTF-8, or of a value's canonical JSON."""
    if isinstance(value, str):
        value = value.encode("utf-8")
    elif not isinstance(value, (bytes, bytearray, memoryview)):
        value = canonical_json(value)
    return hashlib.sha256(value).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def seed_of(seed: int, stage: str, purpose: str) -> int:
    """A 63-bit seed for one purpose in one stage, independent of every other.

    Computes: the first 8 bytes of SHA-256("seed|stage|purpose"), shifted right once."""
    digest = hashlib.sha256(f"{seed}|{stage}|{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def chain_root(name: str, digests: Iterable[bytes]) -> str:
    """The order root of a declared list of rows.

    Computes: r_0 = SHA-256("ontogeny order\\n" + name); r_{i+1} = SHA-256(r_i || digest_i); the last
    one in hex. Two lists have one root only if they are equal, in content and in order."""
    root = hashlib.sha256(b"ontogeny order\n" + name.encode("utf-8")).digest()
    for digest in digests:
        root = hashlib.sha256(root + digest).digest()
    return root.hex()
