from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import cochrans_q

from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError
from aiplatform.eval.comparing import compare, row_gains
from aiplatform.eval.contrasts import RunData
from aiplatform.eval.model import (
    Change,
    CompareOptions,
    Comparison,
    Correction,
    ForestRow,
    MetricValue,
    Outcome,
    RowScore,
    RunStatus,
    ScorerRef,
    ScoreState,
    Status,
    from_json,
    to_json,
)
from aiplatform.eval.statistics.paired import mcnemar, tango
from tests.unit.eval.examples import planted, planted_rows, row, run_data, score

GATE = 'hit@1 >= 0.5 and not worse_than(baseline, "hit@1", 0.01)'


def compared(baseline: RunData, *candidates: RunData, **options: object) -> Comparison:
    return compare(baseline, candidates, CompareOptions(**options), comparison_id="cmp-1")  # type: ignore[arg-type]


def line(comparison: Comparison, name: str, metric: str | None = None) -> ForestRow:
    rows = (comparison.metric(metric) if metric else comparison.primary).rows  # type: ignore[union-attr]
    return next(each for each in rows if each.name == name)


def hits(run: str, values: list[float | None], **fields: object) -> RunData:
    results = [row(f"q{place}", score("hit@1", value)) for place, value in enumerate(values)]
    return run_data(run, results, refs=[ScorerRef(name="hit@1")], **fields)  # type: ignore[arg-type]


def test_what_is_better_worse_and_open_is_told_apart_and_gated() -> None:
    found = compared(
        planted("v2", 0.57, 1), planted("v3", 0.33, 2), planted("v4", 0.63, 3), planted("v5", 0.75, 4), gate=GATE
    )
    statuses = {each.name: each.status for each in found.primary.rows}
    assert statuses == {"v2": Status.BASELINE, "v3": Status.WORSE, "v4": Status.OPEN, "v5": Status.BETTER}
    assert {gate.name: gate.outcome for gate in found.gates} == {
        "v3": Outcome.FAIL,
        "v4": Outcome.UNKNOWN,
        "v5": Outcome.PASS,
    }
    assert found.verdict.promote == "eval-v5"
    assert found.verdict.headline_text() == (
        "Promote v5: 15.6 points better than v2, established. v4 stays open. v3 is worse than v2."
    )
    assert line(found, "v4").needed_rows is not None
    assert line(found, "v5").needed_rows is None
    assert found.outcome is Outcome.FAIL


def test_rows_are_joined_by_id_whatever_their_order() -> None:
    results = planted_rows(120, lambda _: 0.6, 1, answerable=100)
    other = planted_rows(120, lambda _: 0.7, 2, answerable=100)
    shuffled = random.Random(0).sample(other, len(other))
    straight = compared(run_data("a", results), run_data("b", other), metrics=("mrr", "abstention_auc"))
    assert compared(run_data("a", results), run_data("b", shuffled), metrics=("mrr", "abstention_auc")) == straight


def test_a_proportion_is_tested_by_mcnemar_with_tangos_interval() -> None:
    baseline = hits("a", [1, 1, 0, 0, 0, 0, 0, 1, 1, 1])
    candidate = hits("b", [1, 0, 1, 1, 1, 1, 0, 1, 1, 1])
    found = line(compared(baseline, candidate), "b")
    assert (found.wins, found.losses, found.ties, found.n) == (4, 1, 5, 10)
    assert found.difference == pytest.approx(0.3)
    assert (found.p_raw, found.test) == mcnemar(4, 1)
    assert (found.difference_low, found.difference_high) == tango(4, 1, 10)


def test_holm_goes_over_versions_times_metrics() -> None:
    found = compared(planted("v2", 0.57, 1), planted("v3", 0.5, 2), planted("v4", 0.7, 3), metrics=("mrr",))
    lines = [each for metric in found.metrics for each in metric.rows[1:]]
    smallest = min(lines, key=lambda each: each.p_raw or 1.0)
    assert smallest.p_adjusted == pytest.approx(min(1.0, 4 * (smallest.p_raw or 0.0)))


def test_another_correction_can_be_chosen_and_is_said() -> None:
    runs = planted("v2", 0.57, 1), planted("v3", 0.5, 2), planted("v4", 0.68, 3)
    holm, discovery = compared(*runs), compared(*runs, correction=Correction.BENJAMINI_HOCHBERG)
    raw = sorted(each.p_raw or 1.0 for each in holm.primary.rows[1:])
    assert min(each.p_adjusted or 1.0 for each in discovery.primary.rows[1:]) == pytest.approx(min(2 * raw[0], raw[1]))
    assert any("Benjamini and Hochberg" in str(note) for note in discovery.notes)
    assert any("Holm" in str(note) for note in holm.notes)


def test_cochrans_q_is_asked_of_more_than_two_versions_on_the_rows_they_share() -> None:
    a, b, c = hits("a", [1, 0, 0, 1, None, 0]), hits("b", [1, 1, 0, 1, 1, 0]), hits("c", [1, 1, 1, 1, 1, 0])
    found = compared(a, b, c).primary.omnibus
    table = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [1, 1, 1], [0, 0, 0]])
    expected = cochrans_q(table)
    assert found is not None
    assert (found.n, found.freedom) == (5, 2)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    assert any("Cochran's Q over 3 versions and 5 rows" in str(note) for note in compared(a, b, c).notes)
    assert compared(a, b).primary.omnibus is None


def test_what_is_open_says_what_its_rows_could_have_found() -> None:
    found = compared(planted("v2", 0.57, 1), planted("v4", 0.63, 3))
    row = line(found, "v4")
    assert row.detectable is not None
    assert 0.05 < row.detectable < 0.2
    assert {effect.name for effect in row.effects} == {"cohens_h", "odds_ratio"}
    assert "Rows as these find a difference from" in found.verdict.details_text()


def test_rows_that_are_missing_cannot_turn_the_verdict_in_silence() -> None:
    hard, easy = [0.0] * 30, [1.0] * 30
    baseline = hits("a", [*hard, *easy])
    candidate = hits("b", [*([None] * 28), 0.0, 0.0, *easy[:24], *([0.0] * 6)])
    found = compared(baseline, candidate)
    assert (line(found, "b").difference or 0.0) < 0
    assert (line(found, "b").value or 0.0) > (found.primary.rows[0].value or 0.0)
    assert "Over all its rows b lies above a, below it on the rows that both scored." in found.verdict.details_text()


def test_a_failed_row_is_missing_not_worse() -> None:
    baseline = hits("a", [1.0, 1.0, 0.0, 1.0])
    results = [row(f"q{place}", score("hit@1", 1.0)) for place in range(3)]
    results.append(row("q3", RowScore(name="hit@1", state=ScoreState.FAILED), error="Timeout: 30 s"))
    found = compared(baseline, run_data("b", results, refs=[ScorerRef(name="hit@1")], error_rows=1))
    assert (line(found, "b").n, line(found, "b").missing, line(found, "b").losses) == (3, 1, 0)
    assert found.counts[0].missing == 1
    assert "a missing case is not a passing case" in " ".join(map(str, found.notes))
    assert line(found, "b").coverage == 0.75


def test_what_does_not_apply_to_either_is_not_counted_at_all() -> None:
    found = compared(hits("a", [1.0, None, 0.0]), hits("b", [1.0, None, 1.0]))
    assert (line(found, "b").n, line(found, "b").missing, found.counts[0].same) == (2, 0, 1)


def test_lower_is_better_turns_the_verdict_round() -> None:
    slow = [
        replace(each, latency_ms=(each.latency_ms or 0) * 3)
        for each in planted_rows(200, lambda _: 0.6, 1, answerable=200)
    ]
    quick = planted_rows(200, lambda _: 0.6, 1, answerable=200)
    found = compared(run_data("slow", slow), run_data("quick", quick), on="p95_latency", metrics=("mean_latency",))
    assert line(found, "quick").status is Status.BETTER
    assert line(found, "quick", "mean_latency").status is Status.BETTER
    assert (line(found, "quick").difference or 0.0) < 0
    assert "better than slow's by" in found.verdict.headline_text()


def test_areas_rates_and_errors_can_be_compared_too() -> None:
    found = compared(
        planted("v2", 0.57, 1),
        planted("v3", 0.6, 2),
        metrics=("abstention_auc", "false_answer_rate", "false_abstention_rate", "error_rate"),
    )
    assert line(found, "v3", "abstention_auc").test == "delong"
    assert line(found, "v3", "false_answer_rate").interval == "tango"
    metric = found.metric("false_answer_rate")
    assert metric is not None
    run_rate = planted("v3", 0.6, 2).run.metric("false_answer_rate")
    assert run_rate is not None
    assert line(found, "v3", "false_answer_rate").n == run_rate.n
    assert line(found, "v3", "error_rate").difference == 0.0


def test_slices_have_their_own_verdicts_and_regressions_in_them_are_told() -> None:
    def english_only(place: int) -> float:
        return 0.05 if place % 3 == 0 else 0.98

    baseline = run_data("v2", planted_rows(366, lambda _: 0.55, 1, answerable=366))
    candidate = run_data("v3", planted_rows(366, english_only, 2, answerable=366))
    found = compared(baseline, candidate)
    assert {part.label: part.row.status for part in found.slices} == {
        "language=en": Status.BETTER,
        "language=zh": Status.WORSE,
    }
    assert found.slices[1].row.n == 122
    assert "v3 is worse on language=zh (n = 122): look at those rows first." in found.verdict.details_text()


def test_clusters_are_honoured() -> None:
    baseline, candidate = planted("v2", 0.57, 1), planted("v3", 0.7, 2)
    found = compared(baseline, candidate, cluster="language")
    assert line(found, "v3").test == "clustered_t"
    assert not found.slices
    assert line(found, "v3").too_few
    assert "too few clusters" in found.verdict.details_text()
    with pytest.raises(InvalidError, match="no column 'topic'"):
        compared(baseline, candidate, cluster="topic")


def test_a_run_that_was_clustered_is_compared_so_without_asking() -> None:
    baseline, candidate = planted("v2", 0.57, 1, cluster="language"), planted("v3", 0.7, 2)
    found = compared(baseline, candidate)
    assert (found.options.cluster, line(found, "v3").test) == ("language", "clustered_t")


def test_a_row_of_both_without_its_cluster_is_an_error() -> None:
    baseline, candidate = hits("a", [1.0, 0.0, 1.0]), hits("b", [1.0, 1.0, 1.0])
    unknown = [*baseline.rows.slices["language"][:2], None]
    baseline = replace(baseline, rows=replace(baseline.rows, slices={"language": unknown}))
    with pytest.raises(InvalidError, match=r"1 rows have no value in 'language'.*'q2'"):
        compared(baseline, candidate, cluster="language")


def test_different_rows_are_refused_unless_forced_and_then_marked() -> None:
    baseline = hits("a", [1.0, 0.0, 1.0])
    candidate = hits("b", [1.0, 1.0, 1.0, 1.0])
    with pytest.raises(ConflictError, match="different rows") as caught:
        compared(baseline, candidate)
    assert caught.value.full_code == "comparison.different_data"
    found = compared(baseline, candidate, force=True)
    assert line(found, "b").n == 3
    assert [str(mark) for mark in found.verdict.marks] == [
        "Forced: the runs rest on different rows, and only those they share are compared."
    ]
    assert found.verdict.headline_text().startswith("Forced, so not like with like.")


def test_scores_of_another_scorer_version_are_refused_unless_forced() -> None:
    results = [row("q0", score("hit@1", 1.0)), row("q1", score("hit@1", 0.0))]
    old = run_data("a", results, refs=[ScorerRef(name="hit@1", version="1")])
    new = run_data("b", results, refs=[ScorerRef(name="hit@1", version="2")])
    with pytest.raises(ConflictError, match="different versions of 'hit@1'"):
        compared(old, new)
    marks = compared(old, new, force=True).verdict.marks
    assert [str(mark) for mark in marks] == ["Forced: the runs were scored by different versions of hit@1."]


@pytest.mark.parametrize(
    ("theirs", "reason", "mark"),
    [
        ({"identity": "b" * 64}, "comparison.different_judges", "Forced: hit@1 was given by different judges."),
        ({"identity": "a" * 64, "k": 2}, "comparison.different_parameters", "Forced: hit@1 had different parameters."),
    ],
)
def test_scores_of_another_judge_are_refused_unless_forced(theirs: dict[str, object], reason: str, mark: str) -> None:
    results = [row("q0", score("hit@1", 1.0)), row("q1", score("hit@1", 0.0))]
    mine = run_data("a", results, refs=[ScorerRef(name="hit@1", parameters={"identity": "a" * 64})])
    other = run_data("b", results, refs=[ScorerRef(name="hit@1", parameters=theirs)])
    with pytest.raises(ConflictError) as caught:
        compared(mine, other)
    assert caught.value.full_code == reason
    found = compared(mine, other, force=True)
    assert [str(each) for each in found.verdict.marks] == [mark]
    assert mark in found.verdict.details_text()


def test_another_data_set_version_is_refused_even_where_its_rows_are_equal() -> None:
    mine, other = hits("a", [1.0, 0.0]), hits("b", [1.0, 1.0])
    other = replace(other, run=replace(other.run, data=replace(other.run.data, version="4")))
    with pytest.raises(ConflictError, match="different data set versions: faq@4 and faq@3"):
        compared(mine, other)
    assert "faq@3 and faq@4" in compared(mine, other, force=True).verdict.details_text()


def test_a_scorer_that_was_not_compared_may_differ() -> None:
    results = [row("q0", score("hit@1", 1.0), score("mrr", 1.0)), row("q1", score("hit@1", 0.0), score("mrr", 0.5))]
    runs = [
        run_data(name, results, refs=[ScorerRef(name="hit@1"), ScorerRef(name="mrr", version=version)])
        for name, version in (("a", "1"), ("b", "2"))
    ]
    assert compared(*runs).verdict.marks == ()
    gate = 'not worse_than(baseline, "mrr")'
    with pytest.raises(ConflictError, match="different versions of 'mrr'"):
        compared(*runs, gate=gate)


def test_runs_that_have_not_completed_are_refused() -> None:
    baseline = hits("a", [1.0])
    with pytest.raises(ConflictError, match="it is running"):
        compared(baseline, hits("b", [1.0], status=RunStatus.RUNNING))


@pytest.mark.parametrize("count", [0, 11])
def test_there_must_be_one_to_ten_candidates(count: int) -> None:
    with pytest.raises(InvalidError, match="1 to 10 runs"):
        compared(hits("a", [1.0]), *(hits(f"b{place}", [1.0]) for place in range(count)))


def test_a_run_is_not_compared_with_itself() -> None:
    with pytest.raises(InvalidError, match="with itself"):
        compared(hits("a", [1.0]), hits("a", [1.0]))


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    with pytest.raises(NotFoundError, match="no metric 'f1'") as caught:
        compared(hits("a", [1.0]), hits("b", [1.0]), on="f1")
    assert caught.value.localized_hint("en") == "It has: hit@1."


def test_repeated_ids_cannot_be_paired() -> None:
    results = [row("q0", score("hit@1", 1.0))] * 2
    twice = run_data("a", results, refs=[ScorerRef(name="hit@1")])
    other = run_data("b", results, refs=[ScorerRef(name="hit@1")])
    with pytest.raises(InvalidError, match="'q0' occurs more than once"):
        compared(twice, other)


def test_versions_of_one_name_are_told_apart() -> None:
    first, second = hits("v", [1.0, 0.0]), hits("v", [1.0, 1.0])
    second = replace(second, run=replace(second.run, run_id="eval-other1"))
    found = compared(first, second)
    assert [version.name for version in found.versions] == ["v (eval-v)", "v (other1)"]


def test_regressions_come_first_and_the_largest_before_the_others() -> None:
    refs = [ScorerRef(name="mrr")]
    values = {"a": [1.0, 1.0, 0.0, 0.5], "b": [0.5, 0.0, 1.0, 0.5]}
    baseline, candidate = (
        run_data(run, [row(f"q{n}", score("mrr", value)) for n, value in enumerate(scores)], refs=refs, primary="mrr")
        for run, scores in values.items()
    )
    metric = baseline.run.metric("mrr")
    assert metric is not None
    assert [(row_id, change) for row_id, change, _ in row_gains(baseline, candidate, metric)] == [
        ("q1", Change.WORSE),
        ("q0", Change.WORSE),
        ("q2", Change.BETTER),
        ("q3", Change.SAME),
    ]


def test_confidence_of_the_right_kind_is_an_improvement() -> None:
    def confidences(run: str, values: list[float]) -> RunData:
        results = [row(f"q{n}", score("abstention", value, label=n < 3)) for n, value in enumerate(values)]
        return run_data(run, results, refs=[ScorerRef(name="abstention")], primary="abstention_auc")

    baseline, candidate = confidences("a", [0.5] * 6), confidences("b", [0.9, 0.5, 0.5, 0.9, 0.1, 0.5])
    metric: MetricValue | None = baseline.run.metric("abstention_auc")
    assert metric is not None
    changes = {row_id: change for row_id, change, _ in row_gains(baseline, candidate, metric)}
    assert changes == {
        "q0": Change.BETTER,
        "q1": Change.SAME,
        "q2": Change.SAME,
        "q3": Change.WORSE,
        "q4": Change.BETTER,
        "q5": Change.SAME,
    }


@pytest.mark.parametrize("test", ["bootstrap", "wilcoxon", "t"])
def test_means_are_compared_by_the_test_that_was_asked_for(test: str) -> None:
    found = line(compared(planted("v2", 0.57, 1), planted("v3", 0.7, 2), on="mrr", test=test), "v3")
    assert (found.test, found.interval) == (test, "t" if test == "t" else "bootstrap")


def test_nothing_in_common_establishes_nothing() -> None:
    found = compared(hits("a", [1.0, None]), hits("b", [None, 1.0]))
    assert line(found, "b").status is Status.OPEN
    assert line(found, "b").missing == 2
    assert found.verdict.headline_text() == "There is too little data for a verdict."


def test_a_comparison_survives_its_way_through_json() -> None:
    found = compared(planted("v2", 0.57, 1), planted("v3", 0.33, 2), metrics=("mrr",), gate=GATE)
    assert from_json(Comparison, to_json(found)) == found


def test_equal_versions_are_open_far_more_often_than_five_percent_errs() -> None:
    def family_errs(seed: int) -> bool:
        draw = np.random.default_rng(seed)
        runs = [hits(f"r{n}", (draw.random(60) < 0.5).astype(float).tolist()) for n in range(4)]
        return any(each.status is not Status.OPEN for each in compared(*runs).primary.rows[1:])

    assert sum(family_errs(seed) for seed in range(60)) / 60 <= 0.1
