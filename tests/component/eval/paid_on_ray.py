"""Evaluations that pay for calls, on a real Ray. Run by `test_paid_calls.py`, which watches the server that is paid.

`first` runs until it is killed; `then` resumes it, and does everything else; both print what they saw as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import ray
from ray.cluster_utils import Cluster

from aiplatform.client.http import Client
from aiplatform.core.errors import AIPlatformError
from aiplatform.eval import api as evaluations
from aiplatform.eval.model import to_json

ROWS = 120
SCORERS = ["exact_match"]


def rows(count: int, mark: str) -> list[dict[str, Any]]:
    return [
        {"id": f"r{n:03}", "input": f"{mark} {n}", "expected": f"answer to {mark} {n}" if n % 3 else "x"}
        for n in range(count)
    ]


def run(server: str, count: int, mark: str, **options: Any) -> evaluations.EvaluationHandle:
    in_flight = options.pop("in_flight", 8)
    model = evaluations.endpoint("fake-1", url=server, key="k", in_flight=in_flight)
    options = {"run_id": f"eval-{mark}", "say": lambda line: sys.stderr.write(f"{line}\n"), **options}
    return evaluations.run(rows(count, mark), model, scorers=SCORERS, name=mark, **options)


def failure(work: Any) -> list[Any]:
    started = time.monotonic()
    try:
        work()
    except AIPlatformError as error:
        return [error.full_code, str(error), time.monotonic() - started]
    return ["", "nothing failed", 0.0]


def seen_of(handle: evaluations.EvaluationHandle) -> dict[str, Any]:
    return {**to_json(handle.run), "row_errors": [row.error for row in handle.rows() if row.error]}


def then(server: str) -> dict[str, Any]:
    os.environ["OPENAI_API_KEY"] = "k"
    resumed = evaluations.resume("eval-killed", say=lambda _: None)
    seen: dict[str, Any] = {"resumed": seen_of(resumed), "traces": [row.trace_id for row in resumed.rows()]}
    seen["again"] = to_json(evaluations.resume("eval-killed").run) == to_json(resumed.run)
    sys.stderr.write(f"{time.monotonic():.1f} flaky\n")
    seen["flaky"] = seen_of(run(server, 60, "flaky", in_flight=16))
    sys.stderr.write(f"{time.monotonic():.1f} passes\n")
    seen["passes"] = evaluations.get("eval-flaky").passes("exact_match >= 0.1 and coverage(exact_match) >= 0.999")
    sys.stderr.write(f"{time.monotonic():.1f} wide\n")
    seen["wide"] = seen_of(run(server, 256, "wide", in_flight=200))
    sys.stderr.write(f"{time.monotonic():.1f} bad_key\n")
    seen["bad_key"] = failure(lambda: run(server, 60, "badkey"))
    seen["bad_key_run"] = to_json(evaluations.get("eval-badkey").run)
    sys.stderr.write(f"{time.monotonic():.1f} capped\n")
    seen["capped"] = failure(lambda: run(server, 60, "capped", max_calls=25))
    seen["capped_run"] = to_json(evaluations.get("eval-capped").run)
    seen["capped_calls"] = Client().get("/api/v1/evaluation-calls", run_id="eval-capped")
    sys.stderr.write(f"{time.monotonic():.1f} raised\n")
    seen["raised"] = seen_of(evaluations.resume("eval-capped", max_calls=60, say=lambda _: None))
    sys.stderr.write(f"{time.monotonic():.1f} shared\n")
    seen["shared"] = seen_of(run(server, ROWS, "killed", run_id="eval-other"))
    return seen


def main(what: str, server: str) -> None:
    seen: dict[str, Any] = {}
    if what == "first":
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        run(server, ROWS, "killed", num_workers=2)
    elif what == "then":
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        seen = then(server)
    else:
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        done = run(server, ROWS, "nodes", num_workers=2, cpus_per_worker=0.75, in_flight=16)
        seen = {"nodes": seen_of(done), "alive": sum(node["Alive"] for node in ray.nodes())}
    ray.shutdown()
    sys.stdout.write(f"\n{json.dumps(seen)}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
