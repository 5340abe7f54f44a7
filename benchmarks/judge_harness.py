"""What our side of a model or judge call costs, and how many slow calls it keeps in flight.

    python benchmarks/judge_harness.py [--calls 2000] [--no-ray]

The endpoint and the platform are processes of their own, on loopback; the platform keeps every answer, committed,
before it counts, and takes in the trace of every call. CPU is that of the process that makes the calls, all of its
threads included, over an endpoint that answers at once; `floor` is the same requests by aiohttp alone. In flight is
what the endpoint counts of 200 that are allowed, each answered after 0.2 s: from one process, and from workers on Ray.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx

TARGET_MS, TARGET_IN_FLIGHT = 2.0, 150
ALLOWED, SLOW_S = 200, 0.2
ROWS_A_BLOCK = 32
PROMPT = "Is the answer right? Question: how do I return an order that arrived late? Answer: within thirty days. " * 4


def serve_platform(folder: Path, port: int) -> None:
    """The platform's routes that a worker speaks to, and its door for traces, on SQLite."""
    import uvicorn
    from fastapi import FastAPI

    from aiplatform.core.settings import load
    from aiplatform.eval.calling.routes import build_call_routes
    from aiplatform.eval.calling.service import CallService
    from aiplatform.eval.calling.store import CallStore
    from aiplatform.eval.routes import build_routes
    from aiplatform.eval.service import EvaluationService
    from aiplatform.eval.store import EvaluationStore
    from aiplatform.gateway.door_app import build_door
    from aiplatform.gateway.services import Services
    from aiplatform.registry.artifact_routes import build_artifact_routes
    from aiplatform.storage.migrate import migrate
    from aiplatform.tenancy import routes as tenancy_routes
    from aiplatform.tenancy.middleware import secure
    from aiplatform.tenancy.routing import attach
    from aiplatform.tracing import routes as tracing_routes

    services = Services(load(flags={"data_dir": folder, "server.port": port}).settings)
    migrate(services.database)
    made = services.tenancy.directory.ensure_default(None)
    assert made is not None
    app = FastAPI(openapi_url=None)
    evaluations = EvaluationService(EvaluationStore(services.database), services.artifacts)
    calls = CallService(CallStore(services.database))
    routes = [build_routes(evaluations), build_call_routes(calls), build_artifact_routes(services.artifacts)]
    routes += [tracing_routes.build_routes(services.traces), tenancy_routes.build_routes(services.tenancy)]
    attach(app, routes)
    secure(app, services.tenancy.authenticator, services.settings)
    door = build_door(services)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        await (door if path.startswith("/v1/") else app)(scope, receive, send)

    (folder / "key").write_text(made.text, encoding="utf-8")
    uvicorn.run(answer, host="127.0.0.1", port=port, log_level="warning", access_log=False, lifespan="off")


@contextmanager
def platform() -> Iterator[tuple[str, str]]:
    """Address and key of a platform in a process of its own."""
    with tempfile.TemporaryDirectory() as name, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.close()
        folder = Path(name)
        with subprocess.Popen([sys.executable, __file__, "--serve", name, "--port", str(port)]) as process:
            try:
                until = time.monotonic() + 60
                while not _answers(f"http://127.0.0.1:{port}/api/v1/me"):
                    assert time.monotonic() < until, "the platform did not start"
                    time.sleep(0.1)
                yield f"http://127.0.0.1:{port}", (folder / "key").read_text(encoding="utf-8")
            finally:
                process.terminate()


@contextmanager
def endpoint(latency_s: float) -> Iterator[str]:
    """Address of a chat server in a process of its own."""
    program = [sys.executable, "-m", "tests.testing.chat_server", "--latency-s", str(latency_s)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code < 500
    except httpx.TransportError:
        return False


def rows(count: int) -> list[dict[str, Any]]:
    """Rows with a prompt of 420 characters, each its own."""
    return [{"id": str(n), "input": f"{PROMPT} {n}", "expected": "x"} for n in range(count)]


async def floor(url: str, calls: int) -> float:
    """CPU milliseconds of one bare request."""
    places = asyncio.Semaphore(64)

    async def ask(http: aiohttp.ClientSession, n: int) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": f"{PROMPT} {n}"}]}
        async with places, http.post(f"{url}/chat/completions", json=body) as response:
            await response.json()

    async with aiohttp.ClientSession() as http:
        await ask(http, -1)
        started = time.process_time()
        await asyncio.gather(*(ask(http, n) for n in range(calls)))
        return (time.process_time() - started) * 1000 / calls


async def harness(url: str, where: tuple[str, str], calls: int, in_flight: int) -> float:
    """CPU milliseconds of one call of an evaluation: asked for, limited, kept, traced, scored, written."""
    from aiplatform.client.credentials import Credentials
    from aiplatform.eval.blocks import BlockEvaluator, Plan
    from aiplatform.eval.calling.limiting import Limits
    from aiplatform.eval.calling.opening import CallPlan, open_caller
    from aiplatform.eval.calls import Endpoint
    from aiplatform.eval.compute import ClientSink
    from aiplatform.eval.scorers import resolve
    from aiplatform.tracing import sdk

    credentials = Credentials(url=where[0], project_id="default", key=where[1])
    sdk.init("default", url=where[0], key=where[1], service_name="evaluation")
    plan = Plan(
        run_id=f"eval-{os.getpid()}-{in_flight}",
        model=Endpoint(model="m", url=url, key="k"),
        scorers=resolve(["exact_match"]),
        calls=CallPlan(limits=Limits(in_flight=in_flight)),
    )
    evaluator = BlockEvaluator(plan, ClientSink(credentials=credentials))
    records = rows(calls)
    blocks = [records[start : start + ROWS_A_BLOCK] for start in range(0, calls, ROWS_A_BLOCK)]
    at_once = asyncio.Semaphore(-(-in_flight // ROWS_A_BLOCK) + 1)

    async with open_caller(plan.call_plan, run_id=plan.run_id, credentials=credentials) as caller:

        async def one(block: list[dict[str, Any]], number: int) -> None:
            async with at_once:
                result = await evaluator.evaluated(block, caller, key=f"{number:032x}")
                assert result.errors == 0

        started = time.process_time()
        await asyncio.gather(*(one(block, number) for number, block in enumerate(blocks)))
        sdk.flush(10)
        return (time.process_time() - started) * 1000 / calls


def on_ray(url: str, where: tuple[str, str], calls: int) -> None:
    """The same by workers of Ray Data."""
    import ray

    from aiplatform.client.credentials import Credentials
    from aiplatform.eval.blocks import Plan
    from aiplatform.eval.calling.limiting import Limits
    from aiplatform.eval.calling.opening import CallPlan
    from aiplatform.eval.calls import Endpoint
    from aiplatform.eval.compute import ClientSink, evaluate
    from aiplatform.eval.inputs import Source, _records
    from aiplatform.eval.model import DataRef
    from aiplatform.eval.scorers import resolve

    credentials = Credentials(url=where[0], project_id="default", key=where[1])
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="warning")
    plan = Plan(
        run_id=f"eval-{os.getpid()}-ray",
        model=Endpoint(model="m", url=url, key="k"),
        scorers=resolve(["exact_match"]),
        credentials=credentials,
        calls=CallPlan(limits=Limits(in_flight=ALLOWED), project="default/default"),
    )
    records = [{**row, "input": f"ray {row['input']}"} for row in rows(calls)]
    outcome = evaluate(Source(ref=DataRef(), table=_records(records)), plan, ClientSink(credentials=credentials))
    assert (outcome.rows, outcome.errors) == (calls, 0)
    ray.shutdown()


def main() -> None:
    """Measure, and say whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--no-ray", action="store_true")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve_platform(Path(given.serve), given.port)
        return
    with ExitStack() as stack:
        where = stack.enter_context(platform())
        fast = stack.enter_context(endpoint(0.0))
        least = asyncio.run(floor(fast, given.calls))
        cost = asyncio.run(harness(fast, where, given.calls, 64))
        slow = stack.enter_context(endpoint(SLOW_S))
        slow_cost = asyncio.run(harness(slow, where, given.calls, ALLOWED))
        alone = httpx.get(f"{slow}/stats").json()["most_in_flight"]
        spread: int | None = None
        if not given.no_ray:
            again = stack.enter_context(endpoint(SLOW_S))
            on_ray(again, where, given.calls)
            spread = httpx.get(f"{again}/stats").json()["most_in_flight"]
    print(f"CPU a call                 {cost:6.2f} ms   floor {least:.2f} ms   target < {TARGET_MS:g} ms")
    print(f"CPU a slow call            {slow_cost:6.2f} ms")
    print(f"in flight of {ALLOWED}, one process {alone:6d}      target >= {TARGET_IN_FLIGHT}")
    if spread is not None:
        print(f"in flight of {ALLOWED}, on Ray      {spread:6d}      target >= {TARGET_IN_FLIGHT}")


if __name__ == "__main__":
    main()
