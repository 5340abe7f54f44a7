"""Models behind the Open Inference Protocol, version 2: KServe's, Triton's, and the platform's own deployments."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx

from aiplatform.client.credentials import find_credentials
from aiplatform.core.errors import PermissionDeniedError, UnauthenticatedError
from aiplatform.core.i18n import N_
from aiplatform.eval.calling.limiting import DEFAULT_IN_FLIGHT
from aiplatform.eval.calls import TIMEOUT_S, Answer, FunctionModel, Traced
from aiplatform.eval.model import ModelKind, ModelRef
from aiplatform.eval.scorers import Row

MAX_ATTEMPTS: Final = 4
MAX_WAIT_S: Final = 20.0
_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
_TYPES: Final = ((bool, "BOOL"), (int, "INT64"), (float, "FP64"), (str, "BYTES"))


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceEndpoint:
    """A model asked for tensors over HTTP.

    A row's input is a value, a list of numbers, or a dictionary of them by the tensors' names; each tensor gets a
    leading dimension for the rows of one request. The output is what came back for the row: a value or a list, by name
    where there are several tensors.
    """

    model: str
    url: str = ""
    """Address before `/v2`; by default the platform's own."""

    key: str = field(default="", repr=False)
    """By default the platform's own key at the platform's own address, and none elsewhere."""

    version: str = ""
    """Version to ask for; by default the one that runs."""

    input_name: str = "input"
    """Tensor of inputs that are no dictionary."""

    batch_rows: int = 1
    """Rows of one request; their tensors must have equal shapes."""

    in_flight: int = DEFAULT_IN_FLIGHT
    timeout_s: float = TIMEOUT_S
    transport: httpx.AsyncBaseTransport | None = field(default=None, repr=False, compare=False)
    """What carries requests; by default the network."""

    @property
    def ref(self) -> ModelRef:
        """What is recorded of it."""
        return ModelRef(kind=ModelKind.ENDPOINT, name=self.model, version=self.version, endpoint=self._address)

    async def answers(self, rows: Sequence[Row], traced: Traced) -> list[Answer]:
        """One answer a row; what may pass (429, 5xx) is tried again, what cannot (401, 403) ends the run."""
        platform = find_credentials() if not self.url else None
        key = platform.current_key() if platform is not None else self.key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(timeout=self.timeout_s, headers=headers, transport=self.transport) as http:
            if self.batch_rows == 1:
                one = FunctionModel(function=functools.partial(self._one, http), in_flight=self.in_flight)
                return await one.answers(rows, traced)
            several = FunctionModel(function=functools.partial(self._several, http), batch=True)
            limit = asyncio.Semaphore(self.in_flight)

            async def part(start: int) -> list[Answer]:
                async with limit:
                    return await several.answers(rows[start : start + self.batch_rows], traced)

            parts = await asyncio.gather(*(part(start) for start in range(0, len(rows), self.batch_rows)))
        return [answer for part_answers in parts for answer in part_answers]

    @property
    def _address(self) -> str:
        base = (self.url or find_credentials().url).rstrip("/")
        version = f"/versions/{quote(self.version, safe='')}" if self.version else ""
        return f"{base}/v2/models/{quote(self.model, safe='')}{version}/infer"

    async def _one(self, http: httpx.AsyncClient, value: Any) -> Any:
        return (await self._several(http, [value]))[0]

    async def _several(self, http: httpx.AsyncClient, values: Sequence[Any]) -> list[Any]:
        response = await self._posted(http, {"inputs": tensors_of(values, self.input_name)})
        if response.status_code in {401, 403}:
            kind = UnauthenticatedError if response.status_code == 401 else PermissionDeniedError
            raise kind(
                N_("The model endpoint refuses the key: {answer}"),
                hint=N_("Every further call would fail, so the run stops here."),
                reason="evaluation.endpoint_key",
                answer=response.text[:300],
            )
        if response.is_error:
            raise RuntimeError(f"HTTP {response.status_code}: {response.text[:500]}")
        return values_of(response.json()["outputs"], len(values))

    async def _posted(self, http: httpx.AsyncClient, body: Mapping[str, Any]) -> httpx.Response:
        from opentelemetry import propagate  # noqa: PLC0415 - only where calls are made

        headers: dict[str, str] = {}
        propagate.inject(headers)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                response = await http.post(self._address, json=body, headers=headers)
            except httpx.TransportError:
                if attempt == MAX_ATTEMPTS:
                    raise
                await asyncio.sleep(0.5 * 2.0 ** (attempt - 1))
                continue
            if response.status_code not in _RETRIED or attempt == MAX_ATTEMPTS:
                return response
            asked = response.headers.get("retry-after", "")
            wait_s = float(asked) if asked.replace(".", "", 1).isdigit() else 0.5 * 2.0 ** (attempt - 1)
            await asyncio.sleep(min(wait_s, MAX_WAIT_S))
        raise AssertionError("unreachable")


def tensors_of(values: Sequence[Any], input_name: str) -> list[dict[str, Any]]:
    """Inputs of rows as tensors whose first dimension is the row.

    Raises:
        ValueError: The rows differ in names or shapes, or hold something that no tensor can.
    """
    named = [dict(value) if isinstance(value, Mapping) else {input_name: value} for value in values]
    names = list(named[0])
    if any(set(each) != set(names) for each in named):
        raise ValueError("the rows of one request have different inputs")
    return [_tensor(name, [each[name] for each in named]) for name in names]


def values_of(outputs: Sequence[Mapping[str, Any]], num_rows: int) -> list[Any]:
    """What output tensors say of each row; by name where there are several.

    Raises:
        ValueError: A tensor does not have one entry a row.
    """
    columns = {str(tensor["name"]): _entries(tensor, num_rows) for tensor in outputs}
    if len(columns) == 1:
        return next(iter(columns.values()))
    return [{name: column[place] for name, column in columns.items()} for place in range(num_rows)]


def _tensor(name: str, values: list[Any]) -> dict[str, Any]:
    shape = _shape(values)
    flat = _flat(values)
    kinds = {type(value) for value in flat}
    datatype = next((word for kind, word in _TYPES if kinds == {kind}), "FP64" if kinds == {int, float} else "")
    if not datatype:
        told = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"the input {name!r} holds {told or 'nothing'}, which is no tensor")
    if math.prod(shape) != len(flat):
        raise ValueError(f"the rows of the input {name!r} have different lengths")
    return {"name": name, "shape": shape, "datatype": datatype, "data": flat}


def _shape(value: Any) -> list[int]:
    shape: list[int] = []
    while isinstance(value, list | tuple):
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def _flat(value: Any) -> list[Any]:
    return [each for part in value for each in _flat(part)] if isinstance(value, list | tuple) else [value]


def _entries(tensor: Mapping[str, Any], num_rows: int) -> list[Any]:
    shape, flat = [int(size) for size in tensor["shape"]], _flat(tensor["data"])
    if math.prod(shape) != len(flat):
        raise ValueError(f"the output {tensor['name']!r} has {len(flat)} values for the shape {shape}")
    if not shape or shape[0] != num_rows:
        if num_rows == 1:  # a model that knows nothing of rows answered for the only one
            return [_shaped(flat, shape)]
        raise ValueError(f"the output {tensor['name']!r} of shape {shape} has no entry for each of {num_rows} rows")
    size = math.prod(shape[1:])
    return [_shaped(flat[place * size : (place + 1) * size], shape[1:]) for place in range(num_rows)]


def _shaped(flat: Sequence[Any], shape: Sequence[int]) -> Any:
    if not shape:
        return flat[0]
    size = math.prod(shape[1:])
    return [_shaped(flat[place * size : (place + 1) * size], shape[1:]) for place in range(shape[0])]
