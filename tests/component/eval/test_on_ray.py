"""Evaluation on a local Ray of its own, reporting to real routes over a socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.component.eval.conftest import House

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[3]


@pytest.fixture
def url(house: House) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(house.platform.app, port=0, log_level="warning", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.mark.timeout(280)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_evaluation_on_ray(house: House, url: str) -> None:
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AIPLATFORM_", "RAY_", "OTEL_"))}
    environment = {
        **own,
        "AIPLATFORM_URL": url,
        "AIPLATFORM_API_KEY": house.platform.key(),
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "120",
    }
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("on_ray.py")), folder],
            env={**environment, "HOME": folder},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=260,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])

    results = {blocks: result for blocks, (result, _, _) in seen["blocks"].items()}
    assert results["1"] == results["5"] == results["13"]
    assert [files for _, files, _ in seen["blocks"].values()] >= [1, 5, 13]
    assert {errors for _, _, errors in seen["blocks"].values()} == {1}

    run = seen["run"]
    assert (run["status"], run["done_rows"], run["total_rows"], run["error_rows"]) == ("completed", 130, 130, 1)
    assert [metric["name"] for metric in run["metrics"]][:3] == ["hit@1", "mrr", "abstention_auc"]
    assert run["environment"]["ray"].startswith("2.")
    assert seen["failed"][0][1] == "TimeoutError: 30 s"
    assert len(set(seen["traces"])) == 130
    assert all(len(trace_id) == 32 for trace_id in seen["traces"])
    assert seen["headline"] == "No difference to v2 is established."
    assert seen["again"] is True

    assert seen["measured"]["1"] == seen["measured"]["5"] == seen["measured"]["13"]
    assert seen["measured"]["5"][: len(seen["here"])] == seen["here"]
    assert [(metric["scored"], metric["failed"]) for metric in seen["here"]] == [(89, 1)] * 5
    assert seen["row_scores"] == [89, 0]

    assert seen["bad_key"][1] == "The model endpoint does not know the key."
    assert seen["bad_key_run"] == "failed"
    assert seen["repeated"][0] == "evaluation.repeated_rows"
    assert seen["too_much"][0] == "evaluation.resources"
    assert seen["no_rows"][0] == "evaluation.no_rows"
    assert seen["cancelled"][0] == "evaluation.cancelled"

    found = [*seen["files"].values()]
    assert [known for known, *_ in found] == [130, None, None]
    assert {tuple(rest) for _, *rest in found} == {(130, 1, found[0][3])}

    printed = seen["pytest"]["printed"]
    assert seen["pytest"]["code"] == 1
    assert "2 passed" in printed
    assert "1 failed" in printed
    assert "bad one does not pass its gate" in printed
    assert "p95_latency <= 60s" in printed
    assert "/evaluations/eval-" in printed
    assert seen["pytest_without"]["code"] == 0
    assert "1 passed, 2 deselected" in seen["pytest_without"]["printed"]
