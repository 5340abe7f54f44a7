"""BLEU and chrF: sacrebleu's own statistics of each row in whole numbers, added up, finished by sacrebleu."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_
from aiplatform.eval.measures import replicates
from aiplatform.eval.measures.columns import FAILED, NOT_APPLICABLE, SCORED, Block, as_text
from aiplatform.eval.measures.exactly import Means
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT, Estimate, PairReader, Request, RowValues, undefined
from aiplatform.eval.measures.states import Fate, Tally, bucketed
from aiplatform.eval.statistics.exact import Floats

Options = tuple[tuple[str, Any], ...]
MAX_DRAWN: Final = 1000


@dataclass(frozen=True, slots=True)
class TranslationCollector(PairReader):
    """Counts of matching n-grams, as a metric of sacrebleu takes them from each row."""

    which: str
    """`BLEU` or `CHRF`."""

    options: Options = ()
    expected: str = EXPECTED
    output: str = OUTPUT

    @property
    def draws_rows(self) -> bool:
        """Whether draws are keyed by the ids of rows."""
        return True

    def collect(self, block: Block) -> TranslationState:
        """The counts of one block."""
        vectors, states, counts = self.vectors(block)
        usable = states == SCORED
        tally = bucketed(block.keys[usable], vectors[usable])
        return TranslationState(Fate.of(states), tally, counts)

    def vectors(self, block: Block) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], set[int]]:
        """A vector a row, each row's fate, and how many references rows have."""
        metric = scorer(self.which, self.options)
        states = np.full(block.num_rows, SCORED, dtype=np.int8)
        rows: list[list[int]] = []
        num_references: set[int] = set()
        empty = [0] * width(metric)
        pairs = zip(block.column(self.expected).values, block.column(self.output).texts, strict=True)
        for place, (expected, output) in enumerate(pairs):
            references = references_of(expected)
            if references is None or output is None:
                states[place] = NOT_APPLICABLE if references is None else FAILED
                rows.append(empty)
                continue
            num_references.add(len(references))
            rows.append(statistics_of(metric, output, references))
        return np.array(rows, dtype=np.int64).reshape(block.num_rows, -1), states, num_references


@dataclass(frozen=True, slots=True)
class SentenceCollector:
    """The score of each row by itself."""

    of: TranslationCollector

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return self.of.needs

    def row_values(self, block: Block) -> RowValues:
        """One number a row, and each row's fate."""
        metric = scorer(self.of.which, self.of.options)
        vectors, states, _ = self.of.vectors(block)
        found = [metric._compute_score_from_stats(vector).score for vector in vectors.tolist()]
        return np.array(found, dtype=np.float64), states

    def collect(self, block: Block) -> Means:
        """The moments of one block."""
        return Means.of(*self.row_values(block), block)


@dataclass(slots=True)
class TranslationState:
    """Counts by bucket of rows."""

    fate: Fate
    tally: Tally
    num_references: set[int] = field(default_factory=set)

    def merge(self, other: TranslationState) -> None:
        """Take in what another one holds."""
        self.fate.merge(other.fate)
        self.tally.merge(other.tally)
        self.num_references |= other.num_references


def finished(collector: TranslationCollector) -> Callable[[TranslationState, Request], Iterator[Estimate]]:
    """Finish with sacrebleu's own arithmetic on the sums."""

    def finish(state: TranslationState, request: Request) -> Iterator[Estimate]:
        metric = scorer(collector.which, collector.options)
        signature = _signature(metric, state.num_references)
        if not state.fate.scored:
            yield undefined(N_("no row was scored"), signature=signature)
            return
        score = metric._compute_score_from_stats(state.tally.total)
        drawn = replicates.of_buckets(state.tally, request)

        def statistic(sums: Floats) -> Floats:
            return np.array([metric._compute_score_from_stats(list(each)).score for each in sums], dtype=np.float64)

        found = replicates.interval(statistic, drawn, request)
        details: dict[str, Any] = {"signature": signature}
        if collector.which == "BLEU":
            details |= {
                "precisions": list(score.precisions),
                "brevity_penalty": score.bp,
                "output_length": score.sys_len,
                "reference_length": score.ref_len,
            }
        yield Estimate(value=float(score.score), interval=found, method=request.bootstrap, details=details)

    return finish


@functools.lru_cache(maxsize=64)
def scorer(which: str, options: Options) -> Any:
    """The metric of sacrebleu, made once.

    Raises:
        ConfigError: sacrebleu, or what a tokenizer needs, is not installed.
    """
    try:
        from sacrebleu import metrics  # noqa: PLC0415 - only where asked for

        return getattr(metrics, which)(**dict(options))
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            N_("{metric} needs a package that is not installed: {problem}"),
            hint=N_("Install aiplatform[platform]; Japanese is in aiplatform[eval], Korean in sacrebleu[ko]."),
            reason="metric.package",
            metric=which,
            problem=str(error).strip().splitlines()[0],
        ) from None


def statistics_of(metric: Any, output: str, references: Sequence[str]) -> list[int]:
    """The counts of one row."""
    prepared = [metric._preprocess_segment(reference) for reference in references]
    information = metric._extract_reference_info(prepared)
    found: list[int] = metric._compute_segment_statistics(metric._preprocess_segment(output), information)
    return found


def width(metric: Any) -> int:
    """How many counts a row has."""
    return int(2 + 2 * metric.max_ngram_order if hasattr(metric, "max_ngram_order") else 3 * metric.order)


def references_of(expected: Any) -> list[str] | None:
    """What is expected as references, one or several; None where nothing is."""
    if isinstance(expected, list | tuple):
        found = [text for text in (as_text(each) for each in expected) if text is not None]
        return found or None
    text = as_text(expected)
    return None if text is None else [text]


def _signature(metric: Any, num_references: set[int]) -> str:
    metric.num_refs = next(iter(num_references)) if len(num_references) == 1 else -1
    return str(metric.get_signature())
