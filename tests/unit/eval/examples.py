"""Runs made up for tests: rows with planted scores, and everything that follows from them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from aiplatform.eval import rows
from aiplatform.eval.contrasts import RunData
from aiplatform.eval.metrics import RunState
from aiplatform.eval.model import (
    DataRef,
    EvaluationRun,
    MetricKind,
    RowResult,
    RowScore,
    RunStatus,
    ScorerRef,
    ScoreState,
)

REFS = (
    ScorerRef(name="hit@1"),
    ScorerRef(name="mrr", kind=MetricKind.MEAN),
    ScorerRef(name="abstention", kind=MetricKind.MEAN),
)


def score(name: str, value: float | None, *, label: bool | None = None) -> RowScore:
    state = ScoreState.NOT_APPLICABLE if value is None else ScoreState.SCORED
    return RowScore(name=name, state=state, value=value, label=label)


def row(row_id: str, *scores: RowScore, language: str = "en", **fields: Any) -> RowResult:
    slices = {"language": language}
    return RowResult(row_id=row_id, input=f"question {row_id}", slices=slices, scores=scores, **fields)


def planted_rows(num_rows: int, hit_rate: Callable[[int], float], seed: int, *, answerable: int) -> list[RowResult]:
    """Rows of which the first `answerable` have an answer; every third is Chinese."""
    draw = random.Random(seed)
    made: list[RowResult] = []
    for place in range(num_rows):
        has_answer = place < answerable
        hit = float(draw.random() < hit_rate(place))
        reciprocal = hit or draw.choice([0.5, 0.25, 0.0])
        made.append(
            row(
                f"q{place:04}",
                score("hit@1", hit if has_answer else None),
                score("mrr", reciprocal if has_answer else None),
                score("abstention", draw.random() + 0.5 * has_answer, label=has_answer),
                language="zh" if place % 3 == 0 else "en",
                output={"answer": f"answer {place}"},
                latency_ms=20 + 100 * draw.random(),
                trace_id=f"{place:032x}",
            )
        )
    return made


def run_data(
    name: str,
    results: Sequence[RowResult],
    *,
    refs: Sequence[ScorerRef] = REFS,
    slices: tuple[str, ...] = ("language",),
    primary: str = "hit@1",
    **fields: Any,
) -> RunData:
    """A completed run with these rows, through Parquet as in life."""
    state = RunState()
    state.add(results, slices)
    given = {
        "run_id": f"eval-{name}",
        "project_id": "default",
        "name": name,
        "status": RunStatus.COMPLETED,
        "data": DataRef(name="faq", version="3", rows_hash=state.rows_digest, num_rows=len(results)),
        "scorers": tuple(refs),
        "slices": slices,
        "primary": primary,
        "done_rows": len(results),
        "total_rows": len(results),
        "metrics": state.metrics(refs),
        "slice_metrics": state.slice_metrics(refs),
        **fields,
    }
    content = rows.to_parquet(results, [ref.name for ref in refs], slices)
    return RunData(run=EvaluationRun(**given), rows=rows.read_run_rows([content]))


def planted(name: str, hit_rate: float, seed: int, **fields: Any) -> RunData:
    """A run of 366 rows, 269 of which have an answer."""
    return run_data(name, planted_rows(366, lambda _: hit_rate, seed, answerable=269), **fields)
