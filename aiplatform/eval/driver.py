"""One evaluation run from its driver: recorded, carried out on Ray Data, reported while it goes, completed."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from aiplatform.client.http import Client
from aiplatform.core.errors import AIPlatformError, ConflictError, InvalidError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.eval.blocks import Plan
from aiplatform.eval.calling.amounts import NANO, Caps
from aiplatform.eval.calling.gate import CappedError
from aiplatform.eval.calling.keeping import PATH, CacheMode
from aiplatform.eval.calling.limiting import DEFAULT_IN_FLIGHT, Limits
from aiplatform.eval.calling.opening import CallPlan
from aiplatform.eval.calling.pricing import own_prices
from aiplatform.eval.calls import Endpoint, FunctionModel, Model, StoredAnswers
from aiplatform.eval.compute import ClientSink, Outcome, Progress, Workers, evaluate
from aiplatform.eval.hf import compatible
from aiplatform.eval.inference_models import InferenceEndpoint
from aiplatform.eval.inputs import TraceRows, open_source
from aiplatform.eval.judging.specs import judge_of
from aiplatform.eval.loading import load_object
from aiplatform.eval.measures.measure import Measure
from aiplatform.eval.measures.registry import resolve as resolve_metrics
from aiplatform.eval.mlflow_log import MlflowLog
from aiplatform.eval.model import CallSums, DataRef, EvaluationRun, ModelKind, RunStatus, from_json, to_json
from aiplatform.eval.recording import read_data, recorded_order
from aiplatform.eval.registered_models import RegisteredModel, registered
from aiplatform.eval.scorers import resolve
from aiplatform.eval.spec import DataSpec, EvalSpec, parse_spec
from aiplatform.registry.model import ModelVersion

logger = logging.getLogger(__name__)

REPORT_EVERY_S: Final = 2.0
SAY_EVERY_S: Final = 5.0
_RECORDED_PACKAGES: Final = (
    "aiplatform",
    "ray",
    "numpy",
    "scipy",
    "pyarrow",
    "torch",
    "transformers",
    "scikit-learn",
    "sacrebleu",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """What a run shall be."""

    name: str
    data: Any
    model: Any = None
    """A function, a class, a model of this package, a registered version; None where the data hold the answers."""

    scorers: Sequence[Any] = ()
    metrics: Sequence[Any] = ()
    """Metrics that reference implementations define: names, or what `aip.evaluations.metric` makes."""

    keep_rows: bool = True
    """Whether row results are stored; without them, runs are compared by their metrics alone."""

    label: str = ""
    run_id: str | None = None
    slices: tuple[str, ...] = ()
    primary: str = ""
    cluster: str = ""
    seed: int = 0
    limit: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    workers: Workers = field(default_factory=Workers)
    mlflow: bool = True
    """Whether the run is logged to MLflow too."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """What else to record of where the run took place."""

    cache: CacheMode = CacheMode.READ_WRITE
    in_flight: int | None = None
    """Calls of the whole run at a time; by default what the model says, else 64."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    caps: Caps = field(default_factory=Caps)


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
    reporter = _Reporter(client, known, say)
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
    order: RunOrder, client: Client, run: EvaluationRun, reporter: _Reporter
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


def measures_of(order: RunOrder) -> tuple[Measure, ...]:
    """The metrics of an order.

    Raises:
        InvalidError: One is unknown or has the name of a scorer, or there is nothing to score by.
    """
    if not order.scorers and not order.metrics:
        raise InvalidError(
            N_("There is nothing to score by."),
            hint=N_('Give `metrics` or `scorers`: metrics=["accuracy", "f1_macro"].'),
            reason="evaluation.no_scores",
        )
    measures = resolve_metrics([_compatible(each, order.seed) for each in order.metrics])
    names = {name for each in resolve(order.scorers) for name in each.names}
    for measure in measures:
        if measure.name in names:
            raise InvalidError(
                N_("A scorer and a metric are both named {name!r}."),
                hint=N_('Leave one out, or name the metric: metric("accuracy", alias="share").'),
                reason="metric.repeated",
                name=measure.name,
            )
    return measures


def _compatible(wanted: Any, seed: int) -> Any:
    """A name such as `hf/rouge1` as the metric that gives Hugging Face's own numbers; anything else as it is."""
    if not isinstance(wanted, str) or not wanted.startswith(compatible.PREFIX):
        return wanted
    return compatible.compatible(wanted, seed=seed)


def call_plan_of(order: RunOrder, model: Model, client: Client) -> CallPlan:
    """How the run's calls are carried.

    Raises:
        InvalidError: Cost is capped, and what is called has no price in that currency.
    """
    prices = own_prices(client.get("/api/v1/prices")["items"])
    if order.caps.cost is not None and isinstance(model, Endpoint):
        cost = prices.cost(model.model, 1, 1)
        if cost is None or cost.currency != order.caps.currency:
            raise InvalidError(
                N_("The cost of {model!r} cannot be capped: it has no price in {currency}."),
                hint=N_("Set one with `aiplatform prices set`, or cap calls or tokens instead."),
                reason="evaluation.no_price",
                model=model.model,
                currency=order.caps.currency,
            )
    me = client.get("/api/v1/me")
    in_flight = order.in_flight or getattr(model, "in_flight", None) or DEFAULT_IN_FLIGHT
    return CallPlan(
        limits=Limits(
            in_flight=in_flight,
            requests_per_minute=order.requests_per_minute,
            tokens_per_minute=order.tokens_per_minute,
        ),
        caps=order.caps,
        mode=order.cache,
        prices=prices,
        project=f"{me['tenant']['id']}/{client.credentials.project_id}",
    )


def order_of(spec: EvalSpec, *, run_id: str | None = None, client: Client | None = None) -> RunOrder:
    """The order that a specification writes, its functions imported.

    Raises:
        InvalidError: A function cannot be imported.
    """
    if os.getcwd() not in sys.path:  # noqa: PTH109 - what `python -m` puts there too
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    return RunOrder(
        name=spec.name,
        data=_data_of(spec.data, client),
        model=_model_of_spec(spec),
        scorers=[_scorer_of(each) for each in spec.scorers],
        metrics=spec.metrics,
        keep_rows=spec.keep_rows,
        label=spec.label,
        run_id=run_id,
        slices=spec.slices,
        primary=spec.primary,
        cluster=spec.cluster,
        seed=spec.seed,
        limit=spec.data.limit,
        columns=spec.data.columns,
        workers=Workers(num_workers=spec.num_workers, cpus=spec.cpus_per_worker),
        mlflow=spec.mlflow,
        cache=CacheMode(spec.cache),
        in_flight=spec.in_flight,
        requests_per_minute=spec.requests_per_minute,
        tokens_per_minute=spec.tokens_per_minute,
        caps=Caps(calls=spec.max_calls, tokens=spec.max_tokens, cost=spec.max_cost, currency=spec.currency),
    )


def _data_of(spec: DataSpec, client: Client | None) -> Any:
    if spec.traces is not None:
        return TraceRows(query=spec.traces, expected=spec.expected)
    return spec.dataset or read_data(spec.path or "", client)


def _model_of_spec(spec: EvalSpec) -> Any:
    """What answers, as a specification says; None where the data do. A registered version stays its reference."""
    wanted = spec.model
    if wanted is None:
        return None
    if wanted.function is not None:
        function = load_object(wanted.function)
        return FunctionModel(
            function=function,
            batch=wanted.batch,
            in_flight=spec.in_flight,
            version=wanted.version,
            cache_key=wanted.cache_key,
        )
    if wanted.registered is not None:
        return wanted.registered
    in_flight = spec.in_flight or DEFAULT_IN_FLIGHT
    if wanted.protocol == "inference":
        return InferenceEndpoint(
            model=wanted.endpoint or "", url=wanted.url or "", input_name=wanted.input_name, in_flight=in_flight
        )
    return Endpoint(
        model=wanted.endpoint or "",
        url=wanted.url or "",
        version=wanted.version,
        options=wanted.options,
        in_flight=in_flight,
    )


def _scorer_of(written: str | Mapping[str, Any]) -> Any:
    if not isinstance(written, str):
        return judge_of(written)
    return load_object(written) if ":" in written else written


def recorded_spec(client: Client, run_id: str) -> EvalSpec:
    """The specification of a run that the platform recorded.

    Raises:
        NotFoundError: The project has no such run.
        InvalidError: It was recorded without one.
    """
    return parse_spec(client.get(f"/api/v1/evaluations/{run_id}").get("spec"))


def model_of(given: Any, client: Client | None = None) -> Model:
    """The model that a caller gave, whatever it gave.

    Args:
        given: A model, a function or class, a registered version or its reference, or None.
        client: Where registered versions are found.

    Raises:
        InvalidError: It is nothing that answers.
        NotFoundError: There is no such registered version.
    """
    if given is None:
        return StoredAnswers()
    if isinstance(given, Endpoint | FunctionModel | InferenceEndpoint | RegisteredModel | StoredAnswers):
        return given
    if isinstance(given, str | ModelVersion):
        return registered(given, client or Client())
    if callable(given):
        return FunctionModel(function=given)
    raise InvalidError(
        N_("A model of kind {kind!r} cannot be called."),
        hint=N_("Give a function, a class, an endpoint, a registered version, or None where the data hold answers."),
        reason="evaluation.model_kind",
        kind=type(given).__name__,
    )


def code_version() -> str:
    """The commit of the working directory, with `+` where files have changed since; empty outside version control."""
    git = shutil.which("git")
    if git is None:
        return os.environ.get("AIPLATFORM_CODE_VERSION", "")
    try:
        commit = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        changed = subprocess.run(
            [git, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("AIPLATFORM_CODE_VERSION", "")
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def environment() -> dict[str, str]:
    """Versions that a run's numbers may depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class _Reporter:
    """Tells the platform, and whoever watches, how far a run is."""

    def __init__(self, client: Client, run: EvaluationRun, say: Callable[[str], None] | None) -> None:
        self._client = client
        self._run_id = run.run_id
        self._name = run.name
        self._attempt = run.attempt
        self.say = say or (lambda _: None)
        self._started = time.monotonic()
        self._reported = self._said = self._started

    def __call__(self, progress: Progress) -> None:
        """Report where enough time has passed.

        Raises:
            ConflictError: The run was cancelled.
        """
        now = time.monotonic()
        if now - self._said >= SAY_EVERY_S:
            self._said = now
            of = f" of {progress.total_rows:,}" if progress.total_rows is not None else ""
            failures = f", {progress.error_rows:,} failed" if progress.error_rows else ""
            self.say(f"{self._name}: {progress.done_rows:,}{of} rows{failures}, {now - self._started:.0f} s")
        if now - self._reported >= REPORT_EVERY_S:
            self._reported = now
            self._report(progress)

    def patch(self, change: Mapping[str, Any]) -> EvaluationRun:
        """Send a change; sending it again changes nothing.

        Raises:
            ConflictError: The run was cancelled.
        """
        run = self._sent(change)
        if run.status is RunStatus.CANCELLED:
            raise ConflictError(
                N_("Evaluation run {run_id!r} was cancelled."), reason="evaluation.cancelled", run_id=self._run_id
            )
        return run

    def _sent(self, change: Mapping[str, Any]) -> EvaluationRun:
        path = f"/api/v1/evaluations/{self._run_id}"
        body = {**change, "attempt": self._attempt}
        return from_json(EvaluationRun, self._client.request("PATCH", path, json=body, idempotent=True).json())

    def completed(self, outcome: Outcome, data: DataRef, plan: Plan, primary: str, mode: CacheMode) -> EvaluationRun:
        """Send the result."""
        refs = [ref for each in plan.scorers for ref in each.refs]
        metrics = outcome.state.metrics(refs, measures=plan.measures, seed=plan.seed)
        slices = outcome.state.slice_metrics(refs, measures=plan.measures, seed=plan.seed)
        names = [metric.name for metric in metrics]
        rows_of_data = replace(data, rows_hash=outcome.state.rows_digest, num_rows=outcome.rows)
        return self.patch(
            {
                "status": RunStatus.COMPLETED,
                "done_rows": outcome.rows,
                "total_rows": outcome.rows,
                "error_rows": outcome.errors,
                "data": to_json(rows_of_data),
                "metrics": [to_json(metric) for metric in metrics],
                "slice_metrics": [to_json(part) for part in slices],
                "files": [to_json(file) for file in outcome.files],
                "calls": to_json(self._calls(outcome, mode)),
                "primary": primary if primary in names else next(iter(names), ""),
            }
        )

    def failed(self, error: BaseException) -> EvaluationRun | None:
        """Record why the run ended; a platform that cannot be reached hides no error, and None is returned."""
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        status = RunStatus.CANCELLED if interrupted else RunStatus.FAILED
        if isinstance(error, CappedError):
            status = RunStatus.CAPPED
        told = str(error) if isinstance(error, AIPlatformError) else f"{type(error).__name__}: {error}"
        try:
            return self._sent({"status": status, "error": told[:2000]})
        except AIPlatformError:
            logger.warning("the end of the run could not be recorded", exc_info=True, extra={"run_id": self._run_id})
            return None

    def _calls(self, outcome: Outcome, mode: CacheMode) -> CallSums:
        """What the calls came to, over every attempt of the run: what it paid for before it was resumed counts too."""
        counts = outcome.calls
        used = counts.paid + counts.cached
        if mode is CacheMode.OFF:
            return CallSums(
                paid=counts.paid,
                input_tokens=counts.input_tokens,
                output_tokens=counts.output_tokens,
                cost=counts.nanos / NANO if counts.currency else None,
                currency=counts.currency,
            )
        kept = self._client.get(PATH, run_id=self._run_id)
        cost = kept["costs"][0] if len(kept["costs"]) == 1 else {}
        return CallSums(
            paid=kept["calls"],
            cached=max(0, used - kept["calls"]),
            input_tokens=kept["input_tokens"],
            output_tokens=kept["output_tokens"],
            cost=cost.get("amount"),
            currency=cost.get("currency", ""),
        )

    def _report(self, progress: Progress) -> None:
        try:
            self.patch({"done_rows": progress.done_rows, "error_rows": progress.error_rows})
        except TransientError:
            # The platform may be restarting; the run goes on, and the next report says more.
            logger.warning("progress could not be reported", exc_info=True, extra={"run_id": self._run_id})
