"""What goes into a queue: rows of a run, low scores and disagreeing judges first; pairs of two runs; traces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from aiplatform.eval.judging.verdicts import output_key
from aiplatform.eval.model import EvaluationRun, RowResult, ScoreState
from aiplatform.eval.reviewing.model import ItemKind, ReviewItem, Subject
from aiplatform.eval.statistics.hashing import canonical_json
from aiplatform.tracing.examples import Example


class Pick(StrEnum):
    """Which rows of a run are taken."""

    RANDOM = "random"
    """A sample that follows from the rows' ids: what calibration needs."""

    LOW = "low"
    """Those with the lowest scores of one scorer."""

    DISAGREEMENT = "disagreement"
    """Those on which the run's scorers differ most."""

    FAILED = "failed"
    """Those that a scorer could not score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A row with why it was taken."""

    row: RowResult
    reason: str


def picked(rows: Iterable[RowResult], pick: Pick, scorer: str, limit: int) -> list[Picked]:
    """The rows to judge, the most telling first; random ones in an order that follows from their ids."""
    if pick is Pick.RANDOM:
        ordered = sorted(rows, key=lambda row: hashlib.sha256(row.row_id.encode()).digest())
        return [Picked(row=row, reason="") for row in ordered[:limit]]
    if pick is Pick.FAILED:
        return [found for row in rows if (found := _failed(row, scorer))][:limit]
    ranked = [(rank, row.row_id, row) for row in rows if (rank := _rank(row, pick, scorer)) is not None]
    ranked.sort(key=lambda each: (each[0], each[1]))
    return [Picked(row=row, reason=_reason(row, pick, scorer)) for _, _, row in ranked[:limit]]


def row_item(queue_id: str, run: EvaluationRun, found: Picked) -> ReviewItem:
    """A row as an item: the answer that was given belongs to it."""
    row = found.row
    subject = Subject(
        input=row.input,
        expected=row.expected,
        output=row.output,
        trace_id=row.trace_id,
        run_id=run.run_id,
        row_id=row.row_id,
        version=run.name,
        judged=_judged(row),
    )
    key = (run.data.rows_hash, row.row_id, output_key(row.output))
    return _item(queue_id, ItemKind.ROW, subject, found.reason, key)


def pair_item(
    queue_id: str, runs: tuple[EvaluationRun, EvaluationRun], rows: tuple[RowResult, RowResult]
) -> ReviewItem:
    """Two answers to one question as an item; which stands first follows from the row's id."""
    (run, other), (row, against) = runs, rows
    subject = Subject(
        input=row.input,
        expected=row.expected,
        output=row.output,
        other=against.output,
        run_id=run.run_id,
        row_id=row.row_id,
        version=run.name,
        other_version=other.name,
        judged=_judged(row),
        is_swapped=bool(hashlib.sha256(row.row_id.encode()).digest()[0] & 1),
    )
    return _item(queue_id, ItemKind.PAIR, subject, "", (run.run_id, other.run_id, row.row_id))


def trace_item(queue_id: str, example: Example, reason: str = "") -> ReviewItem:
    """A trace as an item."""
    trace = example.trace
    subject = Subject(
        input=example.input,
        output=example.output,
        trace_id=trace.trace_id,
        version=trace.name or "",
        judged={score.name: score.value for score in example.scores if score.source != "human"},
    )
    return _item(queue_id, ItemKind.TRACE, subject, reason, (trace.trace_id,))


def _item(queue_id: str, kind: ItemKind, subject: Subject, reason: str, key: tuple[str, ...]) -> ReviewItem:
    digest = hashlib.sha256(canonical_json([str(kind), *key]).encode()).hexdigest()
    return ReviewItem(item_id=digest[:32], queue_id=queue_id, kind=kind, subject=subject, reason=reason)


def _judged(row: RowResult) -> Mapping[str, object]:
    return {score.name: score.value if score.state is ScoreState.SCORED else str(score.state) for score in row.scores}


def _failed(row: RowResult, scorer: str) -> Picked | None:
    score = next((s for s in row.scores if s.name == scorer or (not scorer and s.state is ScoreState.FAILED)), None)
    if score is None or score.state is not ScoreState.FAILED:
        return None
    return Picked(row=row, reason=score.reason[:200])


def _rank(row: RowResult, pick: Pick, scorer: str) -> float | None:
    values = [score.value for score in row.scores if score.value is not None]
    if pick is Pick.DISAGREEMENT:
        return -(max(values) - min(values)) if len(values) > 1 and max(values) > min(values) else None
    return next((score.value for score in row.scores if score.name == scorer), None)


def _reason(row: RowResult, pick: Pick, scorer: str) -> str:
    known = [
        score for score in row.scores if score.value is not None and (pick is not Pick.LOW or score.name == scorer)
    ]
    return ", ".join(f"{score.name} {score.value:.3g}" for score in known)
