"""What metrics collect: count maps, and how many rows were scored. All of it merges without rounding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aiplatform.eval.measures.columns import FAILED, NOT_APPLICABLE, SCORED
from aiplatform.eval.statistics.exact import Floats
from aiplatform.eval.statistics.hashing import Keys

Counts = npt.NDArray[np.int64]
NUM_BUCKETS: Final = 1024
"""Groups of rows that are drawn together: sums of independent rows keep the variance, and the state stays small."""

_PENDING_ROWS: Final = 1 << 16


@dataclass(slots=True)
class Fate:
    """How many rows were scored, failed, or have nothing to be scored on."""

    scored: int = 0
    failed: int = 0
    not_applicable: int = 0

    @staticmethod
    def of(states: npt.NDArray[np.int8]) -> Fate:
        """Of the rows of a block."""
        found = np.bincount(states, minlength=3)
        return Fate(scored=int(found[SCORED]), failed=int(found[FAILED]), not_applicable=int(found[NOT_APPLICABLE]))

    def merge(self, other: Fate) -> None:
        """Take in what another one holds."""
        self.scored += other.scored
        self.failed += other.failed
        self.not_applicable += other.not_applicable


@dataclass(slots=True)
class Tally:
    """How often each key occurred, or what was counted under it: sorted keys, and one or more counts a key."""

    keys: Floats
    """Shape (keys, parts of a key), sorted by the parts in order."""

    counts: Counts
    """Shape (keys, counts)."""

    pending: list[tuple[Floats, Counts]] = field(default_factory=list)
    """What was taken in and is not sorted in yet."""

    @staticmethod
    def of(keys: Floats, counts: Counts | None = None) -> Tally:
        """Of rows.

        Args:
            keys: Shape (rows,) or (rows, parts).
            counts: Shape (rows,) or (rows, counts); by default each row counts one.
        """
        counted = np.ones(len(keys), dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
        return Tally(*_summed(_as_table(np.asarray(keys, dtype=np.float64)), _as_table(counted)))

    def merge(self, other: Tally) -> None:
        """Take in what another one holds."""
        self.pending += [*((other.keys, other.counts),) * bool(len(other.keys)), *other.pending]
        if sum(len(keys) for keys, _ in self.pending) > max(_PENDING_ROWS, len(self.keys)):
            self.settle()

    def settle(self) -> Tally:
        """Itself, with everything sorted in."""
        if self.pending:
            parts = [(self.keys, self.counts), *self.pending]
            parts = [part for part in parts if len(part[0])]
            self.keys, self.counts = _summed(
                np.concatenate([keys for keys, _ in parts]), np.concatenate([counts for _, counts in parts])
            )
            self.pending = []
        return self

    @property
    def total(self) -> list[int]:
        """Each count over all keys."""
        found: list[int] = self.settle().counts.sum(axis=0).tolist()
        return found


def bucketed(keys: Keys, vectors: Counts) -> Tally:
    """Vectors of counts, added up by the bucket that a row's key falls into."""
    return Tally.of((keys % np.uint64(NUM_BUCKETS)).astype(np.float64), vectors)


def _as_table(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values[:, None] if values.ndim == 1 else values


def _summed(keys: Floats, counts: Counts) -> tuple[Floats, Counts]:
    if not len(keys):
        return keys, counts
    keys = keys + 0.0  # -0.0 and 0.0 are one key
    order = np.lexsort(keys.T[::-1])
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], (ordered[1:] != ordered[:-1]).any(axis=1))))
    return ordered[starts], np.add.reduceat(counts[order], starts, axis=0)
