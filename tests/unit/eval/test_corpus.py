"""Metrics of a whole corpus, compared by drawing both versions with the same weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from aiplatform.eval.comparing import compare, row_gains
from aiplatform.eval.contrasts import RunData
from aiplatform.eval.model import Change, CompareOptions, Comparison, MetricKind, MetricValue, Status
from aiplatform.eval.statistics.bootstrap import NUM_BUCKETS, replicate_means, replicate_sums
from aiplatform.eval.statistics.corpus import RowParts, compare_corpus
from aiplatform.eval.statistics.hashing import row_keys
from tests.unit.eval.examples import planted_rows, run_data

Floats = npt.NDArray[np.float64]


def f1(sums: Floats) -> Floats:
    """Of true positives, false positives, false negatives."""
    return np.asarray(2 * sums[:, 0] / (2 * sums[:, 0] + sums[:, 1] + sums[:, 2]))


def confusion(num_rows: int, right: float, seed: int) -> Floats:
    draw = np.random.default_rng(seed)
    truths, said = draw.random(num_rows) < 0.4, draw.random(num_rows)
    answers = np.where(said < right, truths, ~truths)
    return np.stack([truths & answers, ~truths & answers, truths & ~answers], axis=1).astype(np.float64)


def keys_of(num_rows: int) -> npt.NDArray[np.uint64]:
    return row_keys([f"q{place}" for place in range(num_rows)])


def test_the_difference_is_that_of_the_pooled_metric_and_its_interval_holds_it() -> None:
    left, right = confusion(600, 0.7, 1), confusion(600, 0.85, 2)
    found = compare_corpus(left, right, f1, keys_of(600), level=0.95, num_draws=2000)
    pooled = f1(right.sum(axis=0)[None, :])[0] - f1(left.sum(axis=0)[None, :])[0]
    assert found.difference == pytest.approx(pooled, abs=1e-15)
    assert found.interval is not None
    assert found.interval[0] < pooled < found.interval[1]
    assert found.p is not None
    assert found.p == pytest.approx(2 / 2001)


@pytest.mark.parametrize("num_rows", [300, NUM_BUCKETS + 900])
def test_draws_do_not_depend_on_the_order_of_rows(num_rows: int) -> None:
    left, right, keys = confusion(num_rows, 0.7, 1), confusion(num_rows, 0.75, 2), keys_of(num_rows)
    order = np.random.default_rng(3).permutation(num_rows)
    straight = compare_corpus(left, right, f1, keys, level=0.95, num_draws=300)
    shuffled = compare_corpus(left[order], right[order], f1, keys[order], level=0.95, num_draws=300)
    assert straight == shuffled


def test_sums_are_drawn_with_the_weights_of_the_means() -> None:
    values = np.random.default_rng(4).random(200)
    sums = replicate_sums(keys_of(200), np.stack([values, np.ones(200)], axis=1), 500)
    means = replicate_means(keys_of(200), values, 500)
    assert sums[:, 0] / sums[:, 1] == pytest.approx(means, rel=1e-12)


def test_the_interval_covers_the_truth_as_often_as_promised() -> None:
    truth = (
        f1(confusion(400_000, 0.8, 0).sum(axis=0)[None, :])[0] - f1(confusion(400_000, 0.7, 9).sum(axis=0)[None, :])[0]
    )
    covered = 0
    for seed in range(150):
        found = compare_corpus(
            confusion(250, 0.7, 1000 + seed), confusion(250, 0.8, 5000 + seed), f1, keys_of(250), level=0.95,
            num_draws=400,
        )  # fmt: skip
        assert found.interval is not None
        covered += found.interval[0] <= truth <= found.interval[1]
    assert 0.89 <= covered / 150 <= 0.99


def with_f1(name: str, right: float, seed: int, failed: int = 0) -> RunData:
    """A run of 300 rows whose F1 has parts; the first `failed` rows have none."""
    data = run_data(name, planted_rows(300, lambda _: 0.6, seed, answerable=300))
    sums = confusion(300, right, seed)
    sums[:failed] = np.nan
    metric = MetricValue(name="f1", kind=MetricKind.MEAN, value=float(f1(np.nansum(sums, axis=0)[None, :])[0]))
    run = replace(data.run, metrics=(*data.run.metrics, metric))
    return RunData(run=run, rows=replace(data.rows, parts={"f1": RowParts(sums=sums, of=f1)}))


def compared(*runs: RunData) -> Comparison:
    return compare(runs[0], runs[1:], CompareOptions(on="f1", draws=1000), comparison_id="cmp-1")


def test_corpus_metrics_are_compared_like_any_other() -> None:
    found = compared(with_f1("v1", 0.65, 1), with_f1("v2", 0.9, 2, failed=7))
    row = found.primary.rows[1]
    assert (row.status, row.test, row.interval) == (Status.BETTER, "bootstrap", "bootstrap")
    assert (row.n, row.missing) == (293, 7)
    assert found.slices
    assert {part.row.test for part in found.slices} == {"bootstrap"}
    assert found.verdict.promote == "eval-v2"


def test_rows_that_got_worse_come_first_for_corpus_metrics_too() -> None:
    baseline, candidate = with_f1("v1", 0.9, 1), with_f1("v2", 0.6, 1)
    changes = row_gains(baseline, candidate, baseline.run.metrics[-1])
    assert changes[0][1] is Change.WORSE
    assert {change for _, change, _ in changes} >= {Change.WORSE, Change.SAME}
