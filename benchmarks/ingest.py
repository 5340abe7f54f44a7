"""Spans stored per CPU second of the server: ours against MLflow's, in one run, each in one process on SQLite.

    python benchmarks/ingest.py [--spans 20480] [--repeats 3] [--no-mlflow]

Every request holds spans that no request before it held; what counts is what the database holds afterwards. CPU is that
of the server's process (user and system), so that the sender and other work on the machine do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import text

from aiplatform.storage.database import Database
from aiplatform.testing.otlp import export_request, make_span

ROOT = Path(__file__).parents[1]
SPANS_A_TRACE = 8
START_TIMEOUT_S = 180
WORDS = [f"{syllable}{number}" for syllable in ("re", "fund", "order", "late", "ship") for number in range(200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server."""

    url: str
    headers: dict[str, str]
    process: psutil.Process
    count: Callable[[], int]
    """How many spans its database holds."""

    database_cpu_s: Callable[[], float] = lambda: 0.0
    """CPU seconds of a database beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One measurement."""

    stored_per_cpu_s: float
    """By the CPU of the server, and of a database beside it."""

    stored_per_server_cpu_s: float
    cpu_s: float
    stored_per_s: float
    p50_ms: float


def bodies(num_spans: int, spans_a_request: int) -> list[bytes]:
    """Requests with `num_spans` spans of about 1.6 KB together, in traces of 8."""
    random_ = random.Random(7)
    made: list[bytes] = []
    for _ in range(0, num_spans, spans_a_request):
        spans = [span for _ in range(spans_a_request // SPANS_A_TRACE) for span in _trace(random_)]
        made.append(export_request(spans, resource={"service.version": "1.2.3"}).SerializeToString())
    return made


def _trace(random_: random.Random) -> Iterator[Span]:
    trace, base = random_.getrandbits(100), random_.getrandbits(48)
    for index in range(SPANS_A_TRACE):
        yield make_span(
            base + index,
            trace=trace,
            parent=base if index else None,
            name="chat m-large" if index else "answer",
            attributes=_attributes(random_),
        )


def _attributes(random_: random.Random) -> dict[str, str | int | float]:
    said = " ".join(random_.choices(WORDS, k=110))
    answered = " ".join(random_.choices(WORDS, k=55))
    asked = [{"role": "user", "parts": [{"type": "text", "content": said}]}]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": answered}], "finish_reason": "stop"}]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m-large",
        "gen_ai.response.model": "m-large-2026",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.usage.input_tokens": 420,
        "gen_ai.usage.output_tokens": 130,
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps(answer),
        "session.id": f"s{random_.randrange(500)}",
        "user.id": f"u{random_.randrange(200)}",
    }


def measure(server: Server, requests: Sequence[bytes], senders: int) -> Cell:
    """Send requests over some connections at once; returns what storing their spans cost."""
    before, began = server.count(), time.perf_counter()
    cpu, database_cpu = _cpu_s(server.process), server.database_cpu_s()
    latencies: list[float] = []
    failures: list[str] = []

    def send(share: Sequence[bytes]) -> None:
        with httpx.Client(headers=server.headers, timeout=120) as client:
            for body in share:
                start = time.perf_counter()
                response = client.post(f"{server.url}/v1/traces", content=body)
                latencies.append(time.perf_counter() - start)
                if response.status_code != 200:
                    failures.append(f"{response.status_code} {response.text[:200]}")
                    return

    threads = [threading.Thread(target=send, args=(requests[first::senders],)) for first in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall, spent = time.perf_counter() - began, _cpu_s(server.process) - cpu
    whole = spent + server.database_cpu_s() - database_cpu
    if failures:
        raise RuntimeError(f"the server refused: {failures[0]}")
    stored = server.count() - before
    sent = sum(len(_spans(body)) for body in requests)
    if stored != sent:
        raise RuntimeError(f"{sent} spans were acknowledged, {stored} are stored")
    return Cell(
        stored_per_cpu_s=stored / whole,
        stored_per_server_cpu_s=stored / spent,
        cpu_s=whole,
        stored_per_s=stored / wall,
        p50_ms=statistics.median(latencies) * 1000,
    )


@contextmanager
def running(
    kind: str, folder: Path, database_url: str | None = None, database_cpu_s: Callable[[], float] = lambda: 0.0
) -> Iterator[Server]:
    """One of the two servers, in a process of its own that is gone afterwards.

    Args:
        kind: `ours` or `mlflow`.
        folder: For its files.
        database_url: PostgreSQL of ours; by default SQLite in the folder.
        database_cpu_s: CPU seconds that the database has taken.
    """
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.ingest_server", kind, str(folder), str(port), database_url or ""]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    url = f"http://127.0.0.1:{port}"
    headers = {"content-type": "application/x-protobuf"}
    try:
        wait_for(process, url)
        if kind == "ours":
            headers["authorization"] = f"Bearer {(folder / 'key').read_text(encoding='utf-8')}"
        else:
            headers["x-mlflow-experiment-id"] = "0"
        file = folder / ("platform.db" if kind == "ours" else "mlflow.db")
        yield Server(
            url=url,
            headers=headers,
            process=psutil.Process(process.pid),
            count=(lambda: _count(file)) if database_url is None else (lambda: _count_in(database_url)),
            database_cpu_s=database_cpu_s,
        )
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=20_480, help="spans a cell for ours; MLflow gets a fifth")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each cell; the median is printed")
    parser.add_argument("--no-mlflow", action="store_true", help="measure ours alone")
    options = parser.parse_args()
    cells = ((512, 1), (8, 1), (8, 8))
    kinds = ["ours"] if options.no_mlflow else ["ours", "mlflow"]
    results: dict[tuple[str, int, int], Cell] = {}
    with tempfile.TemporaryDirectory(prefix="ingest-") as folder:
        for kind in kinds:
            with running(kind, Path(folder) / kind) as server:
                measure(server, bodies(512, 64), 1)
                for spans_a_request, senders in cells:
                    results[kind, spans_a_request, senders] = median_cell(
                        server, options.spans // (1 if kind == "ours" else 5), spans_a_request, senders, options.repeats
                    )
    _print(results, kinds, cells)
    print(f"\nAgain: python benchmarks/ingest.py --spans {options.spans} --repeats {options.repeats}")


_fresh = iter(range(1_000_000))


def median_cell(server: Server, num_spans: int, spans_a_request: int, senders: int, repeats: int) -> Cell:
    """The middle one of some runs by CPU, each with spans of its own."""
    runs = []
    for _ in range(repeats):
        requests = [renewed(body) for body in bodies(num_spans, spans_a_request)]
        runs.append(measure(server, requests, senders))
    return sorted(runs, key=lambda cell: cell.stored_per_cpu_s)[len(runs) // 2]


def renewed(body: bytes) -> bytes:
    """The same spans in traces that were not sent before."""
    number = next(_fresh)
    request = ExportTraceServiceRequest.FromString(body)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.trace_id = number.to_bytes(4, "big") + span.trace_id[4:]
    return request.SerializeToString()


def _print(results: dict[tuple[str, int, int], Cell], kinds: Sequence[str], cells: Sequence[tuple[int, int]]) -> None:
    heads = f"{'stored / CPU s':>16}{'stored / s':>14}{'p50 ms':>10}{'ratio':>9}"
    print(f"{'spans a request, senders':28}{'server':10}{heads}")
    for spans_a_request, senders in cells:
        for kind in kinds:
            cell = results[kind, spans_a_request, senders]
            peer = results.get(("mlflow", spans_a_request, senders))
            ratio = "" if peer is None or kind == "mlflow" else f"{cell.stored_per_cpu_s / peer.stored_per_cpu_s:.1f} x"
            print(
                f"{f'{spans_a_request}, {senders}':28}{kind:10}{cell.stored_per_cpu_s:>16,.0f}"
                f"{cell.stored_per_s:>14,.0f}{cell.p50_ms:>10.1f}{ratio:>9}"
            )


def _spans(body: bytes) -> Sequence[object]:
    return ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans


def _count(database: Path) -> int:
    if not database.exists():  # MLflow makes its database with the first request
        return 0
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        count: int = connection.execute("SELECT count(*) FROM spans").fetchone()[0]
        return count
    finally:
        connection.close()


def _count_in(database_url: str) -> int:
    database = Database(database_url, pool_size=1)
    try:
        with database.system("count spans", write=False) as tx:
            return int(tx.execute(text("SELECT count(*) FROM spans")).scalar() or 0)
    finally:
        database.close()


def _cpu_s(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(times.user + times.system for times in (one.cpu_times() for one in family))


def wait_for(process: subprocess.Popen[bytes], url: str) -> None:
    """Wait until a server answers.

    Raises:
        RuntimeError: It ended, or does not answer within three minutes.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            httpx.get(url, timeout=5)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the server does not answer")


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
