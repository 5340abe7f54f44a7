"""The scores of a block of rows, scorer by scorer: row by row, or all rows in one call."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from aiplatform.eval.calling.scope import CallScope, call_scope
from aiplatform.eval.calling.stopping import stops_run
from aiplatform.eval.calling.tasks import all_settled
from aiplatform.eval.model import RowScore
from aiplatform.eval.scorers import Row, Scorer, all_failed, as_scores, scores, unmet

T = TypeVar("T")
ScoreColumn = list[tuple[RowScore, ...]]
"""What one scorer says of every row."""


def column_of(
    which: Scorer, rows: Sequence[Row | str], scope: CallScope | None = None
) -> ScoreColumn | Awaitable[ScoreColumn]:
    """The scores of every row by one scorer; awaitable where the scorer is.

    Args:
        which: Its class made into an instance already.
        rows: Rows, and in place of a row that cannot be scored the reason.
        scope: Of the block, where its calls are counted; a score tells the trace of the call that it rests on.
    """
    if which.batch:
        batched = _batched(which, rows)
        if scope is None or not inspect.isawaitable(batched):
            return batched
        return _within(scope.within(row_id="", scorer=which.name), batched)
    found = [all_failed(which, row) if isinstance(row, str) else scores(which, row) for row in rows]
    if not any(inspect.isawaitable(each) for each in found):
        return [each for each in found if isinstance(each, tuple)]
    return _gathered([_scoped(which, row, each, scope) for row, each in zip(rows, found, strict=True)])


async def settled(columns: Sequence[ScoreColumn | Awaitable[ScoreColumn]]) -> list[ScoreColumn]:
    """The columns of all scorers, those that wait at the same time."""

    async def one(column: ScoreColumn | Awaitable[ScoreColumn]) -> ScoreColumn:
        return await column if inspect.isawaitable(column) else column

    return await all_settled([one(column) for column in columns])


def score_names(scorers: Sequence[Scorer]) -> list[str]:
    """Names of the scores that scorers give, in order."""
    return [name for each in scorers for name in each.names]


async def _gathered(found: Sequence[tuple[RowScore, ...] | Awaitable[tuple[RowScore, ...]]]) -> ScoreColumn:
    async def one(each: tuple[RowScore, ...] | Awaitable[tuple[RowScore, ...]]) -> tuple[RowScore, ...]:
        return await each if inspect.isawaitable(each) else each

    return await all_settled([one(each) for each in found])


def _scoped(
    which: Scorer,
    row: Row | str,
    found: tuple[RowScore, ...] | Awaitable[tuple[RowScore, ...]],
    scope: CallScope | None,
) -> tuple[RowScore, ...] | Awaitable[tuple[RowScore, ...]]:
    if scope is None or isinstance(row, str) or not inspect.isawaitable(found):
        return found
    return _traced(scope.within(row_id=row.row_id, scorer=which.name), found)


async def _traced(scope: CallScope, found: Awaitable[tuple[RowScore, ...]]) -> tuple[RowScore, ...]:
    """Scores once they are there, with the trace of the call that they rest on."""
    scores_ = await _within(scope, found)
    if not scope.trace_ids:
        return scores_
    told = {"trace_id": scope.trace_ids[0]}
    return tuple(replace(score, metadata={**told, **score.metadata}) for score in scores_)


async def _within(scope: CallScope, awaited: Awaitable[T]) -> T:
    with call_scope(scope):
        return await awaited


def _batched(which: Scorer, rows: Sequence[Row | str]) -> ScoreColumn | Awaitable[ScoreColumn]:
    """One call for the rows that can be scored; what it raises fails all of them."""
    column: ScoreColumn = [all_failed(which, row) if isinstance(row, str) else unmet(which, row) or () for row in rows]
    places = [place for place, known in enumerate(column) if not known]
    if not places:
        return column
    try:
        values = which([rows[place] for place in places])
    except Exception as error:
        if stops_run(error):
            raise
        return _filled(column, places, [all_failed(which, error)] * len(places))
    if inspect.isawaitable(values):
        return _awaited_batch(which, column, places, values)
    return _filled(column, places, _spread(which, values, len(places)))


async def _awaited_batch(
    which: Scorer, column: ScoreColumn, places: Sequence[int], values: Awaitable[Any]
) -> ScoreColumn:
    try:
        found = _spread(which, await values, len(places))
    except Exception as error:
        if stops_run(error):
            raise
        found = [all_failed(which, error)] * len(places)
    return _filled(column, places, found)


def _spread(which: Scorer, values: Any, num_rows: int) -> ScoreColumn:
    try:
        listed = list(values)
    except TypeError:
        return [all_failed(which, f"the scorer returned {type(values).__name__}, and no list of {num_rows}")] * num_rows
    if len(listed) != num_rows:
        return [all_failed(which, f"the scorer returned {len(listed)} values for {num_rows} rows")] * num_rows
    return [as_scores(which, value) for value in listed]


def _filled(column: ScoreColumn, places: Sequence[int], found: ScoreColumn) -> ScoreColumn:
    for place, each in zip(places, found, strict=True):
        column[place] = each
    return column
