"""The authentication layer in front of every gRPC method: the same keys, permissions and errors as over HTTP.

A `grpc.aio` server of our own, in the process that answers HTTP for the same room: Ray Serve's gRPC ingress wants its
own routing metadata from every client, has no place for authentication, and knows a method by the last part of its name
(docs/adr/0009). Bodies reach a method as they came, so that bytes which are no message are the client's fault.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from aiplatform.core.errors import AIPlatformError
from aiplatform.core.i18n import negotiate
from aiplatform.tenancy.admission import Admission
from aiplatform.tenancy.auth import Authenticator
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.request import REQUEST_ID, request_id_from
from aiplatform.tenancy.responses import unforeseen

STATUS_DETAILS: Final = "grpc-status-details-bin"
MAX_STREAMS: Final = 256
"""Calls that one connection may have open; further ones wait at the client."""

Answer = Callable[[bytes, Caller, Mapping[str, str]], Awaitable[bytes]]
"""From a request's bytes, who calls, and its metadata (names in lower case) to the response's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcMethod:
    """One unary method, and who may call it; there is no method that anybody may."""

    service: str
    """Full name, with its package."""

    name: str
    permission: Permission
    answer: Answer

    def __post_init__(self) -> None:
        if not isinstance(self.permission, Permission) or self.permission is Permission.PUBLIC:
            raise TypeError(f"the method {self.service}/{self.name} declares no permission that a caller must have")


class GrpcDoor:
    """A gRPC server whose every method is behind a permission. It belongs to the event loop that starts it.

    Args:
        methods: What it answers.
        authenticator: Finds callers.
        max_body_bytes: Bound of a request, before and after decompression.
        admission: Counts calls against their tenant's limits.
    """

    def __init__(
        self,
        methods: Iterable[GrpcMethod],
        authenticator: Authenticator,
        *,
        max_body_bytes: int,
        admission: Admission | None = None,
    ) -> None:
        self.methods = tuple(sorted(methods, key=lambda method: (method.service, method.name)))
        self._authenticator = authenticator
        self._max_body_bytes = max_body_bytes
        self._admission = admission
        self._server: Any = None

    async def start(self, address: str) -> int:
        """Listen at `host:port`, 0 for any free port; returns the port.

        Several replicas on one machine share the port: the kernel gives each connection to one of them.

        Raises:
            RuntimeError: The address cannot be had.
        """
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", self._max_body_bytes),
                ("grpc.max_concurrent_streams", MAX_STREAMS),
                ("grpc.so_reuseport", 1),
            ]
        )
        for service, methods in groupby(self.methods, key=lambda method: method.service):
            handlers = {
                method.name: grpc.unary_unary_rpc_method_handler(
                    _Guarded(method, self._authenticator, self._admission).answer
                )
                for method in methods
            }
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        port: int = server.add_insecure_port(address)
        await server.start()
        self._server = server
        return port

    async def stop(self, grace_s: float) -> None:
        """Take no new calls, and give those that run `grace_s` seconds."""
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None


class _Guarded:
    """One method behind its check."""

    def __init__(self, method: GrpcMethod, authenticator: Authenticator, admission: Admission | None) -> None:
        self._method = method
        self._admission = admission
        self._authenticator = authenticator

    async def answer(self, body: bytes, context: Any) -> bytes:
        """Answer one call."""
        headers = _headers(context.invocation_metadata())
        REQUEST_ID.set(request_id_from(headers.get("x-request-id")))
        try:
            caller = await self._authenticator.authenticate_aside(headers)
            caller.require(self._method.permission)
            if self._admission is None:
                return await self._method.answer(body, caller, headers)
            async with self._admission.request(caller):
                return await self._method.answer(body, caller, headers)
        except AIPlatformError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - logged, and answered as an internal error
            problem = unforeseen(error)
        await _refuse(context, problem, headers)
        raise AssertionError("abort raises")


def _headers(metadata: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    """Metadata as headers; binary entries are nothing that we read."""
    return {name.lower(): value for name, value in metadata or () if isinstance(value, str)}


async def _refuse(context: Any, error: AIPlatformError, headers: Mapping[str, str]) -> None:
    status = rpc_status(error, negotiate(None, headers.get("accept-language")))
    code = grpc.StatusCode[error.grpc_status]
    await context.abort(code, status.message, ((STATUS_DETAILS, status.SerializeToString()),))


def rpc_status(error: AIPlatformError, locale: str) -> Any:
    """An error as `google.rpc.Status`; only one that passes says when to come again.

    Exporters try UNAVAILABLE again, and RESOURCE_EXHAUSTED only with this detail: a request that is too large has the
    latter code and must not come again.
    """
    hint = error.localized_hint(locale)
    message = f"{error.localized(locale)} {hint}" if hint else error.localized(locale)
    status = Status(code=grpc.StatusCode[error.grpc_status].value[0], message=message)
    if error.retryable:
        detail = AnyMessage()
        seconds = min(max(math.ceil(error.retry_after_s or 1.0), 1), 3)
        detail.Pack(RetryInfo(retry_delay=Duration(seconds=seconds)))
        status.details.append(detail)
    return status
