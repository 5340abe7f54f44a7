"""What a run shall be: an order, from a caller's arguments or from a specification."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.amounts import Caps
from aiplatform.eval.calling.keeping import CacheMode
from aiplatform.eval.calling.limiting import DEFAULT_IN_FLIGHT, Limits
from aiplatform.eval.calling.opening import CallPlan
from aiplatform.eval.calling.pricing import own_prices
from aiplatform.eval.calls import Endpoint, FunctionModel, Model, StoredAnswers
from aiplatform.eval.compute import Workers
from aiplatform.eval.hf import compatible
from aiplatform.eval.inference_models import InferenceEndpoint
from aiplatform.eval.inputs import TraceRows
from aiplatform.eval.judging.specs import judge_of
from aiplatform.eval.loading import load_object
from aiplatform.eval.measures.measure import Measure
from aiplatform.eval.measures.registry import resolve as resolve_metrics
from aiplatform.eval.recording import read_data
from aiplatform.eval.registered_models import RegisteredModel, registered
from aiplatform.eval.scorers import resolve
from aiplatform.eval.spec import DataSpec, EvalSpec, parse_spec
from aiplatform.registry.model import ModelVersion


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


def _compatible(wanted: Any, seed: int) -> Any:
    """A name such as `hf/rouge1` as the metric that gives Hugging Face's own numbers; anything else as it is."""
    if not isinstance(wanted, str) or not wanted.startswith(compatible.PREFIX):
        return wanted
    return compatible.compatible(wanted, seed=seed)
