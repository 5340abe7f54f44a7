"""Batch evaluation on Ray Data: workers answer, score and store blocks of rows, and the driver adds them up."""

from __future__ import annotations

import asyncio
import logging
import pickle
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import pyarrow as pa
import ray
import ray.data

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import AIPlatformError, InvalidError, NotFoundError, RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.eval import columnar, finished
from aiplatform.eval.blocks import PLACE_COLUMN, RECORD_COLUMN, BlockEvaluator, BlockResult, Plan, RowSink
from aiplatform.eval.calling.caller import PaidCaller
from aiplatform.eval.calling.compute import RayDesk
from aiplatform.eval.calling.opening import open_caller
from aiplatform.eval.calling.scope import CallCounts
from aiplatform.eval.inputs import Source
from aiplatform.eval.metrics import RunState
from aiplatform.eval.model import RowFile
from aiplatform.tracing import sdk

logger = logging.getLogger(__name__)

CALLED_BATCH_ROWS: Final = 32
STORED_BATCH_ROWS: Final = 4096
COLUMN_BATCH_ROWS: Final = 1 << 17
CPUS_PER_WORKER: Final = 0.25
MAX_BLOCKS_A_WORKER: Final = 16
"""Each takes a thread, and holds its rows."""

STALLED_AFTER_S: Final = 300.0
"""How long nothing may happen while the cluster has no room, before the run fails with that as its reason."""

FLUSH_S: Final = 2.0
"""How long a block waits for the traces of its calls to leave."""

_Result = BlockResult | AIPlatformError
_POLL_S: Final = 5.0
_PROGRESS_BARS: Final = ("enable_progress_bars", "enable_operator_progress_bars")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """What the work may take of the cluster."""

    num_workers: int | None = None
    cpus: float = CPUS_PER_WORKER
    batch_rows: int | None = None
    """Rows of one block; by default 32 where a model is called, else 4096."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    done_rows: int
    error_rows: int
    total_rows: int | None
    files: tuple[RowFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSink:
    """Writes files through the platform's artifacts API, from whichever process it is taken to."""

    credentials: Credentials

    def put(self, path: str, content: bytes) -> None:
        """Write a file; writing the same again changes nothing."""
        _client(self.credentials).request("PUT", f"/api/v1/artifacts/{path}", content=content)

    def get(self, path: str) -> bytes | None:
        """A file that was written; None where there is none."""
        try:
            return _client(self.credentials).request("GET", f"/api/v1/artifacts/{path}").content
        except NotFoundError:
            return None


@lru_cache(maxsize=4)
def _client(credentials: Credentials) -> Client:
    """One client a process: making one reads the system's certificates."""
    return Client(credentials)


@dataclass(slots=True)
class Outcome:
    """Everything that the blocks came to."""

    state: RunState
    files: list[RowFile]
    errors: int = 0
    calls: CallCounts = field(default_factory=CallCounts)

    @property
    def rows(self) -> int:
        """Rows that are done."""
        return self.state.calls.rows


def evaluate(
    source: Source,
    plan: Plan,
    sink: RowSink,
    *,
    workers: Workers | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Evaluate every row of the source on the Ray that this process is connected to.

    Args:
        source: What to evaluate on.
        plan: Model, scorers and slices.
        sink: Where files of row results go.
        workers: What the work may take.
        on_progress: Called after every block, and at least every few seconds; what it raises ends the run.

    Raises:
        InvalidError: Row ids repeat, or a row has no input.
        TransientError: The cluster had no room for the work for five minutes.
        RemoteError: A worker failed for another reason.
    """
    workers = workers or Workers()
    results = _here(source, plan, workers) if _is_read_faster_than_sent(source, plan) else None
    if results is None:
        connect()
        _check_room(workers)
        by = _by_tasks if _is_columnar(source, plan) and source.dataset is None else _by_actors
        results = by(source, plan, sink, workers)
    outcome = Outcome(state=RunState(cluster=plan.cluster), files=[])
    for result in _watched(results, workers, lambda: on_progress and on_progress(_progress(outcome, source))):
        outcome.state.merge(result.state)
        if result.file is not None:
            outcome.files.append(result.file)
        outcome.errors += result.errors
        outcome.calls.merge(result.calls)
        if on_progress is not None:
            on_progress(_progress(outcome, source))
    outcome.files.sort(key=lambda file: file.path)
    repeated = outcome.state.repeated_ids
    if repeated:
        raise InvalidError(
            N_("{repeated} rows have the id of another row, so runs could not be compared row by row."),
            hint=N_("Give every row an id of its own in the column `row_id`, or name the column of ids."),
            reason="evaluation.repeated_rows",
            repeated=repeated,
        )
    return outcome


def connect() -> None:
    """Join the Ray of the job that this is or the one that `RAY_ADDRESS` names, else start one for this process."""
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.WARNING)
    context = ray.data.DataContext.get_current()
    for name in _PROGRESS_BARS:
        setattr(context, name, False)


def _is_columnar(source: Source, plan: Plan) -> bool:
    if not columnar.suits(plan):
        return False
    return source.dataset is not None or RECORD_COLUMN not in source.column_names


def _by_actors(source: Source, plan: Plan, sink: RowSink, workers: Workers) -> Iterator[_Result]:
    """Results of a Ray data set, by workers that are made once."""
    blocks = _dataset(source, plan, workers).map_batches(
        _BlockWorker,
        fn_constructor_args=(plan, sink),
        batch_size=_batch_rows(plan, workers),
        batch_format="pyarrow",
        num_cpus=workers.cpus,
        compute=_pool(workers, source, plan),
    )
    for row in blocks.iter_rows():
        yield _opened(row["result"])


def _by_tasks(source: Source, plan: Plan, sink: RowSink, workers: Workers) -> Iterator[_Result]:
    """Results of a table or file that the driver reads piece by piece, by tasks; few pieces wait at a time."""
    task = ray.remote(num_cpus=workers.cpus, max_retries=3)(columnar.result_of_table)
    shared = ray.put((plan, sink if plan.keep_rows else None))
    most = 2 * (workers.num_workers or max(1, int(ray.cluster_resources().get("CPU", 1.0))))
    pending: list[ray.ObjectRef[bytes]] = []
    for start, table in source.tables(_batch_rows(plan, workers), columnar.needed(plan, source.column_names)):
        if len(pending) >= most:
            done, pending = ray.wait(pending, num_returns=1)
            yield _opened(ray.get(done[0]))
        pending.append(task.remote(shared, table, start))
    while pending:
        done, pending = ray.wait(pending, num_returns=1)
        yield _opened(ray.get(done[0]))


def _here(source: Source, plan: Plan, workers: Workers) -> Iterator[_Result]:
    """Results of a table or file, in this process."""
    evaluator = columnar.TableEvaluator(plan, None)
    for start, table in source.tables(_batch_rows(plan, workers), columnar.needed(plan, source.column_names)):
        yield evaluator.evaluate(table, start)


def _is_read_faster_than_sent(source: Source, plan: Plan) -> bool:
    """Whether handing tables to workers would cost more than the work: rows are only counted, and none is kept."""
    return source.dataset is None and _is_columnar(source, plan) and not plan.keep_rows and _only_counts(plan)


def _only_counts(plan: Plan) -> bool:
    return all(getattr(measure.collector, "is_vectorised", False) for measure in plan.measures)


def _opened(result: bytes) -> _Result:
    found: _Result = pickle.loads(result)  # noqa: S301 - our own worker's, in our own cluster
    return found


class _BlockWorker:
    """Evaluates the batches that Ray Data hands it, several side by side; one instance a worker.

    All of them share one event loop and one caller, so that calls of one block go on while another begins or ends. What
    goes wrong comes back as a result too: Ray would keep the words of an error and lose its kind.
    """

    def __init__(self, plan: Plan, sink: RowSink) -> None:
        if plan.credentials is not None:
            where = plan.credentials
            sdk.init(where.project_id, url=where.url, key=where.key, service_name="evaluation")
        self._plan = plan
        self._sink = sink
        self._making = threading.Lock()  # protects what follows, which the first batch makes
        self._evaluator: BlockEvaluator | None = None
        self._tables = columnar.TableEvaluator(plan, sink) if columnar.suits(plan) else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._caller: PaidCaller | None = None
        self._opened: AbstractAsyncContextManager[PaidCaller] | None = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        try:
            result: BlockResult | AIPlatformError = self._result(batch)
        except AIPlatformError as error:
            result = error
        except Exception as error:
            logger.exception("a block failed", extra={"run_id": self._plan.run_id})
            result = _worker_failed(error)
        sdk.flush(FLUSH_S)
        return pa.table({"result": pa.array([pickle.dumps(result)], pa.binary())})

    def _result(self, batch: pa.Table) -> BlockResult:
        if self._tables is not None and RECORD_COLUMN not in batch.column_names:
            return self._tables.evaluate(batch)
        with self._making:
            if self._evaluator is None:
                self._evaluator = BlockEvaluator(self._plan, self._sink)
                if self._plan.makes_calls:
                    self._loop, self._caller = self._started()
        if self._loop is None or self._caller is None:
            return self._evaluator.evaluate(batch.to_pylist())
        key = finished.block_key(self._plan.fingerprint, batch)
        work = self._evaluator.evaluated(batch.to_pylist(), self._caller, key=key)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _started(self) -> tuple[asyncio.AbstractEventLoop, PaidCaller]:
        """A loop in a thread of its own, and a caller on it, for as long as the worker lives."""
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="evaluation-calls", daemon=True).start()
        return loop, asyncio.run_coroutine_threadsafe(self._open_caller(), loop).result()

    async def _open_caller(self) -> PaidCaller:
        plan = self._plan.call_plan
        desk = RayDesk(plan.project) if plan.project else None
        # Left open as long as the worker lives: Ray ends the process, and tells nobody before.
        opened = open_caller(plan, run_id=self._plan.run_id, credentials=self._plan.credentials, desk=desk)
        self._opened = opened
        return await opened.__aenter__()


def _pool(workers: Workers, source: Source, plan: Plan) -> ray.data.ActorPoolStrategy:
    """Workers, and how many blocks each has at a time: enough that those which end leave no gap."""
    most = _most_workers(workers, source, plan)
    blocks = _blocks_a_worker(workers, plan)
    return ray.data.ActorPoolStrategy(
        min_size=1,
        max_size=most,
        max_tasks_in_flight_per_actor=2 * blocks,
        max_concurrent_calls_per_actor=blocks,
        enable_true_multi_threading=blocks > 1,
    )


def _blocks_a_worker(workers: Workers, plan: Plan) -> int:
    if not plan.makes_calls or not plan.is_async:
        return 1
    in_flight = plan.call_plan.limits.in_flight
    return min(MAX_BLOCKS_A_WORKER, -(-in_flight // _batch_rows(plan, workers)) + 1)


def _dataset(source: Source, plan: Plan, workers: Workers) -> ray.data.Dataset:
    if source.dataset is not None:
        return source.dataset
    rows = _batch_rows(plan, workers)
    return ray.data.from_arrow(
        [
            table.append_column(PLACE_COLUMN, pa.array(range(start, start + table.num_rows), pa.int64()))
            for start, table in source.tables(rows)
        ]
    )


def _batch_rows(plan: Plan, workers: Workers) -> int:
    if workers.batch_rows is not None:
        return workers.batch_rows
    if columnar.suits(plan) and _only_counts(plan):
        return COLUMN_BATCH_ROWS
    return CALLED_BATCH_ROWS if plan.makes_calls else STORED_BATCH_ROWS


def _most_workers(workers: Workers, source: Source, plan: Plan) -> int:
    if workers.num_workers is not None:
        return workers.num_workers
    room = max(1, int(ray.cluster_resources().get("CPU", 1.0)))
    if source.num_rows is None:
        return room
    return max(1, min(room, -(-source.num_rows // _batch_rows(plan, workers))))


def _check_room(workers: Workers) -> None:
    there = ray.cluster_resources().get("CPU", 0.0)
    if workers.cpus > there:
        raise InvalidError(
            N_("A worker needs {asked:g} CPUs, and the whole cluster has {there:g}."),
            hint=N_("Ask for less; it would wait for ever otherwise."),
            reason="evaluation.resources",
            asked=workers.cpus,
            there=there,
        )


def _watched(results: Iterator[_Result], workers: Workers, on_wait: Callable[[], Any]) -> Iterator[BlockResult]:
    """Results as they arrive. Ray is waited for on a thread, so that progress, cancelling and a stall are noticed."""
    found: queue.Queue[BlockResult | BaseException | None] = queue.Queue()
    ended = threading.Event()

    def pull() -> None:
        try:
            for result in results:
                found.put(result)
                if ended.is_set():
                    return
            found.put(None)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            found.put(error)

    threading.Thread(target=pull, name="evaluation-blocks", daemon=True).start()
    last = time.monotonic()
    try:
        while True:
            try:
                result = found.get(timeout=_POLL_S)
            except queue.Empty:
                on_wait()
                _check_stall(workers, last)
                continue
            if result is None:
                return
            if isinstance(result, AIPlatformError | KeyboardInterrupt):
                raise result
            if isinstance(result, BaseException):
                raise _worker_failed(result) from result
            last = time.monotonic()
            yield result
    finally:
        ended.set()


def _check_stall(workers: Workers, last: float) -> None:
    if time.monotonic() - last < STALLED_AFTER_S or ray.available_resources().get("CPU", 0.0) >= workers.cpus:
        return
    raise TransientError(
        N_("The cluster had no room for the evaluation for {seconds:g} s: a worker needs {asked:g} CPUs."),
        hint=N_("Wait until other work has ended, or ask for less per worker."),
        reason="evaluation.no_room",
        seconds=STALLED_AFTER_S,
        asked=workers.cpus,
    )


def _worker_failed(error: BaseException) -> RemoteError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return RemoteError(
        N_("The evaluation failed in a worker: {problem}"),
        hint=N_("The job's log holds the whole traceback."),
        reason="evaluation.worker",
        problem=f"{type(error).__name__}: {lines[0] if lines else ''}"[:1000],
    )


def _progress(outcome: Outcome, source: Source) -> Progress:
    return Progress(
        done_rows=outcome.rows,
        error_rows=outcome.errors,
        total_rows=source.num_rows,
        files=tuple(outcome.files),
    )
