"""Numbers that depend on a row's id alone, so that every split of the rows into blocks draws the same ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

HASH_BITS: Final = 256

Keys = npt.NDArray[np.uint64]


def row_keys(row_ids: Sequence[str], seed: int = 0) -> Keys:
    """One 64-bit key a row id, different for every seed."""
    salt = seed.to_bytes(8, "little", signed=True)
    digests = (hashlib.blake2b(row_id.encode(), digest_size=8, key=salt).digest() for row_id in row_ids)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def is_held_out(row_id: str) -> bool:
    """Whether a row belongs to the half that thresholds are chosen on. The same in every run."""
    return bool(hashlib.sha256(row_id.encode()).digest()[0] & 1)


def canonical_json(value: Any) -> str:
    """JSON with one spelling: sorted keys, no spaces, characters as they are; what JSON lacks is written as text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)


def content_id(*parts: Any) -> str:
    """An id that follows from content, for rows that have none of their own."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:16]


def rows_hash(rows: Iterable[tuple[str, Any, Any]]) -> int:
    """Hash of (id, input, expected) rows that does not depend on their order: add two to have both parts' hash.

    Source:
        The sum of the rows' SHA-256 modulo 2^256.
    """
    total = 0
    for row in rows:
        total += int.from_bytes(hashlib.sha256(canonical_json(row).encode()).digest(), "big")
    return total % (1 << HASH_BITS)


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy as Python's own; sets in order; anything else as text."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return sorted(value, key=str) if isinstance(value, set | frozenset) else str(value)
