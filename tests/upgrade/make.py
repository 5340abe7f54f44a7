"""Makes the data folder of this version that later versions must read: `python -m tests.upgrade.make`.

A platform is brought up by its own command and filled through its own interfaces; then it is taken down, its databases
are shrunk, and what it answered is kept beside its data. Run it once a release, and never again for a released version.
"""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from aiplatform import __version__
from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.testing.otlp import export_request, make_span, span_id_of, trace_id_of
from aiplatform.testing.platform import RunningPlatform, running_platform
from tests.component.eval.conftest import evaluated, records
from tests.upgrade.paths import FILES, MLFLOW, PATHS, stays

HERE: Final = Path(__file__).parent
KEPT: Final = ("platform.db", "platform-text.db", "mlflow.db", "artifacts", "state/control-secret")
_OTLP: Final = {"content-type": "application/x-protobuf"}


def main() -> None:
    """Make `<version>.tar.xz`."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        with running_platform(home) as platform:
            manifest = fill(platform)
            data_dir = platform.data_dir
        packed = pack(data_dir, manifest, Path(folder) / "packed")
    print(packed, packed.stat().st_size)


def fill(platform: RunningPlatform) -> dict[str, Any]:
    """Something of every kind for the first tenant, a trace for the second; returns what both are answered."""
    with platform.http() as http:
        ids = _fill_traces(http) | _fill_registry(http) | _fill_runs(platform, http)
        keys = _fill_tenancy(platform, http)
        ids |= _fill_evaluations(platform)
        _wait_indexed(http)
        owner = _answers(http, ids)
    with platform.http(key=keys["second"]) as http:
        http.post("/v1/traces", content=_spans(9, "of the second tenant"), headers=_OTLP).raise_for_status()
        second = {path: stays(http.get(path).json()) for path in ("/api/v1/me", "/api/v1/traces", "/api/v1/members")}
    return {"version": __version__, "ids": ids, "keys": keys, "answers": {"owner": owner, "second": second}}


def _spans(trace: int, word: str, **more: Any) -> bytes:
    spans = [
        make_span(1, trace=trace, name=f"answer {word}", attributes={"input.value": word, "session.id": "basket"}),
        make_span(2, trace=trace, parent=1, name="search", attributes={"output.value": f"{word}, ripe"}, **more),
    ]
    return export_request(spans).SerializeToString()


def _fill_traces(http: httpx.Client) -> dict[str, str]:
    for number, word, more in ((1, "medlar", {}), (2, "枇杷", {}), (3, "quince", {"error": "no such fruit"})):
        http.post("/v1/traces", content=_spans(number, word, **more), headers=_OTLP).raise_for_status()
    trace_id = trace_id_of(1).hex()
    for name, value in (("ripe", True), ("sweetness", 0.75), ("kind", "pome")):
        _post(http, "/api/v1/scores", trace_id=trace_id, name=name, value=value, comment="tasted", source="human")
    return {"trace_id": trace_id, "span_id": span_id_of(2).hex()}


def _fill_registry(http: httpx.Client) -> dict[str, str]:
    http.put("/api/v1/artifacts/notes/read me.txt", content=b"kept\n").raise_for_status()
    for count in (3, 5):
        sink = io.BytesIO()
        rows = {
            "id": [str(n) for n in range(count)],
            "question": [f"Which fruit is number {n}? 枇杷" for n in range(count)],
        }
        pq.write_table(pa.table(rows), sink)
        http.put(f"/api/v1/artifacts/fruit/{count}.parquet", content=sink.getvalue()).raise_for_status()
        about = {"licence": "CC0-1.0", "source": "an orchard", "description": "questions about fruit"}
        _post(http, "/api/v1/datasets", name="fruit", artifact_path=f"fruit/{count}.parquet", **about)
    experiment_id = _post(http, f"{MLFLOW}/experiments/create", name="fruit")["experiment_id"]
    run = _post(http, f"{MLFLOW}/runs/create", experiment_id=experiment_id, run_name="first", start_time=1)
    run_id, address = run["run"]["info"]["run_id"], run["run"]["info"]["artifact_uri"]
    for step, loss in enumerate((1.0, 0.5, 0.25)):
        _post(http, f"{MLFLOW}/runs/log-metric", run_id=run_id, key="loss", value=loss, step=step, timestamp=step + 1)
    _post(http, f"{MLFLOW}/runs/log-parameter", run_id=run_id, key="lr", value="0.1")
    file = f"{experiment_id}/{run_id}/artifacts/model/weights.txt"
    http.put(f"/mlflow/api/2.0/mlflow-artifacts/artifacts/{file}", content=b"weights\n").raise_for_status()
    _post(http, f"{MLFLOW}/runs/update", run_id=run_id, status="FINISHED", end_time=9)
    lineage = {"mlflow_run_id": run_id, "training_run_id": "train-fruit", "datasets": ["fruit@2"]}
    made = {"source": f"{address}/model", "description": "sorts fruit", "loader": "fruit:Sorter", "alias": "champion"}
    _post(http, "/api/v1/models/sorter/versions", **made, lineage=lineage, metrics={"accuracy": 0.9})
    return {"experiment_id": str(experiment_id), "mlflow_run_id": run_id, "mlflow_file": file}


def _fill_runs(platform: RunningPlatform, http: httpx.Client) -> dict[str, str]:
    platform.run("jobs", "submit", "--submission-id", "job-fruit", "--name", "fruit", "--", "echo", "medlar")
    spec = {"name": "fruit", "entrypoint": "fruit:train", "num_workers": 1, "params": {"lr": 0.1}}
    _post(http, "/api/v1/training-runs", run_id="train-fruit", job_id="job-fruit", spec=spec)
    ended = {"state": "succeeded", "metrics": {"accuracy": 0.9}, "datasets": ["fruit@2"], "model": "sorter@1"}
    http.patch("/api/v1/training-runs/train-fruit", json=ended).raise_for_status()
    for prefix in ("hello ", "good day "):  # two revisions, and no replica
        spec = {"target": "aiplatform.testing.models:EchoModel", "params": {"prefix": prefix}, "replicas": 0}
        http.put("/api/v1/deployments/greeter", json=spec).raise_for_status()
    until = time.monotonic() + 60
    while http.get("/api/v1/deployments/greeter").json()["state"]["status"] != "stopped" and time.monotonic() < until:
        time.sleep(0.5)
    return {"job_id": "job-fruit", "training_run_id": "train-fruit"}


def _fill_tenancy(platform: RunningPlatform, http: httpx.Client) -> dict[str, str]:
    _post(http, "/api/v1/projects", id="orchard", name="Orchard")
    http.put("/api/v1/members/lin@orchard.example", json={"role": "developer", "name": "Lin"}).raise_for_status()
    writer = _post(http, "/api/v1/keys", name="writer", role="developer", scopes=["traces.write"], project="orchard")
    revoked = _post(http, "/api/v1/keys", name="revoked", role="viewer")
    _post(http, f"/api/v1/keys/{revoked['id']}:revoke")
    viewer = _post(http, "/api/v1/keys", name="viewer", role="viewer", email="lin@orchard.example")
    second = platform.run_json("tenants", "create", "second", "--name", "Second")["admin_key"]
    texts = {"writer": writer, "revoked": revoked, "viewer": viewer, "second": second}
    return {"owner": platform.key, **{name: made["key"] for name, made in texts.items()}}


def _fill_evaluations(platform: RunningPlatform) -> dict[str, str]:
    api = Client(Credentials(url=platform.url, key=platform.key, project_id="default"))
    rows = records({}, num_rows=30)
    base = evaluated(api, "v1", rows, run_id="eval-v1", label="first").run
    other = evaluated(api, "v2", records({2: False, 4: False, 6: False}, num_rows=30), run_id="eval-v2").run
    body = {"baseline": base.run_id, "candidates": [other.run_id], "name": "first or second?", "draws": 200}
    comparison = api.post("/api/v1/comparisons", {**body, "gate": "not worse_than(baseline, 'hit@1', 0.01)"})
    return {"evaluation_id": base.run_id, "comparison_id": str(comparison["comparison_id"])}


def _wait_indexed(http: httpx.Client) -> None:
    until = time.monotonic() + 60
    while not all(http.get("/api/v1/traces", params={"q": word}).json()["items"] for word in ("medlar", "枇杷")):
        assert time.monotonic() < until, "the text index does not come up"
        time.sleep(0.5)


def _answers(http: httpx.Client, ids: dict[str, str]) -> dict[str, Any]:
    told = {}
    for path in PATHS:
        answer = http.get(path.format(**ids))
        assert answer.status_code == 200, (path, answer.text)
        told[path] = stays(answer.json())
    return told | {path: http.get(path.format(**ids)).text for path in FILES}


def pack(data_dir: Path, manifest: dict[str, Any], folder: Path) -> Path:
    """The folder without what belongs to one machine or one run, its databases in one file each, as small as may be."""
    for name in KEPT:
        source, target = data_dir / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.suffix == ".db":
            with sqlite3.connect(source) as database:
                database.execute("VACUUM INTO ?", [str(target)])
        else:
            shutil.copyfile(source, target)
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "aiplatform.toml").write_text("[ray]\nobject_store_mb = 256\n\n[ingest]\nmax_body_mb = 32\n")
    packed = HERE / f"{__version__}.tar.xz"
    with tarfile.open(packed, "w:xz", preset=9) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.add(path, path.relative_to(folder), filter=_nobodys)
    return packed


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _post(http: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = http.post(path, json=body)
    assert answer.status_code < 300, (path, answer.text)
    found: dict[str, Any] = answer.json()
    return found


if __name__ == "__main__":
    main()
