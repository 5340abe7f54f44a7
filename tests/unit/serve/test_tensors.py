from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aiplatform.core.errors import InvalidError, RemoteError
from aiplatform.serve.tensors import DATATYPES, arrays_from, outputs_from


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2], **changes}


@pytest.mark.parametrize("name", [name for name in DATATYPES if name not in {"BYTES", "BOOL"}])
def test_every_datatype_arrives_as_its_own(name: str) -> None:
    assert arrays_from({"inputs": [tensor(datatype=name)]})["x"].dtype == DATATYPES[name]


def test_nested_and_flat_data_are_the_same() -> None:
    flat = arrays_from({"inputs": [tensor(shape=[2, 2], data=[1, 2, 3, 4])]})["x"]
    nested = arrays_from({"inputs": [tensor(shape=[2, 2], data=[[1, 2], [3, 4]])]})["x"]
    assert np.array_equal(flat, nested)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (None, "at least one tensor"),
        ([], "at least one tensor"),
        ([{}], "needs a name"),
        (["x"], "needs a name"),
        ([tensor(), tensor()], "'x' is there twice"),
        ([tensor(datatype="FLOAT")], "none of BOOL"),
        ([tensor(shape="2")], "shape of tensor 'x'"),
        ([tensor(shape=[-1])], "shape of tensor 'x'"),
        ([tensor(shape=[True])], "shape of tensor 'x'"),
        ([tensor(shape=[3])], r"needs 3 values, its data has 2"),
        ([{"name": "x", "shape": [1], "datatype": "INT64"}], "has no data"),
        ([tensor(data=[1, None])], "holds null"),
        ([tensor(data=[1, 2.5])], "holds float"),
        ([tensor(data=[True, 2])], "holds bool"),
        ([tensor(datatype="UINT8", data=[1, 256])], "do not fit UINT8"),
        ([tensor(datatype="BYTES", data=["a", 1])], "holds int"),
        ([tensor(shape=[2, 2], data=[[1, 2], 3])], "needs 4 values"),
        ([tensor(shape=[2], data=[[1, 2], 3])], "holds list"),
    ],
)
def test_a_tensor_that_does_not_agree_with_itself_is_explained(inputs: Any, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        arrays_from({"inputs": inputs})


numeric = st.sampled_from(["float32", "float64", "int8", "int64", "uint16", "bool"]).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if dtype.startswith("float") else None,
    )
)


@given(numeric)
def test_arrays_survive_the_protocol(array: np.ndarray) -> None:
    [written] = outputs_from({"x": array})
    assert np.array_equal(arrays_from({"inputs": [written]})["x"], array)


def test_one_unnamed_result_is_called_output() -> None:
    assert outputs_from([1.5, 2.5]) == [{"name": "output", "shape": [2], "datatype": "FP64", "data": [1.5, 2.5]}]


def test_texts_are_bytes_tensors() -> None:
    assert outputs_from({"y": ["a", "b"]})[0]["datatype"] == "BYTES"


def test_an_output_that_is_not_given_is_named() -> None:
    with pytest.raises(InvalidError, match="no output 'z'"):
        outputs_from({"y": [1]}, ["z"])


@pytest.mark.parametrize("value", [object(), [[1], [1, 2]], {"a": 1}])
def test_a_result_that_is_no_tensor_is_named(value: Any) -> None:
    with pytest.raises(RemoteError, match="is no tensor"):
        outputs_from({"y": value})
