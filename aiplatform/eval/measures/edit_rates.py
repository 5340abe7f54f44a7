"""Word and character error rates: edits over all rows by the length of all references, never the mean of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aiplatform.core.i18n import N_
from aiplatform.eval.measures import replicates
from aiplatform.eval.measures.columns import FAILED, NOT_APPLICABLE, SCORED, Block, as_text
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT, Estimate, PairReader, Request, undefined
from aiplatform.eval.measures.states import Fate, Tally, bucketed
from aiplatform.eval.measures.strings import edits
from aiplatform.eval.statistics.exact import Floats


@dataclass(frozen=True, slots=True)
class EditsCollector(PairReader):
    """Edits and length of the reference, of words or of characters."""

    of_words: bool
    expected: str = EXPECTED
    output: str = OUTPUT

    @property
    def draws_rows(self) -> bool:
        """Whether draws are keyed by the ids of rows."""
        return True

    def collect(self, block: Block) -> Edits:
        """The counts of one block."""
        states = np.full(block.num_rows, SCORED, dtype=np.int8)
        vectors = np.zeros((block.num_rows, 2), dtype=np.int64)
        pairs = zip(block.column(self.expected).values, block.column(self.output).values, strict=True)
        for place, (expected, output) in enumerate(pairs):
            wanted, came = as_text(expected), as_text(output)
            if wanted is None or came is None:
                states[place] = NOT_APPLICABLE if wanted is None else FAILED
                continue
            left, right = (wanted.split(), came.split()) if self.of_words else (wanted, came)
            vectors[place] = edits(left, right), len(left)
        usable = states == SCORED
        return Edits(Fate.of(states), bucketed(block.keys[usable], vectors[usable]))


@dataclass(slots=True)
class Edits:
    """Edits and lengths, by bucket of rows."""

    fate: Fate
    tally: Tally

    def merge(self, other: Edits) -> None:
        """Take in what another one holds."""
        self.fate.merge(other.fate)
        self.tally.merge(other.tally)


def rate(state: Edits, request: Request) -> Iterator[Estimate]:
    """Edits by length; None where the references are empty."""
    if not state.fate.scored:
        yield undefined(N_("no row was scored"))
        return
    changed, length = state.tally.total
    if not length:
        yield undefined(N_("every reference is empty"))
        return

    def statistic(sums: Floats) -> Floats:
        return np.asarray(sums[:, 0] / sums[:, 1], dtype=np.float64)

    found = replicates.interval(statistic, replicates.of_buckets(state.tally, request), request)
    yield Estimate(
        value=changed / length,
        interval=found,
        method=request.bootstrap,
        details={"edits": changed, "reference_length": length},
    )
