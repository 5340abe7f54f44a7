"""Feedback and expectations of MLflow's clients: kept as they wrote them, and as scores of the platform."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiplatform.core.clock import Clock
from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.tracing import store
from aiplatform.tracing.mlflow_forms import assessments, source_of, timestamp, value_of
from aiplatform.tracing.mlflow_requests import checked_id, field, known_trace, texts
from aiplatform.tracing.model import Score
from aiplatform.tracing.store.labels import MAX_KEY, LabelKind, delete_label, labels, put_labels

if TYPE_CHECKING:
    from aiplatform.storage.database import Database, Transaction

Json = dict[str, Any]


class MlflowAssessments:
    """Assessments of any project's traces. Thread safe.

    Args:
        database: Where they rest.
        clock: What time it is.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, scope: Scope, trace_id: str, body: Json, *, principal: str, needs_trace: bool = True) -> Json:
        """Keep feedback or an expectation, and its value as a score; it may override an earlier one.

        Raises:
            NotFoundError: There is no such trace in the project, or nothing to override.
            InvalidError: The assessment cannot be read.
        """
        sent = field(body, "assessment", dict)
        now_ns = self._clock.now_ns()
        with self._database.transaction(scope) as tx:
            found = known_trace(tx, trace_id).trace_id if needs_trace else checked_id(trace_id)
            if overridden := sent.get("overrides"):
                self._override(tx, found, str(overridden))
            assessment = {
                **{name: value for name, value in sent.items() if value is not None},
                # Never the sender's: a score of another trace may have that id.
                "assessment_id": new_id("score", now_ns),
                "trace_id": f"tr-{found}",
                "create_time": sent.get("create_time") or timestamp(now_ns),
                "last_update_time": sent.get("last_update_time") or timestamp(now_ns),
                "valid": True,
            }
            self._put(tx, found, assessment, principal)
        return {"assessment": assessment}

    def get(self, scope: Scope, trace_id: str, assessment_id: str) -> Json:
        """One assessment of a trace.

        Raises:
            NotFoundError: There is no such trace or assessment in the project.
        """
        with self._database.read(scope) as tx:
            return {"assessment": _assessment(tx, known_trace(tx, trace_id).trace_id, assessment_id)}

    def update(self, scope: Scope, trace_id: str, assessment_id: str, body: Json, *, principal: str) -> Json:
        """Change the parts of an assessment that the mask names.

        Raises:
            NotFoundError: There is no such trace or assessment in the project.
            InvalidError: The mask names what cannot be changed.
        """
        sent = field(body, "assessment", dict)
        names = [_snake(path) for path in str(body.get("update_mask") or "").split(",") if path]
        unknown = set(names) - {"assessment_name", "expectation", "feedback", "rationale", "metadata", "valid"}
        if unknown or not names:
            raise InvalidError(
                N_("The field mask {mask!r} names nothing that can be changed."),
                reason="mlflow.update_mask",
                mask=str(body.get("update_mask") or ""),
            )
        with self._database.transaction(scope) as tx:
            found = known_trace(tx, trace_id).trace_id
            before = _assessment(tx, found, assessment_id)
            changed = {name: sent.get(name) for name in names}
            if "metadata" in changed:
                changed["metadata"] = {**texts(before.get("metadata")), **texts(changed["metadata"])}
            after = {**before, **changed, "last_update_time": timestamp(self._clock.now_ns())}
            self._put(tx, found, after, principal)
        return {"assessment": after}

    def delete(self, scope: Scope, trace_id: str, assessment_id: str) -> Json:
        """Take an assessment away; the one that it overrode holds again.

        Raises:
            NotFoundError: There is no such trace or assessment in the project.
        """
        with self._database.transaction(scope) as tx:
            found = known_trace(tx, trace_id).trace_id
            gone = _assessment(tx, found, assessment_id)
            _forget(tx, found, assessment_id)
            if overridden := gone.get("overrides"):
                try:
                    before = _assessment(tx, found, str(overridden))
                except NotFoundError:  # it was deleted meanwhile: nothing is left to hold again
                    return {}
                self._put(tx, found, {**before, "valid": True}, "")
        return {}

    def _override(self, tx: Transaction, trace_id: str, assessment_id: str) -> None:
        """Let an assessment hold no longer: it stays to be read, and is no score any more."""
        before = {**_assessment(tx, trace_id, assessment_id), "valid": False}
        store.delete_score(tx, trace_id, assessment_id)
        put_labels(tx, _kind(before), [(trace_id, assessment_id, json.dumps(before, ensure_ascii=False))])

    def _put(self, tx: Transaction, trace_id: str, assessment: Json, principal: str) -> None:
        score_id = str(assessment["assessment_id"])
        kind, said = _kind(assessment), value_of(assessment)
        name = str(assessment.get("assessment_name") or "")
        if not 1 <= len(name.strip()) <= MAX_KEY or not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", score_id):
            raise InvalidError(N_("An assessment needs a name of 1 to 250 characters and a plain id."))
        put_labels(tx, kind, [(trace_id, score_id, json.dumps(assessment, ensure_ascii=False))])
        store.delete_score(tx, trace_id, score_id)
        if said is None or not assessment.get("valid", True):
            return
        value, type_ = said
        score = Score(
            score_id=score_id,
            trace_id=trace_id,
            span_id=assessment.get("span_id") or None,
            name=name.strip(),
            type=type_,
            value=value,
            source=source_of(assessment),
            comment=assessment.get("rationale") or None,
            principal=str((assessment.get("source") or {}).get("source_id") or principal),
            created_ns=self._clock.now_ns(),
        )
        store.put_score(tx, score)


def _assessment(tx: Transaction, trace_id: str, assessment_id: str) -> Json:
    known = labels(tx, [trace_id]).get(trace_id, {})
    scores = store.scores(tx, trace_ids=[trace_id], name=None, limit=1000)
    for each in assessments(known, scores):
        if each["assessment_id"] == assessment_id:
            return each
    raise NotFoundError(
        N_("Assessment with ID {assessment_id!r} not found for trace {trace_id!r}"),
        reason="mlflow.no_assessment",
        assessment_id=assessment_id,
        trace_id=f"tr-{trace_id}",
    )


def _forget(tx: Transaction, trace_id: str, assessment_id: str) -> None:
    store.delete_score(tx, trace_id, assessment_id)
    for kind in (LabelKind.FEEDBACK, LabelKind.EXPECTATION):
        delete_label(tx, trace_id, kind, assessment_id)


def _kind(assessment: Mapping[str, Any]) -> LabelKind:
    return LabelKind.EXPECTATION if "expectation" in assessment else LabelKind.FEEDBACK


def _snake(path: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", path.strip())
