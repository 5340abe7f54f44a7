"""Leaderboards: order, bands and ties, and what may not stand beside what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError
from aiplatform.eval.contrasts import RunData
from aiplatform.eval.leaderboard import check_rankable, metric_names, rank, rankable
from aiplatform.eval.model import Leaderboard, RunStatus, ScorerRef, from_json, to_json
from tests.unit.eval.examples import planted, row, run_data, score


def hits(name: str, values: list[float], **fields: object) -> RunData:
    results = [row(f"q{place}", score("hit@1", value)) for place, value in enumerate(values)]
    return run_data(name, results, refs=[ScorerRef(name="hit@1")], **fields)  # type: ignore[arg-type]


def outcomes(share: float, seed: int, num_rows: int = 300) -> list[float]:
    return [float(each) for each in np.random.default_rng(seed).random(num_rows) < share]


def board(*runs: RunData, metrics: tuple[str, ...] = ("hit@1",)) -> Leaderboard:
    return rank(runs, metrics)


def test_the_best_comes_first_and_what_is_not_told_apart_is_tied() -> None:
    found = board(
        hits("weak", outcomes(0.2, 1)), hits("good", outcomes(0.7, 2)), hits("good too", outcomes(0.71, 3)),
        hits("best", outcomes(0.97, 4)),
    )  # fmt: skip
    assert found.entries[0].name == "best"
    assert found.entries[-1].name == "weak"
    assert [entry.band for entry in found.entries] == ["1", "2–3", "2–3", "4"]
    assert [entry.is_tied for entry in found.entries] == [False, True, True, False]
    assert found.n == 300


def test_runs_of_equal_rows_share_a_rank() -> None:
    values = outcomes(0.5, 1)
    found = board(hits("a", values), hits("b", values), hits("c", [0.0] * 300))
    assert [(entry.name, entry.rank, entry.band) for entry in found.entries] == [
        ("a", 1, "1"),
        ("b", 1, "1"),
        ("c", 3, "3"),
    ]
    assert [entry.is_tied for entry in found.entries] == [True, True, False]


def test_pairing_tells_apart_what_intervals_do_not() -> None:
    """A version that is right wherever the other is, and on more rows, is better however wide both intervals are."""
    base = outcomes(0.5, 1, 200)
    better = [1.0 if place % 20 == 0 else value for place, value in enumerate(base)]
    found = board(hits("base", base), hits("better", better))
    first, second = found.entries
    assert first.name == "better"
    assert (first.band, second.band) == ("1", "2")
    assert (first.metrics[0].low or 0) < (second.metrics[0].high or 0)  # type: ignore[union-attr]


def test_bands_do_not_depend_on_the_order_of_runs_or_rows() -> None:
    runs = [hits(name, outcomes(share, seed)) for name, share, seed in (("a", 0.5, 1), ("b", 0.55, 2), ("c", 0.6, 3))]
    straight = board(*runs)
    assert {entry.name: entry.band for entry in board(*runs[::-1]).entries} == {
        entry.name: entry.band for entry in straight.entries
    }


def test_lower_is_better_turns_the_order_round() -> None:
    slow, quick = planted("slow", 0.5, 1), planted("quick", 0.5, 2)
    slow = replace(
        slow,
        run=replace(
            slow.run,
            metrics=tuple(
                replace(one, value=(one.value or 0) * 9, low=(one.low or 0) * 9, high=(one.high or 0) * 9)
                if one.name == "p95_latency"
                else one
                for one in slow.run.metrics
            ),
        ),
    )
    found = board(slow, quick, metrics=("p95_latency",))
    assert [entry.name for entry in found.entries] == ["quick", "slow"]
    assert [entry.band for entry in found.entries] == ["1", "2"]
    assert found.n == 0  # its bands follow from the intervals


def test_unlike_runs_are_refused_unless_forced_and_then_marked() -> None:
    runs = [hits("a", [1.0, 0.0] * 10), hits("b", [1.0] * 24)]
    with pytest.raises(ConflictError, match="different rows"):
        check_rankable([each.run for each in runs], ("hit@1",), force=False)
    check_rankable([each.run for each in runs], ("hit@1",), force=True)
    assert "different rows" in str(board(*runs).marks[0])


def test_a_leaderboard_of_a_data_set_takes_the_newest_of_each_name_and_says_whom_it_leaves_out() -> None:
    newest, older = hits("a", [1.0, 0.0]), hits("a", [0.0, 0.0])
    other, unlike = hits("b", [1.0, 1.0]), hits("c", [1.0, 1.0, 1.0])
    running = hits("d", [1.0, 1.0], status=RunStatus.RUNNING)
    runs = [newest.run, other.run, unlike.run, older.run, running.run]
    chosen, left_out = rankable(runs, ("hit@1",))
    assert chosen == (newest.run, other.run)
    assert [str(each) for each in left_out] == ["c is left out: it does not rest on the same rows, scorers and judges."]
    assert metric_names(chosen, "", ()) == ("hit@1",)


def test_what_cannot_be_ranked_is_told() -> None:
    one, other = hits("a", [1.0, 0.0]).run, hits("b", [1.0, 1.0]).run
    with pytest.raises(InvalidError, match="2 to 50"):
        check_rankable([one], ("hit@1",), force=False)
    with pytest.raises(InvalidError, match="2 to 50"):
        check_rankable([one, one], ("hit@1",), force=False)
    with pytest.raises(NotFoundError, match="no metric 'f1'"):
        check_rankable([one, other], ("f1",), force=False)
    with pytest.raises(ConflictError, match="it is running"):
        check_rankable([one, replace(other, status=RunStatus.RUNNING)], ("hit@1",), force=False)


def test_a_leaderboard_survives_its_way_through_json() -> None:
    found = board(hits("a", [1.0, 0.0]), hits("b", [1.0, 1.0]))
    assert from_json(Leaderboard, to_json(found)) == found
