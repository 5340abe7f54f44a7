"""Leaderboards: runs in the order of a metric, with the ranks that each keeps when the rows are drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.eval import basis
from aiplatform.eval.contrasts import RunData, measured
from aiplatform.eval.model import (
    EvaluationRun,
    Leaderboard,
    LeaderboardEntry,
    Message,
    MetricValue,
    RunStatus,
    message,
)
from aiplatform.eval.statistics.bootstrap import replicate_sums
from aiplatform.eval.statistics.exact import Floats
from aiplatform.eval.statistics.hashing import row_keys

MAX_RUNS: Final = 50
DRAWS: Final = 4_000
_MEANS: Final = frozenset({"mean", "errors", "latency_mean"})

Ranks = npt.NDArray[np.int64]


def check_rankable(runs: Sequence[EvaluationRun], metrics: Sequence[str], *, force: bool) -> None:
    """Nothing, where these runs can be ranked together by the first of the metrics.

    Raises:
        InvalidError: There are fewer than two runs, too many, or one is given twice.
        NotFoundError: The first has no such metric.
        ConflictError: One has not completed, or they rest on different rows, scorers or judges and `force` is off.
    """
    if not 2 <= len(runs) <= MAX_RUNS or len({run.run_id for run in runs}) < len(runs):
        raise InvalidError(
            N_("A leaderboard has 2 to {limit} different runs; {given} were given."),
            reason="leaderboard.runs",
            limit=MAX_RUNS,
            given=len(runs),
        )
    for name in metrics:
        if runs[0].metric(name) is None:
            raise NotFoundError(
                N_("Evaluation run {run_id!r} has no metric {name!r}."),
                hint=N_("It has: {known}."),
                reason="comparison.unknown_metric",
                run_id=runs[0].run_id,
                name=name,
                known=", ".join(metric.name for metric in runs[0].metrics) or "—",
            )
    basis.check_completed(runs)
    for run in () if force else runs[1:]:
        basis.check_same_basis(runs[0], run, metrics)


def metric_names(runs: Sequence[EvaluationRun], on: str, metrics: Sequence[str]) -> tuple[str, ...]:
    """The metric that ranks, then those beside it: what was asked for, else all that the first run has."""
    if not runs:
        return ()
    first = runs[0].primary_metric
    primary = on or (first.name if first else "")
    return tuple(dict.fromkeys((primary, *(metrics or [metric.name for metric in runs[0].metrics]))))


def rankable(
    runs: Sequence[EvaluationRun], metrics: Sequence[str]
) -> tuple[tuple[EvaluationRun, ...], tuple[Message, ...]]:
    """Of runs on the same data, newest first: the newest of each name that rests on the newest one's basis.

    Returns:
        The runs to rank, and why others are left out.
    """
    chosen: dict[str, EvaluationRun] = {}
    unlike: dict[str, None] = {}
    for run in runs:
        if run.status is not RunStatus.COMPLETED or run.name in chosen or len(chosen) == MAX_RUNS:
            continue
        first = next(iter(chosen.values()), run)
        if basis.marks(first, [run], metrics):
            unlike[run.name] = None
        else:
            chosen[run.name] = run
    text = N_("{name} is left out: it does not rest on the same rows, scorers and judges.")
    left_out = tuple(message(text, name=name) for name in unlike if name not in chosen)
    return tuple(chosen.values()), left_out


def rank(
    data: Sequence[RunData],
    metrics: Sequence[str],
    *,
    level: float = 0.95,
    seed: int = 0,
    left_out: tuple[Message, ...] = (),
) -> Leaderboard:
    """The leaderboard of runs that can be ranked together.

    Args:
        data: Runs with their rows.
        metrics: The first ranks, the others stand beside it.
        level: Of the bands.
        seed: Of the draws.
        left_out: What the reader should know of runs that are not here.
    """
    runs = [each.run for each in data]
    primary = next(metric for metric in runs[0].metrics if metric.name == metrics[0])
    own = [run.metric(primary.name) for run in runs]
    sign = -1.0 if primary.lower_is_better else 1.0
    values = np.array([np.nan if one is None or one.value is None else sign * one.value for one in own])
    drawn, n = _drawn(data, primary, seed)
    lows, highs = _bands(sign * drawn, level) if drawn is not None else _bands_of_intervals(own, sign)
    ranks = _ranks(values[None, :])[0]
    order = sorted(range(len(runs)), key=lambda place: (int(ranks[place]), int(highs[place]), runs[place].name))
    lows, highs = np.minimum(lows, ranks), np.maximum(highs, ranks)
    entries = tuple(
        LeaderboardEntry(
            run_id=runs[place].run_id,
            name=runs[place].name,
            label=runs[place].label,
            metrics=tuple(runs[place].metric(name) for name in metrics),
            rank=int(ranks[place]),
            rank_low=int(lows[place]),
            rank_high=int(highs[place]),
            is_tied=any(
                lows[place] <= highs[other] and lows[other] <= highs[place]
                for other in range(len(runs))
                if other != place
            ),
        )
        for place in order
    )
    return Leaderboard(
        data=runs[0].data,
        metrics=tuple(metrics),
        entries=entries,
        n=n,
        level=level,
        seed=seed,
        marks=basis.marks(runs[0], runs[1:], metrics),
        left_out=left_out,
    )


def _drawn(data: Sequence[RunData], primary: MetricValue, seed: int) -> tuple[Floats | None, int]:
    """The metric of every run in every draw, shape (draws, runs), and the rows it rests on; None for other metrics."""
    first = data[0].rows.parts.get(primary.name)
    if first is None and primary.measure not in _MEANS:
        return None, 0
    places = [{row_id: place for place, row_id in enumerate(each.rows.ids)} for each in data]
    columns = [measured(each, primary)[0] for each in data]
    ids = sorted(set(places[0]).intersection(*places[1:]))
    ids = [
        row_id
        for row_id in ids
        if not any(np.isnan(values[known[row_id]]) for values, known in zip(columns, places, strict=True))
    ]
    if len(ids) < 2:
        return None, 0
    taken = [np.array([known[row_id] for row_id in ids]) for known in places]
    parts: list[Floats]
    of: Callable[[Floats], Floats]
    if first is not None:
        if any(primary.name not in each.rows.parts for each in data):
            return None, 0
        parts, of = [each.rows.parts[primary.name].sums[rows] for each, rows in zip(data, taken, strict=True)], first.of
    else:
        parts = [
            np.stack([values[rows], np.ones(len(rows))], axis=1) for values, rows in zip(columns, taken, strict=True)
        ]
        of = _mean
    width = parts[0].shape[1]
    sums = replicate_sums(row_keys(ids, seed), np.hstack(parts), DRAWS)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.stack([of(sums[:, start : start + width]) for start in range(0, width * len(data), width)], axis=1)
    return found[np.isfinite(found).all(axis=1)], len(ids)


def _mean(sums: Floats) -> Floats:
    return np.asarray(sums[:, 0] / sums[:, 1], dtype=np.float64)


def _bands(drawn: Floats, level: float) -> tuple[Ranks, Ranks]:
    ranks = _ranks(drawn)
    tail = (1 - level) / 2
    lows = np.quantile(ranks, tail, axis=0, method="inverted_cdf")
    highs = np.quantile(ranks, 1 - tail, axis=0, method="inverted_cdf")
    return lows.astype(np.int64), highs.astype(np.int64)


def _ranks(values: Floats) -> Ranks:
    """One more than the number of runs that are better, a row a draw; what has no value comes last."""
    known = np.nan_to_num(values, nan=-np.inf)
    return np.asarray(1 + (known[:, None, :] > known[:, :, None]).sum(axis=2), dtype=np.int64)


def _bands_of_intervals(own: Sequence[MetricValue | None], sign: float) -> tuple[Ranks, Ranks]:
    """Of metrics that are not drawn: a run is behind those whose whole interval lies above its own."""
    ends = [
        (-np.inf, np.inf)
        if one is None or one.low is None or one.high is None
        else (min(sign * one.low, sign * one.high), max(sign * one.low, sign * one.high))
        for one in own
    ]
    lows = [1 + sum(low > high for low, _ in ends) for _, high in ends]
    highs = [len(ends) - sum(high < low for _, high in ends) for low, _ in ends]
    return np.array(lows, dtype=np.int64), np.array(highs, dtype=np.int64)
