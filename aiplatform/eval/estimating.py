"""What a run would cost, from a sample of its rows that is evaluated, and whose answers are kept for the run."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from scipy import stats

from aiplatform.client.http import Client
from aiplatform.core.ids import new_id
from aiplatform.eval.blocks import BlockEvaluator, BlockResult, Plan
from aiplatform.eval.calling.amounts import NANO
from aiplatform.eval.calling.opening import open_caller
from aiplatform.eval.calling.scope import CallCounts
from aiplatform.eval.inputs import Source, open_source
from aiplatform.eval.ordering import RunOrder, call_plan_of, model_of
from aiplatform.eval.scorers import resolve

LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A number with what it may come to, at 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the rest of a run would take, after the sample. Rows that were answered before make it less."""

    num_rows: int
    sample_rows: int
    failed_rows: int
    """Rows of the sample whose model call failed."""

    calls: Range
    tokens: Range
    cost: Range | None
    """None where no call has a price."""

    currency: str
    duration_s: Range
    paid: float
    """What the sample has cost just now."""


def estimate_order(order: RunOrder, client: Client, *, sample_rows: int) -> Estimate:
    """What the rest of a run would take, from a sample.

    Args:
        order: The run.
        client: The platform, which keeps the sample's answers.
        sample_rows: Rows to evaluate now.
    """
    model = model_of(order.model)
    source = open_source(order.data, client, limit=order.limit)
    num_rows, records = _sample(source, sample_rows, order.seed)
    calls = call_plan_of(order, model, client)
    plan = Plan(
        run_id=new_id("estimate"),
        model=model,
        scorers=resolve(order.scorers),
        columns=order.columns,
        credentials=client.credentials,
        calls=calls,
    )
    blocks = asyncio.run(_evaluated(plan, records))
    counts = [block.calls for block in blocks]
    rest = num_rows - len(records)
    currency = next((each.currency for each in counts if each.currency), "")
    calls_at_once = _sum(counts, lambda each: each.paid + each.cached, rest)
    busy_s = _sum(counts, lambda each: each.worth_ms / 1000, rest)
    least_s = calls_at_once.value * 60 / order.requests_per_minute if order.requests_per_minute else 0.0
    at_once = max(1, min(calls.limits.in_flight, rest))
    return Estimate(
        num_rows=num_rows,
        sample_rows=len(records),
        failed_rows=sum(block.errors for block in blocks),
        calls=calls_at_once,
        tokens=_sum(counts, lambda each: each.worth_tokens, rest),
        cost=_sum(counts, lambda each: each.worth_nanos / NANO, rest) if currency else None,
        currency=currency,
        duration_s=Range(
            value=max(least_s, busy_s.value / at_once),
            low=max(least_s, busy_s.low / at_once),
            high=max(least_s, busy_s.high / at_once),
        ),
        paid=sum(each.nanos for each in counts) / NANO,
    )


def predicted_sum(values: Sequence[float], rest: int) -> Range:
    """The sum of `rest` further values like these, with a prediction interval by Student's t; never below 0.

    The variance is that of the sum around the sample's mean, and of the mean itself.
    """
    n = len(values)
    if n == 0 or rest <= 0:
        return Range(value=0.0, low=0.0, high=0.0)
    mean = math.fsum(values) / n
    value = mean * rest
    if n == 1:
        return Range(value=value, low=0.0, high=math.inf)
    variance = math.fsum((each - mean) ** 2 for each in values) / (n - 1)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * math.sqrt(variance * rest * (rest + n) / n)
    return Range(value=value, low=max(0.0, value - half), high=value + half)


class _NoFiles:
    """Row results of a sample are kept nowhere."""

    def put(self, path: str, content: bytes) -> None:
        """Nothing happens."""

    def get(self, path: str) -> bytes | None:
        """None."""
        return None


async def _evaluated(plan: Plan, records: Sequence[dict[str, Any]]) -> list[BlockResult]:
    """Every row as a block of its own, so that each has its own counts."""
    evaluator = BlockEvaluator(plan, _NoFiles())
    async with open_caller(plan.call_plan, run_id=plan.run_id, credentials=plan.credentials) as caller:
        return await asyncio.gather(*(evaluator.evaluated([record], caller) for record in records))


def _sample(source: Source, sample_rows: int, seed: int) -> tuple[int, list[dict[str, Any]]]:
    table = pq.read_table(source.file) if source.file is not None else source.table
    if table is None:
        assert source.dataset is not None, "a source has a table or a data set"  # noqa: S101 - states an invariant
        return source.dataset.count(), source.dataset.random_shuffle(seed=seed).take(sample_rows)
    num_rows = table.num_rows
    chosen = np.random.default_rng(seed).choice(num_rows, min(sample_rows, num_rows), replace=False)
    return num_rows, table.take(np.sort(chosen)).to_pylist()


def _sum(counts: Sequence[CallCounts], number: Callable[[CallCounts], float], rest: int) -> Range:
    return predicted_sum([number(each) for each in counts], rest)
