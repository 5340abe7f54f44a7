"""One block of rows: answered, scored, added up, and written as a Parquet file. Knows nothing of Ray."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from opentelemetry import context as otel_context

from aiplatform.client.credentials import Credentials
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval import finished, rows
from aiplatform.eval.calling.caller import PaidCaller
from aiplatform.eval.calling.limiting import DEFAULT_IN_FLIGHT, Limits
from aiplatform.eval.calling.opening import CallPlan, open_caller
from aiplatform.eval.calling.scope import CallCounts, CallScope, call_scope
from aiplatform.eval.calling.tasks import all_settled
from aiplatform.eval.calls import Answer, FunctionModel, Model, StoredAnswers, is_async, stored_answer
from aiplatform.eval.metrics import RunState
from aiplatform.eval.model import RowFile, RowResult, RowScore, to_json
from aiplatform.eval.scorers import Row, Scorer, failed, scored
from aiplatform.eval.statistics.hashing import canonical_json, content_id
from aiplatform.tracing.sdk import span

RECORD_COLUMN: Final = "aiplatform_record"
"""Column that holds a whole row as JSON, where the data did not come as columns."""

_ID_COLUMNS: Final = ("row_id", "id")
_INPUT_COLUMNS: Final = ("input", "inputs", "question", "prompt", "query", "messages")
"""What is taken for the input, the first that is there, where the caller does not say."""


class RowSink(Protocol):
    """Where files of row results go."""

    def put(self, path: str, content: bytes) -> None:
        """Write a file; writing the same again changes nothing."""
        ...

    def get(self, path: str) -> bytes | None:
        """A file that was written; None where there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a worker needs to know."""

    run_id: str
    model: Model
    scorers: tuple[Scorer, ...]
    slices: tuple[str, ...] = ()
    cluster: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    """`input` -> the column that holds it, where names differ."""

    credentials: Credentials | None = None
    """Where workers send the traces of calls, and keep the answers; None: nowhere."""

    calls: CallPlan | None = None
    """How calls are carried; by default as many at a time as the model says."""

    @property
    def makes_calls(self) -> bool:
        """Whether anything is waited for: a model's answer, or a judge's."""
        return not isinstance(self.model, StoredAnswers) or any(is_async(each.function) for each in self.scorers)

    @property
    def is_async(self) -> bool:
        """Whether a worker may have many calls under way: not of functions that block, or take whole batches."""
        if isinstance(self.model, FunctionModel) and (self.model.batch or not self.model.is_async):
            return any(is_async(each.function) for each in self.scorers)
        return True

    @property
    def call_plan(self) -> CallPlan:
        """How calls are carried."""
        if self.calls is not None:
            return self.calls
        in_flight = getattr(self.model, "in_flight", None) or DEFAULT_IN_FLIGHT
        return CallPlan(limits=Limits(in_flight=in_flight))

    @property
    def fingerprint(self) -> str:
        """What a block's result depends on beside its records."""
        parts = [self.run_id, to_json(self.model.ref), [to_json(each.ref) for each in self.scorers]]
        return canonical_json([*parts, [*self.kept_columns], dict(self.columns), self.cluster])

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """Columns stored with each row: the slices, and what clusters."""
        return tuple(dict.fromkeys((*self.slices, *((self.cluster,) if self.cluster else ()))))


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """What one block came to."""

    state: RunState
    file: RowFile
    errors: int
    calls: CallCounts = field(default_factory=CallCounts)


def row_of(record: Mapping[str, Any], columns: Mapping[str, str]) -> Row:
    """The row that a record of the data holds.

    Raises:
        InvalidError: There is no input.
    """
    record = _opened(record)
    input_columns = (columns["input"],) if "input" in columns else _INPUT_COLUMNS
    name = next((column for column in input_columns if column in record), None)
    if name is None:
        raise InvalidError(
            N_("The data have no column {name!r}; there are: {known}."),
            hint=N_('Say which column is the input: columns={{"input": "question"}}.'),
            reason="evaluation.no_input",
            name=input_columns[0],
            known=", ".join(record),
        )
    expected = record.get(columns.get("expected", "expected"))
    id_columns = (columns["id"],) if "id" in columns else _ID_COLUMNS
    given = next((record[column] for column in id_columns if record.get(column) not in (None, "")), None)
    return Row(
        row_id=str(given) if given is not None else content_id(record[name], expected),
        input=record[name],
        expected=expected,
        output=record.get(columns.get("output", "output")),
        columns=record,
        latency_ms=record.get("latency_ms"),
        trace_id=record.get("trace_id") or "",
    )


class BlockEvaluator:
    """Evaluates blocks in one worker, side by side where that is asked for."""

    def __init__(self, plan: Plan, sink: RowSink) -> None:
        self._plan = plan
        self._sink = sink
        self._model = plan.model.made() if isinstance(plan.model, FunctionModel) else plan.model

    def evaluate(self, records: Sequence[Mapping[str, Any]]) -> BlockResult:
        """Answer, score and store the records of one block, with a caller of its own where calls are made.

        Raises:
            InvalidError: A record has no input.
            AIPlatformError: One that `stops_run`, such as a key that the endpoint does not know.
        """
        if self._plan.makes_calls:
            return asyncio.run(self._alone(records))
        found = [row_of(record, self._plan.columns) for record in records]
        return self._stored(found, self._of_stored(found), CallCounts(), "")

    async def evaluated(
        self, records: Sequence[Mapping[str, Any]], caller: PaidCaller, *, key: str = ""
    ) -> BlockResult:
        """The same on an event loop that has a caller already.

        Args:
            records: Of the block.
            caller: Makes the calls.
            key: What the block is known by: where its result is kept already, that is taken.
        """
        if key and (known := await asyncio.to_thread(self._finished, key)) is not None:
            return known
        found = [row_of(record, self._plan.columns) for record in records]
        with call_scope(CallScope(caller=caller, run_id=self._plan.run_id)) as scope:
            answers = await self._model.answers(found, self._traced)
            scores = await self._scored(found, answers, scope)
        results = [self._result(row, answer, known) for row, answer, known in zip(found, answers, scores, strict=True)]
        return await asyncio.to_thread(self._stored, found, results, scope.counts, key)

    async def _alone(self, records: Sequence[Mapping[str, Any]]) -> BlockResult:
        plan = self._plan
        async with open_caller(plan.call_plan, run_id=plan.run_id) as caller:
            return await self.evaluated(records, caller)

    def _finished(self, key: str) -> BlockResult | None:
        path = self._path(key)
        content = self._sink.get(path)
        known = None if content is None else finished.unpack(content)
        if content is None or not isinstance(known, BlockResult):
            return None
        digest = hashlib.sha256(content).hexdigest()
        return replace(known, file=RowFile(path=path, num_rows=known.file.num_rows, sha256=digest))

    def _stored(self, found: Sequence[Row], results: Sequence[RowResult], counts: CallCounts, key: str) -> BlockResult:
        plan = self._plan
        state = RunState(cluster=plan.cluster)
        state.add(results, plan.slices)
        errors = sum(bool(result.error) for result in results)
        file = RowFile(path="", num_rows=len(found), sha256="")
        block = BlockResult(state=state, file=file, errors=errors, calls=counts)
        note = finished.pack(block) if key else None
        content = rows.to_parquet(results, [each.name for each in plan.scorers], plan.kept_columns, note=note)
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(key or digest[:32])
        self._sink.put(path, content)
        return replace(block, file=RowFile(path=path, num_rows=len(found), sha256=digest))

    def _path(self, name: str) -> str:
        return f"evaluations/{self._plan.run_id}/rows/{name}.parquet"

    def _of_stored(self, found: Sequence[Row]) -> list[RowResult]:
        pairs = [(row, stored_answer(row)) for row in found]
        return [self._result(row, answer, self._plain_scores(row, answer)) for row, answer in pairs]

    def _plain_scores(self, row: Row, answer: Answer) -> list[RowScore]:
        return [score for score in self._scores(row, answer) if isinstance(score, RowScore)]

    async def _scored(self, found: Sequence[Row], answers: Sequence[Answer], scope: CallScope) -> list[list[RowScore]]:
        async def scores_of(row: Row, answer: Answer) -> list[RowScore]:
            return await all_settled(
                [
                    _settled(score, scope.within(row_id=row.row_id, scorer=each.name))
                    for each, score in zip(self._plan.scorers, self._scores(row, answer), strict=True)
                ]
            )

        return await all_settled([scores_of(*pair) for pair in zip(found, answers, strict=True)])

    def _scores(self, row: Row, answer: Answer) -> list[RowScore | Awaitable[RowScore]]:
        if answer.error:
            return [failed(each.name, f"the model call failed: {answer.error}") for each in self._plan.scorers]
        seen = Row(
            row_id=row.row_id,
            input=row.input,
            expected=row.expected,
            output=answer.output,
            columns=row.columns,
            latency_ms=answer.latency_ms,
            trace_id=answer.trace_id,
        )
        return [scored(each, seen) for each in self._plan.scorers]

    def _result(self, row: Row, answer: Answer, scores: Sequence[RowScore]) -> RowResult:
        kept = {column: row.columns.get(column) for column in self._plan.kept_columns}
        return RowResult(
            row_id=row.row_id,
            input=row.input,
            expected=row.expected,
            output=answer.output,
            slices={column: _label(value) for column, value in kept.items() if value is not None},
            scores=tuple(scores),
            latency_ms=answer.latency_ms,
            error=answer.error,
            trace_id=answer.trace_id,
        )

    async def _traced(self, row: Row, call: Callable[[], Awaitable[Any]]) -> tuple[Any, str]:
        """Run the call as the root of a trace of its own, so that every row leads to what happened."""
        attributes = {"aiplatform.evaluation.run_id": self._plan.run_id, "aiplatform.evaluation.row_id": row.row_id}
        token = otel_context.attach(otel_context.Context())
        try:
            with span("evaluation row", input=row.input, attributes=attributes) as opened:
                try:
                    output = await call()
                except Exception as error:
                    error.trace_id = opened.trace_id  # type: ignore[attr-defined]
                    raise
                opened.set_output(output)
                return output, opened.trace_id
        finally:
            otel_context.detach(token)


async def _settled(score: RowScore | Awaitable[RowScore], scope: CallScope) -> RowScore:
    """A score once it is there, with the trace of the call that it rests on."""
    if isinstance(score, RowScore):
        return score
    with call_scope(scope):
        found = await score
    if not scope.trace_ids:
        return found
    return replace(found, metadata={"trace_id": scope.trace_ids[0], **found.metadata})


def _opened(record: Mapping[str, Any]) -> Mapping[str, Any]:
    if RECORD_COLUMN not in record:
        return record
    opened: dict[str, Any] = json.loads(record[RECORD_COLUMN])
    return opened


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
