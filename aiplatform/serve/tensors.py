"""Tensors of the Open Inference Protocol as arrays, and back; every fault named with its tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.errors import InvalidError, RemoteError
from aiplatform.core.i18n import N_

if TYPE_CHECKING:
    import numpy as np

DATATYPES: Final = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
_NAMES: Final = {dtype: name for name, dtype in DATATYPES.items() if name != "BYTES"}
DEFAULT_OUTPUT: Final = "output"


def arrays_from(request: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The request's inputs by name, shaped as they say.

    Raises:
        InvalidError: A tensor is missing something, or its data, shape and datatype do not agree.
    """
    inputs = request.get("inputs")
    if not isinstance(inputs, Sequence) or isinstance(inputs, str) or not inputs:
        raise InvalidError(
            N_("`inputs` must be a list with at least one tensor."),
            hint=N_("Each tensor has name, shape, datatype and data."),
            reason="infer.inputs",
        )
    arrays: dict[str, np.ndarray] = {}
    for tensor in inputs:
        name = tensor.get("name") if isinstance(tensor, Mapping) else None
        if not isinstance(name, str) or not name:
            raise InvalidError(N_("Every tensor of `inputs` needs a name."), reason="infer.inputs")
        if name in arrays:
            raise _wrong(name, N_("The tensor {name!r} is there twice."))
        arrays[name] = _array(name, tensor)
    return arrays


def _array(name: str, tensor: Mapping[str, Any]) -> np.ndarray:
    import numpy as np  # noqa: PLC0415 - the light installation has no numpy

    datatype, shape = tensor.get("datatype"), tensor.get("shape")
    if datatype not in DATATYPES:
        raise _wrong(name, N_("The datatype of tensor {name!r} is none of {known}."), known=", ".join(DATATYPES))
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise _wrong(name, N_("The shape of tensor {name!r} must be a list of whole numbers from 0."))
    if "data" not in tensor:
        raise _wrong(name, N_("The tensor {name!r} has no data; binary tensors are not read here."))
    data = _flat(tensor["data"])
    if len(data) != math.prod(shape):
        raise _wrong(
            name,
            N_("The shape {shape} of tensor {name!r} needs {wanted} values, its data has {given}."),
            shape=shape,
            wanted=math.prod(shape),
            given=len(data),
        )
    _check_values(name, datatype, data)
    try:
        return np.array(data, dtype=DATATYPES[datatype]).reshape(shape)
    except (OverflowError, ValueError, TypeError) as error:
        raise _wrong(
            name,
            N_("The data of tensor {name!r} do not fit {datatype}: {problem}."),
            datatype=datatype,
            problem=str(error),
        ) from None


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        return [data]
    flat: list[Any] = data
    while flat and isinstance(flat[0], list):
        if not all(isinstance(part, list) for part in flat):
            break  # ragged: its kinds of values are told of below
        flat = [value for part in flat for value in part]
    return flat


def _check_values(name: str, datatype: str, data: list[Any]) -> None:
    kinds = {type(value) for value in data}
    allowed: set[type] = {bool} if datatype == "BOOL" else {str} if datatype == "BYTES" else {int}
    if datatype.startswith("FP"):
        allowed = {int, float}
    if not kinds <= allowed:
        other = next(kind for kind in kinds if kind not in allowed)
        raise _wrong(
            name,
            N_("The tensor {name!r} announces {datatype}, but its data holds {kind}."),
            datatype=datatype,
            kind="null" if other is type(None) else other.__name__,
        )


def outputs_from(result: Any, wanted: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """What a model returned, as the protocol's tensors.

    Args:
        result: A mapping of names to arrays or lists; anything else is one output named `output`.
        wanted: Names that the request asked for; None: all.

    Raises:
        InvalidError: The request asked for an output that the model does not give.
        RemoteError: The result is no array.
    """
    named = result if isinstance(result, Mapping) else {DEFAULT_OUTPUT: result}
    if wanted is not None:
        unknown = next((name for name in wanted if name not in named), None)
        if unknown is not None:
            raise InvalidError(
                N_("The model gives no output {name!r}."),
                hint=N_("It gives {known}."),
                reason="infer.outputs",
                name=unknown,
                known=", ".join(map(str, named)),
            )
    return [_tensor(str(name), value) for name, value in named.items() if wanted is None or name in wanted]


def _tensor(name: str, value: Any) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415 - the light installation has no numpy

    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind in "US" or (array.dtype == object and all(isinstance(one, str) for one in array.flat)):
        return {"name": name, "shape": list(array.shape), "datatype": "BYTES", "data": [str(one) for one in array.flat]}
    datatype = _NAMES.get(array.dtype.name)
    if datatype is None:
        raise RemoteError(
            N_("The model's output {name!r} is no tensor: {kind}."),
            hint=N_("Return arrays, or lists whose rows have one length."),
            reason="infer.output_type",
            name=name,
            kind=str(array.dtype),
        )
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": array.ravel().tolist()}


def _wrong(name: str, message: str, **fields: Any) -> InvalidError:
    return InvalidError(
        message,
        hint=N_("See the Open Inference Protocol, version 2: name, shape, datatype, data."),
        reason="infer.tensor",
        name=name,
        **fields,
    )
