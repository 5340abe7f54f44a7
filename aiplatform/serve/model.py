"""Deployments: what is wanted, what is seen, and every revision that was ever wanted."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import check_slug
from aiplatform.core.scope import Scope

DEFAULT_NUM_CPUS: Final = 0.1
MAX_REPLICAS: Final = 64
MAX_PARAMS_BYTES: Final = 64 * 1024
APPLICATION_PREFIX: Final = "model-"
_IMPORT_PATH: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_VERSION_REF: Final = re.compile(r"models:/(?P<name>[^/@:]+)(?:[/@](?P<version>\d+)|@(?P<alias>[A-Za-z][^/@:]*))")


class Protocol(StrEnum):
    """What a deployment speaks."""

    CHAT = "chat"
    """OpenAI's chat completions (and embeddings where its class offers `embed`)."""

    INFER = "infer"
    """The Open Inference Protocol, version 2: named tensors in, named tensors out."""


class Status(StrEnum):
    """Where a deployment stands, as last seen."""

    PENDING = "pending"
    """Wanted; the reconciler has not taken it up."""

    STARTING = "starting"
    """Replicas are being made."""

    READY = "ready"
    """The wanted revision answers."""

    FAILED = "failed"
    """It could not start, or died and stays dead; `message` says why."""

    STOPPED = "stopped"
    """Nothing runs because no replicas are wanted."""


STATUS_NAMES: Final = {
    Status.PENDING: N_("Pending"),
    Status.STARTING: N_("Starting"),
    Status.READY: N_("Ready"),
    Status.FAILED: N_("Failed"),
    Status.STOPPED: N_("Stopped"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRef:
    """A registered model's version, by number or by alias."""

    name: str
    version: int | None = None
    alias: str | None = None

    def __str__(self) -> str:
        return f"models:/{self.name}@{self.alias}" if self.version is None else f"models:/{self.name}/{self.version}"

    @classmethod
    def parse(cls, text: str) -> VersionRef:
        """`models:/qa/3` or `models:/qa@champion`.

        Raises:
            InvalidError: It is neither.
        """
        match = _VERSION_REF.fullmatch(text)
        if match is None:
            raise InvalidError(
                N_("{text!r} does not name a model version."),
                hint=N_("Write models:/NAME/VERSION or models:/NAME@ALIAS."),
                reason="deployment.version_ref",
                text=text,
            )
        name, version, alias = match["name"], match["version"], match["alias"]
        return cls(name=name, version=None if version is None else int(version), alias=alias)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec:
    """What is wanted of a deployment."""

    name: str
    """The `model` that clients ask for."""

    target: str
    """`models:/qa/3`, `models:/qa@champion` or the class `package.module:Class`. An alias is kept as the version that
    it named when it was applied."""

    engine: str | None = None
    """Class that runs a registered version (`package.module:Class`); None: the one it was registered with, else
    MLflow's own for `infer`."""

    code: str | None = None
    """Artifact path of a zip with the user's modules, put on the replica's import path."""

    params: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the class; JSON values. A registered version adds `model_path`, the folder of its files."""

    replicas: int = 1
    """Copies that answer; 0 stops the deployment and keeps it."""

    num_cpus: float = DEFAULT_NUM_CPUS
    """Logical CPUs that Ray reserves for each replica."""

    num_gpus: float = 0.0
    """GPUs that Ray reserves for each replica."""

    protocol: Protocol = Protocol.CHAT
    description: str = ""

    @property
    def import_path(self) -> str | None:
        """The class that runs; None where a registered version was not looked up yet."""
        return self.engine if self.target.startswith("models:/") else self.target

    @property
    def version_ref(self) -> VersionRef | None:
        """The registered version, where the target is one."""
        return VersionRef.parse(self.target) if self.target.startswith("models:/") else None

    def as_dict(self) -> dict[str, Any]:
        """JSON form, read back by `spec_from`."""
        return {
            "name": self.name,
            "target": self.target,
            "engine": self.engine,
            "code": self.code,
            "params": dict(self.params),
            "replicas": self.replicas,
            "num_cpus": self.num_cpus,
            "num_gpus": self.num_gpus,
            "protocol": self.protocol.value,
            "description": self.description,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentState:
    """What the reconciler saw last."""

    status: Status = Status.PENDING
    message: str | None = None
    """Why it failed or what it waits for; one sentence."""

    ready_replicas: int = 0
    seen_ns: int = 0
    """When it was seen; 0 before the first look."""

    since_ns: int = 0
    """When this status began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One spec that was applied. Rolling back makes a new revision with an old one's spec."""

    number: int
    revision_id: str
    spec: DeploymentSpec
    author: str
    created_ns: int
    restored_from: int | None = None
    """The older revision whose spec this one repeats, where it came from a rollback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment of one project: the wanted revision and what is seen of it."""

    tenant_id: str
    project_id: str
    current: Revision
    state: DeploymentState
    created_ns: int

    @property
    def name(self) -> str:
        """The `model` that clients ask for."""
        return self.current.spec.name

    @property
    def spec(self) -> DeploymentSpec:
        """The wanted spec."""
        return self.current.spec

    @property
    def application(self) -> str:
        """Name of its Serve application."""
        return application_name(Scope(tenant_id=self.tenant_id, project_id=self.project_id), self.name)


def application_name(scope: Scope, name: str) -> str:
    """The Serve application of a deployment. Slugs hold no dots, so that two never meet."""
    return f"{APPLICATION_PREFIX}{scope.tenant_id}.{scope.project_id}.{name}"


def spec_from(values: Mapping[str, Any]) -> DeploymentSpec:
    """A checked spec from its JSON form.

    Raises:
        InvalidError: A name is unknown, a value is missing or wrong; the error says which.
    """
    known = DeploymentSpec.__slots__
    unknown = next((key for key in values if key not in known), None)
    if unknown is not None:
        raise _wrong(unknown, N_("A deployment has no field {field!r}."))
    for name in ("name", "target"):
        if not isinstance(values.get(name), str):
            raise _wrong(name, N_("{field!r} of a deployment must be a text."))
    given = {key: value for key, value in values.items() if value is not None}
    if "protocol" in given:
        try:
            given["protocol"] = Protocol(given["protocol"])
        except ValueError:
            raise _wrong("protocol", N_("{field!r} of a deployment must be chat or infer.")) from None
    return checked(DeploymentSpec(**given))


def checked(spec: DeploymentSpec) -> DeploymentSpec:
    """`spec` where every value makes sense.

    Raises:
        InvalidError: One does not.
    """
    check_slug(spec.name, N_("deployment"))
    if spec.version_ref is None and not _IMPORT_PATH.fullmatch(spec.target):
        raise InvalidError(
            N_("{target!r} is neither a model version nor a class."),
            hint=N_("Write models:/NAME/VERSION, models:/NAME@ALIAS or package.module:Class."),
            reason="deployment.target",
            target=spec.target,
        )
    if spec.engine is not None and not (isinstance(spec.engine, str) and _IMPORT_PATH.fullmatch(spec.engine)):
        raise _wrong("engine", N_("{field!r} of a deployment must be a class, written package.module:Class."))
    if spec.code is not None and not isinstance(spec.code, str):
        raise _wrong("code", N_("{field!r} of a deployment must be a text."))
    if not isinstance(spec.replicas, int) or isinstance(spec.replicas, bool) or not 0 <= spec.replicas <= MAX_REPLICAS:
        raise _wrong("replicas", N_("{field!r} of a deployment must be a whole number from 0 to 64."))
    for name, value in (("num_cpus", spec.num_cpus), ("num_gpus", spec.num_gpus)):
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
            raise _wrong(name, N_("{field!r} of a deployment must be a number from 0."))
    if not isinstance(spec.description, str):
        raise _wrong("description", N_("{field!r} of a deployment must be a text."))
    _check_params(spec.params)
    return spec


def _check_params(params: Any) -> None:
    if not isinstance(params, Mapping) or not all(isinstance(key, str) for key in params):
        raise _wrong("params", N_("{field!r} of a deployment must be an object with named values."))
    try:
        size_bytes = len(json.dumps(dict(params), allow_nan=False))
    except (TypeError, ValueError):
        raise _wrong("params", N_("{field!r} of a deployment may hold JSON values alone.")) from None
    if size_bytes > MAX_PARAMS_BYTES:
        raise _wrong(
            "params", N_("{field!r} of a deployment is larger than 64 KiB; put large values into an artifact.")
        )


def _wrong(field_name: str, message: str) -> InvalidError:
    return InvalidError(
        message,
        hint=N_("`aiplatform deployments apply --help` shows every field."),
        reason="deployment.field",
        field=field_name,
    )
