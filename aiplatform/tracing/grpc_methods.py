"""OTLP over gRPC: the `Export` of each signal's service, behind the same entries as over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiplatform.tenancy.grpc_door import GrpcMethod
from aiplatform.tenancy.model import Caller
from aiplatform.tracing.entry import SignalEntry
from aiplatform.tracing.otlp import PROTOBUF


def otlp_methods(entries: Iterable[SignalEntry]) -> list[GrpcMethod]:
    """The methods of the three collector services."""
    return [_method(entry) for entry in entries]


def _method(entry: SignalEntry) -> GrpcMethod:
    async def export(body: bytes, caller: Caller, headers: Mapping[str, str]) -> bytes:
        response = await entry.take(body, PROTOBUF, caller, headers)
        return response.SerializeToString()

    signal = entry.signal
    return GrpcMethod(service=signal.service, name="Export", permission=signal.permission, answer=export)
