"""What an idle platform takes: seconds to start, processes, memory, CPU.

    python benchmarks/footprint.py [--idle 30]

Memory is the proportional set size: pages that several processes share are counted once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import measure
import psutil

from aiplatform.runtime.model import mark_of
from aiplatform.runtime.processes import find_marked
from aiplatform.testing.platform import idle_platform

KINDS = (
    # Their command lines name the dashboard's agent too, so they come first.
    ("gcs/gcs_server", "Ray: control store and raylet"),
    ("raylet/raylet", "Ray: control store and raylet"),
    ("ServeReplica", "our Serve applications"),
    ("ServeController", "Ray Serve: controller, proxies"),
    ("ProxyActor", "Ray Serve: controller, proxies"),
    ("HAProxyManager", "Ray Serve: controller, proxies"),
    ("haproxy", "HAProxy"),
    ("dashboard", "Ray: dashboard and agents"),
    ("DashboardAgent", "Ray: dashboard and agents"),
    ("RuntimeEnvAgent", "Ray: dashboard and agents"),
    ("multiprocessing", "Ray: dashboard and agents"),
)


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--idle", type=float, default=30.0, help="seconds of idleness to measure")
    idle_s = ask.parse_args().idle
    with tempfile.TemporaryDirectory() as home:
        platform = idle_platform(Path(home))
        try:
            first = _seconds(lambda: platform.run("up", timeout_s=600))
            again = _seconds(lambda: platform.run("up", timeout_s=600))
            mark = mark_of(platform.data_dir)
            spent = measure.cpu_s(find_marked(mark))
            time.sleep(10)  # what was begun by the start comes to rest
            rate = measure.idle_rate(lambda: find_marked(mark), idle_s)
            _print(find_marked(mark))
        finally:
            down = _seconds(lambda: platform.run("down"))
    print(f"first up {first:.0f} s ({spent:.0f} s CPU), second up {again:.1f} s, down {down:.1f} s")
    print(f"idle: {rate * 100:.1f} % of one CPU")


def _print(processes: list[psutil.Process]) -> None:
    memory: dict[str, float] = defaultdict(float)
    count: dict[str, int] = defaultdict(int)
    for process in processes:
        try:
            command, pss = " ".join(process.cmdline()), process.memory_full_info().pss
        except psutil.Error:
            continue
        kind = next((name for part, name in KINDS if part in command), "other")
        memory[kind] += pss / 1024**2
        count[kind] += 1
    print(f"{'':36}{'processes':>10}{'MiB':>8}")
    for kind, mebibytes in sorted(memory.items(), key=lambda pair: -pair[1]):
        print(f"{kind:36}{count[kind]:10}{mebibytes:8.0f}")
    print(f"{'together':36}{sum(count.values()):10}{sum(memory.values()):8.0f}")


def _seconds(work: object) -> float:
    assert callable(work)
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
