"""Evaluations from Python: run, read, compare, gate.

    base = aip.evaluations.run("python-faq@3", answer, scorers=["hit@1", "citation"], name="v2")
    other = aip.evaluations.run("python-faq@3", better, scorers=["hit@1", "citation"], name="v3")
    print(aip.evaluations.compare(base, other, on="hit@1"))

Importing this loads nothing heavy: Ray and what computes come with the first `run`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console, RenderableType

from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.model import (
    Change,
    Comparison,
    EvaluationRun,
    GateResult,
    Leaderboard,
    LeaderboardEntry,
    MetricValue,
    Outcome,
    RowChange,
    RowResult,
    RunStatus,
    from_json,
)
from aiplatform.eval.reporting.content import SUFFIXES
from aiplatform.eval.terminal import comparison_view, gate_view, leaderboard_view, run_view

if TYPE_CHECKING:
    from aiplatform.eval.calls import Endpoint
    from aiplatform.eval.estimating import Estimate
    from aiplatform.eval.inference_models import InferenceEndpoint
    from aiplatform.eval.inputs import TraceRows
    from aiplatform.eval.judging.api import CalibrationHandle
    from aiplatform.eval.measures.measure import Measure
    from aiplatform.eval.measures.measuring import Measurement
    from aiplatform.eval.measures.naming import Metric
    from aiplatform.eval.scorers import Scorer
    from aiplatform.registry.model import ModelVersion

__all__ = [
    "ComparisonHandle",
    "EvaluationHandle",
    "LeaderboardHandle",
    "calibrate",
    "cancel",
    "compare",
    "comparison",
    "comparisons",
    "endpoint",
    "estimate",
    "find",
    "get",
    "hf_metric",
    "inference_endpoint",
    "leaderboard",
    "list",
    "measure",
    "metric",
    "resume",
    "run",
    "scorer",
    "to_hf",
    "traces",
]

PAGE: Final = 200
_WIDTH: Final = 120


@dataclass(frozen=True, slots=True)
class EvaluationHandle:
    """An evaluation run as it was last seen."""

    run: EvaluationRun
    _client: Client = field(repr=False)

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.run.run_id

    @property
    def name(self) -> str:
        """What people call it."""
        return self.run.name

    @property
    def status(self) -> RunStatus:
        """Where it stood when it was last seen."""
        return self.run.status

    @property
    def metrics(self) -> Mapping[str, MetricValue]:
        """Its metrics by name."""
        return {metric.name: metric for metric in self.run.metrics}

    @property
    def url(self) -> str:
        """Address of its page."""
        return self._client.credentials.page(f"/evaluations/{self.run_id}")

    def refresh(self) -> EvaluationHandle:
        """The run as it is now."""
        return get(self.run_id, client=self._client)

    def rows(
        self, *, in_slice: str | None = None, metric: str | None = None, state: str | None = None
    ) -> Iterator[RowResult]:
        """Its row results, in the order of their ids; `in_slice` is `column=value`."""
        path, after = f"/api/v1/evaluations/{self.run_id}/rows", None
        while True:
            page = self._client.get(path, limit=PAGE, after=after, slice=in_slice, metric=metric, state=state)
            yield from (from_json(RowResult, item) for item in page["items"])
            after = page["next"]
            if after is None:
                return

    def check(self, gate: str, *, baseline: EvaluationHandle | str | None = None) -> GateResult:
        """A gate on this run, every condition by itself.

        Raises:
            InvalidError: The gate cannot be understood.
        """
        body = {"gate": gate, "baseline": _id(baseline) if baseline is not None else None}
        path = f"/api/v1/evaluations/{self.run_id}:gate"
        return from_json(GateResult, self._client.post(path, body, idempotent=True))

    def must(self, gate: str, *, baseline: EvaluationHandle | str | None = None) -> EvaluationHandle:
        """The run itself where it passes a gate.

        Raises:
            AssertionError: It does not, or that cannot be told; the message is the gate, every condition by itself.
        """
        __tracebackhide__ = True
        result = self.check(gate, baseline=baseline)
        if result.outcome is not Outcome.PASS:
            raise AssertionError(f"{self.name} does not pass its gate\n{_text(gate_view(result))}")
        return self

    def passes(self, gate: str, *, baseline: EvaluationHandle | str | None = None) -> bool:
        """Whether the run passes a gate; what cannot be told does not pass."""
        return self.check(gate, baseline=baseline).outcome is Outcome.PASS

    def report(
        self,
        path: str | Path,
        *,
        lang: str | None = None,
        gate: str = "",
        baseline: EvaluationHandle | str | None = None,
    ) -> Path:
        """Write a report: the suffix says whether HTML, PDF, Markdown or, with a gate, JUnit XML.

        Args:
            path: Where to; `.html`, `.pdf`, `.md` or `.xml`.
            lang: `en` or `zh`; by default English.
            gate: Conditions whose outcome the report tells.
            baseline: Run that the gate compares with.

        Raises:
            InvalidError: The suffix is none of these, or JUnit was asked for without a gate.
            ConfigError: The platform lacks what makes PDF.
        """
        known = _id(baseline) if baseline is not None else None
        options = {"lang": lang, "gate": gate or None, "baseline": known}
        return _report(self._client, f"/api/v1/evaluations/{self.run_id}/report", path, options)

    def __str__(self) -> str:
        return _text(run_view(self.run))

    def __rich__(self) -> RenderableType:
        return run_view(self.run)


@dataclass(frozen=True, slots=True)
class ComparisonHandle:
    """A comparison, which never changes."""

    comparison: Comparison
    _client: Client = field(repr=False)

    @property
    def comparison_id(self) -> str:
        """Its id."""
        return self.comparison.comparison_id

    @property
    def url(self) -> str:
        """Address of its page."""
        return self._client.credentials.page(f"/comparisons/{self.comparison_id}")

    @property
    def promote(self) -> str | None:
        """Id of the run whose version may be promoted; None where nothing is established."""
        return self.comparison.verdict.promote

    def check(self, gate: str) -> tuple[GateResult, ...]:
        """A gate on every candidate.

        Raises:
            InvalidError: The gate cannot be understood.
        """
        path = f"/api/v1/comparisons/{self.comparison_id}:gate"
        items = self._client.post(path, {"gate": gate}, idempotent=True)["items"]
        return tuple(from_json(GateResult, item) for item in items)

    def passes(self, gate: str) -> bool:
        """Whether every candidate passes a gate; what cannot be told does not pass."""
        return all(result.outcome is Outcome.PASS for result in self.check(gate))

    def rows(
        self,
        *,
        candidate: EvaluationHandle | str | None = None,
        metric: str | None = None,
        change: Change | str | None = None,
        in_slice: str | None = None,
    ) -> Iterator[RowChange]:
        """Rows side by side, regressions first."""
        path, after = f"/api/v1/comparisons/{self.comparison_id}/rows", None
        chosen = _id(candidate) if candidate is not None else None
        wanted = str(change) if change is not None else None
        while True:
            page = self._client.get(
                path, candidate=chosen, metric=metric, change=wanted, slice=in_slice, limit=PAGE, after=after
            )
            yield from (from_json(RowChange, item) for item in page["items"])
            after = page["next"]
            if after is None:
                return

    def report(self, path: str | Path, *, lang: str | None = None, gate: str = "") -> Path:
        """Write a report: the suffix says whether HTML, PDF, Markdown or JUnit XML.

        Args:
            path: Where to; `.html`, `.pdf`, `.md` or `.xml`.
            lang: `en` or `zh`; by default English.
            gate: Conditions to tell of instead of the comparison's own.

        Raises:
            InvalidError: The suffix is none of these, or JUnit was asked for without a gate.
            ConfigError: The platform lacks what makes PDF.
        """
        options = {"lang": lang, "gate": gate or None}
        return _report(self._client, f"/api/v1/comparisons/{self.comparison_id}/report", path, options)

    def __str__(self) -> str:
        return _text(comparison_view(self.comparison))

    def __rich__(self) -> RenderableType:
        return comparison_view(self.comparison)


@dataclass(frozen=True, slots=True)
class LeaderboardHandle:
    """A leaderboard as it stood when it was asked for."""

    leaderboard: Leaderboard

    def __iter__(self) -> Iterator[LeaderboardEntry]:
        return iter(self.leaderboard.entries)

    def __str__(self) -> str:
        return _text(leaderboard_view(self.leaderboard))

    def __rich__(self) -> RenderableType:
        return leaderboard_view(self.leaderboard)


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
    from aiplatform.eval.driver import RunOrder, carry_out  # noqa: PLC0415

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
        _id(evaluation),
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
    from aiplatform.eval.driver import RunOrder  # noqa: PLC0415 - as above
    from aiplatform.eval.estimating import estimate_order  # noqa: PLC0415

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


def endpoint(
    model: str,
    *,
    url: str = "",
    key: str = "",
    version: str = "",
    in_flight: int = 64,
    options: Mapping[str, Any] | None = None,
) -> Endpoint:
    """An OpenAI-compatible endpoint to evaluate.

    Args:
        model: Name that requests ask for.
        url: Address up to `/v1`; by default the platform's own.
        key: By default the platform's key at the platform's address, and `OPENAI_API_KEY` elsewhere.
        version: Registered version that it is, for the record.
        in_flight: Most calls of the whole run at a time; fewer where the endpoint refuses more.
        options: Decoding: `temperature`, `max_tokens`, `seed`, …
    """
    from aiplatform.eval.calls import Endpoint  # noqa: PLC0415 - as above

    return Endpoint(model=model, url=url, key=key, version=version, in_flight=in_flight, options=options or {})


def inference_endpoint(
    model: str, *, url: str = "", key: str = "", version: str = "", batch_rows: int = 1, in_flight: int = 8
) -> InferenceEndpoint:
    """A model behind the Open Inference Protocol to evaluate: the platform's own, KServe's, Triton's.

    Args:
        model: Name that requests ask for.
        url: Address before `/v2`; by default the platform's own.
        key: Of another address; at the platform's own its key goes along.
        version: Version to ask for; by default the one that runs.
        batch_rows: Rows of one request.
        in_flight: Requests of a worker at a time.
    """
    from aiplatform.eval.inference_models import InferenceEndpoint  # noqa: PLC0415 - as above

    return InferenceEndpoint(model=model, url=url, key=key, version=version, batch_rows=batch_rows, in_flight=in_flight)


def hf_metric(given: Any, **options: Any) -> Measure:
    """A metric of Hugging Face's `evaluate` among `metrics`: see `aiplatform.eval.hf.metric.hf_metric`.

    Args:
        given: An `evaluate.Metric`, a folder with one, or a name of the hub with `allow_hub=True` and a `revision`.
        options: `name`, `config_name`, `options` of its `compute`, `expected`, `output`, `lower_is_better`.
    """
    from aiplatform.eval.hf.metric import hf_metric as made  # noqa: PLC0415 - as above

    return made(given, **options)


def to_hf(metric: Metric | Measure | str) -> Any:
    """A metric of the platform as an `evaluate.Metric`, for programs that are written against `evaluate`."""
    from aiplatform.eval.hf.exported import to_hf as made  # noqa: PLC0415 - as above

    return made(metric)


def traces(
    query: str = "", *, expected: str | None = None, from_ns: int | None = None, to_ns: int | None = None
) -> TraceRows:
    """Traces as rows to evaluate: without a model their own answers are scored, with one theirs is asked again.

    Args:
        query: A line of the query language, `kind:llm score.relevance<0.5`.
        expected: Name of the score whose value is the expected answer; `output` for the answer that was given.
        from_ns: Only traces that began then or later.
        to_ns: Only traces that began before.
    """
    from aiplatform.eval.inputs import TraceRows  # noqa: PLC0415 - as above

    return TraceRows(query=query, expected=expected, from_ns=from_ns, to_ns=to_ns)


def scorer(function: Callable[[Any], Any] | None = None, /, **options: Any) -> Any:
    """Make a scorer of a function: see `aiplatform.eval.scorers.scorer`."""
    from aiplatform.eval import scorers  # noqa: PLC0415 - as above

    return scorers.scorer(**options) if function is None else scorers.scorer(function)


def metric(name: str, /, *, alias: str = "", **parameters: Any) -> Metric:
    """A metric with parameters: `metric("f1", average="macro")`.

    Args:
        name: As in a specification: `f1`, `recall@10`, `bleu`.
        alias: What its numbers are called.
        parameters: What it is called with; `expected` and `output` say which columns it reads.

    Raises:
        InvalidError: The name cannot be read.
    """
    from aiplatform.eval.measures import naming  # noqa: PLC0415 - as above

    return naming.metric(name, alias=alias, **parameters)


def measure(
    data: Any,
    metrics: Sequence[Metric | str],
    *,
    columns: Mapping[str, str] | None = None,
    slices: Sequence[str] = (),
    cluster: str = "",
    blocks: int | None = None,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Measurement:
    """The metrics of data at hand, in this process: no platform, no Ray, nothing is stored.

    Args:
        data: A Parquet file, read block by block; columns by name; dictionaries; a pandas frame; an Arrow table.
        metrics: Names such as `f1_macro`, or `metric(...)`.
        columns: Which column is what: `{"output": "prediction"}`.
        slices: Columns whose values make slices.
        cluster: Column whose equal values depend on each other; errors are then clustered.
        blocks: Into how many blocks to split the rows; the numbers do not depend on it.
        level: Of the intervals.
        draws: Of the bootstrap, where a metric has no interval of its own.
        seed: Of what is drawn.

    Raises:
        InvalidError: A metric is unknown, a column is missing, or there are no rows.
        NotFoundError: There is no such file.
    """
    from aiplatform.eval.measures import measuring  # noqa: PLC0415 - as above
    from aiplatform.eval.measures.measure import Request  # noqa: PLC0415

    request = Request(level=level, draws=draws, seed=seed)
    return measuring.measure(
        data, metrics, columns=columns, slices=slices, cluster=cluster, blocks=blocks, request=request
    )


def get(run_id: str, *, client: Client | None = None) -> EvaluationHandle:
    """The run of that id.

    Raises:
        NotFoundError: The project has none of that id.
    """
    client = client or Client()
    return EvaluationHandle(from_json(EvaluationRun, client.get(f"/api/v1/evaluations/{run_id}")), client)


def find(name: str, *, client: Client | None = None) -> EvaluationHandle:
    """The run of an id, or the newest completed run of a name.

    Raises:
        NotFoundError: The project has no such run.
    """
    client = client or Client()
    after: str | None = None
    while not name.startswith("eval-"):
        page = client.get("/api/v1/evaluations", status=str(RunStatus.COMPLETED), limit=PAGE, after=after)
        found = next((item for item in page["items"] if item["name"] == name), None)
        if found is not None:
            return EvaluationHandle(from_json(EvaluationRun, found), client)
        after = page["next"]
        if after is None:
            break
    return get(name, client=client)


def list(  # noqa: A001 - a verb on a noun
    *, data: str | None = None, status: RunStatus | str | None = None, limit: int = 50, client: Client | None = None
) -> tuple[EvaluationHandle, ...]:
    """Runs of the project, newest first; `data` is a label such as `python-faq@3`."""
    client = client or Client()
    wanted = str(status) if status is not None else None
    items = client.get("/api/v1/evaluations", limit=limit, data=data, status=wanted)["items"]
    return tuple(EvaluationHandle(from_json(EvaluationRun, item), client) for item in items)


def cancel(evaluation: EvaluationHandle | str, *, client: Client | None = None) -> EvaluationHandle:
    """Stop a run; one that has ended stays as it is."""
    client = client or Client()
    answer = client.post(f"/api/v1/evaluations/{_id(evaluation)}:cancel", idempotent=True)
    return EvaluationHandle(from_json(EvaluationRun, answer), client)


def compare(
    baseline: EvaluationHandle | str,
    *candidates: EvaluationHandle | str,
    on: str = "",
    metrics: Sequence[str] = (),
    gate: str = "",
    name: str = "",
    client: Client | None = None,
    **options: Any,
) -> ComparisonHandle:
    """Compare runs with a baseline, row by row, and keep the result.

    Args:
        baseline: What the others are compared with.
        candidates: 1 to 10 runs on the same rows.
        on: Primary metric; by default the baseline's own.
        metrics: Further metrics.
        gate: Conditions such as `hit@1 >= 0.5 and not worse_than(baseline, "hit@1", 0.01)`.
        name: What people call the comparison.
        client: By default one made from the environment.
        options: `level`, `seed`, `draws`, `test`, `cluster`, `slices`, `force`, as in the HTTP API.

    Raises:
        InvalidError: The gate cannot be understood.
        ConflictError: The runs rest on different data or scorers, and `force` is off.
    """
    client = client or Client()
    body = {
        "baseline": _id(baseline),
        "candidates": [_id(each) for each in candidates],
        "on": on,
        "metrics": [*metrics],
        "gate": gate,
        "name": name,
        **options,
    }
    return ComparisonHandle(from_json(Comparison, client.post("/api/v1/comparisons", body)), client)


def leaderboard(
    *runs: EvaluationHandle | str,
    data: str = "",
    on: str = "",
    metrics: Sequence[str] = (),
    force: bool = False,
    client: Client | None = None,
) -> LeaderboardHandle:
    """Runs in the order of a metric, with intervals and the ranks that each keeps when the rows are drawn anew.

    Args:
        runs: Which; with none, the newest run of every name on `data`.
        data: Data set version, `python-faq@3`.
        on: Metric that ranks; by default the first run's own.
        metrics: Metrics beside it; by default all.
        force: Rank runs of different rows, scorers or judges too; the leaderboard is then marked.
        client: By default one made from the environment.

    Raises:
        InvalidError: There are too few or too many runs.
        ConflictError: The runs cannot be ranked together, and `force` is off.
    """
    client = client or Client()
    answer = client.get(
        "/api/v1/leaderboard",
        run=[_id(each) for each in runs] or None,
        data=data or None,
        on=on or None,
        metric=[*metrics] or None,
        force=force or None,
    )
    return LeaderboardHandle(from_json(Leaderboard, answer))


def calibrate(run: EvaluationHandle | str, **options: Any) -> CalibrationHandle:
    """Compare a judge's scores of a run with people: see `aiplatform.judges.calibrate`."""
    from aiplatform.eval.judging import api as judges  # noqa: PLC0415 - judges build on this module

    return judges.calibrate(run, **options)


def comparison(comparison_id: str, *, client: Client | None = None) -> ComparisonHandle:
    """The comparison of that id.

    Raises:
        NotFoundError: The project has none of that id.
    """
    client = client or Client()
    return ComparisonHandle(from_json(Comparison, client.get(f"/api/v1/comparisons/{comparison_id}")), client)


def comparisons(*, limit: int = 50, client: Client | None = None) -> tuple[ComparisonHandle, ...]:
    """Comparisons of the project, newest first."""
    client = client or Client()
    items = client.get("/api/v1/comparisons", limit=limit)["items"]
    return tuple(ComparisonHandle(from_json(Comparison, item), client) for item in items)


def _answering(model: Any, client: Client, *, batch: bool, in_flight: int | None, version: str, cache_key: str) -> Any:
    from aiplatform.eval.calls import FunctionModel  # noqa: PLC0415 - as above
    from aiplatform.eval.driver import model_of  # noqa: PLC0415

    found = model_of(model, client)
    if isinstance(found, FunctionModel) and not isinstance(model, FunctionModel):
        return replace(found, batch=batch, in_flight=in_flight, version=version, cache_key=cache_key)
    return found


def _id(evaluation: EvaluationHandle | str) -> str:
    return evaluation if isinstance(evaluation, str) else evaluation.run_id


def _report(client: Client, address: str, path: str | Path, options: Mapping[str, str | None]) -> Path:
    where = Path(path)
    form = next((form for form, suffix in SUFFIXES.items() if suffix == where.suffix.lower()), None)
    if form is None:
        raise InvalidError(
            N_("A report cannot be written to {path!r}."),
            hint=N_("Its suffix says what it becomes: {known}."),
            reason="report.suffix",
            path=str(path),
            known=", ".join(SUFFIXES.values()),
        )
    params = {name: value for name, value in options.items() if value is not None}
    where.write_bytes(client.request("GET", address, params={"format": str(form), **params}).content)
    return where


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _text(view: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get().rstrip()
