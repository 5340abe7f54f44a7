"""Whether runs rest on the same basis: rows, data set version, scorers, judges. What differs, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiplatform.core.errors import ConflictError
from aiplatform.core.i18n import N_
from aiplatform.eval.model import EvaluationRun, Message, RunStatus, ScorerRef, message

JUDGE_IDENTITY: Final = "identity"
"""Parameter of a judge that holds the hash of its model, prompt, schema and decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """One way in which two runs are unlike, as an error and as a mark."""

    error: str
    hint: str
    reason: str
    mark: Message
    fields: Mapping[str, Any]


def check_completed(runs: Iterable[EvaluationRun]) -> None:
    """Nothing, where all of them have their results.

    Raises:
        ConflictError: One has not completed.
    """
    for run in runs:
        if run.status is not RunStatus.COMPLETED:
            raise ConflictError(
                N_("Evaluation run {run_id!r} cannot be compared: it is {status}."),
                hint=N_("Only completed runs are compared."),
                reason="comparison.not_completed",
                run_id=run.run_id,
                status=str(run.status),
            )


def check_same_basis(baseline: EvaluationRun, run: EvaluationRun, metrics: Sequence[str]) -> None:
    """Nothing, where the two can be compared on these metrics.

    Raises:
        ConflictError: They rest on different rows, data set versions, scorers or judges.
    """
    for found in _differences(baseline, run, metrics):
        raise ConflictError(
            found.error, hint=found.hint, reason=found.reason, run=run.name, baseline=baseline.name, **found.fields
        )


def marks(baseline: EvaluationRun, candidates: Sequence[EvaluationRun], metrics: Sequence[str]) -> tuple[Message, ...]:
    """What makes a forced comparison one of unlike things, each said once; empty where all rest on the same basis."""
    found = [each.mark for run in candidates for each in _differences(baseline, run, metrics)]
    return tuple(mark for place, mark in enumerate(found) if mark not in found[:place])


def _differences(baseline: EvaluationRun, run: EvaluationRun, metrics: Sequence[str]) -> Iterator[_Difference]:
    for check in (_rows, _data_version):
        found = check(baseline, run)
        if found is not None:
            yield found
            break
    wanted = {metric.scorer for metric in baseline.metrics if metric.name in metrics}
    theirs = {scorer.name: scorer for scorer in run.scorers}
    for scorer in baseline.scorers:
        other = theirs.get(scorer.name)
        if scorer.name in wanted and other is not None:
            found = _scorer(scorer, other)
            if found is not None:
                yield found


def _rows(baseline: EvaluationRun, run: EvaluationRun) -> _Difference | None:
    if run.data.rows_hash == baseline.data.rows_hash:
        return None
    return _Difference(
        error=N_("{run!r} and {baseline!r} were evaluated on different rows: {data} and {baseline_data}."),
        hint=N_("Evaluate both on one data set version, or force the comparison on the rows they share."),
        reason="comparison.different_data",
        mark=message(N_("Forced: the runs rest on different rows, and only those they share are compared.")),
        fields={"data": run.data.label, "baseline_data": baseline.data.label},
    )


def _data_version(baseline: EvaluationRun, run: EvaluationRun) -> _Difference | None:
    mine, other = baseline.data, run.data
    named = bool(mine.name and mine.version and other.name and other.version)
    hashed = bool(mine.hash and other.hash)
    if not (named and mine.label != other.label) and not (hashed and mine.hash != other.hash):
        return None
    return _Difference(
        error=N_("{run!r} and {baseline!r} were evaluated on different data set versions: {data} and {baseline_data}."),
        hint=N_("Evaluate both on one data set version, or force the comparison."),
        reason="comparison.different_data_version",
        mark=message(
            N_("Forced: the runs name different data set versions, {baseline_data} and {data}, though of equal rows."),
            data=other.label,
            baseline_data=mine.label,
        ),
        fields={"data": other.label, "baseline_data": mine.label},
    )


def _scorer(mine: ScorerRef, other: ScorerRef) -> _Difference | None:
    identities = mine.parameters.get(JUDGE_IDENTITY), other.parameters.get(JUDGE_IDENTITY)
    if identities[0] != identities[1]:
        return _Difference(
            error=N_("{run!r} and {baseline!r} were scored by different judges of {scorer!r}."),
            hint=N_("Score both with one judge: the same model, prompt, schema and decoding. Or force the comparison."),
            reason="comparison.different_judges",
            mark=message(N_("Forced: {scorer} was given by different judges."), scorer=mine.name),
            fields={"scorer": mine.name},
        )
    if mine.version != other.version:
        return _Difference(
            error=N_("{run!r} and {baseline!r} were scored by different versions of {scorer!r}."),
            hint=N_("Evaluate both with one version, or force the comparison."),
            reason="comparison.different_scorers",
            mark=message(N_("Forced: the runs were scored by different versions of {scorer}."), scorer=mine.name),
            fields={"scorer": mine.name},
        )
    if dict(mine.parameters) != dict(other.parameters):
        return _Difference(
            error=N_("{run!r} and {baseline!r} were scored by {scorer!r} with different parameters."),
            hint=N_("Evaluate both with the same parameters, or force the comparison."),
            reason="comparison.different_parameters",
            mark=message(N_("Forced: {scorer} had different parameters."), scorer=mine.name),
            fields={"scorer": mine.name},
        )
    return None
