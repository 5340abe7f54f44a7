"""Numbers as `evaluate` gives them where it differs from the reference implementations, without its code or the hub.

| Metric | What is different there |
|---|---|
| ROUGE | the median of a bootstrap in place of the mean over rows; drawn anew each time, here by a seed |
| BLEU | 0 to 1, brevity against the *shortest* reference |
| Brier score | probabilities pass through 32-bit floats |
| McNemar's test | chi-square without continuity correction, however few rows differ |
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.hf.metric import gathered
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT, Measure

PREFIX: Final = "hf/"
LIKE: Final = "0.4.6"
"""The version of `evaluate` that is followed."""

ROUGE: Final = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_MAX_ORDER: Final = 4


def compatible(name: str, *, expected: str = EXPECTED, output: str = OUTPUT, seed: int = 0) -> Measure:
    """The metric that `evaluate.load(name)` would compute.

    Args:
        name: `rouge1`, `rouge2`, `rougeL`, `rougeLsum`, `bleu` or `brier_score`; `hf/` may stand before it.
        expected: Column of the references.
        output: Column of the predictions.
        seed: Of ROUGE's bootstrap.

    Raises:
        InvalidError: There is no such metric, or none that differs.
    """
    own = name.removeprefix(PREFIX)
    known: dict[str, Callable[[Sequence[Any], Sequence[Any]], float]] = {
        **{kind: _rouge_by(kind, seed) for kind in ROUGE},
        "bleu": bleu,
        "brier_score": brier_score,
    }
    if own not in known:
        raise InvalidError(
            N_("There is no metric {name!r} that differs in Hugging Face's `evaluate`."),
            hint=N_("There are {known}."),
            reason="hf.compatible",
            name=own,
            known=", ".join(known),
        )
    compute = known[own]
    details = {"version": LIKE, "parameters": {"compat": "hf", **({"seed": seed} if own in ROUGE else {})}}
    reference = f"evaluate.load({own.rstrip('12Lsum') if own in ROUGE else own!r})"
    return gathered(
        f"{PREFIX}{own}",
        lambda outputs, references: {own: compute(outputs, references)},
        reference,
        details,
        expected,
        output,
        lower_is_better=own == "brier_score",
    )


def rouge(outputs: Sequence[str], references: Sequence[Any], kind: str, seed: int = 0) -> float:
    """The middle of 1,000 draws of rows, as `evaluate`'s ROUGE aggregates; the best of several references counts."""
    from rouge_score import rouge_scorer, scoring  # noqa: PLC0415 - only this metric needs it

    scorer = rouge_scorer.RougeScorer([kind], use_stemmer=False)
    aggregator = scoring.BootstrapAggregator()
    for output, reference in zip(outputs, references, strict=True):
        if isinstance(reference, str):
            aggregator.add_scores(scorer.score(reference, output))
        else:
            aggregator.add_scores(scorer.score_multi(list(reference), output))
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        return float(aggregator.aggregate()[kind].mid.fmeasure)
    finally:
        np.random.set_state(before)


def bleu(outputs: Sequence[str], references: Sequence[Any]) -> float:
    """Corpus BLEU-4 without smoothing between 0 and 1, brevity against the shortest reference."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a  # noqa: PLC0415 - only this metric needs it

    tokenized = Tokenizer13a()
    matches, possible = [0] * _MAX_ORDER, [0] * _MAX_ORDER
    output_length = reference_length = 0
    for output, given in zip(outputs, references, strict=True):
        wanted = [tokenized(each).split() for each in ([given] if isinstance(given, str) else given)]
        came = tokenized(output).split()
        output_length += len(came)
        reference_length += min(map(len, wanted))
        best: Counter[tuple[str, ...]] = Counter()
        for each in wanted:
            best |= _ngrams(each)
        for ngram, count in (_ngrams(came) & best).items():
            matches[len(ngram) - 1] += count
        for order in range(_MAX_ORDER):
            possible[order] += max(len(came) - order, 0)
    if not output_length or min(matches) == 0:
        return 0.0
    precision = math.exp(sum(math.log(one / of) for one, of in zip(matches, possible, strict=True)) / _MAX_ORDER)
    ratio = output_length / reference_length
    return precision * (1.0 if ratio > 1.0 else math.exp(1 - 1.0 / ratio))


def brier_score(outputs: Sequence[float], references: Sequence[float]) -> float:
    """The mean squared difference of probabilities that were rounded to 32 bits."""
    from sklearn.metrics import brier_score_loss  # noqa: PLC0415 - only this metric needs it

    return float(brier_score_loss(np.asarray(references), np.asarray(outputs, dtype=np.float32)))


def mcnemar(predictions: Sequence[Any], others: Sequence[Any], references: Sequence[Any]) -> Mapping[str, float]:
    """`stat` and `p` of McNemar's test as `evaluate` has it: chi-square, uncorrected, never exact.

    Where no row differs between the two, both are 0 and 1.
    """
    from scipy.stats import chi2  # noqa: PLC0415 - only this test needs it

    right = [(a == wanted, b == wanted) for a, b, wanted in zip(predictions, others, references, strict=True)]
    first, second = right.count((True, False)), right.count((False, True))
    if first + second == 0:
        return {"stat": 0.0, "p": 1.0}
    stat = (first - second) ** 2 / (first + second)
    return {"stat": stat, "p": float(chi2.sf(stat, 1))}


def _rouge_by(kind: str, seed: int) -> Callable[[Sequence[Any], Sequence[Any]], float]:
    return lambda outputs, references: rouge(outputs, references, kind, seed)


def _ngrams(tokens: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(
        tuple(tokens[start : start + order])
        for order in range(1, _MAX_ORDER + 1)
        for start in range(len(tokens) - order + 1)
    )
