"""Runs from Python: started, gone on with, and estimated beforehand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiplatform.client.http import Client

if TYPE_CHECKING:
    from aiplatform.eval.calls import Endpoint
    from aiplatform.eval.estimating import Estimate
    from aiplatform.eval.inference_models import InferenceEndpoint
    from aiplatform.eval.measures.measure import Measure
    from aiplatform.eval.measures.naming import Metric
    from aiplatform.eval.scorers import Scorer
    from aiplatform.registry.model import ModelVersion

from aiplatform.eval.handles import EvaluationHandle, id_of


def run(
    data: Any,
    model: Callable[[Any], Any] | Endpoint | InferenceEndpoint | ModelVersion | str | None = None,
    *,
    scorers: Sequence[Scorer | Callable[[Any], Any] | str] = (),
    metrics: Sequence[Metric | Measure | str] = (),
    name: str,
    keep_rows: bool = True,
    label: str = "",
    version: str = "",
    slices: Sequence[str] = (),
    primary: str = "",
    cluster: str = "",
    seed: int = 0,
    limit: int | None = None,
    columns: Mapping[str, str] | None = None,
    batch: bool = False,
    in_flight: int | None = None,
    num_workers: int | None = None,
    cpus_per_worker: float = 0.25,
    run_id: str | None = None,
    mlflow: bool = True,
    cache: str = "read-write",
    cache_key: str = "",
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    currency: str = "USD",
    client: Client | None = None,
    say: Callable[[str], None] | None = None,
) -> EvaluationHandle:
    """Evaluate a model on data, on the Ray that this process is connected to.

    A run id of a run that has ended without its result lets that run go on: give the same data, model and scorers.

    Args:
        data: `name@version`, a data set handle, a file, a folder or pattern of files, `traces(...)`, dictionaries, a
            pandas frame, an Arrow table, a Hugging Face data set, a Ray data set.
        model: Function of a row's input, sync or async; a class, made once a worker; an `endpoint(...)` or
            `inference_endpoint(...)`; a registered version or its reference (`qa@3`); None where the data hold the
            answers in the column `output`.
        scorers: Scorers, functions of a `Row`, MLflow's scorers, or names such as `hit@5`.
        metrics: Metrics that reference implementations define: `accuracy`, `f1_macro`, `bleu`, or `metric(...)`; those
            of Hugging Face: `hf_metric(...)`, or `hf/rouge1` for its own numbers where they differ.
        name: What people call the run, `v4`.
        keep_rows: Whether row results are stored; without them, runs are compared by their metrics alone.
        label: What the version is, in a few words.
        version: Registered version that the model is, for the record: `qa@3`.
        slices: Columns whose values make slices.
        primary: Metric that lists show; by default the first.
        cluster: Column whose equal values depend on each other; errors are then clustered.
        seed: Of everything drawn.
        limit: Take the first rows only.
        columns: Which column is what: `{"input": "title"}`. By default the input is the first there is of `input`,
            `inputs`, `question`, `prompt`, `query`, `messages`; ids are in `row_id` or `id`, else made of the content.
        batch: Whether the function takes a list of inputs and returns a list of outputs.
        in_flight: Calls of an endpoint at a time in the whole run, by default 64; calls of a function at a time in
            each worker, by default 8 where it is async, else 1.
        num_workers: Most workers at a time; by default what the cluster has room for.
        cpus_per_worker: Logical CPUs of a worker.
        run_id: The caller's own id: the same id names the same run.
        mlflow: Whether the run is logged to MLflow too, in the experiment `evaluations`.
        cache: `read-write` uses answers that were paid for before and keeps new ones, `refresh` pays anew, `off` keeps
            nothing.
        cache_key: Of a function: other runs of it with the same key use its answers too. By default only this run
            does, when it is resumed.
        requests_per_minute: Of the whole run at each endpoint.
        tokens_per_minute: Likewise.
        max_calls: The run stops before it pays for more calls of endpoints and judges.
        max_tokens: … for more tokens, input and output together.
        max_cost: … more money, by the prices that traces have.
        currency: Of `max_cost`.
        client: By default one made from the environment.
        say: Takes lines of progress; by default they go to standard error.

    Raises:
        InvalidError: Data, scorers or row ids are wrong.
        AIPlatformError: A worker failed; the run is recorded as failed with the same words.
    """
    from aiplatform.eval.calling.amounts import Caps  # noqa: PLC0415 - what computes is loaded with the first run
    from aiplatform.eval.calling.keeping import CacheMode  # noqa: PLC0415
    from aiplatform.eval.compute import Workers  # noqa: PLC0415
    from aiplatform.eval.driver import carry_out  # noqa: PLC0415
    from aiplatform.eval.ordering import RunOrder  # noqa: PLC0415

    client = client or Client()
    answering = _answering(model, client, batch=batch, in_flight=in_flight, version=version, cache_key=cache_key)
    order = RunOrder(
        name=name,
        data=data,
        model=answering,
        scorers=scorers,
        metrics=metrics,
        keep_rows=keep_rows,
        label=label,
        run_id=run_id,
        slices=tuple(slices),
        primary=primary,
        cluster=cluster,
        seed=seed,
        limit=limit,
        columns=columns or {},
        workers=Workers(num_workers=num_workers, cpus=cpus_per_worker),
        mlflow=mlflow,
        cache=CacheMode(cache),
        in_flight=in_flight,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        caps=Caps(calls=max_calls, tokens=max_tokens, cost=max_cost, currency=currency),
    )
    return EvaluationHandle(carry_out(order, client, say=say or _say), client)


def resume(
    evaluation: EvaluationHandle | str,
    *,
    data: Any = None,
    model: Any = None,
    scorers: Sequence[Any] | None = None,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_cost: float | None = None,
    currency: str | None = None,
    client: Client | None = None,
    say: Callable[[str], None] | None = None,
) -> EvaluationHandle:
    """Let a run go on that was interrupted, cancelled, capped, or failed; a completed one answers itself.

    Blocks of rows that are done stay, and no answer that was kept is paid for again.

    Args:
        evaluation: The run or its id.
        data: What was evaluated on, where it cannot be read again from where it was (a Ray data set).
        model: The model, where it is a function that no module holds.
        scorers: The scorers, where one of them is such a function.
        max_calls: A new cap, over all attempts together.
        max_tokens: Likewise.
        max_cost: Likewise.
        currency: Of `max_cost`.
        client: By default one made from the environment.
        say: Takes lines of progress; by default they go to standard error.

    Raises:
        NotFoundError: The project has no such run.
        ConflictError: It is running.
        InvalidError: What it was made of must be given again.
    """
    from aiplatform.eval.calling.amounts import Caps  # noqa: PLC0415 - as above
    from aiplatform.eval.resuming import resume_run  # noqa: PLC0415

    client = client or Client()
    run = resume_run(
        id_of(evaluation),
        client,
        data=data,
        model=model,
        scorers=scorers,
        caps=Caps(calls=max_calls, tokens=max_tokens, cost=max_cost, currency=currency or ""),
        say=say or _say,
    )
    return EvaluationHandle(run, client)


def estimate(
    data: Any,
    model: Callable[[Any], Any] | Endpoint | None = None,
    *,
    scorers: Sequence[Scorer | Callable[[Any], Any] | str],
    rows: int = 20,
    seed: int = 0,
    limit: int | None = None,
    columns: Mapping[str, str] | None = None,
    in_flight: int | None = None,
    requests_per_minute: float | None = None,
    client: Client | None = None,
) -> Estimate:
    """What a run would cost and how long it would take, from a sample of its rows that is evaluated now.

    The sample's answers are kept: the run that follows does not pay for them again. Functions are called again.

    Args:
        data: As `run` takes it, like what is not explained here.
        model: The model.
        scorers: The scorers, judges among them.
        rows: Size of the sample.
        seed: Of the sample.
        limit: Take the first rows only.
        columns: Which column is what.
        in_flight: Calls at a time.
        requests_per_minute: Of the whole run.
        client: By default one made from the environment.
    """
    from aiplatform.eval.estimating import estimate_order  # noqa: PLC0415
    from aiplatform.eval.ordering import RunOrder  # noqa: PLC0415 - as above

    order = RunOrder(
        name="estimate",
        data=data,
        model=model,
        scorers=scorers,
        seed=seed,
        limit=limit,
        columns=columns or {},
        in_flight=in_flight,
        requests_per_minute=requests_per_minute,
    )
    return estimate_order(order, client or Client(), sample_rows=rows)


def _answering(model: Any, client: Client, *, batch: bool, in_flight: int | None, version: str, cache_key: str) -> Any:
    from aiplatform.eval.calls import FunctionModel  # noqa: PLC0415 - as above
    from aiplatform.eval.ordering import model_of  # noqa: PLC0415

    found = model_of(model, client)
    if isinstance(found, FunctionModel) and not isinstance(model, FunctionModel):
        return replace(found, batch=batch, in_flight=in_flight, version=version, cache_key=cache_key)
    return found


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
