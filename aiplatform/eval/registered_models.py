"""Registered model versions, loaded in the workers themselves: MLflow flavours, and classes that a version names."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.calls import Answer, FunctionModel, Traced
from aiplatform.eval.model import ModelKind, ModelRef
from aiplatform.eval.scorers import Row
from aiplatform.registry import models_api
from aiplatform.registry.model import ModelVersion

_MLFLOW_ADDRESS: Final = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/]+))")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """One registered version; each worker fetches and loads it once."""

    name: str
    version: int
    loader: str | None = None
    """`module:Class` that the version was registered with; None where MLflow loads it."""

    credentials: Credentials = field(repr=False)
    in_flight: int | None = None

    @property
    def ref(self) -> ModelRef:
        """What is recorded of it."""
        return ModelRef(kind=ModelKind.REGISTERED, name=self.name, version=str(self.version))

    async def answers(self, rows: Sequence[Row], traced: Traced) -> list[Answer]:
        """One answer a row; whatever the model raises is that row's error, or that of all rows of a batch."""
        function, batch = _loaded(self.credentials, f"{self.name}@{self.version}", self.loader)
        model = FunctionModel(function=function, batch=batch, in_flight=self.in_flight)
        return await model.answers(rows, traced)


def registered(reference: str | ModelVersion, client: Client, *, in_flight: int | None = None) -> RegisteredModel:
    """The version that `qa@3`, `qa@champion` or `models:/qa/3` names; an alias is the version it points at now.

    Raises:
        NotFoundError: There is no such model or version.
    """
    found = models_api.get(_own_form(reference), client=client) if isinstance(reference, str) else reference
    return RegisteredModel(
        name=found.name,
        version=found.version,
        loader=found.loader,
        credentials=client.credentials,
        in_flight=in_flight,
    )


def _own_form(reference: str) -> str:
    found = _MLFLOW_ADDRESS.fullmatch(reference)
    return f"{found['name']}@{found['version'] or found['alias']}" if found else reference


@cache
def _loaded(credentials: Credentials, reference: str, loader: str | None) -> tuple[Callable[[Any], Any], bool]:
    """The version as a function, and whether it takes a list of inputs."""
    with Client(credentials) as client:
        folder = models_api.download(reference, client=client)
    return load(folder, loader)


def load(folder: Path, loader: str | None) -> tuple[Callable[[Any], Any], bool]:
    """The model in a folder as a function of an input, and whether it takes a list of them.

    Raises:
        InvalidError: Nothing can load it.
    """
    if loader is not None:
        return _of_class(_made(loader, folder)), False
    if not (folder / "MLmodel").is_file():
        raise InvalidError(
            N_("The version was registered without a loader, and MLflow does not know its files."),
            hint=N_("Register it with `loader`, log it with an MLflow flavour, or evaluate its deployment."),
            reason="evaluation.no_loader",
        )
    from mlflow import pyfunc

    model = pyfunc.load_model(str(folder))
    return lambda inputs: _listed(model.predict(_frame(inputs))), True


def _made(loader: str, folder: Path) -> Any:
    module, _, name = loader.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # a version may bring its own code
    try:
        return getattr(import_module(module), name)(model_path=folder)
    except (ImportError, AttributeError) as error:
        raise InvalidError(
            N_("{reference!r} cannot be imported: {problem}."),
            hint=N_("Write `module:name`, with the module in the working directory or installed."),
            reason="evaluation.import",
            reference=loader,
            problem=str(error),
        ) from None


def _of_class(model: Any) -> Callable[[Any], Any]:
    """What a deployment would ask of the class: `chat` of messages, `infer` of arrays, else the instance itself."""
    if callable(getattr(model, "chat", None)):
        return _Chat(model.chat)
    if callable(getattr(model, "infer", None)):
        return _Infer(model.infer)
    if callable(model):
        function: Callable[[Any], Any] = model
        return function
    raise InvalidError(
        N_("The class {class_name!r} has no method {method!r}."),
        hint=N_("A chat model offers chat(messages, **options), any other infer(inputs)."),
        reason="model.method",
        class_name=type(model).__qualname__,
        method="infer",
    )


@dataclass(frozen=True, slots=True)
class _Chat:
    method: Callable[..., Any]

    async def __call__(self, value: Any) -> Any:
        messages = value if isinstance(value, list) else [{"role": "user", "content": str(value)}]
        said = self.method(messages)
        if inspect.isawaitable(said):
            said = await said
        if inspect.isasyncgen(said):
            said = [part async for part in said]
        elif inspect.isgenerator(said):
            said = list(said)
        if isinstance(said, list):
            said = "".join(part if isinstance(part, str) else str(part.get("content") or "") for part in said)
        return {"answer": said} if isinstance(said, str) else said


@dataclass(frozen=True, slots=True)
class _Infer:
    method: Callable[..., Any]

    async def __call__(self, value: Any) -> Any:
        import numpy as np  # noqa: PLC0415 - only such models need it

        named = dict(value) if isinstance(value, Mapping) else {"input": value}
        found = self.method({name: np.asarray([each]) for name, each in named.items()})
        if inspect.isawaitable(found):
            found = await found
        if isinstance(found, Mapping):
            return {name: _listed(each)[0] for name, each in found.items()}
        return _listed(found)[0]


def _frame(inputs: Sequence[Any]) -> Any:
    """What MLflow's models take: a frame of dictionaries, else the inputs in one column or as an array."""
    import pandas as pd  # noqa: PLC0415 - only such models need it

    return pd.DataFrame(list(inputs))


def _listed(values: Any) -> list[Any]:
    if hasattr(values, "to_dict") and hasattr(values, "columns"):
        records: list[Any] = values.to_dict(orient="records")
        return records
    return values.tolist() if hasattr(values, "tolist") else list(values)
