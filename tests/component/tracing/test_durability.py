"""What was acknowledged survives the death of the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

from aiplatform.storage.database import Database
from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from aiplatform.testing.platform import free_port
from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import SCOPE

HEADERS = {"authorization": "Bearer acme", "content-type": "application/x-protobuf"}
ROOT = Path(__file__).parents[3]
NUM_SENDERS = 4
NUM_BEFORE_KILL = 60


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended by itself"
        try:
            httpx.post(f"{url}/v1/traces", content=b"", headers=HEADERS)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not answer")


def test_every_acknowledged_span_is_stored_when_the_server_is_killed_in_the_middle(
    database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.component.tracing.serve_traces"]
    process = subprocess.Popen([*command, database_url, str(tmp_path / "text.db"), str(port)], cwd=ROOT)
    acknowledged: list[int] = []
    enough = threading.Event()

    def send(first: int) -> None:
        with httpx.Client() as client:
            for number in range(first, 100_000, NUM_SENDERS):
                body = export_request([make_span(1, trace=number), make_span(2, trace=number, parent=1)])
                try:
                    response = client.post(f"{url}/v1/traces", content=body.SerializeToString(), headers=HEADERS)
                except httpx.TransportError:
                    return
                if response.status_code == 200:
                    acknowledged.append(number)
                    if len(acknowledged) >= NUM_BEFORE_KILL:
                        enough.set()

    try:
        wait_until_it_answers(url, process)
        senders = [threading.Thread(target=send, args=(first,)) for first in range(1, NUM_SENDERS + 1)]
        for sender in senders:
            sender.start()
        assert enough.wait(120)
        os.kill(process.pid, signal.SIGKILL)
        for sender in senders:
            sender.join(30)
    finally:
        process.kill()
        process.wait(30)

    database = Database(database_url)
    service = Traces(database, index_path=tmp_path / "text.db")
    try:
        assert len(acknowledged) >= NUM_BEFORE_KILL
        for number in acknowledged:
            assert service.get(SCOPE, trace_id_of(number).hex()).summary.num_spans == 2
        while service.update_index():
            pass
        assert service.freshness(SCOPE).is_current
    finally:
        service.close()
        database.close()
