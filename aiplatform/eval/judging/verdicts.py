"""What a judge said in runs, as calibration takes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.judging.calibrating import Value, Verdicts
from aiplatform.eval.judging.material import text_of
from aiplatform.eval.model import EvaluationRun, RowResult, RowScore, ScorerRef, ScoreState
from aiplatform.eval.statistics.hashing import canonical_json


def identity_of(ref: ScorerRef) -> str:
    """Who gave a score: the judge's identity, and of other scorers a hash of name, version and parameters."""
    known = ref.parameters.get("identity")
    if isinstance(known, str) and known:
        return known
    return hashlib.sha256(canonical_json([ref.name, ref.version, dict(ref.parameters)]).encode()).hexdigest()


def is_judge(ref: ScorerRef) -> bool:
    """Whether a model gave the score."""
    return bool(ref.parameters.get("identity"))


def scorer_in(run: EvaluationRun, name: str) -> ScorerRef:
    """The scorer of that name in a run; without a name, its only judge.

    Raises:
        InvalidError: The run has none of that name, or no judge or several where no name is given.
    """
    judges = [ref for ref in run.scorers if is_judge(ref)]
    if not name and len(judges) == 1:
        return judges[0]
    found = next((ref for ref in run.scorers if ref.name == name), None)
    if found is None:
        raise InvalidError(
            N_("Say which scorer of run {run_id!r} is meant; it has: {known}."),
            reason="judge.which_scorer",
            run_id=run.run_id,
            known=", ".join(ref.name for ref in run.scorers) or "—",
        )
    return found


def verdicts_of(rows: Iterable[RowResult], scorer: str, repeats: Sequence[Iterable[RowResult]] = ()) -> Verdicts:
    """What a scorer said of rows.

    Args:
        rows: The run's rows.
        scorer: Name of the scores.
        repeats: Rows of further runs by the same judge on the same answers.
    """
    values: dict[str, Value] = {}
    labels: dict[str, str] = {}
    unjudged: set[str] = set()
    lengths: dict[str, int] = {}
    said: dict[str, list[Value]] = {}
    favoured: dict[str, str | None] = {}
    for row, score in _scores(rows, scorer):
        if score.state is not ScoreState.SCORED or score.value is None:
            unjudged.add(row.row_id)
            continue
        values[row.row_id] = score.value
        if score.metadata.get("label"):
            labels[row.row_id] = str(score.metadata["label"])
        lengths[row.row_id] = len(text_of(row.output))
        samples = score.metadata.get("samples")
        said[row.row_id] = [*samples] if isinstance(samples, list) else [score.value]
        if "orders" in score.metadata:
            favoured[row.row_id] = score.metadata.get("favoured")
    for again in repeats:
        for row, score in _scores(again, scorer):
            if score.value is not None and row.row_id in said:
                said[row.row_id].append(score.value)
    return Verdicts(
        values=values,
        labels=labels,
        unjudged=frozenset(unjudged),
        lengths=lengths,
        repeats={item: each for item, each in said.items() if len(each) > 1},
        favoured=favoured,
    )


def output_key(output: Any) -> str:
    """What tells one answer from another."""
    return hashlib.sha256(canonical_json(output).encode()).hexdigest()[:32]


def by_answer(rows: Iterable[RowResult]) -> Mapping[str, str]:
    """Row ids by row and answer: people's verdicts hold for the answer that they saw."""
    return {f"{row.row_id}\n{output_key(row.output)}": row.row_id for row in rows}


def _scores(rows: Iterable[RowResult], scorer: str) -> Iterable[tuple[RowResult, RowScore]]:
    for row in rows:
        score = next((each for each in row.scores if each.name == scorer), None)
        if score is not None:
            yield row, score
