"""Examples that the reference libraries publish, each with the call that gives its value, and the value in print."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jiwer
import numpy as np
import sacrebleu
import torch
from rouge_score import rouge_scorer
from scipy import stats
from sklearn import metrics
from torchmetrics.functional import classification, retrieval

Reference = Callable[[Any, Any], Any]


Pair = tuple[Sequence[Any], Sequence[Any]]


@dataclass(frozen=True)
class Vector:
    metric: str
    expected: Sequence[Any]
    output: Sequence[Any]
    reference: Reference
    printed: float | None = None
    """As the documentation prints it, to its digits."""

    exact: bool = False
    """Whether counts alone decide: then every bit is the same."""

    tolerance: float = 1e-12
    """Wider where the reference itself counts in single precision."""


SIX: Pair = [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]
ANIMALS: Pair = ["cat", "ant", "cat", "cat", "ant", "bird"], ["ant", "ant", "cat", "cat", "ant", "cat"]
MOODS: Pair = (
    ["negative", "positive", "negative", "neutral", "positive"],
    ["negative", "positive", "negative", "neutral", "negative"],
)
FOUR: Pair = [0, 1, 2, 3], [0, 2, 1, 3]
TWO: Pair = [0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1]
SIGNS: Pair = [+1, +1, +1, -1], [+1, -1, +1, +1]
NINE: Pair = [0, 1, 2, 2, 0, 1, 2, 1, 0], [0, 1, 1, 2, 0, 2, 2, 1, 1]
REPORT: Pair = [0, 1, 2, 2, 2], [0, 0, 2, 2, 1]
ONE_MISSING: Pair = [1, 2, 3], [1, 1, 1]
AVERAGES = ("macro", "micro", "weighted")


def of(function: Callable[..., Any], **options: Any) -> Reference:
    return lambda expected, output: function(expected, output, **options)


CLASSES = [
    Vector("accuracy", *FOUR, of(metrics.accuracy_score), 0.5, True),
    Vector("accuracy", *ANIMALS, of(metrics.accuracy_score), exact=True),
    Vector("accuracy", *REPORT, of(metrics.accuracy_score), 0.6, True),
    Vector("balanced_accuracy", *TWO, of(metrics.balanced_accuracy_score), 0.625, True),
    Vector("balanced_accuracy(adjusted=True)", *TWO, of(metrics.balanced_accuracy_score, adjusted=True), exact=True),
    Vector("balanced_accuracy", *NINE, of(metrics.balanced_accuracy_score), exact=True),
    Vector("cohen_kappa", *MOODS, of(metrics.cohen_kappa_score), 0.6875, True),
    Vector("cohen_kappa_linear", *NINE, of(metrics.cohen_kappa_score, weights="linear"), exact=True),
    Vector("cohen_kappa_quadratic", *NINE, of(metrics.cohen_kappa_score, weights="quadratic"), exact=True),
    Vector("mcc", *SIGNS, of(metrics.matthews_corrcoef), -0.33, True),
    Vector("mcc", *NINE, of(metrics.matthews_corrcoef), exact=True),
    Vector("mcc", *ANIMALS, of(metrics.matthews_corrcoef), exact=True),
    *(
        Vector(f"{name}_{average}", *pair, of(function, average=average, zero_division=0.0), exact=True)
        for name, function in (
            ("precision", metrics.precision_score), ("recall", metrics.recall_score), ("f1", metrics.f1_score),
            ("jaccard", metrics.jaccard_score),
        )
        for average in AVERAGES
        for pair in (SIX, ANIMALS, REPORT, ONE_MISSING)
    ),
    *(
        Vector(f"fbeta_{average}(beta=0.5)", *SIX, of(metrics.fbeta_score, beta=0.5, average=average), printed, True)
        for average, printed in zip(AVERAGES, (0.238, 0.333, 0.238), strict=True)
    ),
    Vector("f1", *TWO, of(metrics.f1_score), exact=True),
    Vector("precision", *TWO, of(metrics.precision_score), exact=True),
    Vector("recall", *TWO, of(metrics.recall_score), exact=True),
    Vector("jaccard", [0, 1, 1], [1, 1, 1], of(metrics.jaccard_score), 0.6667, True),
    Vector("f1@ant", *ANIMALS, lambda e, o: metrics.f1_score(e, o, labels=["ant"], average=None)[0], exact=True),
    Vector("f1_macro(zero_division=1.0)", *ONE_MISSING,
           of(metrics.f1_score, average="macro", zero_division=1.0), exact=True),
    Vector("precision_macro(zero_division=1.0)", *ONE_MISSING,
           of(metrics.precision_score, average="macro", zero_division=1.0), exact=True),
    Vector("f1", [0, 0, 0], [0, 0, 0], of(metrics.f1_score, zero_division=0.0), 0.0, True),
    Vector("f1_macro", ["a", "a"], ["a", "a"], of(metrics.f1_score, average="macro"), 1.0, True),
]  # fmt: skip

PRICES: Pair = [3, -0.5, 2, 7], [2.5, 0.0, 2, 8]
LARGE: Pair = [1e6 + 1, 1e6 + 2, 1e6 + 4], [1e6 + 1.5, 1e6 + 2, 1e6 + 3.5]
RELATIVE: Pair = [1.0, 10.0, 1e6], [0.9, 15.0, 1.2e6]
CONSTANT: Pair = [-2, -2, -2], [-2, -2, -2 + 1e-8]
RANKS: Pair = [1, 2, 3, 4, 5], [5, 6, 7, 8, 7]
TAU: Pair = [12, 2, 1, 12, 2], [1, 4, 7, 1, 0]

NUMBERS = [
    Vector("mae", *PRICES, of(metrics.mean_absolute_error), 0.5),
    Vector("mse", *PRICES, of(metrics.mean_squared_error), 0.375),
    Vector("rmse", *PRICES, of(metrics.root_mean_squared_error), 0.612),
    Vector("mape", *PRICES, of(metrics.mean_absolute_percentage_error), 0.3273),
    Vector("mape", *RELATIVE, of(metrics.mean_absolute_percentage_error), 0.2666),
    Vector("median_ae", *PRICES, of(metrics.median_absolute_error), 0.5),
    Vector("max_error", [3, 2, 7, 1], [4, 2, 7, 1], of(metrics.max_error), 1.0),
    Vector("r2", *PRICES, of(metrics.r2_score), 0.948),
    Vector("r2", [1, 2, 3], [1, 2, 3], of(metrics.r2_score), 1.0),
    Vector("r2", [1, 2, 3], [2, 2, 2], of(metrics.r2_score), 0.0),
    Vector("r2", [1, 2, 3], [3, 2, 1], of(metrics.r2_score), -3.0),
    Vector("r2", [-2, -2, -2], [-2, -2, -2], of(metrics.r2_score), 1.0),
    Vector("r2", *CONSTANT, of(metrics.r2_score), 0.0),
    Vector("explained_variance", *PRICES, of(metrics.explained_variance_score), 0.957),
    Vector("explained_variance", *CONSTANT, of(metrics.explained_variance_score), 0.0),
    *(
        Vector(name, *pair, of(function))
        for name, function in (
            ("mae", metrics.mean_absolute_error), ("mse", metrics.mean_squared_error), ("r2", metrics.r2_score),
            ("explained_variance", metrics.explained_variance_score), ("median_ae", metrics.median_absolute_error),
            ("rmse", metrics.root_mean_squared_error),
        )
        for pair in (LARGE, RELATIVE, RANKS)
    ),
    Vector("pearson", [0, 0, 0, 1, 1, 1, 1], list(range(7)), lambda e, o: stats.pearsonr(e, o).statistic, 0.866),
    Vector("pearson", *PRICES, lambda e, o: stats.pearsonr(e, o).statistic),
    Vector("spearman", *RANKS, lambda e, o: stats.spearmanr(e, o).statistic, 0.8208),
    Vector("spearman", *TAU, lambda e, o: stats.spearmanr(e, o).statistic),
    Vector("kendall", *TAU, lambda e, o: stats.kendalltau(e, o).statistic, -0.4714),
    Vector("kendall", *RANKS, lambda e, o: stats.kendalltau(e, o).statistic),
]  # fmt: skip

FOUR_SCORES: Pair = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
TIED: Pair = [0, 0, 1, 1, 1, 0], [0.5, 0.5, 0.5, 0.9, 0.2, 0.2]
SPAM: Pair = ["spam", "ham", "ham", "spam"], [[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]]
THREE: Pair = (
    [0, 1, 2, 2, 1, 0],
    [[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5], [0.1, 0.6, 0.3], [0.25, 0.5, 0.25], [0.5, 0.3, 0.2]],
)
TOP: Pair = [0, 1, 2, 2], [[0.5, 0.2, 0.2], [0.3, 0.4, 0.2], [0.2, 0.4, 0.3], [0.7, 0.2, 0.1]]
CALIBRATED: Pair = [0, 0, 1, 1, 1], [0.25, 0.25, 0.55, 0.75, 0.75]


def _calibration(expected: Any, output: Any, bins: int) -> float:
    scores, truths = torch.tensor(output, dtype=torch.float64), torch.tensor(expected)
    if scores.ndim == 1:
        return float(classification.binary_calibration_error(scores, truths, n_bins=bins, norm="l1"))
    # The reference takes tensors of single precision here, so its arithmetic is called with double ones.
    from torchmetrics.functional.classification.calibration_error import _ce_compute

    right = (scores.argmax(dim=1) == truths).to(torch.float64)
    return float(_ce_compute(scores.max(dim=1).values, right, bins))


SCORES = [
    Vector("roc_auc", *FOUR_SCORES, of(metrics.roc_auc_score), 0.75, True),
    Vector("roc_auc", *TIED, of(metrics.roc_auc_score), exact=True),
    Vector("roc_auc", ["no", "no", "yes", "yes"], FOUR_SCORES[1], of(metrics.roc_auc_score), 0.75, True),
    Vector("average_precision", *FOUR_SCORES, of(metrics.average_precision_score), 0.83, True),
    Vector("average_precision", *TIED, of(metrics.average_precision_score), exact=True),
    Vector("pr_auc", *FOUR_SCORES, of(metrics.average_precision_score), 0.83, True),
    Vector("roc_auc_ovr", *THREE, of(metrics.roc_auc_score, multi_class="ovr"), exact=True),
    Vector("roc_auc_ovo", *THREE, of(metrics.roc_auc_score, multi_class="ovo"), exact=True),
    Vector("roc_auc_ovr_weighted", *THREE,
           of(metrics.roc_auc_score, multi_class="ovr", average="weighted"), exact=True),
    Vector("roc_auc_ovo_weighted", *THREE,
           of(metrics.roc_auc_score, multi_class="ovo", average="weighted"), exact=True),
    Vector("log_loss", *SPAM, of(metrics.log_loss), 0.21616),
    Vector("log_loss", *FOUR_SCORES, of(metrics.log_loss)),
    Vector("log_loss", *THREE, of(metrics.log_loss)),
    Vector("log_loss", [1, 0, 1], [1.0, 0.0, 0.5], of(metrics.log_loss)),
    Vector("brier", [0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3], of(metrics.brier_score_loss), 0.0375),
    Vector("brier", *THREE, of(metrics.brier_score_loss)),
    Vector("top_k_accuracy@2", *TOP, of(metrics.top_k_accuracy_score, k=2), 0.75, True),
    Vector("top_k_accuracy(k=1)", *THREE, of(metrics.top_k_accuracy_score, k=1), exact=True),
    Vector("ece(bins=2)", *CALIBRATED, lambda e, o: _calibration(e, o, 2), 0.29),
    Vector("ece", *FOUR_SCORES, lambda e, o: _calibration(e, o, 15)),
    Vector("ece(bins=10)", [1, 0, 1], [1.0, 0.0, 0.5], lambda e, o: _calibration(e, o, 10)),
    Vector("ece_multiclass(bins=3)", *THREE, lambda e, o: _calibration(e, o, 3)),
]  # fmt: skip

INDICATORS: Pair = [[0, 1, 1], [1, 1, 0]], [[1, 1, 1], [1, 0, 0]]
WIDE: Pair = (
    [[1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]],
    [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1]],
)


def matrix(function: Callable[..., Any], **options: Any) -> Reference:
    return lambda expected, output: function(np.array(expected), np.array(output), **options)


SETS = [
    *(
        Vector(f"multilabel_{name}_{average}", *pair, matrix(function, average=average, zero_division=0.0),
               exact=average != "samples")
        for name, function in (
            ("precision", metrics.precision_score), ("recall", metrics.recall_score), ("f1", metrics.f1_score),
            ("jaccard", metrics.jaccard_score),
        )
        for average in (*AVERAGES, "samples")
        for pair in (INDICATORS, WIDE)
    ),
    Vector("hamming_loss", [[0, 1], [1, 1]], [[0, 0], [0, 0]], matrix(metrics.hamming_loss), 0.75, True),
    Vector("hamming_loss", *WIDE, matrix(metrics.hamming_loss), exact=True),
    Vector("subset_accuracy", [[0, 1], [1, 1]], [[1, 1], [1, 1]], matrix(metrics.accuracy_score), 0.5, True),
    Vector("subset_accuracy", *WIDE, matrix(metrics.accuracy_score), exact=True),
]  # fmt: skip

# From the README of sacrebleu: two streams of references, and three outputs.
DOGS = [
    ["The dog bit the man.", "The dog had bit the man."],
    ["It was not unexpected.", "No one was surprised."],
    ["The man bit him first.", "The man had bitten the dog."],
]
SAID = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
SAYINGS: Pair = DOGS, SAID
CHINESE: Pair = ["上海的天气很好。", "我爱北京天安门"], ["上海天气很好。", "我爱天安门"]
JAPANESE: Pair = ["今日は良い天気ですね。", "私は学生です"], ["今日はいい天気です。", "私は学生だ"]
UNEVEN: Pair = [["a b c d e f", "a b c d"], ["x y z w"]], ["a b c d e", "x y z w v"]


def streams(expected: Sequence[Any]) -> list[list[Any]]:
    rows = [row if isinstance(row, list) else [row] for row in expected]
    most = max(map(len, rows))
    return [[row[place] if place < len(row) else None for row in rows] for place in range(most)]


def bleu(**options: Any) -> Reference:
    return lambda expected, output: sacrebleu.BLEU(**options).corpus_score(list(output), streams(expected)).score


def chrf(**options: Any) -> Reference:
    return lambda expected, output: sacrebleu.CHRF(**options).corpus_score(list(output), streams(expected)).score


def sentences(expected: Sequence[Any], output: Sequence[str]) -> float:
    metric = sacrebleu.BLEU(effective_order=True)
    return math.fsum(metric.sentence_score(o, e).score for e, o in zip(expected, output, strict=True)) / len(output)


def rouge(which: str, **options: Any) -> Reference:
    def reference(expected: Sequence[Any], output: Sequence[str]) -> float:
        scorer = rouge_scorer.RougeScorer([which], **options)
        found = [
            scorer.score_multi(e if isinstance(e, list) else [e], o)[which].fmeasure
            for e, o in zip(expected, output, strict=True)
        ]
        return math.fsum(found) / len(found)

    return reference


FOX: Pair = ["The quick brown fox jumps over the lazy dog"], ["The quick brown dog jumps on the log."]
SUMMARIES: Pair = (
    ["police killed the gunman", "the gunman kill police\nthe police ran", "w1 w2 w3 w4 w5"],
    ["police kill the gunman", "police ran\nthe gunman was killed", "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"],
)
SPOKEN = ["hello world", "this is the reference", "there is another one"]
HEARD = ["hello duck", "this is the prediction", "there is an other sample"]

TEXTS = [
    Vector("bleu", DOGS, SAID, bleu(), 48.53, True),
    Vector("bleu(lowercase=True)", DOGS, SAID, bleu(lowercase=True), exact=True),
    Vector("bleu(tokenize='none')", DOGS, SAID, bleu(tokenize="none"), exact=True),
    Vector("bleu(tokenize='intl')", DOGS, SAID, bleu(tokenize="intl"), exact=True),
    Vector("bleu(tokenize='char')", DOGS, SAID, bleu(tokenize="char"), exact=True),
    Vector("bleu(smooth_method='floor')", DOGS, SAID, bleu(smooth_method="floor"), exact=True),
    Vector("bleu(smooth_method='add-k')", DOGS, SAID, bleu(smooth_method="add-k"), exact=True),
    Vector("bleu(smooth_method='none')", DOGS, SAID, bleu(smooth_method="none"), exact=True),
    Vector("bleu(max_ngram_order=2)", DOGS, SAID, bleu(max_ngram_order=2), exact=True),
    Vector("bleu(effective_order=True)", DOGS, SAID, bleu(effective_order=True), exact=True),
    Vector("bleu", *UNEVEN, bleu(), exact=True),
    Vector("bleu", ["a b"], [""], bleu(), 0.0, True),
    Vector("bleu_zh", *CHINESE, bleu(tokenize="zh"), exact=True),
    Vector("bleu_ja", *JAPANESE, bleu(tokenize="ja-mecab"), exact=True),
    Vector("sentence_bleu", DOGS, SAID, sentences),
    Vector("chrf", DOGS, SAID, chrf(), 59.73, True),
    Vector("chrf++", DOGS, SAID, chrf(word_order=2), exact=True),
    Vector("chrf(beta=3)", DOGS, SAID, chrf(beta=3), exact=True),
    Vector("chrf(whitespace=True)", DOGS, SAID, chrf(whitespace=True), exact=True),
    Vector("chrf(eps_smoothing=True)", DOGS, SAID, chrf(eps_smoothing=True), exact=True),
    Vector("chrf", *CHINESE, chrf(), exact=True),
    Vector("chrf++", *UNEVEN, chrf(word_order=2), exact=True),
    *(
        Vector(name, *pair, rouge(name))
        for name in ("rouge1", "rouge2", "rougeL", "rougeLsum")
        for pair in (FOX, SUMMARIES, SAYINGS)
    ),
    *(
        Vector(f"{name}(use_stemmer=True)", *pair, rouge(name, use_stemmer=True))
        for name in ("rouge1", "rougeL", "rougeLsum")
        for pair in (FOX, SUMMARIES)
    ),
    Vector("wer", ["hello world"], ["hello duck"], of(jiwer.wer), 0.5, True),
    Vector("wer", SPOKEN, HEARD, of(jiwer.wer), exact=True),
    Vector("cer", SPOKEN, HEARD, of(jiwer.cer), exact=True),
    Vector("wer", SPOKEN[1:], HEARD[1:], of(jiwer.wer), 0.5, True),
    Vector("cer", SPOKEN[1:], HEARD[1:], of(jiwer.cer), 0.3415, True),
]  # fmt: skip

SINGLE = 1e-6
QUERIES: Pair = [[False, False, True], [False, True, False, True]], [[0.2, 0.3, 0.5], [0.1, 0.3, 0.5, 0.2]]
GRADED: Pair = [[10, 0, 0, 1, 5]], [[0.1, 0.2, 0.3, 4.0, 70.0]]
GRADES_TIED: Pair = (
    [[3, 2, 3, 0, 1, 2], [0, 0, 1, 0, 0, 0]],
    [[0.5, 0.5, 0.2, 0.2, 0.9, 0.1], [0.1, 0.6, 0.6, 0.6, 0.0, 0.0]],
)
NONE_WANTED: Pair = [[False, False], [False, True]], [[0.2, 0.3], [0.4, 0.1]]


def queries(function: Callable[..., Any], **options: Any) -> Reference:
    def reference(expected: Sequence[Any], output: Sequence[Any]) -> float:
        found = [
            float(function(torch.tensor(o, dtype=torch.float64), torch.tensor(e), **options))
            for e, o in zip(expected, output, strict=True)
        ]
        return math.fsum(found) / len(found)

    return reference


def ndcg(**options: Any) -> Reference:
    return lambda expected, output: (
        math.fsum(metrics.ndcg_score([e], [o], **options) for e, o in zip(expected, output, strict=True))
        / len(expected)
    )


RANKINGS = [
    *(
        Vector(name, *pair, queries(function, **options), tolerance=SINGLE)
        for name, function, options in (
            ("mrr", retrieval.retrieval_reciprocal_rank, {}),
            ("map", retrieval.retrieval_average_precision, {}),
            ("map@2", retrieval.retrieval_average_precision, {"top_k": 2}),
            ("precision@2", retrieval.retrieval_precision, {"top_k": 2}),
            ("precision@9", retrieval.retrieval_precision, {"top_k": 9}),
            ("recall@1", retrieval.retrieval_recall, {"top_k": 1}),
            ("recall@2", retrieval.retrieval_recall, {"top_k": 2}),
            ("hit@1", retrieval.retrieval_hit_rate, {"top_k": 1}),
            ("r_precision", retrieval.retrieval_r_precision, {}),
        )
        for pair in (QUERIES, NONE_WANTED)
    ),
    Vector("ndcg", *GRADED, ndcg(), 0.6957),
    Vector("ndcg@4", *GRADED, ndcg(k=4)),
    Vector("ndcg", *GRADES_TIED, ndcg()),
    Vector("ndcg@3", *GRADES_TIED, ndcg(k=3)),
    Vector("ndcg", *QUERIES, queries(retrieval.retrieval_normalized_dcg), tolerance=SINGLE),
    Vector("ndcg@2", [[1, 0, 0, 0, 1]], [[0.2, 0.9, 0.1, 0.4, 0.3]], ndcg(k=2)),
]  # fmt: skip

VECTORS = [*CLASSES, *NUMBERS, *SCORES, *SETS, *TEXTS, *RANKINGS]
