"""What a run is made of, from Python: models, data, scorers and metrics. What computes is loaded when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiplatform.eval.calls import Endpoint
    from aiplatform.eval.inference_models import InferenceEndpoint
    from aiplatform.eval.inputs import TraceRows
    from aiplatform.eval.measures.measure import Measure
    from aiplatform.eval.measures.measuring import Measurement
    from aiplatform.eval.measures.naming import Metric


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
