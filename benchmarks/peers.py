"""What other trace stores take for the same spans, in the same run: MLflow, and Phoenix where somebody installed it."""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import ingest
import psutil
import search
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a peer takes."""

    stored_per_cpu_s: dict[int, float]
    """By spans a request."""

    bytes_a_span: float
    p50_ms: float | None = None
    """Of a request of 8 spans, where its answer means that they are stored."""

    num_traces: int = 0
    trace_by_id_ms: float | None = None
    search_ms: dict[str, float] = field(default_factory=dict)


def measured(folder: Path, num_spans: int, *, is_mlflow: bool, phoenix_python: str | None) -> dict[str, Figures]:
    """The figures of the peers that are there, by name. They get a fifth of the spans, for they are slower."""
    found: dict[str, Figures] = {}
    wanted = max(512, num_spans // 5 // 512 * 512)
    if is_mlflow:
        found["mlflow"] = _mlflow(folder / "mlflow", wanted)
    if phoenix_python:
        found["phoenix"] = _phoenix(Path(phoenix_python), folder / "phoenix", wanted)
    return found


def _mlflow(folder: Path, num_spans: int) -> Figures:
    with ingest.running("mlflow", folder) as server:
        ingest.measure(server, ingest.bodies(512, 64), 1)
        cells = {size: ingest.median_cell(server, num_spans, size, 1, 1) for size in (512, 8)}
        total = server.count()
    file = folder / "mlflow.db"
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{file}")
    with sqlite3.connect(file) as connection:
        connection.execute("ANALYZE")  # without it MLflow's searches take minutes; this favours it
        ids = [row[0] for row in connection.execute("SELECT request_id FROM trace_info LIMIT 50")]
    asked = iter(ids * 10)

    def found(filter_string: str) -> Callable[[], object]:
        return lambda: client.search_traces(
            locations=["0"], filter_string=filter_string, max_results=50, include_spans=False
        )

    return Figures(
        stored_per_cpu_s={size: cell.stored_per_cpu_s for size, cell in cells.items()},
        bytes_a_span=file.stat().st_size / total,
        p50_ms=cells[8].p50_ms,
        num_traces=total // ingest.SPANS_A_TRACE,
        trace_by_id_ms=_p50(lambda: client.get_trace(next(asked))),
        search_ms={
            "newest 50": _p50(found("")),
            "one word": _p50(found("trace.text LIKE '%refund77%'")),
            "attribute, 1 in 500 spans": _p50(found("span.attributes.`session.id` = 's77'")),
        },
    )


def _phoenix(python: Path, folder: Path, num_spans: int) -> Figures:
    cells: dict[int, float] = {}
    with _phoenix_server(python, folder) as (url, process, count):
        with httpx.Client(timeout=120, headers={"content-type": "application/x-protobuf"}) as client:
            for size in (512, 8):
                bodies = [
                    _with_own_ids(body, 1_000 * size + n) for n, body in enumerate(ingest.bodies(num_spans, size))
                ]
                before, cpu = count(), _cpu_s(process)
                for body in bodies:
                    client.post(f"{url}/v1/traces", content=body).raise_for_status()
                # Its answer means that the spans wait in memory: they count once they are in its database.
                _until(lambda before=before: count() - before == num_spans)  # type: ignore[misc]
                cells[size] = num_spans / (_cpu_s(process) - cpu)
        total = count()
    return Figures(stored_per_cpu_s=cells, bytes_a_span=(folder / "phoenix.db").stat().st_size / total)


def _with_own_ids(body: bytes, number: int) -> bytes:
    """The same spans with ids that were not sent before: Phoenix drops a span whose id it knows from another trace."""
    request = ExportTraceServiceRequest.FromString(ingest.renewed(body))
    mask = number * 0x9E3779B97F4A7C15 % 2**64
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.span_id = (int.from_bytes(span.span_id, "big") ^ mask).to_bytes(8, "big")
        if span.parent_span_id:
            span.parent_span_id = (int.from_bytes(span.parent_span_id, "big") ^ mask).to_bytes(8, "big")
    return request.SerializeToString()


@contextmanager
def _phoenix_server(python: Path, folder: Path) -> Iterator[tuple[str, psutil.Process, Callable[[], int]]]:
    folder.mkdir(parents=True)
    port, grpc_port = ingest.free_port(), ingest.free_port()
    env = {
        **os.environ,
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc_port),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        command = [str(python), "-m", "phoenix.server.main", "serve"]
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=folder)
    try:
        ingest.wait_for(process, url)
        yield url, psutil.Process(process.pid), lambda: _rows_of(folder / "phoenix.db")
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _rows_of(file: Path) -> int:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        count: int = connection.execute("SELECT count(*) FROM spans").fetchone()[0]
        return count
    finally:
        connection.close()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_done():
        if time.monotonic() > deadline:
            raise RuntimeError("the peer did not store what it acknowledged")
        time.sleep(0.5)


def _p50(ask: Callable[[], Any]) -> float:
    return statistics.median(search.times_ms(ask, 5))
