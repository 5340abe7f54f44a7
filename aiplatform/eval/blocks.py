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
from aiplatform.eval.calls import Answer, FunctionModel, Model, StoredAnswers, stored_answer
from aiplatform.eval.measures.columns import Block, Column
from aiplatform.eval.measures.measure import Measure
from aiplatform.eval.metrics import RunState
from aiplatform.eval.model import RowFile, RowResult, RowScore, to_json
from aiplatform.eval.scorers import Row, Scorer
from aiplatform.eval.scoring import ScoreColumn, column_of, score_names, settled
from aiplatform.eval.statistics.hashing import canonical_json, content_id
from aiplatform.tracing.sdk import span

RECORD_COLUMN: Final = "aiplatform_record"
"""Column that holds a whole row as JSON, where the data did not come as columns."""

PLACE_COLUMN: Final = "aiplatform_place"
"""Column that holds the place of a row in the data, which names rows that have neither id nor input."""

ID_COLUMNS: Final = ("row_id", "id")
INPUT_COLUMNS: Final = ("input", "inputs", "question", "prompt", "query", "messages")
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
    measures: tuple[Measure, ...] = ()
    seed: int = 0
    keep_rows: bool = True
    """Whether row results are stored; without them, runs are compared by their metrics alone."""

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
        return not isinstance(self.model, StoredAnswers) or any(each.is_async for each in self.scorers)

    @property
    def is_async(self) -> bool:
        """Whether a worker may have many calls under way: not of functions that block, or take whole batches."""
        if isinstance(self.model, FunctionModel) and (self.model.batch or not self.model.is_async):
            return any(each.is_async for each in self.scorers)
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
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores that a row has: of the scorers, and of metrics that are means of rows."""
        measured = (each.name for each in self.measures if each.row_values is not None)
        return (*score_names(self.scorers), *measured)

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """Columns stored with each row: the slices, and what clusters."""
        return tuple(dict.fromkeys((*self.slices, *((self.cluster,) if self.cluster else ()))))


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """What one block came to."""

    state: RunState
    file: RowFile | None
    """None where rows are not kept."""

    errors: int
    calls: CallCounts = field(default_factory=CallCounts)


def row_of(record: Mapping[str, Any], columns: Mapping[str, str], *, needs_input: bool = True) -> Row:
    """The row that a record of the data holds.

    Args:
        record: What the data hold.
        columns: `input` -> the column that holds it.
        needs_input: Whether a row without an input is an error; stored answers can be scored without.

    Raises:
        InvalidError: There is no input.
    """
    place = record.get(PLACE_COLUMN)
    record = _opened(record)
    input_columns = (columns["input"],) if "input" in columns else INPUT_COLUMNS
    name = next((column for column in input_columns if column in record), None)
    if name is None and (needs_input or "input" in columns):
        raise InvalidError(
            N_("The data have no column {name!r}; there are: {known}."),
            hint=N_('Say which column is the input: columns={{"input": "question"}}.'),
            reason="evaluation.no_input",
            name=input_columns[0],
            known=", ".join(record),
        )
    given_input = record[name] if name is not None else None
    expected = record.get(columns.get("expected", "expected"))
    id_columns = (columns["id"],) if "id" in columns else ID_COLUMNS
    given = next((record[column] for column in id_columns if record.get(column) not in (None, "")), None)
    if given is None and name is None:
        given = place
    return Row(
        row_id=str(given) if given is not None else content_id(given_input, expected),
        input=given_input,
        expected=expected,
        output=record.get(columns.get("output", "output")),
        columns=record,
        latency_ms=record.get("latency_ms"),
        trace_id=record.get("trace_id") or "",
    )


def block_of_rows(found: Sequence[Row], results: Sequence[RowResult], plan: Plan) -> Block:
    """Rows and what came of them, in the columns that metrics need."""
    names = dict.fromkeys(name for measure in plan.measures for name in measure.collector.needs)
    columns = {name: Column([row.columns.get(plan.columns.get(name, name)) for row in found]) for name in names}
    columns |= {column: Column([row.columns.get(column) for row in found]) for column in plan.kept_columns}
    columns["expected"] = Column([row.expected for row in found])
    columns["output"] = Column([result.output for result in results])
    columns["latency_ms"] = Column([result.latency_ms for result in results])
    return Block(
        columns=columns,
        num_rows=len(results),
        row_ids=lambda: [result.row_id for result in results],
        cluster=plan.cluster,
        seed=plan.seed,
    )


class BlockEvaluator:
    """Evaluates blocks in one worker, side by side where that is asked for."""

    def __init__(self, plan: Plan, sink: RowSink) -> None:
        self._plan = plan
        self._sink = sink
        self._model = plan.model.made() if isinstance(plan.model, FunctionModel) else plan.model
        self._scorers = tuple(each.made() for each in plan.scorers)

    def evaluate(self, records: Sequence[Mapping[str, Any]]) -> BlockResult:
        """Answer, score and store the records of one block, with a caller of its own where calls are made.

        Raises:
            InvalidError: A record has no input.
            AIPlatformError: One that `stops_run`, such as a key that the endpoint does not know.
        """
        if self._plan.makes_calls:
            return asyncio.run(self._alone(records))
        found = self._rows(records)
        answers = [stored_answer(row) for row in found]
        columns = self._columns(found, answers)
        ready = [column for column in columns if isinstance(column, list)]
        if len(ready) < len(columns):  # a plain function may hand back something to wait for
            ready = asyncio.run(settled(columns))
        return self._stored(found, self._joined(found, answers, ready), CallCounts(), "")

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
        found = self._rows(records)
        with call_scope(CallScope(caller=caller, run_id=self._plan.run_id)) as scope:
            answers = await self._model.answers(found, self._traced)
            columns = await settled(self._columns(found, answers, scope))
        results = self._joined(found, answers, columns)
        return await asyncio.to_thread(self._stored, found, results, scope.counts, key)

    async def _alone(self, records: Sequence[Mapping[str, Any]]) -> BlockResult:
        plan = self._plan
        async with open_caller(plan.call_plan, run_id=plan.run_id) as caller:
            return await self.evaluated(records, caller)

    def _finished(self, key: str) -> BlockResult | None:
        path = rows_path(self._plan.run_id, key)
        content = self._sink.get(path)
        known = None if content is None else finished.unpack(content)
        if content is None or not isinstance(known, BlockResult):
            return None
        digest = hashlib.sha256(content).hexdigest()
        return replace(known, file=RowFile(path=path, num_rows=known.state.calls.rows, sha256=digest))

    def _stored(self, found: Sequence[Row], results: list[RowResult], counts: CallCounts, key: str) -> BlockResult:
        plan = self._plan
        state = RunState(cluster=plan.cluster)
        state.add(results, plan.slices)
        results = self._measured(state, found, results)
        block = BlockResult(state=state, file=None, errors=sum(bool(result.error) for result in results), calls=counts)
        if not plan.keep_rows:
            return block
        note = finished.pack(block) if key else None
        content = rows.to_parquet(results, plan.score_names, plan.kept_columns, note=note)
        return replace(block, file=put_rows(self._sink, plan.run_id, content, len(results), name=key))

    def _measured(self, state: RunState, found: Sequence[Row], results: list[RowResult]) -> list[RowResult]:
        """The results with the scores that metrics give their rows; what they collect goes into the state."""
        plan = self._plan
        if not plan.measures:
            return results
        block = block_of_rows(found, results, plan)
        state.measured.add(block, plan.measures, plan.slices)
        scores = [each for each in (measure.row_scores(block) for measure in plan.measures) if each is not None]
        return [replace(result, scores=(*result.scores, *more)) for result, *more in zip(results, *scores, strict=True)]

    def _rows(self, records: Sequence[Mapping[str, Any]]) -> list[Row]:
        needs_input = not isinstance(self._model, StoredAnswers)
        return [row_of(record, self._plan.columns, needs_input=needs_input) for record in records]

    def _columns(
        self, found: Sequence[Row], answers: Sequence[Answer], scope: CallScope | None = None
    ) -> list[ScoreColumn | Awaitable[ScoreColumn]]:
        seen = [_answered(row, answer) for row, answer in zip(found, answers, strict=True)]
        return [column_of(each, seen, scope) for each in self._scorers]

    def _joined(
        self, found: Sequence[Row], answers: Sequence[Answer], columns: Sequence[ScoreColumn]
    ) -> list[RowResult]:
        return [
            self._result(row, answers[place], [score for column in columns for score in column[place]])
            for place, row in enumerate(found)
        ]

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


def put_rows(sink: RowSink, run_id: str, content: bytes, num_rows: int, *, name: str = "") -> RowFile:
    """A file of row results, stored under its block's name, by default the hash of its content."""
    digest = hashlib.sha256(content).hexdigest()
    path = rows_path(run_id, name or digest[:32])
    sink.put(path, content)
    return RowFile(path=path, num_rows=num_rows, sha256=digest)


def rows_path(run_id: str, name: str) -> str:
    """Where a run keeps the rows of a block."""
    return f"evaluations/{run_id}/rows/{name}.parquet"


def _answered(row: Row, answer: Answer) -> Row | str:
    """The row as scorers see it, or why there is nothing to score."""
    if answer.error:
        return f"the model call failed: {answer.error}"
    return replace(row, output=answer.output, latency_ms=answer.latency_ms, trace_id=answer.trace_id)


def _opened(record: Mapping[str, Any]) -> Mapping[str, Any]:
    if RECORD_COLUMN not in record:
        return record
    opened: dict[str, Any] = json.loads(record[RECORD_COLUMN])
    return opened


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
