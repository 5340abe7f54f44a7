"""For whom a call is made: the run, the row and the scorer that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.chat import Caller


@dataclass(slots=True, kw_only=True)
class CallCounts:
    """What calls came to."""

    paid: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    nanos: int = 0
    """Billionths of the currency, so that sums are exact."""

    currency: str = ""
    worth_tokens: int = 0
    """Of all calls, also of those that were not paid for again."""

    worth_nanos: int = 0
    worth_ms: float = 0.0
    """How long they took when they were made."""

    def merge(self, other: CallCounts) -> None:
        """Take in what others came to."""
        self.worth_tokens += other.worth_tokens
        self.worth_nanos += other.worth_nanos
        self.worth_ms += other.worth_ms
        self.paid += other.paid
        self.cached += other.cached
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.nanos += other.nanos
        self.currency = self.currency or other.currency


@dataclass(slots=True, kw_only=True)
class CallScope:
    """One block, one row's model call, or one score of it; the caller notes here what it did."""

    caller: Caller | None = None
    run_id: str = ""
    row_id: str = ""
    scorer: str = ""
    counts: CallCounts = field(default_factory=CallCounts)
    trace_ids: list[str] = field(default_factory=list)
    """Of the calls, also of those that were made by an earlier run."""

    def within(self, *, row_id: str, scorer: str = "") -> CallScope:
        """The scope of one row in it, with counts in common."""
        return CallScope(caller=self.caller, run_id=self.run_id, row_id=row_id, scorer=scorer, counts=self.counts)


_SCOPE: Final[ContextVar[CallScope | None]] = ContextVar("aiplatform_call_scope", default=None)


def current_scope() -> CallScope | None:
    """The scope that this code runs in; None outside an evaluation."""
    return _SCOPE.get()


def active_caller() -> Caller:
    """Who carries the calls of the evaluation that this code runs in.

    Raises:
        ConfigError: It runs in none.
    """
    scope = _SCOPE.get()
    if scope is None or scope.caller is None:
        raise ConfigError(
            N_("There is no evaluation here whose calls could be made."),
            hint=N_("Use it as a scorer or model of an evaluation run, or inside `open_caller`."),
            reason="evaluation.no_caller",
        )
    return scope.caller


@contextmanager
def call_scope(scope: CallScope) -> Iterator[CallScope]:
    """Calls made in the block, and in tasks begun there, belong to the scope."""
    token = _SCOPE.set(scope)
    try:
        yield scope
    finally:
        _SCOPE.reset(token)
