"""The Open Inference Protocol, as KServe's and Triton's REST clients speak it."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import numpy as np
import pytest

from aiplatform.core.scope import Scope
from aiplatform.serve.directory import Directory
from aiplatform.serve.model import DeploymentSpec, DeploymentState, Protocol, Status
from aiplatform.serve.oip import InferenceDoor
from aiplatform.serve.ports import Method
from aiplatform.serve.store import DeploymentStore
from aiplatform.storage.database import Database
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.models import LocalModelHost

SCOPE = Scope(tenant_id="default", project_id="default")
TENSOR = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]}


class Sums:
    """Adds each row up."""

    def infer(self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"sum": inputs["x"].sum(axis=1) * parameters.get("times", 1), "label": np.array(["a", "b"])}


@pytest.fixture
def http(sqlite_database: Database) -> Iterator[httpx.Client]:
    store, host = DeploymentStore(sqlite_database), LocalModelHost()
    for name, protocol, status in [
        ("sums", Protocol.INFER, Status.READY),
        ("slow", Protocol.INFER, Status.STARTING),
        ("talks", Protocol.CHAT, Status.READY),
    ]:
        spec = DeploymentSpec(name=name, target="tests:Sums", protocol=protocol)
        deployment = store.save(SCOPE, spec, author="user:lin", now_ns=1)
        store.tell(deployment, DeploymentState(status=status, ready_replicas=int(status is Status.READY)))
    host.add("model-default.default.sums", Sums(), Method.INFER)
    with PlatformUnderTest(sqlite_database) as platform:
        platform.serve_raw(InferenceDoor(Directory(store), host))
        yield platform.client()


def test_the_server_says_who_it_is_and_that_it_lives(http: httpx.Client) -> None:
    assert http.get("/v2").json()["name"] == "aiplatform"
    assert http.get("/v2/health/live").json() == {"live": True}
    assert http.get("/v2/health/ready").json() == {"ready": True}


def test_tensors_go_in_and_come_out(http: httpx.Client) -> None:
    answer = http.post("/v2/models/sums/infer", json={"id": "7", "inputs": [TENSOR], "parameters": {"times": 2}})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["model_name"], said["model_version"], said["id"]) == ("sums", "1", "7")
    assert said["outputs"] == [
        {"name": "sum", "shape": [2], "datatype": "FP32", "data": [6.0, 14.0]},
        {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
    ]
    assert len(answer.headers["x-trace-id"]) == 32


def test_only_the_outputs_that_are_asked_for_come(http: httpx.Client) -> None:
    request = {"inputs": [TENSOR], "outputs": [{"name": "label"}]}
    outputs = http.post("/v2/models/sums/versions/1/infer", json=request).json()["outputs"]
    assert [one["name"] for one in outputs] == ["label"]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "at least one tensor"),
        ({"inputs": [{**TENSOR, "shape": [3]}]}, "needs 3 values, its data has 4"),
        ({"inputs": [{**TENSOR, "datatype": "FLOAT"}]}, "none of BOOL"),
        ({"inputs": [TENSOR], "outputs": [{"name": "z"}]}, "no output 'z'"),
    ],
)
def test_a_wrong_request_is_explained(http: httpx.Client, request_: Any, words: str) -> None:
    answer = http.post("/v2/models/sums/infer", json=request_)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_a_body_that_is_no_json_is_refused(http: httpx.Client) -> None:
    answer = http.post("/v2/models/sums/infer", content=b"{")
    assert (answer.status_code, answer.json()["code"]) == (400, "request.not_json")


def test_binary_tensors_are_refused_with_the_remedy(http: httpx.Client) -> None:
    answer = http.post("/v2/models/sums/infer", content=b"{}", headers={"inference-header-content-length": "2"})
    assert answer.status_code == 400
    assert "binary_data=False" in answer.json()["hint"]


def test_models_tell_their_version_and_whether_they_are_ready(http: httpx.Client) -> None:
    assert http.get("/v2/models/sums").json()["versions"] == ["1"]
    assert http.get("/v2/models/sums/ready").json() == {"name": "sums", "ready": True}
    slow = http.get("/v2/models/slow/ready")
    assert (slow.status_code, slow.json()["ready"]) == (503, False)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v2/models/nothing", 404, "no model 'nothing'"),
        ("POST", "/v2/models/nothing/infer", 404, "no model 'nothing'"),
        ("GET", "/v2/models/sums/versions/9", 404, "runs version 1, not '9'"),
        ("POST", "/v2/models/slow/infer", 503, "is starting"),
        ("POST", "/v2/models/talks/infer", 400, "OpenAI's protocol"),
        ("GET", "/v2/models/sums/infer", 404, "Nothing answers GET"),
        ("POST", "/v2/repository/index", 404, "Nothing answers POST"),
    ],
)
def test_what_is_not_there_is_named(http: httpx.Client, method: str, path: str, status: int, words: str) -> None:
    answer = http.request(method, path, json={"inputs": [TENSOR]} if method == "POST" else None)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_who_may_only_look_may_not_infer(sqlite_database: Database) -> None:
    door = InferenceDoor(Directory(DeploymentStore(sqlite_database)), LocalModelHost())
    with PlatformUnderTest(sqlite_database) as platform:
        platform.serve_raw(door)
        viewer = platform.client(Role.VIEWER)
        assert viewer.post("/v2/models/sums/infer", json={"inputs": [TENSOR]}).status_code == 403
        assert platform.client(None).post("/v2/models/sums/infer").status_code == 401
