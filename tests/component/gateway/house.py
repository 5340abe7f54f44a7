"""The platform's real applications in one process, and a tenant that has something of every kind in them."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from starlette.types import ASGIApp

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.core.scope import Scope
from aiplatform.core.settings import Settings, load
from aiplatform.gateway.door_app import build_door
from aiplatform.gateway.platform_app import build_platform
from aiplatform.gateway.rooms import Rooms
from aiplatform.jobs.keys import TenancyJobKeys
from aiplatform.jobs.secrets import LocalSecretPlace
from aiplatform.jobs.service import JobCluster, Jobs
from aiplatform.jobs.store import JobStore
from aiplatform.serve.model import DeploymentState, Status
from aiplatform.serve.ports import ModelHost
from aiplatform.serve.service import Deployments
from aiplatform.serve.versions import RegisteredVersions
from aiplatform.storage.database import Database
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import BASE_URL, AsgiTransport, PlatformUnderTest
from aiplatform.testing.databases import copy_sqlite
from aiplatform.testing.ending import tied
from aiplatform.testing.jobs import FakeJobRunner
from aiplatform.testing.models import EchoModel, FakeCapacity, LocalModelHost
from aiplatform.testing.otlp import export_request, make_span, span_id_of, trace_id_of
from tests.component.eval.conftest import evaluated, records

MARK: Final = "quince"
"""Stands in everything of the first tenant, and in nothing else."""

OWNER: Final = "default"
"""The first tenant: the one that may run code here, so that it can have something of every kind."""

PROJECT: Final = "orchard"
STRANGER: Final = "beta"
SEAL_SECRET: Final = "of the tests alone"
_OTLP: Final = {"content-type": "application/x-protobuf"}


class HouseRooms(Rooms):
    """Every room with its real store; where Ray would stand, what stands in for it in tests."""

    def __init__(self, settings: Settings, mlflow_url: str) -> None:
        super().__init__(settings)
        self._mlflow_url = mlflow_url
        self.runner = FakeJobRunner()
        self.host = LocalModelHost()

    @property
    def inner_url(self) -> str:
        return self._mlflow_url

    @cached_property
    def jobs(self) -> Jobs:
        return Jobs(
            JobStore(self.database),
            JobCluster(tenant_id=OWNER, runner=self.runner, url=self.inner_url),
            keys=TenancyJobKeys(self.tenancy.keys),
            secrets=LocalSecretPlace(self.state_dir / "jobs"),
            files=self.artifacts,
        )

    @cached_property
    def deployments(self) -> Deployments:
        return Deployments(
            self.deployment_store,
            capacity=FakeCapacity(),
            versions=RegisteredVersions(self.models),
            trusted_tenant=OWNER,
        )

    def model_host(self) -> ModelHost:
        return self.host


@dataclass(frozen=True, kw_only=True)
class Applications:
    """The applications `platform`, `door` and `mlflow`, on one database."""

    rooms: HouseRooms
    platform: FastAPI
    door: ASGIApp
    mlflow_url: str
    portal: BlockingPortal

    def client(self, key: str | None, *, project: str | None = None) -> httpx.Client:
        """A client for every path, as one that comes through HAProxy."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if project:
            headers["x-aiplatform-project"] = project
        mounts: dict[str, httpx.BaseTransport] = {self.mlflow_url: httpx.HTTPTransport()}
        return httpx.Client(base_url=BASE_URL, headers=headers, transport=_ByPath(self), mounts=mounts, timeout=60.0)

    def url(self, path: str) -> str:
        """Where the path is answered: MLflow has a process of its own."""
        return f"{self.mlflow_url}{path}" if path.startswith("/mlflow") else path

    def api(self, key: str, project: str) -> Client:
        """The product's own client."""
        return Client(Credentials(url=BASE_URL, key=key, project_id=project), transport=_ByPath(self))


@dataclass(frozen=True, kw_only=True)
class House(Applications):
    """Applications, and keys of every role."""

    keys: PlatformUnderTest


class _ByPath(httpx.BaseTransport):
    """`/v1` to the door, everything else to the platform, as Serve's longest prefix has it."""

    def __init__(self, house: Applications) -> None:
        self._door = AsgiTransport(house.door, house.portal)
        self._platform = AsgiTransport(house.platform, house.portal)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        to = self._door if request.url.path.startswith("/v1/") else self._platform
        return to.handle_request(request)


@contextmanager
def open_house(template: Path, folder: Path) -> Iterator[House]:
    """The applications, MLflow in a process of its own."""
    url = copy_sqlite(template, folder / "platform.db")
    (folder / "state").mkdir()
    (folder / "state" / "control-secret").write_text(SEAL_SECRET)
    settings = load(environment={}, flags={"data_dir": str(folder), "database.url": url}).settings
    with (
        _mlflow(url, folder) as mlflow_url,
        start_blocking_portal() as portal,
        PlatformUnderTest(Database(url)) as keys,
    ):
        rooms = HouseRooms(settings, mlflow_url)
        yield House(
            rooms=rooms,
            platform=build_platform(rooms),
            door=build_door(rooms),
            mlflow_url=mlflow_url,
            keys=keys,
            portal=portal,
        )
        rooms.close()
        keys.database.close()


@contextmanager
def _mlflow(database_url: str, folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.component.registry.mlflow_process", database_url, str(folder), SEAL_SECRET]
    with (
        (folder / "mlflow.log").open("w") as log,
        subprocess.Popen(tied(command), stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port, (folder / "mlflow.log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def furnish(house: House, key: str) -> dict[str, str]:
    """Give the first tenant's project something of every kind; returns the ids, by what they are."""
    ids = {"tenant": OWNER, "project": PROJECT, **_furnish_traces(house, key)}
    with house.client(key, project=PROJECT) as http:
        ids |= _furnish_registry(house, http)
        ids |= _furnish_work(house, http)
    ids |= _furnish_evaluations(house.api(key, PROJECT))
    return ids


def _furnish_traces(house: House, key: str) -> dict[str, str]:
    spans = [
        make_span(1, name=f"ask {MARK}", attributes={"session.id": "pear-session", "input.value": f"a {MARK}?"}),
        make_span(2, parent=1, name=f"search {MARK}", attributes={"output.value": f"{MARK} found"}),
    ]
    trace_id = trace_id_of(1).hex()
    with house.client(key, project=PROJECT) as http:
        sent = http.post("/v1/traces", content=export_request(spans).SerializeToString(), headers=_OTLP)
        sent.raise_for_status()
        score = _post(http, "/api/v1/scores", trace_id=trace_id, name="taste", value=f"{MARK}-sour", comment=MARK)
        saved = _post(http, "/api/v1/traces/searches", name=f"saved {MARK}", query=f"{MARK} session:pear-session")
        spare = _post(http, "/api/v1/traces/searches", name=f"spare {MARK}")
        listed = _post(http, "/api/v1/keys", name=f"key of {MARK}", role="developer")
        http.put("/api/v1/members/lin@pears.example", json={"role": "developer", "name": MARK}).raise_for_status()
    return {
        "trace_id": trace_id,
        "span_id": span_id_of(2).hex(),
        "session_id": "pear-session",
        "score_id": score["score_id"],
        "search_id": saved["search_id"],
        "spare_search_id": spare["search_id"],
        "key_id": listed["id"],
        "email": "lin@pears.example",
    }


def _furnish_registry(house: House, http: httpx.Client) -> dict[str, str]:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": ["1", "2"], "question": [f"{MARK} one", f"{MARK} two"]}), sink)
    http.put("/api/v1/artifacts/pears/basket.parquet", content=sink.getvalue()).raise_for_status()
    about = {"licence": "CC0-1.0", "source": MARK, "description": f"all about the {MARK}"}
    _post(http, "/api/v1/datasets", name="pear-faq", artifact_path="pears/basket.parquet", **about)
    api = house.url("/mlflow/api/2.0/mlflow")
    experiment_id = _post(http, f"{api}/experiments/create", name="pear-experiment")["experiment_id"]
    tags = [{"key": "fruit", "value": MARK}]
    run = _post(
        http, f"{api}/runs/create", experiment_id=experiment_id, run_name=f"run {MARK}", tags=tags, start_time=1
    )
    run_id, address = run["run"]["info"]["run_id"], run["run"]["info"]["artifact_uri"]
    _post(http, f"{api}/runs/log-metric", run_id=run_id, key="loss", value=0.5, step=1, timestamp=1)
    files = f"{experiment_id}/{run_id}/artifacts/model/weights.txt"
    put = http.put(house.url(f"/mlflow/api/2.0/mlflow-artifacts/artifacts/{files}"), content=MARK.encode())
    put.raise_for_status()
    logged = _post(http, f"{api}/logged-models", experiment_id=experiment_id, name="pear-logged", tags=tags)
    _post(http, f"{api}/registered-models/create", name="pear-spare", description=MARK)
    lineage = {"mlflow_run_id": run_id, "datasets": ["pear-faq@1"]}
    made = {"source": f"{address}/model", "description": MARK, "alias": "champion", "lineage": lineage}
    _post(http, "/api/v1/models/pear/versions", **made)
    return {
        "artifact": "pears/basket.parquet",
        "dataset": "pear-faq",
        "experiment_id": str(experiment_id),
        "experiment": "pear-experiment",
        "mlflow_run_id": run_id,
        "mlflow_file": files,
        "mlflow_source": f"{address}/model",
        "logged_model_id": logged["model"]["info"]["model_id"],
        "model": "pear",
        "spare_model": "pear-spare",
    }


def _furnish_work(house: House, http: httpx.Client) -> dict[str, str]:
    _post(http, "/api/v1/jobs", submission_id="pear-job", entrypoint=f"echo {MARK}", metadata={"fruit": MARK})
    house.rooms.runner.prints("pear-job", f"{MARK} printed\n")
    spec = {"name": "pear-training", "entrypoint": f"{MARK}:train", "num_workers": 1}
    _post(http, "/api/v1/training-runs", run_id="pear-train", job_id="pear-job", spec=spec)
    http.put("/api/v1/deployments/pear-app", json={"target": f"app:{MARK.title()}"}).raise_for_status()
    http.put("/api/v1/deployments/pear-app", json={"target": f"app:{MARK.title()}Two"}).raise_for_status()
    [deployment] = house.rooms.deployment_store.list(Scope(tenant_id=OWNER, project_id=PROJECT))
    now_ns = time.time_ns()
    ready = DeploymentState(status=Status.READY, ready_replicas=1, seen_ns=now_ns, since_ns=now_ns)
    house.rooms.deployment_store.tell(deployment, ready)
    house.rooms.host.add(deployment.application, EchoModel(prefix=f"{MARK} "))
    return {"job_id": "pear-job", "training_run_id": "pear-train", "deployment": "pear-app"}


def _furnish_evaluations(api: Client) -> dict[str, str]:
    rows = records({}, num_rows=30)
    for row in rows:
        row["output"] = {**row["output"], "answer": f"{MARK} says so"}
    base = evaluated(api, f"base {MARK}", rows, run_id="pear-eval-a", label=MARK).run
    better = evaluated(api, f"better {MARK}", rows, run_id="pear-eval-b", label=MARK).run
    body = {"baseline": base.run_id, "candidates": [better.run_id], "name": f"which {MARK}", "draws": 200}
    comparison = api.post("/api/v1/comparisons", body)
    said = {"q000": 1, "q001": 0}
    calibration = api.post("/api/v1/calibrations", {"run_id": base.run_id, "scorer": "hit@1", "people": said})
    queue = api.post("/api/v1/review-queues", {"name": f"queue of {MARK}", "rubric": MARK, "is_blind": False})
    spare = api.post("/api/v1/review-queues", {"name": f"spare {MARK}"})
    api.post(f"/api/v1/review-queues/{queue['queue_id']}:fill", {"run_id": base.run_id, "limit": 3})
    items = api.get(f"/api/v1/review-queues/{queue['queue_id']}/items")["items"]
    rule = api.post("/api/v1/online-rules", {"name": f"rule of {MARK}", "scorers": ["exact_match"]})
    return {
        "calibration_id": str(calibration["calibration_id"]),
        "judge": str(calibration["identity"]),
        "queue_id": str(queue["queue_id"]),
        "spare_queue_id": str(spare["queue_id"]),
        "item_id": str(items[0]["item_id"]),
        "rule_id": str(rule["rule_id"]),
        "evaluation_id": base.run_id,
        "candidate_id": better.run_id,
        "row_id": "q000",
        "comparison_id": str(comparison["comparison_id"]),
    }


def absent(ids: Mapping[str, str]) -> dict[str, str]:
    """Ids of the same form that name nothing: what a stranger's answer is compared with."""
    named = {
        "tenant": "nobody",
        "project": "nowhere",
        "trace_id": "f" * 32,
        "span_id": "e" * 16,
        "key_id": "aip_00000000",
        "email": "nobody@nowhere.example",
        "artifact": "nothing/nowhere.parquet",
        "experiment_id": "987654321987654321",
        "mlflow_run_id": "d" * 32,
        "logged_model_id": "m-" + "c" * 32,
    }
    named["mlflow_file"] = f"{named['experiment_id']}/{named['mlflow_run_id']}/artifacts/model/weights.txt"
    named["mlflow_source"] = f"mlflow-artifacts:/{named['mlflow_file'].removesuffix('/weights.txt')}"
    return {kind: named.get(kind, f"absent-{kind.replace('_', '-')}") for kind in ids}


def owner_key(house: House) -> str:
    """A key of the first tenant that may do everything."""
    return house.keys.key(Role.PLATFORM_ADMIN, tenant=OWNER, project=PROJECT)


def _post(http: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = http.post(path, json=body)
    assert answer.status_code < 300, answer.text
    found: dict[str, Any] = answer.json()
    return found
