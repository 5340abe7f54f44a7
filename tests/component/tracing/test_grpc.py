"""OTLP by gRPC on a real socket: the same keys, limits and answers as over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from aiplatform.core import errors
from aiplatform.core.errors import AIPlatformError, NotFoundError, TransientError
from aiplatform.core.scope import Scope
from aiplatform.tenancy.grpc_door import STATUS_DETAILS, GrpcDoor, GrpcMethod, rpc_status
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.otlp import export_request, logs_request, make_record, make_span, span_id_of, trace_id_of
from aiplatform.tracing.entry import SignalEntry
from aiplatform.tracing.grpc_methods import otlp_methods
from aiplatform.tracing.projects import ProjectChoice
from aiplatform.tracing.service import Traces
from aiplatform.tracing.signals import SIGNALS

ACME = Scope(tenant_id="acme", project_id="default")
TRACE_ID = trace_id_of(1).hex()
LIMIT = 2 * 2**20
LARGEST = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="grpc-under-test")
        self._thread.start()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@dataclass
class Served:
    platform: PlatformUnderTest
    door: GrpcDoor
    address: str
    channel: Any

    def call(self, stub: Any, request: Any, metadata: dict[str, str] | None = None, **options: Any) -> Any:
        return stub(self.channel).Export(request, metadata=tuple((metadata or {}).items()), timeout=20, **options)

    def refused(self, stub: Any, request: Any, metadata: dict[str, str] | None = None, **options: Any) -> Any:
        with pytest.raises(grpc.RpcError) as caught:
            self.call(stub, request, metadata, **options)
        return caught.value

    def key(self, **options: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {self.platform.key(tenant='acme', **options)}"}


def door_of(platform: PlatformUnderTest, traces: Traces) -> GrpcDoor:
    projects = ProjectChoice(platform.tenancy.directory)
    entries = [SignalEntry(traces, signal, projects) for signal in SIGNALS]
    return GrpcDoor(otlp_methods(entries), platform.tenancy.authenticator, max_body_bytes=LIMIT)


@pytest.fixture
def served(platform: PlatformUnderTest, traces: Traces) -> Iterator[Served]:
    loop, door = Loop(), door_of(platform, traces)
    port = loop.run(door.start("127.0.0.1:0"))
    address = f"127.0.0.1:{port}"
    with grpc.insecure_channel(address, options=LARGEST) as channel:
        yield Served(platform=platform, door=door, address=address, channel=channel)
    loop.run(door.stop(0))
    loop.close()


def retry_info(error: Any) -> RetryInfo | None:
    details = dict(error.trailing_metadata()).get(STATUS_DETAILS)
    if details is None:
        return None
    status = Status.FromString(details)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    for detail in status.details:
        found = RetryInfo()
        assert detail.Unpack(found)
        return found
    return None


def spans(number: int = 1, **fields: Any) -> ExportTraceServiceRequest:
    return export_request([make_span(trace=number, **fields)])


@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
)
def test_spans_are_stored_when_they_are_acknowledged(served: Served, traces: Traces, compression: Any) -> None:
    response = served.call(TraceServiceStub, spans(name="by gRPC"), served.key(), compression=compression)
    assert not response.HasField("partial_success")
    assert traces.get(ACME, TRACE_ID).spans[0].name == "by gRPC"
    assert not served.call(TraceServiceStub, ExportTraceServiceRequest(), served.key()).HasField("partial_success")


def test_logs_join_and_metrics_are_counted(served: Served, traces: Traces) -> None:
    key = served.key()
    served.call(TraceServiceStub, spans(attributes={"gen_ai.operation.name": "chat"}), key)
    record = make_record("gen_ai.user.message", {"content": "hello"})
    answer = served.call(LogsServiceStub, logs_request([record, make_record("other")]), key)
    assert answer.partial_success.rejected_log_records == 1
    assert traces.span(ACME, TRACE_ID, span_id_of(1).hex()).input_messages[0].text == "hello"
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.add(name="a").gauge.data_points.add(as_int=1)
    assert served.call(MetricsServiceStub, request, key).partial_success.rejected_data_points == 1


def test_bad_spans_are_counted_and_good_ones_kept(served: Served, traces: Traces) -> None:
    bad = make_span(2)
    bad.span_id = b"1"
    answer = served.call(TraceServiceStub, export_request([bad, make_span(1)]), served.key())
    assert answer.partial_success.rejected_spans == 1
    assert traces.get(ACME, TRACE_ID).summary.num_spans == 1


def test_every_method_declares_its_permission_and_asks_for_it(served: Served) -> None:
    assert {f"{method.service}/{method.name}" for method in served.door.methods} == {
        f"opentelemetry.proto.collector.{name}/Export"
        for name in ("logs.v1.LogsService", "metrics.v1.MetricsService", "trace.v1.TraceService")
    }
    nobody = {"authorization": f"Bearer aip_00000000_{'0' * 40}"}
    viewer = served.key(role=Role.VIEWER)
    for method in served.door.methods:
        assert isinstance(method.permission, Permission)
        call = served.channel.unary_unary(f"/{method.service}/{method.name}")
        for metadata, code in (({}, "UNAUTHENTICATED"), (nobody, "UNAUTHENTICATED"), (viewer, "PERMISSION_DENIED")):
            with pytest.raises(grpc.RpcError) as caught:
                call(b"", metadata=tuple(metadata.items()), timeout=20)
            assert caught.value.code().name == code
            assert retry_info(caught.value) is None


async def _answer(*_: Any) -> bytes:
    return b""


@pytest.mark.parametrize("permission", [None, "traces.write!", Permission.PUBLIC])
def test_a_method_without_a_permission_cannot_be_written(permission: Any) -> None:
    with pytest.raises(TypeError, match="permission"):
        GrpcMethod(service="a.B", name="C", permission=permission, answer=_answer)
    with pytest.raises(TypeError, match="permission"):
        GrpcMethod(service="a.B", name="C", answer=_answer)  # type: ignore[call-arg]


@pytest.mark.parametrize("way", ["x-api-key", "basic"])
def test_metadata_carries_keys_and_projects_as_headers_do(served: Served, traces: Traces, way: str) -> None:
    import base64

    served.platform.key(tenant="acme", project="lab")
    key = served.platform.key(tenant="acme")
    pair = base64.b64encode(f"pk:{key}".encode()).decode()
    metadata = {"x-api-key": key} if way == "x-api-key" else {"authorization": f"Basic {pair}"}
    served.call(TraceServiceStub, spans(), {**metadata, "x-project-name": "lab"})
    lab = Scope(tenant_id="acme", project_id="lab")
    assert [item.trace_id for item in traces.list(lab).items] == [TRACE_ID]
    refused = served.refused(TraceServiceStub, spans(2), {**metadata, "x-project-name": "nowhere"})
    assert refused.code() is grpc.StatusCode.NOT_FOUND
    assert traces.list(ACME).items == []


def test_too_large_a_message_is_refused_for_good_after_decompression_too(served: Served, traces: Traces) -> None:
    large = spans(attributes={"x": "y" * (LIMIT + 1)})
    assert len(gzip.compress(large.SerializeToString())) < 64 * 1024
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        refused = served.refused(TraceServiceStub, large, served.key(), compression=compression)
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert retry_info(refused) is None
    with pytest.raises(NotFoundError):
        traces.get(ACME, TRACE_ID)
    served.call(TraceServiceStub, spans(attributes={"x": "y" * (LIMIT - 1024)}), served.key())
    assert traces.get(ACME, TRACE_ID).summary.num_spans == 1


def test_bytes_that_are_no_request_are_the_clients_fault(served: Served) -> None:
    call = served.channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff", metadata=tuple(served.key().items()), timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_overload_says_when_to_come_again(served: Served, traces: Traces) -> None:
    traces.incoming.close()
    refused = served.refused(TraceServiceStub, spans(), served.key())
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    found = retry_info(refused)
    assert found is not None
    assert found.retry_delay.seconds == 1


def _every_error(kind: type[AIPlatformError]) -> Iterator[type[AIPlatformError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _every_error(inner)


@pytest.mark.parametrize("kind", sorted(set(_every_error(AIPlatformError)), key=str))
def test_only_what_passes_is_told_by_a_retryable_code(kind: type[AIPlatformError]) -> None:
    """What the specification calls retryable: these codes, and RESOURCE_EXHAUSTED with RetryInfo alone."""
    status = rpc_status(kind("x"), "en")
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    always = {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
    is_retried = code.name in always or (code.name == "RESOURCE_EXHAUSTED" and len(status.details) > 0)
    assert is_retried == kind.retryable
    assert len(status.details) == int(kind.retryable)


def test_a_long_wait_is_cut_to_what_exporters_bear() -> None:
    assert issubclass(TransientError, errors.AIPlatformError)
    detail = RetryInfo()
    rpc_status(TransientError("x", retry_after_s=60.0), "en").details[0].Unpack(detail)
    assert detail.retry_delay.seconds == 3


EXPORT = """
import json, sys
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import grpc

address, key, compression = sys.argv[1:]
memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
with provider.get_tracer("shop", "1.2").start_as_current_span("root"):
    with provider.get_tracer("shop", "1.2").start_as_current_span("chat m") as span:
        span.set_attribute("gen_ai.input.messages", json.dumps([{"role": "user", "content": "退款在哪里？"}]))
how = grpc.Compression[compression]
sent = {"authorization": key}
exporter = OTLPSpanExporter(endpoint=address, insecure=True, headers=sent, compression=how, timeout=20)
print(exporter.export(memory.get_finished_spans()).name)
print(f"{memory.get_finished_spans()[0].context.trace_id:032x}")
"""


@pytest.mark.parametrize("compression", ["NoCompression", "Gzip"])
def test_the_stock_exporter_delivers(served: Served, traces: Traces, compression: str) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc.trace_exporter")
    key = served.key()["authorization"]
    command = [sys.executable, "-c", EXPORT, served.address, key, compression]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    outcome, trace_id = ran.stdout.split()
    assert (outcome, [row.name for row in traces.get(ACME, trace_id).spans]) == ("SUCCESS", ["root", "chat m"])
    wrong = [sys.executable, "-c", EXPORT, served.address, "Bearer no", compression]
    assert subprocess.run(wrong, capture_output=True, text=True, timeout=120, check=True).stdout.split()[0] == "FAILURE"


def test_a_stopped_server_leaves_no_port_open(platform: PlatformUnderTest, traces: Traces) -> None:
    loop, door = Loop(), door_of(platform, traces)
    port = loop.run(door.start("127.0.0.1:0"))
    second = door_of(platform, traces)
    assert loop.run(second.start(f"127.0.0.1:{port}")) == port  # replicas of one machine share it
    loop.run(door.stop(0))
    loop.run(second.stop(0))
    loop.close()
    stub: Any = TraceServiceStub
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as caught:
        stub(channel).Export(ExportTraceServiceRequest(), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
