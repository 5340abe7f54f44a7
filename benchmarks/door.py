"""CPU that our door adds to a bare Ray Serve deployment, and the hop from door to model, all in one run.

    python benchmarks/door.py [--requests 4000] [--connections 8] [--rounds 3]

Every application runs on the Ray of one fresh platform, behind the same HAProxy. CPU is that of every process of the
platform (HAProxy, replicas, controller, Ray), less what they take when nobody asks; the client's is not counted. Rounds
alternate between the applications, and the median round is told.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import measure
import psutil

from aiplatform.core.settings import load
from aiplatform.gateway.installation import installation
from aiplatform.gateway.lifecycle import own_plan, running_state, serve_rest
from aiplatform.gateway.serve_config import serve_config
from aiplatform.runtime.model import Ports, mark_of
from aiplatform.runtime.processes import find_marked
from aiplatform.testing.platform import RunningPlatform, running_platform

TARGET_MS = 0.25
PROXY = "proxy"
APPLICATIONS = {
    "bare": "a bare Serve deployment",
    "made": "our door: key checked, trace made and handed over, answers itself",
    "self": "the same, and the trace is stored and indexed for search",
    "handle": "our door, then a model by Serve handle",
    "http": "our door, then a model by HTTP to its replica, signed",
}
BODY = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "What is six times seven?"}]}).encode()


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--requests", type=int, default=4000)
    ask.add_argument("--connections", type=int, default=8)
    ask.add_argument("--rounds", type=int, default=3)
    options = ask.parse_args()
    here = str(Path(__file__).parent)
    with tempfile.TemporaryDirectory() as home, running_platform(Path(home), PYTHONPATH=here) as platform:
        _deploy(platform)
        results = _measure(platform, options)
    _print(results, options)


def _deploy(platform: RunningPlatform) -> None:
    settings = load(environment=platform.environment, flags={"data_dir": str(platform.data_dir)})
    here = installation(settings)
    running = running_state(here)
    assert running is not None
    with platform.http() as http:
        http.put("/api/v1/deployments/echo", json={"target": "door_apps:Echo", "num_cpus": 0.1}).raise_for_status()
        _wait(lambda: http.get("/api/v1/deployments/echo").json()["state"]["status"] == "ready")
    config = serve_config(own_plan(here, running))
    variables = config["applications"][0]["runtime_env"]
    config["applications"] += [
        {
            "name": f"bench-{name}",
            "route_prefix": f"/bench-{name}",
            "import_path": f"door_apps:{name}_app",
            "runtime_env": variables,
        }
        for name in APPLICATIONS
    ]
    rest = serve_rest(here, running)
    rest.deploy(config)
    rest.wait_running([f"bench-{name}" for name in APPLICATIONS], timeout_s=240)


def _measure(platform: RunningPlatform, options: argparse.Namespace) -> dict[str, list[measure.Result]]:
    def processes() -> list[psutil.Process]:
        return find_marked(mark_of(platform.data_dir))

    loads = {
        name: measure.Load.post(platform.port, f"/bench-{name}/v1/chat/completions", BODY, key=platform.key)
        for name in APPLICATIONS
    }
    # Serve's Python proxy runs beside HAProxy, for what that cannot route.
    loads[PROXY] = measure.Load.post(
        _ports(platform).fallback_http, "/bench-bare/v1/chat/completions", BODY, key=platform.key
    )
    for load_ in loads.values():  # routes, caches, connections
        measure.run(load_, processes(), num_requests=400, connections=options.connections, idle_rate=0)
    idle = measure.idle_rate(processes)
    print(f"idle: {idle * 1000:.0f} ms CPU a second over {len(processes())} processes")
    results: dict[str, list[measure.Result]] = {name: [] for name in loads}
    for _ in range(options.rounds):
        for name, load_ in loads.items():
            results[name].append(
                measure.run(
                    load_,
                    processes(),
                    num_requests=options.requests,
                    connections=options.connections,
                    idle_rate=idle,
                )
            )
    return results


def _print(results: dict[str, list[measure.Result]], options: argparse.Namespace) -> None:
    cost = {name: statistics.median(one.cpu_ms for one in rounds) for name, rounds in results.items()}
    print(f"{options.rounds} rounds of {options.requests} requests over {options.connections} connections")
    print(f"{'':58}{'CPU ms':>8}{'p50 ms':>8}{'p99 ms':>8}")
    for name, text in {**APPLICATIONS, PROXY: "the bare deployment through Serve's Python proxy"}.items():
        p50 = statistics.median(one.p50_ms for one in results[name])
        p99 = statistics.median(one.p99_ms for one in results[name])
        print(f"{text:58}{cost[name]:8.3f}{p50:8.1f}{p99:8.1f}")
    added, kept = cost["made"] - cost["bare"], cost["self"] - cost["made"]
    print(f"door adds {added:.3f} ms CPU to a bare deployment (target: at most {TARGET_MS})")
    print(f"storing and indexing its trace takes {kept:.3f} ms CPU more, in the background")
    print(f"HAProxy takes {cost['bare'] / cost[PROXY]:.2f} of the Python proxy's CPU, the deployment's own included")
    for name in ("handle", "http"):
        print(f"hop to the model by {name}: {cost[name] - cost['self']:.3f} ms CPU")


def _ports(platform: RunningPlatform) -> Ports:
    state = json.loads((platform.data_dir / "state" / "ray.json").read_text(encoding="utf-8"))
    return Ports(state["port_base"])


def _wait(is_done: object, seconds: float = 120.0) -> None:
    assert callable(is_done)
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.3)


if __name__ == "__main__":
    main()
