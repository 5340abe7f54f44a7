"""The evaluation specification: one YAML file that says what is evaluated, on what, and scored by what."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aiplatform.core.documents import read_fields
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

MAX_NAME: Final = 200
_HINT: Final = N_("A specification needs `name`, `data`, and `metrics` or `scorers`.")
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OBJECT: Final = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DataSpec(_Section):
    """What to evaluate on: a registered data set version, files, or what a search of traces finds."""

    dataset: str | None = None
    """`name@version` of a registered data set."""

    path: str | None = None
    """Parquet, JSONL or CSV: a file, a folder of them or a pattern, beside the specification or absolute."""

    traces: str | None = None
    """Search of traces, `kind:llm score.relevance<0.5`; each trace is a row with `input`, `output` and `trace_id`."""

    expected: str | None = None
    """Of traces: name of the score whose value is the expected answer, or `output` for the answer that was given."""

    columns: dict[str, str] = {}
    """Which column is what, where names differ: `input: question`."""

    limit: Annotated[int, Field(ge=1)] | None = None
    """Take the first rows only; of traces the newest, 1,000 by default."""

    @model_validator(mode="after")
    def _one_source(self) -> DataSpec:
        if [self.dataset, self.path, self.traces].count(None) != 2:
            raise ValueError("give one of `dataset`, `path` and `traces`")
        if self.expected is not None and self.traces is None:
            raise ValueError("`expected` goes with `traces`; of other data say `columns: {expected: ...}`")
        return self


class ModelSpec(_Section):
    """What answers: a function, an endpoint, or a registered version. Without one, the data hold the answers."""

    function: Annotated[str, Field(pattern=_OBJECT)] | None = None
    """`module:function`, called with a row's input; `module:Class` is made once a worker."""

    batch: bool = False
    """Whether the function takes a list of inputs and returns a list of outputs."""

    endpoint: str | None = None
    """Name of the model at the endpoint."""

    protocol: Literal["openai", "inference"] = "openai"
    """What the endpoint speaks: OpenAI's chat completions, or the Open Inference Protocol."""

    url: str | None = None
    """Address of the endpoint: OpenAI's up to `/v1`, the other's before `/v2`; by default the platform's own."""

    input_name: str = "input"
    """Open Inference Protocol: the tensor of inputs that are no dictionary."""

    registered: str | None = None
    """Registered version that the workers load: `qa@3`, `qa@champion`, `models:/qa/3`."""

    version: str = ""
    """Registered version that this is, for the record: `qa@3`."""

    options: dict[str, Any] = {}
    """Decoding of an endpoint: `temperature`, `max_tokens`, `seed`, …"""

    cache_key: str = ""
    """Of a function: other runs of it with the same key use its answers too."""

    @model_validator(mode="after")
    def _one_kind(self) -> ModelSpec:
        if [self.function, self.endpoint, self.registered].count(None) != 2:
            raise ValueError("give one of `function`, `endpoint` and `registered`")
        return self


class EvalSpec(_Section):
    """One evaluation run."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    """What people call it, `v4`."""

    label: Annotated[str, Field(max_length=MAX_NAME)] = ""
    """What the version is, in a few words: `MiniLM + adapter`."""

    data: DataSpec
    model: ModelSpec | None = None
    scorers: tuple[str | dict[str, Any], ...] = ()
    """Names of built-in or installed scorers (`hit@1`, `citation`), `module:function`, or judges written down:
    `{judge: correctness, model: large, url: ...}`."""

    metrics: tuple[str, ...] = ()
    """Metrics that reference implementations define: `accuracy`, `f1_macro`, `bleu(tokenize='zh')`."""

    keep_rows: bool = True
    """Whether row results are stored; without them, runs are compared by their metrics alone."""

    slices: tuple[str, ...] = ()
    """Columns whose values make slices."""

    primary: str = ""
    """Metric that lists show; by default the first."""

    cluster: str = ""
    """Column whose equal values depend on each other; errors are then clustered."""

    seed: int = 0
    num_workers: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Most workers at a time; by default what the cluster has room for."""

    cpus_per_worker: Annotated[float, Field(gt=0)] = 0.25
    """Logical CPUs of a worker; small, so that a two-core machine never waits for ever."""

    in_flight: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Model calls of a worker at a time; by default 8 for async functions and endpoints, else 1."""

    mlflow: bool = True
    """Whether the run is logged to MLflow too, in the experiment `evaluations`."""

    cache: Annotated[str, Field(pattern="^(read-write|refresh|off)$")] = "read-write"
    """What becomes of answers that were paid for before: used and kept, paid for anew, or nothing kept."""

    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    """Of the whole run, at each of its endpoints."""

    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    max_calls: Annotated[int, Field(ge=1)] | None = None
    """The run stops before it pays for more calls than this."""

    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """… or for more tokens, input and output together."""

    max_cost: Annotated[float, Field(gt=0)] | None = None
    """… or more money, by the prices of traces."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    """Of `max_cost`."""

    working_dir: str | None = None
    """Artifact path of a zip with the code, where the platform starts the run."""

    @model_validator(mode="after")
    def _something_to_score_by(self) -> EvalSpec:
        if not self.scorers and not self.metrics:
            raise ValueError("give `metrics` or `scorers`")
        return self


def parse_spec(document: Mapping[str, Any] | None) -> EvalSpec:
    """The specification that a document holds.

    Raises:
        InvalidError: It does not; the message names the field.
    """
    try:
        return EvalSpec.model_validate(document or {})
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidError(
            N_("The evaluation specification is wrong at {field!r}: {problem}."),
            hint=_HINT,
            reason="evaluation.spec",
            field=".".join(str(part) for part in first["loc"]) or "specification",
            problem=first["msg"],
        ) from None


def spec_schema() -> dict[str, Any]:
    """The JSON schema of a specification, for editors and for other tools that write one."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **EvalSpec.model_json_schema(),
        "title": "aiplatform evaluation",
    }


def load_spec(path: Path) -> EvalSpec:
    """The specification in a YAML file.

    Raises:
        ConfigError: The file cannot be read, or is not YAML.
        InvalidError: It is no specification.
    """
    return parse_spec(read_fields(path, hint=_HINT, reason="evaluation.spec"))


def check_run_id(value: str) -> str:
    """`value` where it can name an evaluation run.

    Raises:
        InvalidError: It cannot.
    """
    if not _RUN_ID.fullmatch(value):
        raise InvalidError(
            N_("{value!r} cannot name an evaluation run."),
            hint=N_("Use 1 to 64 letters, digits, dots, hyphens and underscores; begin with a letter or a digit."),
            reason="evaluation.run_id",
            value=value,
        )
    return value


def entrypoint(run_id: str) -> str:
    """The command of a job that carries out a run which the platform recorded."""
    return f"python -m aiplatform.eval --run {shlex.quote(run_id)}"
