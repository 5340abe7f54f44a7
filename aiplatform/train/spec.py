"""The training specification: one YAML file that says what shall be trained, on what, with what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from aiplatform.core.errors import ConfigError, InvalidError
from aiplatform.core.i18n import N_

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
MAX_WORKERS: Final = 4096


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class WorkerSpec(_Section):
    """What one worker asks of the cluster."""

    cpus: Annotated[float, Field(ge=0)] = 0.5
    """CPUs; half a one, so that a two-core machine keeps room for Ray Data."""

    gpus: Annotated[float, Field(ge=0)] = 0.0
    """GPUs."""

    memory_gb: Annotated[float, Field(ge=0)] = 0.0
    """Memory in GiB; nothing is reserved by default."""


class RegisterSpec(_Section):
    """What becomes of the final checkpoint."""

    name: Annotated[str, Field(pattern=NAME)]
    """Name of the registered model."""

    alias: str | None = None
    """Alias that shall point at the new version at once."""

    loader: str | None = None
    """`module:Class` that makes the model from its folder when it is served."""

    description: str = ""
    signature: dict[str, Any] | None = None
    """What the model takes and gives, free-form."""

    parent_models: tuple[str, ...] = ()
    """Model versions it was trained on, `name@version`."""


class TrainSpec(_Section):
    """One training run."""

    name: Annotated[str, Field(pattern=NAME)]
    """What people call it."""

    entrypoint: str
    """`module:function` or `file.py:function`: a Ray Train loop that takes one dictionary of parameters."""

    params: dict[str, Any] = {}
    """What the loop is given."""

    num_workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] = 1
    """Processes that train together (DDP)."""

    worker: WorkerSpec = WorkerSpec()

    max_failures: Annotated[int, Field(ge=0)] = 0
    """How often the group is started anew from the last checkpoint after a failure."""

    num_to_keep: Annotated[int, Field(ge=1)] = 1
    """Checkpoints that are kept while it runs."""

    best_metric: str | None = None
    """Metric that says which checkpoint is the best; by default the last one is taken."""

    best_is: Annotated[str, Field(pattern="^(max|min)$")] = "max"
    """Whether more or less of it is better."""

    datasets: dict[str, str] = {}
    """Name in the loop -> reference (`faq@3`); the loop reads it with `ray.train.get_dataset_shard(name)`."""

    seed: int = 0
    """Seeds Python, NumPy and torch on every worker, plus its rank."""

    experiment: Annotated[str, Field(pattern=NAME)] | None = None
    """Experiment that the run is logged to; by default named like the run."""

    register_as: Annotated[RegisterSpec | None, Field(alias="register")] = None
    """Registers the final checkpoint as a model version."""

    env: dict[str, str] = {}
    """Environment variables of the workers; no secrets."""

    @field_validator("entrypoint")
    @classmethod
    def _is_entrypoint(cls, value: str) -> str:
        module, colon, function = value.rpartition(":")
        if not (module and colon and function.isidentifier()):
            raise ValueError("write `module:function` or `file.py:function`")
        return value

    @property
    def experiment_name(self) -> str:
        """The experiment that the run is logged to."""
        return self.experiment or self.name

    def document(self) -> dict[str, Any]:
        """The specification as JSON, which `parse_spec` reads back."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def parse_spec(document: Mapping[str, Any], *, source: str = "spec") -> TrainSpec:
    """A specification from a document.

    Raises:
        InvalidError: A field is unknown, missing or wrong; the error names it.
    """
    try:
        return TrainSpec.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidError(
            N_("{source}: {name!r} cannot be {value!r}: {problem}."),
            hint=N_("`aiplatform training spec` prints every field with its meaning."),
            reason="train.spec",
            source=source,
            name=".".join(str(part) for part in first["loc"]) or "spec",
            value=first.get("input"),
            problem=first["msg"].removeprefix("Value error, "),
        ) from None


def read_spec(file: Path) -> TrainSpec:
    """A specification from a YAML file.

    Raises:
        ConfigError: The file cannot be read or is not YAML.
        InvalidError: A field is unknown, missing or wrong.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            N_("The specification {path!r} cannot be read: {problem}."),
            hint=N_("Check the path and its permissions."),
            reason="train.unreadable",
            path=str(file),
            problem=error.strerror or str(error),
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            N_("The specification {path!r} is not YAML: {problem}."),
            hint=N_("Mend the named line."),
            reason="train.malformed",
            path=str(file),
            problem=" ".join(str(error).split()),
        ) from None
    if not isinstance(document, dict):
        raise InvalidError(
            N_("The specification {path!r} is no mapping of fields."),
            hint=N_("`aiplatform training spec` prints every field with its meaning."),
            reason="train.spec",
            path=str(file),
        )
    return parse_spec(document, source=str(file))
