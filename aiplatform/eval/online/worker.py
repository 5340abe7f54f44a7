"""The worker's share of online evaluation: what arrived is sampled, filtered, scored once, and the cursor moved on.

A scorer's turn on a trace is claimed in the database before it is taken, and a score's id follows from trace and
scorer: whenever this process dies, its successor takes up what was claimed, and a score replaces itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from opentelemetry import context as otel_context
from opentelemetry import trace as otel

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import AIPlatformError, NotFoundError
from aiplatform.core.scope import Scope
from aiplatform.eval.model import MetricKind, RowScore, ScoreState
from aiplatform.eval.online.endpoints import JudgeEndpoints
from aiplatform.eval.online.model import OnlineRule, OnlineState
from aiplatform.eval.online.sampling import is_sampled
from aiplatform.eval.online.scoring import STATES, OnlineScorer, outcome, row_of, scorers_of
from aiplatform.eval.online.store import Arrival, Claim, OnlineStore
from aiplatform.tracing.model import DAY_NS, ScoreSource, ScoreType, TraceFilter
from aiplatform.tracing.query import read_filter
from aiplatform.tracing.query.tree import Name, OneOf, Space, every
from aiplatform.tracing.service import Traces

logger = logging.getLogger(__name__)

PERIOD_S: Final = 5.0
BATCH: Final = 200
"""Arrivals that are looked at together; the cursor moves on after each batch."""

IN_FLIGHT: Final = 16
MAX_ATTEMPTS: Final = 8
ABANDONED_AFTER_S: Final = 20.0
"""How old a claim must be to be taken up again: longer than a dead worker's lease."""

MAX_REASON: Final = 2000
JUDGE_TRACE_PREFIX: Final = "6a756467"
"""Begin of the ids of traces that judges' own calls belong to, which no rule scores: it would never end."""


class LowScores(Protocol):
    """Takes traces with low scores for people to look at; `aiplatform.eval.reviewing` does."""

    def add_trace(self, scope: Scope, queue_id: str, trace_id: str, reason: str) -> None:
        """Put a trace into a queue; one that is there already stays as it is.

        Raises:
            NotFoundError: There is no such queue.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A claim with what it takes to carry it out."""

    claim: Claim
    which: OnlineScorer


class OnlineWorker:
    """Carries out the rules of every tenant.

    Args:
        store: Rules and claims.
        traces: The tracing room.
        endpoints: Whom judges are asked.
        low_scores: Where traces with low scores go.
        clock: What time it is.
    """

    def __init__(
        self,
        store: OnlineStore,
        traces: Traces,
        endpoints: JudgeEndpoints,
        low_scores: LowScores | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._traces = traces
        self._endpoints = endpoints
        self._low_scores = low_scores
        self._clock = clock or SystemClock()

    def run(self) -> int:
        """Carry out every rule once, the one that waited longest first; returns how many scores were settled."""
        done = 0
        for scope, rule in self._store.enabled():
            error = ""
            try:
                done += self._carry_out(scope, rule)
            except AIPlatformError as failure:
                error = str(failure)[:MAX_REASON]
                logger.warning("the rule %s of online evaluation cannot go on: %s", rule.rule_id, failure)
            self._store.change(scope, rule.rule_id, checked_ns=self._clock.now_ns(), error=error)
        return done

    def periodic(self) -> Sequence[tuple[str, float, Callable[[], Any]]]:
        """The worker's share: (name, seconds between two runs, what to do)."""
        return [("online.score", PERIOD_S, self.run)]

    def _carry_out(self, scope: Scope, rule: OnlineRule) -> int:
        scorers = scorers_of(rule.rule, self._endpoints, scope)
        done = self._take_up(scope, rule, scorers)
        while True:
            now_ns = self._clock.now_ns()
            until_ns = now_ns - int(rule.rule.quiet_s * 1e9)
            arrivals = self._store.arrivals(scope, rule, until_ns=until_ns, limit=BATCH)
            if not arrivals:
                break
            wanted = [(trace_id, key) for trace_id in self._matching(scope, rule, arrivals) for key in scorers]
            claims = self._store.claim(
                scope, rule.rule_id, wanted, budget=rule.rule.budget_per_day, day=now_ns // DAY_NS, now_ns=now_ns
            )
            done += self._score(scope, rule, [_Turn(claim=each, which=scorers[each.scorer]) for each in claims])
            last = arrivals[-1]
            self._store.change(scope, rule.rule_id, cursor_ns=last.updated_ns, cursor_id=last.trace_id)
            rule = replace(rule, cursor_ns=last.updated_ns, cursor_id=last.trace_id)
            if len(arrivals) < BATCH:
                break
        return done

    def _take_up(self, scope: Scope, rule: OnlineRule, scorers: dict[str, OnlineScorer]) -> int:
        """Carry out what was claimed and not settled: its worker died, or the endpoint was away."""
        now_ns = self._clock.now_ns()
        claims = self._store.abandoned(
            scope, rule.rule_id, before_ns=now_ns - int(ABANDONED_AFTER_S * 1e9), limit=BATCH, now_ns=now_ns
        )
        turns: list[_Turn] = []
        for claim in claims:
            if claim.scorer in scorers:
                turns.append(_Turn(claim=claim, which=scorers[claim.scorer]))
            else:
                reason = "the rule has no such scorer any more"
                self._store.settle(scope, claim, OnlineState.FAILED, reason, now_ns)
        return self._score(scope, rule, turns)

    def _matching(self, scope: Scope, rule: OnlineRule, arrivals: Sequence[Arrival]) -> list[str]:
        """Traces that the rule takes: sampled, ended, nobody's judge's, and found by its query."""
        sampled = [
            each
            for each in arrivals
            if not each.is_running
            and not each.trace_id.startswith(JUDGE_TRACE_PREFIX)
            and is_sampled(each.trace_id, rule.rule.rate)
        ]
        if not sampled or not rule.rule.query.strip():
            return [each.trace_id for each in sampled]
        where = read_filter(rule.rule.query, TraceFilter(from_ns=min(each.start_ns for each in sampled)))
        these = OneOf(Name(Space.FIELD, "trace"), tuple(each.trace_id for each in sampled))
        narrowed = replace(where, query=every([these, *([] if where.query is None else [where.query])]))
        found = {item.trace_id for item in self._traces.list(scope, narrowed, limit=BATCH).items}
        return [each.trace_id for each in sampled if each.trace_id in found]

    def _score(self, scope: Scope, rule: OnlineRule, turns: Sequence[_Turn]) -> int:
        return asyncio.run(self._score_all(scope, rule, turns)) if turns else 0

    async def _score_all(self, scope: Scope, rule: OnlineRule, turns: Sequence[_Turn]) -> int:
        limit = asyncio.Semaphore(IN_FLIGHT)

        async def one(turn: _Turn) -> AIPlatformError | None:
            async with limit:
                return await self._take_turn(scope, rule, turn)

        errors = await asyncio.gather(*(one(turn) for turn in turns))
        failed = [each for each in errors if each is not None]
        refused = next((each for each in failed if each.http_status in {401, 403}), None)
        if refused is not None:
            raise refused
        return len(turns) - len(failed)

    async def _take_turn(self, scope: Scope, rule: OnlineRule, turn: _Turn) -> AIPlatformError | None:
        """Score one trace. What may pass is left claimed, to be taken up later; the error is returned."""
        claim, which = turn.claim, turn.which
        try:
            example = next(self._traces.examples.of(scope, [claim.trace_id]))
            row = row_of(self._traces, scope, example, with_passages=which.needs_passages)
        except NotFoundError:
            self._settle(
                scope, claim, RowScore(name=which.scorer.name, state=ScoreState.NOT_APPLICABLE, reason="erased")
            )
            return None
        try:
            with _trace_of_judge(claim):
                score = await outcome(which.scorer, row)
        except AIPlatformError as error:
            if claim.attempts < MAX_ATTEMPTS or error.http_status in {401, 403}:
                return error
            score = RowScore(name=which.scorer.name, state=ScoreState.FAILED, reason=str(error)[:MAX_REASON])
        self._keep(scope, rule, turn, score)
        return None

    def _keep(self, scope: Scope, rule: OnlineRule, turn: _Turn, score: RowScore) -> None:
        which = turn.which
        if score.state is ScoreState.SCORED and score.value is not None:
            is_yes_no = which.scorer.kind is not MetricKind.MEAN and score.value in (0.0, 1.0)
            self._traces.add_score(
                scope,
                trace_id=turn.claim.trace_id,
                name=which.scorer.name.replace("@", "_at_"),
                value=bool(score.value) if is_yes_no else score.value,
                type=ScoreType.BOOLEAN if is_yes_no else ScoreType.NUMERIC,
                source=ScoreSource.JUDGE if which.is_judge else ScoreSource.CODE,
                comment=score.reason or None,
                principal=f"rule:{rule.rule_id}",
                score_id=score_id(turn.claim),
            )
            self._tell(scope, rule, turn, score.value)
        self._settle(scope, turn.claim, score)

    def _tell(self, scope: Scope, rule: OnlineRule, turn: _Turn, value: float) -> None:
        below, queue_id = rule.rule.below, rule.rule.queue_id
        if self._low_scores is None or not queue_id or below is None or value > below:
            return
        try:
            reason = f"{turn.which.scorer.name} {value:.3g}"
            self._low_scores.add_trace(scope, queue_id, turn.claim.trace_id, reason)
        except NotFoundError:
            logger.warning("the queue %s of rule %s is gone", queue_id, rule.rule_id)

    def _settle(self, scope: Scope, claim: Claim, score: RowScore) -> None:
        self._store.settle(scope, claim, STATES[score.state], score.reason, self._clock.now_ns())


def score_id(claim: Claim) -> str:
    """Id of a scorer's score on a trace: the same one whoever gives it."""
    return f"online-{hashlib.sha256(f'{claim.trace_id}/{claim.scorer}'.encode()).hexdigest()[:32]}"


@contextmanager
def _trace_of_judge(claim: Claim) -> Iterator[None]:
    """Calls made inside belong to a trace whose id says that a judge made them."""
    digest = hashlib.sha256(f"{claim.trace_id}/{claim.scorer}/{claim.attempts}".encode()).hexdigest()
    parent = otel.SpanContext(
        trace_id=int(JUDGE_TRACE_PREFIX + digest[:24], 16),
        span_id=int(digest[24:40], 16) or 1,
        is_remote=False,
        trace_flags=otel.TraceFlags(otel.TraceFlags.SAMPLED),
    )
    token = otel_context.attach(otel.set_span_in_context(otel.NonRecordingSpan(parent), otel_context.Context()))
    try:
        yield
    finally:
        otel_context.detach(token)
