"""The scores of a block of rows, scorer by scorer: row by row, or all rows in one call."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Sequence
from typing import Any

from aiplatform.eval.model import RowScore
from aiplatform.eval.scorers import Row, Scorer, all_failed, as_scores, scores, unmet

ScoreColumn = list[tuple[RowScore, ...]]
"""What one scorer says of every row."""


def column_of(which: Scorer, rows: Sequence[Row | str]) -> ScoreColumn | Awaitable[ScoreColumn]:
    """The scores of every row by one scorer; awaitable where the scorer is.

    Args:
        which: Its class made into an instance already.
        rows: Rows, and in place of a row that cannot be scored the reason.
    """
    if which.batch:
        return _batched(which, rows)
    found = [all_failed(which, row) if isinstance(row, str) else scores(which, row) for row in rows]
    if any(inspect.isawaitable(each) for each in found):
        return _gathered(found)
    return [each for each in found if isinstance(each, tuple)]


async def settled(columns: Sequence[ScoreColumn | Awaitable[ScoreColumn]]) -> list[ScoreColumn]:
    """The columns of all scorers, those that wait at the same time."""

    async def one(column: ScoreColumn | Awaitable[ScoreColumn]) -> ScoreColumn:
        return await column if inspect.isawaitable(column) else column

    return list(await asyncio.gather(*(one(column) for column in columns)))


def score_names(scorers: Sequence[Scorer]) -> list[str]:
    """Names of the scores that scorers give, in order."""
    return [name for each in scorers for name in each.names]


async def _gathered(found: Sequence[tuple[RowScore, ...] | Awaitable[tuple[RowScore, ...]]]) -> ScoreColumn:
    async def one(each: tuple[RowScore, ...] | Awaitable[tuple[RowScore, ...]]) -> tuple[RowScore, ...]:
        return await each if inspect.isawaitable(each) else each

    return list(await asyncio.gather(*(one(each) for each in found)))


def _batched(which: Scorer, rows: Sequence[Row | str]) -> ScoreColumn | Awaitable[ScoreColumn]:
    """One call for the rows that can be scored; what it raises fails all of them."""
    column: ScoreColumn = [all_failed(which, row) if isinstance(row, str) else unmet(which, row) or () for row in rows]
    places = [place for place, known in enumerate(column) if not known]
    if not places:
        return column
    try:
        values = which([rows[place] for place in places])
    except Exception as error:  # noqa: BLE001 - whatever user code raises is these rows' failed score
        return _filled(column, places, [all_failed(which, error)] * len(places))
    if inspect.isawaitable(values):
        return _awaited_batch(which, column, places, values)
    return _filled(column, places, _spread(which, values, len(places)))


async def _awaited_batch(
    which: Scorer, column: ScoreColumn, places: Sequence[int], values: Awaitable[Any]
) -> ScoreColumn:
    try:
        found = _spread(which, await values, len(places))
    except Exception as error:  # noqa: BLE001 - as above
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
