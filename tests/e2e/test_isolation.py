"""A second tenant, made with the CLI, sees nothing of the first: no route, no page, no listening port tells."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiplatform.runtime.model import Ports, mark_of
from aiplatform.runtime.processes import find_marked
from aiplatform.testing.otlp import export_request, make_span, span_id_of, trace_id_of
from aiplatform.testing.platform import RunningPlatform
from tests.component.gateway.house import absent
from tests.component.gateway.samples import PUBLIC, SAMPLES, Sample

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.timeout(900)]

MARK = "quince"
"""The first tenant's project, and a part of every name and text in it."""

GETS = tuple(sample for sample in SAMPLES if sample.method == "GET")
PATHS = (
    "/", "/-/routes", "/-/healthz", "/metrics", "/stats", "/api/v1/me", "/api/v1/traces", f"/default/{MARK}/traces",
    "/v1/models", "/v2/models/quince-echo", "/mlflow/api/2.0/mlflow/registered-models/search?max_results=10",
    "/api/jobs/", f"/api/jobs/{MARK}-job", f"/api/jobs/{MARK}-job/logs", "/api/serve/applications/", "/api/version",
    "/api/v0/actors", "/api/v0/tasks", "/api/v0/logs", "/api/v0/workers", "/logical/actors", "/nodes?view=summary",
    "/api/cluster_status", "/api/prometheus_health", "/api/serve_head/logs", "/call", "/stream",
)  # fmt: skip
"""What the platform, Ray's dashboard and agents, Serve's replicas and HAProxy are known to answer at."""


@dataclass(frozen=True)
class Two:
    """A platform with two tenants; the first one's things carry the mark."""

    platform: RunningPlatform
    ids: dict[str, str]
    key: str
    """Of the second tenant's admin."""

    def ask(self, http: httpx.Client, sample: Sample, **more: str) -> httpx.Response:
        return http.request(**sample.filled({**self.ids, "fresh": "fresh", **more}))


@pytest.fixture(scope="module")
def two(platform: RunningPlatform) -> Iterator[Two]:
    platform.run("projects", "create", MARK)
    project = ("--project", MARK)
    platform.run("jobs", "submit", "--name", MARK, "--submission-id", f"{MARK}-job", *project, "--", "echo", MARK)
    model = ("--class", "aiplatform.testing.models:EchoModel", "--params", json.dumps({"prefix": f"{MARK} "}))
    platform.run("deployments", "apply", f"{MARK}-echo", *model, *project)
    with platform.http() as http:
        http.headers["x-aiplatform-project"] = MARK
        ids = _furnished(http)
    made = platform.run_json("tenants", "create", "zed")
    yield Two(platform=platform, ids=ids, key=made["admin_key"]["key"])
    platform.run("deployments", "delete", f"{MARK}-echo", *project)


def _furnished(http: httpx.Client) -> dict[str, str]:
    """Ids by what they are; what is not made here names nothing."""
    spans = [make_span(1, trace=77, name=MARK, attributes={"input.value": MARK})]
    otlp = {"content-type": "application/x-protobuf"}
    http.post("/v1/traces", content=export_request(spans).SerializeToString(), headers=otlp).raise_for_status()
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": ["1"], "question": [MARK]}), sink)
    artifact = f"{MARK}/rows.parquet"
    http.put(f"/api/v1/artifacts/{artifact}", content=sink.getvalue()).raise_for_status()
    dataset = {"name": f"{MARK}-faq", "artifact_path": artifact}
    http.post("/api/v1/datasets", json=dataset).raise_for_status()
    evaluation = {"name": MARK, "run_id": f"{MARK}-eval"}
    http.post("/api/v1/evaluations", json=evaluation).raise_for_status()
    mlflow = "/mlflow/api/2.0/mlflow"
    experiment_id = http.post(f"{mlflow}/experiments/create", json={"name": MARK}).json()["experiment_id"]
    started = http.post(
        f"{mlflow}/runs/create", json={"experiment_id": experiment_id, "run_name": MARK, "start_time": 1}
    )
    run_id = started.json()["run"]["info"]["run_id"]
    file = f"{experiment_id}/{run_id}/artifacts/{MARK}.txt"
    http.put(f"/mlflow/api/2.0/mlflow-artifacts/artifacts/{file}", content=MARK.encode()).raise_for_status()
    nothing = absent(dict.fromkeys(set().union(*(sample.names for sample in GETS)), ""))
    return nothing | {
        "tenant": "default", "project": MARK, "trace_id": trace_id_of(77).hex(), "span_id": span_id_of(1).hex(),
        "artifact": artifact, "dataset": f"{MARK}-faq", "evaluation_id": f"{MARK}-eval", "job_id": f"{MARK}-job",
        "deployment": f"{MARK}-echo", "experiment": MARK, "experiment_id": experiment_id, "mlflow_run_id": run_id,
        "mlflow_file": file,
    }  # fmt: skip


def _told(answer: httpx.Response, named: Iterable[str] = ()) -> bool:
    """Whether an answer tells of the first tenant; what the request itself named may be said back.

    Args:
        answer: The answer.
        named: Ids that requests carry.
    """
    if answer.status_code in {401, 403, 404}:
        return False
    text = answer.text.lower()
    for value in named:
        if value and value in unquote(str(answer.request.url)):
            text = text.replace(value, "")
    return MARK in text


def test_the_first_tenant_finds_what_is_there(two: Two) -> None:
    with two.platform.http() as http:
        http.headers["x-aiplatform-project"] = MARK
        telling = {sample.id for sample in GETS if _told(two.ask(http, sample))}
        chat = {"model": f"{MARK}-echo", "messages": [{"role": "user", "content": "hello"}]}
        answer = http.post("/v1/chat/completions", json=chat).json()
    assert answer["choices"][0]["message"]["content"].startswith(MARK)
    nouns = ("datasets", "experiments", "deployments", "jobs")
    assert {f"GET /api/v1/{noun}" for noun in nouns} <= telling
    assert {"GET /api/v1/traces/{trace_id}", "GET /api/v1/evaluations/{run_id}"} <= telling
    assert {f"GET /{{tenant:tenant}}/{{project}}/{noun}" for noun in ("traces", "evaluations", *nouns[:-1])} <= telling


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_route_and_no_page_tells_the_second_tenant(two: Two, language: str) -> None:
    with two.platform.http(key=two.key) as http:
        http.headers.update({"accept-language": language, "accept": "text/html, application/json"})
        telling, errors = [], []
        for sample in GETS:
            own = {"tenant": "zed", "project": "default"}
            for more in ({}, own) if sample.is_page else ({},):
                answer = two.ask(http, sample, **more)
                telling += [sample.id] if _told(answer, two.ids.values()) else []
                errors += [(sample.id, answer.text)] if answer.status_code >= 500 else []
    assert telling == []
    assert errors == []


def test_the_second_tenant_asks_no_model_of_the_first(two: Two) -> None:
    """In a project of its own, whose traces then tell of these very calls."""
    two.platform.run("projects", "create", "asking", AIPLATFORM_API_KEY=two.key)
    with two.platform.http(key=two.key) as http:
        http.headers["x-aiplatform-project"] = "asking"
        chat = {"model": f"{MARK}-echo", "messages": [{"role": "user", "content": "hello"}]}
        assert http.post("/v1/chat/completions", json=chat).status_code == 404
        assert http.post(f"/v2/models/{MARK}-echo/infer", json={"inputs": []}).status_code == 404
        assert http.get("/v1/models").json()["data"] == []


def test_nobody_is_let_in_through_the_one_address(two: Two) -> None:
    public = {route for method, route in PUBLIC if method == "GET"}
    with httpx.Client(base_url=two.platform.url, trust_env=False) as http:
        statuses = {sample.id: two.ask(http, sample).status_code for sample in GETS if sample.route not in public}
    assert {one: status for one, status in statuses.items() if status != 401} == {}


def test_the_cli_shows_the_second_tenant_nothing(two: Two) -> None:
    for noun in ("traces", "datasets", "models", "experiments", "evaluations", "deployments", "jobs", "training"):
        listed = two.platform.run(noun, "list", "--json", AIPLATFORM_API_KEY=two.key)
        assert json.loads(listed.stdout) in ([], {"items": [], "next": None}), noun
    members = two.platform.run("members", "list", "--json", AIPLATFORM_API_KEY=two.key).stdout
    assert [one["email"] for one in json.loads(members)] == ["admin@zed"]
    refused = two.platform.run("tenants", "list", check=False, AIPLATFORM_API_KEY=two.key)
    assert refused.returncode == 4


def test_no_listening_port_tells_the_second_tenant_or_nobody(two: Two) -> None:
    """Every port of every process, with no key and with the second tenant's own."""
    telling, open_ports = [], set()
    bearer = {"authorization": f"Bearer {two.key}"}
    for port in _listening(two.platform):
        for headers in ({}, bearer, {**bearer, "x-aiplatform-project": MARK}):
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=5) as http:
                for path in PATHS:
                    try:
                        answer = http.get(path)
                    except httpx.HTTPError:
                        break  # gRPC, or nothing that speaks HTTP
                    open_ports.add(port)
                    if _told(answer):
                        telling.append((port, path, answer.status_code, answer.text[:300]))
    assert telling == []
    assert {two.platform.port, _ports(two.platform).dashboard} <= open_ports


def test_rays_own_interfaces_want_rays_token(two: Two) -> None:
    """The dashboard over HTTP, and the control store as a driver reaches it; a key of ours is no token of Ray's."""
    ports = _ports(two.platform)
    for headers in ({}, {"authorization": f"Bearer {two.key}"}, {"x-ray-authorization": f"Bearer {two.key}"}):
        for path in ("/api/jobs/", "/api/serve/applications/", "/api/v0/actors", "/nodes?view=summary"):
            answer = httpx.get(f"http://127.0.0.1:{ports.dashboard}{path}", headers=headers, timeout=10)
            assert answer.status_code in {401, 403}, (path, answer.text[:200])
    code = f"from ray._raylet import GcsClient; print('IN', GcsClient('127.0.0.1:{ports.gcs}').get_all_node_info())"
    for variables in ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": two.key}):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AIPLATFORM_"))}
        stranger = {**kept, "HOME": str(two.platform.home / "nobody"), **variables}
        done = subprocess.run([sys.executable, "-c", code], env=stranger, capture_output=True, text=True, timeout=60)
        assert "AuthenticationError" in done.stderr
        assert "IN" not in done.stdout


def _ports(platform: RunningPlatform) -> Ports:
    return Ports(json.loads((platform.data_dir / "state" / "ray.json").read_text())["port_base"])


def _listening(platform: RunningPlatform) -> list[int]:
    pids = {process.pid for process in find_marked(mark_of(platform.data_dir))}
    found = psutil.net_connections(kind="tcp")
    return sorted(
        {one.laddr.port for one in found if one.laddr and one.status == psutil.CONN_LISTEN and one.pid in pids}
    )
