"""Scores as people give them: names that a project knows, corrections, deletions, and who may do which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiplatform.core.errors import InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.tenancy.audit import record
from aiplatform.tenancy.permissions import Permission
from aiplatform.tracing.model import Score, ScoreSource, ScoreType, ScoreValue
from aiplatform.tracing.store.scores import ScoreName, delete_score, one_score, score_names

if TYPE_CHECKING:
    from aiplatform.storage.database import Database
    from aiplatform.tenancy.model import Caller
    from aiplatform.tracing.service import Traces

__all__ = ["ScoreName", "Scoring", "author_of", "may_change", "value_of"]

MAX_NAMES: Final = 100
_YES: Final = frozenset({"true", "yes", "1", "是"})
_NO: Final = frozenset({"false", "no", "0", "否"})


def author_of(caller: Caller) -> str:
    """Who judges, where a person does: the owner of the key or browser session, whichever key it was."""
    return caller.owner or caller.principal


def may_change(caller: Caller, score: Score) -> bool:
    """Whether a caller may correct or delete a score: their own, or any where they may erase traces."""
    if not caller.may(Permission.SCORES_WRITE):
        return False
    return score.principal in {caller.principal, caller.owner} or caller.may(Permission.TRACES_DELETE)


def value_of(text: str, type_: ScoreType) -> ScoreValue:
    """What somebody typed, as a score's value.

    Raises:
        InvalidError: It is none of that type.
    """
    typed = text.strip()
    if type_ is ScoreType.BOOLEAN and typed.lower() in _YES | _NO:
        return typed.lower() in _YES
    if type_ is ScoreType.NUMERIC:
        try:
            return float(typed)
        except ValueError:
            raise InvalidError(
                N_("{value!r} is not a number."), hint=N_("Write it like 0.8 or 4."), value=typed[:80]
            ) from None
    if type_ is ScoreType.BOOLEAN or not typed:
        raise InvalidError(N_("A score needs a value."))
    return typed


class Scoring:
    """Scores of any project. Thread safe.

    Args:
        traces: The room's service, which checks and stores.
        database: Where they rest.
    """

    def __init__(self, traces: Traces, database: Database) -> None:
        self._traces = traces
        self._database = database

    def names(self, scope: Scope, *, limit: int = MAX_NAMES) -> list[ScoreName]:
        """Names that scores of a project have, the commonest first, out of its 10,000 scores with the highest ids."""
        with self._database.read(scope) as tx:
            return score_names(tx, limit=limit)

    def get(self, scope: Scope, score_id: str, *, trace_id: str | None = None) -> Score:
        """One score.

        Raises:
            NotFoundError: There is none of this id, or it belongs to another trace than the one named.
        """
        with self._database.read(scope) as tx:
            found = one_score(tx, score_id)
        if found is None or trace_id not in {None, found.trace_id}:
            raise _no_score(score_id)
        return found

    def check_replacing(self, caller: Caller, score_id: str) -> None:
        """Nothing, where a score of this id is new or may be replaced.

        What code and judges said is replaced by whoever may write scores, as runs come again with other keys; what a
        person said is theirs.

        Raises:
            PermissionDeniedError: It is another person's.
        """
        with self._database.read(caller.scope) as tx:
            found = one_score(tx, score_id)
        if found is not None and found.source is ScoreSource.HUMAN and not may_change(caller, found):
            raise _not_yours(found)

    def correct(
        self, caller: Caller, score: Score, *, name: str, type_: ScoreType, value: ScoreValue, comment: str | None
    ) -> Score:
        """A score with another name, value or comment; whoever corrects it is its author from now on.

        Raises:
            PermissionDeniedError: It is another's, and the caller is no admin.
            InvalidError: Name or value are wrong.
        """
        if not may_change(caller, score):
            raise _not_yours(score)
        return self._traces.add_score(
            caller.scope,
            trace_id=score.trace_id,
            span_id=score.span_id,
            name=name,
            value=value,
            type=type_,
            comment=comment,
            source=ScoreSource.HUMAN,
            principal=author_of(caller),
            score_id=score.score_id,
        )

    def delete(self, caller: Caller, score_id: str, *, trace_id: str | None = None) -> Score:
        """Take a score away, and return it as it was. Audited.

        Args:
            caller: Who wants it.
            score_id: Which.
            trace_id: The trace that it must belong to, where one is named.

        Raises:
            NotFoundError: There is no such score.
            PermissionDeniedError: It is another's, and the caller is no admin.
        """
        with self._database.transaction(caller.scope) as tx:
            found = one_score(tx, score_id)
            if found is None or trace_id not in {None, found.trace_id}:
                raise _no_score(score_id)
            if not may_change(caller, found):
                raise _not_yours(found)
            delete_score(tx, found.trace_id, score_id)
            record(
                tx,
                caller.principal,
                "scores.delete",
                score_id,
                now_ns=self._traces.clock.now_ns(),
                trace_id=found.trace_id,
                given_by=found.principal,
            )
        return found


def _no_score(score_id: str) -> NotFoundError:
    return NotFoundError(
        N_("There is no score {score_id!r} in this project."),
        hint=N_("Somebody may have deleted it."),
        reason="tracing.no_score",
        score_id=score_id,
    )


def _not_yours(score: Score) -> PermissionDeniedError:
    return PermissionDeniedError(
        N_("The score {score_id!r} was given by {principal}: only they or an admin may change it."),
        hint=N_("Give a score of your own beside it."),
        reason="tracing.not_your_score",
        score_id=score.score_id,
        principal=score.principal,
    )
