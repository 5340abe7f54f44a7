"""What a stranger tries beyond asking: things of their own that point at another tenant's, and paths that climb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx

from aiplatform.core.scope import Scope
from aiplatform.registry.workspaces import workspace_name
from tests.component.gateway.house import OWNER, PROJECT, House

_FILES: Final = "/mlflow/api/2.0/mlflow-artifacts/artifacts"
_MLFLOW: Final = "/mlflow/api/2.0/mlflow"


def reach_across(house: House, key: str, ids: Mapping[str, str]) -> dict[str, httpx.Response]:
    """Every answer, by what was tried."""
    answers: dict[str, httpx.Response] = {}
    with house.client(key) as http:
        answers |= _climb(house, http, ids)
        answers |= _point_at_work(http, ids)
        answers |= _point_at_files(house, http, ids)
    return answers


def _climb(house: House, http: httpx.Client, ids: Mapping[str, str]) -> dict[str, httpx.Response]:
    """Out of one's own folder, in every spelling."""
    there = f"{OWNER}/{PROJECT}/{ids['artifact']}"
    workspace = workspace_name(Scope(tenant_id=OWNER, project_id=PROJECT))
    inside = f"workspaces/{workspace}/{ids['mlflow_file']}"
    spellings = {
        "absolute": "/{}",
        "up": "../../{}",
        "up, encoded": "..%2f..%2f{}",
        "up, dots encoded": "%2e%2e/%2e%2e/{}",
        "up, twice encoded": "%252e%252e%252f%252e%252e%252f{}",
        "up, backslash": "..%5c..%5c{}",
        "past an empty part": "a//../../../{}",
        "as a file address": quote("file:///{}", safe="{}"),
    }
    answers = {}
    for name, spelling in spellings.items():
        for method in ("GET", "PUT"):
            content = b"of a stranger" if method == "PUT" else None
            for room, path in (("artifacts", there), ("mlflow", inside), ("mlflow's folder", workspace)):
                base = "/api/v1/artifacts" if room == "artifacts" else _FILES
                url = house.url(f"{base}/{spelling.format(path)}")
                answers[f"{method} {room}: {name}"] = http.request(method, url, content=content)
    return answers


def _point_at_work(http: httpx.Client, ids: Mapping[str, str]) -> dict[str, httpx.Response]:
    """Runs of one's own that name another tenant's job: reading and stopping them must not reach it."""
    spec = {"name": "mine", "entrypoint": "app:train", "num_workers": 1}
    run = {"run_id": "stranger-train", "job_id": ids["job_id"], "spec": spec}
    evaluation: dict[str, Any] = {"name": "mine", "run_id": "stranger-eval"}
    answers = {
        "train": http.post("/api/v1/training-runs", json=run),
        "evaluate": http.post("/api/v1/evaluations", json=evaluation),
    }
    answers["claim"] = http.patch("/api/v1/evaluations/stranger-eval", json={"job_id": ids["job_id"]})
    for noun, run_id in (("training-runs", "stranger-train"), ("evaluations", "stranger-eval")):
        answers[f"read {noun}"] = http.get(f"/api/v1/{noun}/{run_id}")
        answers[f"cancel {noun}"] = http.post(f"/api/v1/{noun}/{run_id}:cancel")
    files = [{"path": ids["artifact"], "num_rows": 2, "sha256": "0" * 64}]
    answers["rows of another"] = http.patch("/api/v1/evaluations/stranger-eval", json={"files": files})
    return answers


def _point_at_files(house: House, http: httpx.Client, ids: Mapping[str, str]) -> dict[str, httpx.Response]:
    """Models of one's own whose files are another tenant's."""
    workspace = workspace_name(Scope(tenant_id=OWNER, project_id=PROJECT))
    api = house.url(_MLFLOW)
    experiment = http.post(f"{api}/experiments/create", json={"name": "mine"}).json()["experiment_id"]
    location = f"mlflow-artifacts:/workspaces/{workspace}/{ids['experiment_id']}"
    placed = http.post(f"{api}/experiments/create", json={"name": "placed", "artifact_location": location})
    run = http.post(f"{api}/runs/create", json={"experiment_id": experiment, "start_time": 1}).json()
    run_id = run["run"]["info"]["run_id"]
    http.post(f"{api}/registered-models/create", json={"name": "mine"})
    answers = {"an experiment in another's folder": placed}
    if placed.status_code < 300:
        there = http.post(f"{api}/runs/create", json={"experiment_id": placed.json()["experiment_id"], "start_time": 1})
        query = {"run_id": there.json()["run"]["info"]["run_id"]}
        answers["list in another's folder"] = http.get(f"{api}/artifacts/list", params=query)
    sources = {
        "as it is": ids["mlflow_source"],
        "by workspace": f"mlflow-artifacts:/workspaces/{workspace}/{ids['mlflow_file']}",
        "by file": f"file://{house.rooms.settings.data_dir}/files/workspaces/{workspace}/{ids['mlflow_file']}",
        "climbing": f"mlflow-artifacts:/{experiment}/{run_id}/artifacts/../../../../{workspace}/{ids['mlflow_file']}",
        "by run": f"runs:/{ids['mlflow_run_id']}/model",
    }
    for name, source in sources.items():
        for owner in (run_id, ids["mlflow_run_id"], None):
            body = {"name": "mine", "source": source, **({"run_id": owner} if owner else {})}
            made = http.post(f"{api}/model-versions/create", json=body)
            answers[f"version {name}, run {owner}"] = made
            if made.status_code < 300:
                version = {"name": "mine", "version": made.json()["model_version"]["version"]}
                told = http.get(f"{api}/model-versions/get-download-uri", params=version)
                answers[f"address {name}, run {owner}"] = told
                path = told.json().get("artifact_uri", "").partition(":")[2].lstrip("/")
                answers[f"file {name}, run {owner}"] = http.get(house.url(f"{_FILES}/{path}"))
                answers[f"file below {name}, run {owner}"] = http.get(house.url(f"{_FILES}/{path}/weights.txt"))
            registered = {"source": source, **({"lineage": {"mlflow_run_id": owner}} if owner else {})}
            answers[f"registered {name}, run {owner}"] = http.post("/api/v1/models/mine/versions", json=registered)
    return answers
