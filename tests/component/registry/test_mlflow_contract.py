"""Unmodified MLflow clients against the hosted server, over HTTP, from another process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from aiplatform.registry.workspaces import WORKSPACE_HEADER
from aiplatform.tenancy.permissions import Role
from tests.component.registry.conftest import HostedMlflow


def stock_client(hosted: HostedMlflow, key: str, *arguments: str) -> dict[str, Any]:
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "MLFLOW_TRACKING_URI": f"{hosted.url}/mlflow",
        "MLFLOW_TRACKING_TOKEN": key,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    command = [sys.executable, "-m", "tests.component.registry.stock_client", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return result


@pytest.fixture(scope="module")
def used(hosted: HostedMlflow, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    key = hosted.platform.key(tenant="acme")
    return stock_client(hosted, key, "use", str(tmp_path_factory.mktemp("client")))


def test_a_stock_client_finds_everything_that_it_put_there(used: dict[str, Any]) -> None:
    used = dict(used)
    assert used.pop("run_id")
    assert used == {
        "params": {"lr": "0.1"},
        "history": [1.0, 0.5, 1 / 3, 0.25, 0.2],
        "artifacts": ["notes/note.txt"],
        "content": "hello",
        "model_files": ["note.txt"],
        "aliased": "1",
        "prompt": "Hi Lin",
        "models": ["qa"],
        "found": 1,
    }


def test_another_tenants_client_sees_nothing_of_it(hosted: HostedMlflow, used: dict[str, Any], tmp_path: Path) -> None:
    seen = stock_client(hosted, hosted.platform.key(tenant="zed"), "look", str(tmp_path), used["run_id"])
    assert (seen.pop("experiments"), seen.pop("models"), seen.pop("prompt")) == ([], [], None)
    assert set(seen.values()) <= {"MlflowException", "RestException"}


def test_another_project_of_the_same_tenant_sees_nothing_of_it(hosted: HostedMlflow, used: dict[str, Any]) -> None:
    key = hosted.platform.key(tenant="acme", project="other")
    headers = {"authorization": f"Bearer {key}", "x-aiplatform-project": "other"}
    with httpx.Client(base_url=f"{hosted.url}/mlflow/api/2.0/mlflow", headers=headers) as http:
        assert http.get("/runs/get", params={"run_id": used["run_id"]}).status_code == 404
        assert http.get("/registered-models/search").json() == {}


def test_a_workspace_header_of_the_callers_own_changes_nothing(hosted: HostedMlflow, used: dict[str, Any]) -> None:
    acme = hosted.platform.caller(tenant="acme")
    from aiplatform.registry.workspaces import workspace_name

    headers = {
        "authorization": f"Bearer {hosted.platform.key(tenant='zed')}",
        WORKSPACE_HEADER: workspace_name(acme.scope),
        WORKSPACE_HEADER.upper(): workspace_name(acme.scope),
    }
    with httpx.Client(base_url=f"{hosted.url}/mlflow/api/2.0", headers=headers) as http:
        assert http.get("/mlflow/runs/get", params={"run_id": used["run_id"]}).status_code == 404
        path = f"/mlflow-artifacts/artifacts/workspaces/{workspace_name(acme.scope)}/1/{used['run_id']}/artifacts/notes"
        assert http.get(f"{path}/note.txt").status_code == 400
        assert http.put(f"{path}/note.txt", content=b"x").status_code == 400
        sneaky = "/mlflow-artifacts/artifacts/..%2f..%2f" + workspace_name(acme.scope)
        assert http.get(f"{sneaky}/1/{used['run_id']}/artifacts/notes/note.txt").status_code in {400, 404}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/graphql"),
        ("GET", "/api/3.0/mlflow/gateway/secrets/list"),
        ("GET", "/api/3.0/mlflow/workspaces"),
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("GET", "/get-artifact?run_id=x&path=y"),
        ("GET", "/ajax-api/2.0/mlflow/experiments/search"),
    ],
)
def test_what_is_not_on_the_list_is_not_there(hosted: HostedMlflow, method: str, path: str) -> None:
    headers = {"authorization": f"Bearer {hosted.platform.key(Role.ADMIN)}"}
    answer = httpx.request(method, f"{hosted.url}/mlflow{path}", headers=headers, json={} if method == "POST" else None)
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "ENDPOINT_NOT_FOUND"


def test_nobody_gets_in_without_a_key_or_with_a_seal_of_their_own(hosted: HostedMlflow) -> None:
    url = f"{hosted.url}/mlflow/api/2.0/mlflow/experiments/search"
    assert httpx.post(url, json={"max_results": 1}).status_code == 401
    assert httpx.post(url, json={"max_results": 1}, headers={"x-aiplatform-sealed-caller": "x.y"}).status_code == 401
    assert httpx.get(f"{hosted.url}/mlflow/health").status_code == 401


def test_a_viewer_reads_and_does_not_write(hosted: HostedMlflow, used: dict[str, Any]) -> None:
    headers = {"authorization": f"Bearer {hosted.platform.key(Role.VIEWER, tenant='acme')}"}
    with httpx.Client(base_url=f"{hosted.url}/mlflow/api/2.0/mlflow", headers=headers) as http:
        assert http.get("/runs/get", params={"run_id": used["run_id"]}).status_code == 200
        refused = http.post("/runs/set-tag", json={"run_id": used["run_id"], "key": "a", "value": "b"})
        assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
