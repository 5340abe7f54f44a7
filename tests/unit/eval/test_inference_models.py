"""Models behind the Open Inference Protocol: what is sent is read by the code with which our own replicas read it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import PermissionDeniedError, UnauthenticatedError
from aiplatform.eval.calling.opening import CallPlan, open_caller
from aiplatform.eval.calling.scope import CallScope, call_scope
from aiplatform.eval.calls import Answer
from aiplatform.eval.inference_models import InferenceEndpoint, tensors_of, values_of
from aiplatform.eval.model import ModelKind
from aiplatform.eval.scorers import Row
from aiplatform.serve.tensors import arrays_from, outputs_from

Model = Callable[[dict[str, np.ndarray]], Any]


class Server:
    """A model server that reads and writes tensors as our replicas do."""

    def __init__(self, model: Model, *, fails: tuple[int, ...] = ()) -> None:
        self.model = model
        self.fails = list(fails)
        self.paths: list[str] = []
        self.headers: list[httpx.Headers] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        self.headers.append(request.headers)
        if self.fails:
            return httpx.Response(self.fails.pop(0), headers={"retry-after": "0"}, text="not now")
        arrays = arrays_from(json.loads(request.content))
        return httpx.Response(200, json={"model_name": "m", "outputs": outputs_from(self.model(arrays))})


async def untraced(row: Row, call: Callable[[], Awaitable[Any]]) -> tuple[Any, str]:
    return await call(), f"trace-{row.row_id}"


def asked(server: Server, inputs: list[Any], **options: Any) -> list[Answer]:
    model = InferenceEndpoint(model="m", url="http://models", transport=httpx.MockTransport(server), **options)
    rows = [Row(row_id=str(place), input=value) for place, value in enumerate(inputs)]
    return asyncio.run(answered(model, rows))


async def answered(model: InferenceEndpoint, rows: list[Row]) -> list[Answer]:
    async with open_caller(CallPlan()) as caller:
        with call_scope(CallScope(caller=caller, run_id="run")):
            return await model.answers(rows, untraced)


@pytest.mark.parametrize("batch_rows", [1, 3])
def test_every_row_gets_its_own_answer(batch_rows: int) -> None:
    server = Server(lambda arrays: {"sum": arrays["x"].sum(axis=1) + arrays["y"], "both": arrays["x"] * 2})
    inputs = [{"x": [n, n + 1], "y": n} for n in range(7)]
    answers = asked(server, inputs, batch_rows=batch_rows, version="4")
    assert [answer.output["sum"] for answer in answers] == [3 * n + 1 for n in range(7)]
    assert [answer.output["both"] for answer in answers] == [[2 * n, 2 * n + 2] for n in range(7)]
    assert len(server.paths) == -(-7 // batch_rows)
    assert set(server.paths) == {"/v2/models/m/versions/4/infer"}
    assert all(answer.trace_id for answer in answers)


def test_texts_and_plain_values_are_tensors_too() -> None:
    server = Server(lambda arrays: np.array([len(text) for text in arrays["question"]]))
    assert [answer.output for answer in asked(server, ["a", "中文"], input_name="question")] == [1, 2]


@given(st.lists(st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=3, max_size=3), min_size=1))
def test_tensors_come_back_as_they_went(values: list[Any]) -> None:
    arrays = arrays_from({"inputs": tensors_of(values, "x")})
    assert arrays["x"].shape == (len(values), 3, 2)
    assert values_of(outputs_from(arrays), len(values)) == values


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([[1, 2], [3]], "different lengths"),
        ([{"a": 1}, {"b": 1}], "different inputs"),
        ([None], "NoneType"),
        ([[1, "a"]], "int, str"),
        ([[]], "holds nothing"),
    ],
)
def test_what_is_no_tensor_is_told(values: list[Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        tensors_of(values, "x")


def test_an_output_that_does_not_fit_the_rows_is_told() -> None:
    with pytest.raises(ValueError, match="no entry for each of 2"):
        values_of([{"name": "y", "shape": [1], "data": [1]}], 2)
    assert values_of([{"name": "y", "shape": [2], "data": [1, 2]}], 1) == [[1, 2]]


def test_what_may_pass_is_tried_again_and_what_cannot_is_the_rows_error() -> None:
    server = Server(lambda arrays: arrays["input"], fails=(429, 503))
    assert [answer.output for answer in asked(server, [5])] == [5]
    assert len(server.paths) == 3
    (answer,) = asked(Server(lambda arrays: arrays["input"], fails=(400,)), [5])
    assert answer.error == "RuntimeError: HTTP 400: not now"


@pytest.mark.parametrize(("status", "kind"), [(401, UnauthenticatedError), (403, PermissionDeniedError)])
def test_a_bad_key_stops_everything(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        asked(Server(lambda arrays: arrays["input"], fails=(status,) * 9), [5, 6])


def test_the_platforms_key_never_goes_to_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIPLATFORM_URL", "http://platform")
    monkeypatch.setenv("AIPLATFORM_API_KEY", "aip_secret")
    elsewhere = Server(lambda arrays: arrays["input"])
    asked(elsewhere, [1])
    assert "authorization" not in elsewhere.headers[0]
    own = Server(lambda arrays: arrays["input"])
    model = InferenceEndpoint(model="m", transport=httpx.MockTransport(own))
    asyncio.run(answered(model, [Row(row_id="r", input=1)]))
    assert own.headers[0]["authorization"] == "Bearer aip_secret"
    assert (model.ref.kind, model.ref.endpoint) == (ModelKind.ENDPOINT, "http://platform/v2/models/m/infer")
