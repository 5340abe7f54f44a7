"""Data set versions, experiments and model versions, and what descends from what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

CHAMPION: Final = "champion"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ALIAS: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`name`, `name@3` or `name@champion`: a thing, one version of it, or the version that an alias points at."""

    name: str
    version: int | None = None
    alias: str | None = None

    def __str__(self) -> str:
        tail = self.version if self.version is not None else self.alias
        return self.name if tail is None else f"{self.name}@{tail}"


def parse_reference(text: str) -> Reference:
    """What a reference names.

    Raises:
        InvalidError: It is not `name`, `name@version` or `name@alias`.
    """
    name, at, tail = text.partition("@")
    is_alias = _ALIAS.fullmatch(tail) is not None and tail != "latest"
    if not _NAME.fullmatch(name) or (at and not (tail.isdecimal() or is_alias or tail == "latest")):
        raise InvalidError(
            N_("{reference!r} is not a reference."),
            hint=N_("Write `name`, `name@3` or `name@alias`."),
            reason="registry.reference",
            reference=text,
        )
    if tail.isdecimal():
        return Reference(name=name, version=int(tail))
    return Reference(name=name, alias=tail if is_alias else None)


def check_name(value: str, what: str) -> str:
    """`value` where it can name a data set, a model or an experiment.

    Raises:
        InvalidError: It cannot.
    """
    if not _NAME.fullmatch(value):
        raise InvalidError(
            N_("{value!r} cannot name a {what}."),
            hint=N_("Use 1 to 128 letters, digits, dots, hyphens and underscores; begin with a letter or a digit."),
            reason="registry.name",
            value=value,
            what=what,
        )
    return value


def check_alias(value: str) -> str:
    """`value` where it can be an alias of a model version.

    Raises:
        InvalidError: It cannot; a number would read like a version.
    """
    if not _ALIAS.fullmatch(value) or value == "latest":
        raise InvalidError(
            N_("{value!r} cannot be an alias."),
            hint=N_("Begin with a letter; `latest` and numbers are taken."),
            reason="registry.alias",
            value=value,
        )
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a data set."""

    name: str
    type: str
    """Arrow's name of its type: `string`, `int64`, `list<item: float>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One unchangeable version of a data set; its rows are one Parquet file in the artifact store."""

    dataset_id: str
    name: str
    version: int
    """Counted from 1."""

    digest: str
    """`sha256:` and the hash of the Parquet file: what makes creating it again harmless."""

    columns: tuple[Column, ...]
    num_rows: int
    size_bytes: int
    artifact_path: str
    licence: str
    source: str
    description: str
    created_ns: int
    created_by: str

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set: its newest version, and how many there are."""

    name: str
    num_versions: int
    latest: DatasetVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPage:
    """Some rows of a data set version."""

    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]
    offset: int
    num_rows: int
    """Rows of the whole version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a model version descends from. Empty fields are not known."""

    training_run_id: str | None = None
    mlflow_run_id: str | None = None
    datasets: tuple[str, ...] = ()
    """References with versions, `python-faq@3`."""

    checkpoint_path: str | None = None
    """Artifact of the checkpoint that the model was made from."""

    parent_models: tuple[str, ...] = ()
    """Model versions that it was trained on, `name@version`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a registered model. MLflow keeps it; lineage, metrics and signature are ours."""

    name: str
    version: int
    aliases: tuple[str, ...]
    description: str
    source: str
    """Where its files are, `mlflow-artifacts:/models/qa/…`."""

    loader: str | None
    """`module:Class` that makes the model from its folder; None where it was registered without one."""

    signature: Mapping[str, Any] | None
    """What it takes and gives, free-form JSON."""

    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    lineage: Lineage
    created_ns: int
    created_by: str

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A model with the versions that its aliases point at."""

    name: str
    description: str
    aliases: Mapping[str, int]
    latest_version: int | None
    created_ns: int
    updated_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewModelVersion:
    """What registering a model version says about it."""

    name: str
    source: str
    description: str = ""
    loader: str | None = None
    signature: Mapping[str, Any] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    lineage: Lineage = Lineage()
    alias: str | None = None
    """Alias that shall point at it at once."""

    idempotency_key: str | None = None
    """A second registration with the same key answers with the first one's version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A named series of runs."""

    experiment_id: str
    name: str
    created_ns: int
    updated_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRun:
    """One run of an experiment: what went in, what was measured."""

    run_id: str
    experiment_id: str
    name: str
    status: str
    """MLflow's word: `RUNNING`, `FINISHED`, `FAILED`, `KILLED`, `SCHEDULED`."""

    params: Mapping[str, str]
    metrics: Mapping[str, float]
    """The last value of each."""

    tags: Mapping[str, str]
    started_ns: int | None
    ended_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One measured value."""

    step: int
    value: float
    timestamp_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSeries:
    """The history of one metric of one run, thinned so that no peak is lost."""

    run_id: str
    key: str
    points: tuple[MetricPoint, ...]
    num_points: int
    """Points before thinning."""
