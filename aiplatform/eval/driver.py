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
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from aiplatform.client.http import Client
from aiplatform.core.errors import AIPlatformError, ConflictError, InvalidError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.eval.blocks import Plan
from aiplatform.eval.calls import DEFAULT_IN_FLIGHT, Endpoint, FunctionModel, Model, StoredAnswers
from aiplatform.eval.compute import ClientSink, Outcome, Progress, Workers, evaluate
from aiplatform.eval.hf import compatible
from aiplatform.eval.inference_models import InferenceEndpoint
from aiplatform.eval.inputs import TraceRows, open_source
from aiplatform.eval.judging.specs import judge_of
from aiplatform.eval.measures.measure import Measure
from aiplatform.eval.measures.registry import resolve as resolve_metrics
from aiplatform.eval.mlflow_log import MlflowLog
from aiplatform.eval.model import DataRef, EvaluationRun, ModelKind, RunStatus, from_json, to_json
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
    known = from_json(EvaluationRun, client.post("/api/v1/evaluations", body, idempotent=True))
    if known.status is RunStatus.COMPLETED:
        return known
    if known.status.is_final:
        raise ConflictError(
            N_("Evaluation run {run_id!r} has ended already: it is {status}."),
            hint=N_("Choose another id, or none: one is made then."),
            reason="evaluation.ended",
            run_id=run_id,
            status=str(known.status),
        )
    reporter = _Reporter(client, run_id, order.name, say)
    # A run that the platform recorded before its job began learns here what it is made of.
    known = reporter.patch(
        {**{key: body[key] for key in body if key not in {"run_id", "name"}}, "status": RunStatus.RUNNING}
    )
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
    )
    with _logged(order, client, known, reporter) as logged:
        try:
            sink = ClientSink(credentials=client.credentials)
            outcome = evaluate(source, plan, sink, workers=order.workers, on_progress=reporter)
        except BaseException as error:
            logged(reporter.failed(error))
            raise
        done = reporter.completed(outcome, source.ref, plan, order.primary)
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


def order_of(spec: EvalSpec, *, run_id: str | None = None) -> RunOrder:
    """The order that a specification writes, its functions imported.

    Raises:
        InvalidError: A function cannot be imported.
    """
    if os.getcwd() not in sys.path:  # noqa: PTH109 - what `python -m` puts there too
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    return RunOrder(
        name=spec.name,
        data=_data_of(spec.data),
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
    )


def _data_of(spec: DataSpec) -> Any:
    if spec.traces is not None:
        return TraceRows(query=spec.traces, expected=spec.expected)
    return spec.dataset or Path(spec.path or "")


def _model_of_spec(spec: EvalSpec) -> Any:
    """What answers, as a specification says; None where the data do. A registered version stays its reference."""
    wanted = spec.model
    if wanted is None:
        return None
    if wanted.function is not None:
        function = load_object(wanted.function)
        return FunctionModel(function=function, batch=wanted.batch, in_flight=spec.in_flight, version=wanted.version)
    if wanted.registered is not None:
        return wanted.registered
    in_flight = spec.in_flight or DEFAULT_IN_FLIGHT
    if wanted.protocol == "inference":
        return InferenceEndpoint(
            model=wanted.endpoint or "", url=wanted.url or "", input_name=wanted.input_name, in_flight=in_flight
        )
    return Endpoint(model=wanted.endpoint or "", url=wanted.url or "", version=wanted.version, in_flight=in_flight)


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


def load_object(reference: str) -> Any:
    """The object that `module:name` names.

    Raises:
        InvalidError: There is none.
    """
    module, _, name = reference.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidError(
            N_("{reference!r} cannot be imported: {problem}."),
            hint=N_("Write `module:name`, with the module in the working directory or installed."),
            reason="evaluation.import",
            reference=reference,
            problem=str(error),
        ) from None


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

    def __init__(self, client: Client, run_id: str, name: str, say: Callable[[str], None] | None) -> None:
        self._client = client
        self._run_id = run_id
        self._name = name
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
        return from_json(EvaluationRun, self._client.request("PATCH", path, json=change, idempotent=True).json())

    def completed(self, outcome: Outcome, data: DataRef, plan: Plan, primary: str) -> EvaluationRun:
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
                "primary": primary if primary in names else next(iter(names), ""),
            }
        )

    def failed(self, error: BaseException) -> EvaluationRun | None:
        """Record why the run ended; a platform that cannot be reached hides no error, and None is returned."""
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        status = RunStatus.CANCELLED if interrupted else RunStatus.FAILED
        told = str(error) if isinstance(error, AIPlatformError) else f"{type(error).__name__}: {error}"
        try:
            return self._sent({"status": status, "error": told[:2000]})
        except AIPlatformError:
            logger.warning("the end of the run could not be recorded", exc_info=True, extra={"run_id": self._run_id})
            return None

    def _report(self, progress: Progress) -> None:
        try:
            self.patch({"done_rows": progress.done_rows, "error_rows": progress.error_rows})
        except TransientError:
            # The platform may be restarting; the run goes on, and the next report says more.
            logger.warning("progress could not be reported", exc_info=True, extra={"run_id": self._run_id})
