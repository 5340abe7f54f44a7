"""One scorer on one live trace: what of the trace it sees, and what becomes of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiplatform.core.errors import AIPlatformError, RemoteError
from aiplatform.core.scope import Scope
from aiplatform.eval.builtin_scorers import named
from aiplatform.eval.judging.builtin import Correctness, Relevance
from aiplatform.eval.judging.cascade import Cascade
from aiplatform.eval.judging.judge import Judge
from aiplatform.eval.judging.specs import judge_of
from aiplatform.eval.model import RowScore, ScoreState
from aiplatform.eval.online.endpoints import JudgeEndpoints
from aiplatform.eval.online.model import NewRule, OnlineState
from aiplatform.eval.scorers import Row, Scorer, failed, scored
from aiplatform.tracing.examples import Example
from aiplatform.tracing.model import SpanKind
from aiplatform.tracing.service import Traces

_FOR_GOOD: Final = frozenset({"judge.refused", "judge.unreadable", "judge.no_majority"})
"""Errors that asking again would bring again."""

STATES: Final = {
    ScoreState.SCORED: OnlineState.SCORED,
    ScoreState.FAILED: OnlineState.FAILED,
    ScoreState.NOT_APPLICABLE: OnlineState.NOT_APPLICABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineScorer:
    """A scorer of a rule."""

    scorer: Scorer
    needs_passages: bool = False
    is_judge: bool = False

    @property
    def key(self) -> str:
        """What a trace is scored by once: the scorer's name and version."""
        return f"{self.scorer.name}@{self.scorer.version}"


def check_scorers(rule: NewRule, endpoints: JudgeEndpoints) -> None:
    """Nothing, where a rule's scorers can be made.

    Raises:
        InvalidError: One is unknown, wrong, or may not be asked.
    """
    for written in rule.scorers:
        if isinstance(written, str):
            named(written)
        else:
            judge = judge_of(written)
            if not _is_heuristic(judge, endpoints):
                endpoints.check(judge)


def scorers_of(rule: NewRule, endpoints: JudgeEndpoints, scope: Scope) -> dict[str, OnlineScorer]:
    """A rule's scorers by their keys.

    Raises:
        InvalidError: One is wrong, or may not be asked.
    """
    made = [_made(written, endpoints, scope) for written in rule.scorers]
    return {each.key: each for each in made}


def row_of(traces: Traces, scope: Scope, example: Example, *, with_passages: bool) -> Row:
    """A trace as a scorer sees it."""
    trace = example.trace
    columns: dict[str, Any] = {"name": trace.name, "service": trace.service, "session_id": trace.session_id}
    if with_passages:
        columns["contexts"] = _passages(traces, scope, trace.trace_id)
    return Row(
        row_id=trace.trace_id,
        input=example.input,
        output=example.output,
        columns=columns,
        latency_ms=trace.duration_ns / 1e6,
        trace_id=trace.trace_id,
    )


async def outcome(which: Scorer, row: Row) -> RowScore:
    """The score of one row.

    Raises:
        AIPlatformError: It may come out better when it is tried again.
    """
    try:
        value = which(row)
        if inspect.isawaitable(value):
            value = await value
    except AIPlatformError as error:
        if may_pass(error):
            raise
        return failed(which.name, error)
    except Exception as error:  # noqa: BLE001 - whatever a scorer raises is this trace's failed score
        return failed(which.name, error)
    found = scored(Scorer(function=lambda _: value, name=which.name, kind=which.kind), row)
    if not isinstance(found, RowScore):
        raise TypeError("what was waited for is no longer awaitable")
    return found


def may_pass(error: AIPlatformError) -> bool:
    """Whether the same call may succeed later: a refusal will not, an endpoint that was away, limited or locked may."""
    return error.reason not in _FOR_GOOD and (
        error.retryable or isinstance(error, RemoteError) or error.http_status in {401, 403}
    )


def _made(written: str | Mapping[str, Any], endpoints: JudgeEndpoints, scope: Scope) -> OnlineScorer:
    if isinstance(written, str):
        return OnlineScorer(scorer=named(written))
    judge = judge_of(written)
    if _is_heuristic(judge, endpoints):
        return OnlineScorer(scorer=judge.as_scorer())
    settled = endpoints.settled(judge, scope)
    needs = settled.dear.NEEDS if isinstance(settled, Cascade) else settled.NEEDS
    return OnlineScorer(scorer=settled.as_scorer(), needs_passages="contexts" in needs, is_judge=True)


def _is_heuristic(judge: Judge | Cascade, endpoints: JudgeEndpoints) -> bool:
    """Whether nothing is asked at all: what the judge was asked for by name, or falls back to."""
    if isinstance(judge, Correctness):
        return judge.lexical
    return isinstance(judge, Relevance) and not judge.model and not endpoints.has_model


def _passages(traces: Traces, scope: Scope, trace_id: str) -> list[str]:
    """The texts that the trace's retrievers found, in order."""
    found: list[str] = []
    for span in traces.get(scope, trace_id).spans:
        if span.kind in {SpanKind.RETRIEVER, SpanKind.RERANKER}:
            detail = traces.span(scope, trace_id, span.span_id)
            found += [passage.text for passage in detail.passages if passage.text]
    return found
