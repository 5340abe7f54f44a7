"""Random rows against the references, and states that merge to the same bits in any order and number of blocks."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer
from scipy import stats
from sklearn import metrics

import aiplatform as aip
from aiplatform.eval.measures.measure import Request
from aiplatform.eval.measures.measured import Measured
from aiplatform.eval.measures.measuring import block_of, columns_of
from aiplatform.eval.measures.registry import Wanted, resolve

FEW = settings(max_examples=25, deadline=None)
words = st.lists(st.sampled_from(["the", "cat", "Sat", "on", "mat.", "naïve", "猫", "7", "(a)", ""]), max_size=9)
sentences = words.map(" ".join)
labels = st.sampled_from(["a", "b", "c", "猫", ""])
finite = st.floats(-1e6, 1e6, allow_subnormal=False)
probability = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 1.0])


def values(data: dict[str, Sequence[Any]], names: Sequence[str], **options: Any) -> dict[str, float | None]:
    found = aip.evaluations.measure(data, names, draws=0, **options)
    return {name: metric.value for name, metric in found.items()}


def quiet(function: Any, *arguments: Any, **options: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(function(*arguments, **options))


@settings(max_examples=15, deadline=None)
@given(pairs=st.lists(st.tuples(labels, labels), min_size=1, max_size=60))
def test_classes_are_counted_as_scikit_learn_counts_them(pairs: list[tuple[str, str]]) -> None:
    truths, guesses = [list(side) for side in zip(*pairs, strict=True)]
    wanted = {
        "accuracy": quiet(metrics.accuracy_score, truths, guesses),
        "balanced_accuracy": quiet(metrics.balanced_accuracy_score, truths, guesses),
        "mcc": quiet(metrics.matthews_corrcoef, truths, guesses),
        "cohen_kappa": quiet(metrics.cohen_kappa_score, truths, guesses),
        "cohen_kappa_quadratic": quiet(metrics.cohen_kappa_score, truths, guesses, weights="quadratic"),
    }
    for average in ("macro", "micro", "weighted"):
        options = {"average": average, "zero_division": 0.0}
        wanted[f"f1_{average}"] = quiet(metrics.f1_score, truths, guesses, **options)
        wanted[f"precision_{average}"] = quiet(metrics.precision_score, truths, guesses, **options)
        wanted[f"recall_{average}"] = quiet(metrics.recall_score, truths, guesses, **options)
        wanted[f"jaccard_{average}"] = quiet(metrics.jaccard_score, truths, guesses, **options)
    found = values({"expected": truths, "output": guesses}, list(wanted))
    assert found == {name: None if np.isnan(value) else value for name, value in wanted.items()}


@FEW
@given(pairs=st.lists(st.tuples(finite, finite), min_size=3, max_size=40))
def test_numbers_are_summed_as_scikit_learn_sums_them(pairs: list[tuple[float, float]]) -> None:
    truths, guesses = [list(side) for side in zip(*pairs, strict=True)]
    found = values({"expected": truths, "output": guesses}, ["mae", "mse", "rmse", "median_ae", "max_error"])
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truths, guesses), rel=1e-12)
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(truths, guesses), rel=1e-12)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(truths, guesses), rel=1e-12)
    assert found["median_ae"] == pytest.approx(metrics.median_absolute_error(truths, guesses), rel=1e-12)
    assert found["max_error"] == metrics.max_error(truths, guesses)


@FEW
@given(pairs=st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=40))
def test_correlations_of_ties_are_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    truths, guesses = [list(side) for side in zip(*pairs, strict=True)]
    found = values({"expected": truths, "output": guesses}, ["r2", "pearson", "spearman", "kendall"])
    assert found["r2"] == pytest.approx(metrics.r2_score(truths, guesses), rel=1e-12, abs=1e-12)
    for name, function in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr), ("kendall", stats.kendalltau)):
        wanted = quiet(lambda t, g, f=function: f(t, g).statistic, truths, guesses)
        if np.isnan(wanted):
            assert found[name] is None
        else:
            assert found[name] == pytest.approx(wanted, abs=1e-12)


@FEW
@given(rows=st.lists(st.tuples(st.integers(0, 1), probability), min_size=2, max_size=60))
def test_tied_scores_have_the_areas_of_scikit_learn(rows: list[tuple[int, float]]) -> None:
    truths, scores = [list(side) for side in zip(*rows, strict=True)]
    found = values({"expected": truths, "output": scores}, ["roc_auc", "average_precision", "log_loss", "brier"])
    if len(set(truths)) == 2:
        assert found["roc_auc"] == metrics.roc_auc_score(truths, scores)
        assert found["average_precision"] == metrics.average_precision_score(truths, scores)
    else:
        assert found["roc_auc"] is None
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truths, scores, labels=[0, 1]), rel=1e-12)
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(truths, scores, labels=[0, 1]), abs=1e-12)


@FEW
@given(rows=st.lists(st.tuples(st.lists(sentences, min_size=1, max_size=3), sentences), min_size=1, max_size=6))
def test_translations_have_the_scores_of_sacrebleu(rows: list[tuple[list[str], str]]) -> None:
    expected, output = [list(side) for side in zip(*rows, strict=True)]
    most = max(map(len, expected))
    streams = [[row[place] if place < len(row) else None for row in expected] for place in range(most)]
    found = values({"expected": expected, "output": output}, ["bleu", "chrf", "chrf++"])
    assert found["bleu"] == sacrebleu.BLEU().corpus_score(output, streams).score
    assert found["chrf"] == sacrebleu.CHRF().corpus_score(output, streams).score
    assert found["chrf++"] == sacrebleu.CHRF(word_order=2).corpus_score(output, streams).score


@FEW
@given(expected=sentences, output=sentences, lines=st.lists(sentences, max_size=3))
def test_rouge_is_that_of_rouge_score(expected: str, output: str, lines: list[str]) -> None:
    expected, output = "\n".join([expected, *lines]), "\n".join([*lines, output])
    names = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    for part in ("precision", "recall", "fmeasure"):
        wanted = rouge_scorer.RougeScorer(names).score(expected, output)
        found = values({"expected": [expected], "output": [output]}, [f"{name}(part={part!r})" for name in names])
        assert list(found.values()) == [getattr(wanted[name], part) for name in names]


MIXED: list[Wanted] = [
    "accuracy", "f1_macro", "mcc", "squad_f1", "exact_match", "wer", "cer", "bleu", "chrf", "rougeL",
    *(
        aip.evaluations.metric(name, alias=name, expected="number", output="guess")
        for name in ("mae", "mse", "r2", "pearson", "spearman", "median_ae", "mape")
    ),
    *(
        aip.evaluations.metric(name, alias=name, expected="truth", output="chance")
        for name in ("roc_auc", "average_precision", "brier", "log_loss", "ece")
    ),
]  # fmt: skip


@pytest.mark.parametrize("cluster", ["", "doc"])
@settings(max_examples=4, deadline=None)
@given(order=st.randoms(use_true_random=False), parts=st.sampled_from([2, 5, 13]))
def test_blocks_merge_to_the_same_bits_in_any_order(order: random.Random, parts: int, cluster: str) -> None:
    generator = np.random.default_rng(7)
    rows = [
        {
            "id": f"r{place}",
            "expected": None if place % 17 == 0 else str(generator.choice(["red cat", "blue dog", "a b c d e"])),
            "output": None if place % 13 == 0 else str(generator.choice(["red cat", "blue cat", "a b c d f"])),
            "number": float(generator.normal(1e6, 1.0)),
            "guess": float(generator.normal(1e6, 1.0)),
            "truth": int(generator.integers(0, 2)),
            "chance": float(generator.random()),
            "doc": place % 9,
            "lang": ["en", "zh"][place % 2],
        }
        for place in range(80)
    ]
    measures = resolve(MIXED)
    request = Request(draws=30)

    def state(chosen: list[dict[str, Any]]) -> Measured:
        found = Measured()
        found.add(block_of(columns_of(chosen), {}, cluster, 0), measures, ["lang"])
        return found

    whole = state(rows)
    shuffled = rows[:]
    order.shuffle(shuffled)
    merged = Measured()
    states = [state(shuffled[part::parts]) for part in range(parts)]
    order.shuffle(states)
    for each in states:
        merged.merge(each)
    assert list(merged.metrics(measures, request)) == list(whole.metrics(measures, request))
    assert merged.slice_metrics(measures, request) == whole.slice_metrics(measures, request)


def test_the_bootstrap_interval_of_f1_covers_as_often_as_it_says() -> None:
    generator, covered = np.random.default_rng(3), 0
    confusion = np.array([[0.4, 0.1], [0.15, 0.35]])
    true_f1 = 2 * 0.35 / (2 * 0.35 + 0.1 + 0.15)
    for seed in range(100):
        cells = generator.choice(4, size=150, p=confusion.ravel())
        data = {"expected": (cells // 2).tolist(), "output": (cells % 2).tolist()}
        found = aip.evaluations.measure(data, ["f1"], draws=300, seed=seed)["f1"]
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= true_f1 <= found.high
    assert 0.88 <= covered / 100 <= 1.0


def test_the_bootstrap_interval_of_bleu_agrees_with_sacrebleus() -> None:
    generator = np.random.default_rng(5)
    vocabulary = [f"w{n}" for n in range(30)]
    expected = [" ".join(generator.choice(vocabulary, 12)) for _ in range(300)]
    output = [" ".join(w if generator.random() < 0.7 else "x" for w in each.split()) for each in expected]
    found = aip.evaluations.measure({"expected": expected, "output": output}, ["bleu"])["bleu"]
    theirs = sacrebleu.BLEU().corpus_score(output, [expected], n_bootstrap=1000)
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(theirs._ci, rel=0.2)
