"""The door answers gRPC for as long as it lives, where its environment says so, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import grpc  # type: ignore[import-untyped]
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from aiplatform.core.scope import Scope
from aiplatform.core.settings import load
from aiplatform.gateway.door_app import build_door
from aiplatform.gateway.serve_config import GRPC_VARIABLE
from aiplatform.gateway.services import Services
from aiplatform.runtime.ports_in_use import is_free
from aiplatform.storage.database import Database
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from aiplatform.testing.platform import free_port


@asynccontextmanager
async def living(app: Any) -> AsyncIterator[None]:
    """The application between start and end, as a server's lifespan protocol has it."""
    to_app, receive = anyio.create_memory_object_stream[Any](2)
    send, from_app = anyio.create_memory_object_stream[Any](2)
    async with anyio.create_task_group() as tasks, to_app, from_app:
        tasks.start_soon(app, {"type": "lifespan", "asgi": {"version": "3.0"}}, receive.receive, send.send)
        await to_app.send({"type": "lifespan.startup"})
        assert (await from_app.receive())["type"] == "lifespan.startup.complete"
        yield
        await to_app.send({"type": "lifespan.shutdown"})
        assert (await from_app.receive())["type"] == "lifespan.shutdown.complete"
    receive.close()
    send.close()


async def export(address: str, key: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = TraceServiceStub(channel)  # type: ignore[no-untyped-call]
        request = export_request([make_span(1)])
        await stub.Export(request, metadata=(("authorization", f"Bearer {key}"),), timeout=30)


@pytest.mark.parametrize("is_wanted", [True, False])
def test_the_door_takes_spans_by_grpc_while_it_lives(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_wanted: bool
) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    if is_wanted:
        monkeypatch.setenv(GRPC_VARIABLE, address)
    else:
        monkeypatch.delenv(GRPC_VARIABLE, raising=False)
    flags = {"data_dir": str(tmp_path), "database.url": database_url}
    services = Services(load(environment={}, flags=flags).settings)

    async def live(key: str) -> None:
        async with living(build_door(services)):
            assert is_free("127.0.0.1", port) is not is_wanted
            if is_wanted:
                await export(address, key)
                found = services.traces.get(Scope(tenant_id="acme", project_id="default"), trace_id_of(1).hex())
                assert found.summary.num_spans == 1
        assert is_free("127.0.0.1", port)

    database = Database(database_url)
    with PlatformUnderTest(database) as platform:
        anyio.run(live, platform.key(tenant="acme"))
    database.close()
