"""One evaluation run from its driver: recorded, carried out on Ray Data, reported while it goes, completed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiplatform.client.http import Client
from aiplatform.core.ids import new_id
from aiplatform.eval.blocks import Plan
from aiplatform.eval.compute import ClientSink, evaluate
from aiplatform.eval.environment import code_version, environment
from aiplatform.eval.inputs import open_source
from aiplatform.eval.mlflow_log import MlflowLog
from aiplatform.eval.model import EvaluationRun, ModelKind, RunStatus, from_json, to_json
from aiplatform.eval.ordering import RunOrder, call_plan_of, measures_of, model_of
from aiplatform.eval.recording import recorded_order
from aiplatform.eval.reporter import Reporter
from aiplatform.eval.scorers import resolve


def carry_out(order: RunOrder, client: Client, *, say: Callable[[str], None] | None = None) -> EvaluationRun:
    """Evaluate, and return the completed run.

    Args:
        order: What to evaluate.
        client: The platform that keeps the run.
        say: Takes a line of progress every few seconds.

    Raises:
        InvalidError: Data, scorers or row ids are wrong.
        ConflictError: The run was cancelled, or had ended before without a result.
        AIPlatformError: A worker failed; the run is recorded as failed with the same words.
    """
    scorers, measures = resolve(order.scorers), measures_of(order)
    refs = (*(ref for each in scorers for ref in each.refs), *(each.ref for each in measures))
    model = model_of(order.model, client)
    in_file = model.ref.kind is ModelKind.STORED and not scorers
    source = open_source(order.data, client, limit=order.limit, in_file=in_file)
    run_id = order.run_id or new_id("eval")
    body = {
        "run_id": run_id,
        "name": order.name,
        "label": order.label,
        "data": to_json(source.ref),
        "model": to_json(model.ref),
        "scorers": [to_json(each) for each in refs],
        "slices": [*order.slices],
        "primary": order.primary,
        "cluster": order.cluster,
        "total_rows": source.num_rows,
        "seed": order.seed,
        "code_version": code_version(),
        "environment": {**environment(), **order.environment},
    }
    calls = call_plan_of(order, model, client)
    known = from_json(EvaluationRun, client.post("/api/v1/evaluations", body, idempotent=True))
    if known.status.is_resumable:
        path = f"/api/v1/evaluations/{run_id}:resume"
        known = from_json(EvaluationRun, client.post(path, {"start": False}))
    if known.status is RunStatus.COMPLETED:
        return known
    reporter = Reporter(client, known, say)
    # A run that the platform recorded before its job began learns here what it is made of.
    change = {key: body[key] for key in body if key not in {"run_id", "name"}}
    if known.spec is None:
        change["spec"] = recorded_order(order, model, source, run_id, client)
    known = reporter.patch({**change, "status": RunStatus.RUNNING})
    plan = Plan(
        run_id=run_id,
        model=model,
        scorers=scorers,
        measures=measures,
        seed=order.seed,
        keep_rows=order.keep_rows,
        slices=order.slices,
        cluster=order.cluster,
        columns=order.columns,
        credentials=client.credentials,
        calls=calls,
    )
    with _logged(order, client, known, reporter) as logged:
        try:
            sink = ClientSink(credentials=client.credentials)
            outcome = evaluate(source, plan, sink, workers=order.workers, on_progress=reporter)
        except BaseException as error:
            logged(reporter.failed(error))
            raise
        done = reporter.completed(outcome, source.ref, plan, order.primary, calls.mode)
        logged(done)
    return done


@contextmanager
def _logged(
    order: RunOrder, client: Client, run: EvaluationRun, reporter: Reporter
) -> Iterator[Callable[[EvaluationRun | None], None]]:
    """Takes the run as it ended, for its entry in MLflow; of a run that shall have none, nothing."""
    if not order.mlflow:
        yield lambda _: None
        return
    log = MlflowLog(client, warn=reporter.say)
    try:
        mlflow_run_id = log.begin(run)
        if mlflow_run_id and mlflow_run_id != run.mlflow_run_id:
            reporter.patch({"mlflow_run_id": mlflow_run_id})
        yield lambda ended: log.end(mlflow_run_id, ended) if ended is not None else None
    finally:
        log.close()
