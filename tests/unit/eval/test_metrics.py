from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from aiplatform.eval.metrics import RunState
from aiplatform.eval.model import MetricKind, MetricValue, RowResult, RowScore, ScorerRef, ScoreState
from aiplatform.eval.statistics.hashing import is_held_out
from tests.unit.eval.examples import REFS, planted_rows, row, score


def metric(state: RunState, name: str, refs: tuple[ScorerRef, ...] = REFS) -> MetricValue:
    return next(each for each in state.metrics(refs) if each.name == name)


def state_of(results: list[RowResult], cluster: str = "") -> RunState:
    state = RunState(cluster=cluster)
    state.add(results, ["language"])
    return state


@pytest.mark.parametrize("cluster", ["", "language"])
@given(parts=st.sampled_from([1, 5, 13]), order=st.randoms(use_true_random=False))
def test_any_number_of_blocks_in_any_order_gives_the_same_metrics(
    parts: int, order: random.Random, cluster: str
) -> None:
    results = planted_rows(60, lambda _: 0.6, 1, answerable=45)
    whole = state_of(results, cluster)
    shuffled = results[:]
    order.shuffle(shuffled)
    merged = RunState(cluster=cluster)
    for part in range(parts):
        merged.merge(state_of(shuffled[part::parts], cluster))
    assert merged.metrics(REFS) == whole.metrics(REFS)
    assert merged.slice_metrics(REFS) == whole.slice_metrics(REFS)
    assert merged.rows_digest == whole.rows_digest


def test_zeros_and_ones_are_a_proportion_with_wilsons_interval() -> None:
    state = state_of([row(str(place), score("hit@1", float(place < 7))) for place in range(10)])
    found = metric(state, "hit@1")
    assert (found.kind, found.value, found.n, found.interval) == (MetricKind.PROPORTION, 0.7, 10, "wilson")


def test_a_scorer_of_means_stays_one_where_only_zeros_and_ones_occur() -> None:
    found = metric(state_of([row("a", score("mrr", 1.0)), row("b", score("mrr", 0.0))]), "mrr")
    assert (found.kind, found.interval) == (MetricKind.MEAN, "t")


def test_failed_and_not_applicable_scores_are_counted_and_never_zero() -> None:
    failed = RowScore(name="hit@1", state=ScoreState.FAILED, reason="no")
    found = metric(state_of([row("a", score("hit@1", 1.0)), row("b", failed), row("c", score("hit@1", None))]), "hit@1")
    assert (found.value, found.n) == (1.0, 1)
    assert (found.scored, found.failed, found.not_applicable) == (1, 1, 1)
    assert found.coverage == 0.5


def test_where_nothing_was_scored_there_is_no_value() -> None:
    failed = RowScore(name="hit@1", state=ScoreState.FAILED)
    found = metric(state_of([row("a", failed)]), "hit@1")
    assert (found.value, found.low, found.coverage) == (None, None, 0.0)
    assert metric(state_of([row("a", score("hit@1", None))]), "hit@1").coverage is None


def test_clusters_make_the_interval_a_clustered_one() -> None:
    found = metric(state_of(planted_rows(60, lambda _: 0.6, 1, answerable=60), "language"), "hit@1")
    assert (found.interval, found.details["clusters"]) == ("clustered_t", 2)


def test_abstention_gives_the_area_and_the_rates_at_a_threshold_from_the_other_half() -> None:
    results = planted_rows(366, lambda _: 0.6, 2, answerable=269)
    state = state_of(results)
    scores = [(each.row_id, each.scores[2].value or 0.0, bool(each.scores[2].label)) for each in results]
    expected = roc_auc_score([label for _, _, label in scores], [value for _, value, _ in scores])
    assert metric(state, "abstention_auc").value == pytest.approx(expected, abs=1e-12)
    rate = metric(state, "false_answer_rate")
    threshold = rate.details["threshold"]
    judged = [value >= threshold for row_id, value, label in scores if not label and not is_held_out(row_id)]
    assert (rate.value, rate.n) == (sum(judged) / len(judged), len(judged))
    assert rate.lower_is_better


def test_slices_are_judged_at_the_threshold_of_the_whole() -> None:
    state = state_of(planted_rows(366, lambda _: 0.6, 2, answerable=269))
    whole = metric(state, "false_answer_rate").details["threshold"]
    for part in state.slice_metrics(REFS):
        rates = [each for each in part.metrics if each.name == "false_answer_rate"]
        assert [rate.details["threshold"] for rate in rates] == [whole]


def test_latency_has_quantiles_in_milliseconds_and_failed_calls_count_apart() -> None:
    timed = [row(str(place), latency_ms=float(place)) for place in range(1, 101)]
    state = state_of([*timed, row("failed", error="Timeout", latency_ms=9e9)])
    p95 = metric(state, "p95_latency")
    assert (p95.value, p95.unit, p95.failed, p95.lower_is_better) == (95.05, "ms", 1, True)
    assert metric(state, "mean_latency").value == 50.5
    assert metric(state, "error_rate").value == pytest.approx(1 / 101)


def test_slices_have_their_own_rows() -> None:
    state = state_of(planted_rows(60, lambda _: 0.6, 1, answerable=60))
    assert [(part.label, part.num_rows) for part in state.slice_metrics(REFS)] == [
        ("language=en", 40),
        ("language=zh", 20),
    ]


def test_the_hash_of_rows_tells_inputs_and_expectations_apart_not_outputs() -> None:
    same = state_of([row("a", output="x")]), state_of([row("a", output="y")])
    assert same[0].rows_digest == same[1].rows_digest
    assert state_of([row("b")]).rows_digest != same[0].rows_digest
    assert state_of([row("a", expected="z")]).rows_digest != same[0].rows_digest


def test_repeated_ids_are_found_across_blocks() -> None:
    state = state_of([row("a"), row("b")])
    state.merge(state_of([row("b"), row("c")]))
    assert state.repeated_ids == 1
