"""The door's spans on their way to the span store: gathered on a thread of their own, many to a commit."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable
from typing import Any, Final, Protocol

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from aiplatform.core.errors import AIPlatformError
from aiplatform.core.scope import Scope
from aiplatform.serve.ports import DoorSpan

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 10_000
MAX_BATCH: Final = 512
GATHER_S: Final = 0.2
"""How long spans gather for one commit, counted from the first of them."""

FIRST_RETRY_S: Final = 0.1
MAX_ATTEMPTS: Final = 5
SERVICE_NAME: Final = "aiplatform-door"

_Item = tuple[Scope, DoorSpan]


class SpanStore(Protocol):
    """What takes OTLP in: the service of traces."""

    def ingest(self, scope: Scope, request: bytes) -> Any:
        """Store the spans of an export request; returns when they are committed."""
        ...


class BackgroundSink:
    """Takes spans at once and stores them soon after. Thread safe; `close` stores what waits.

    Args:
        store: Where they go.
    """

    def __init__(self, store: SpanStore) -> None:
        self._store = store
        self._waiting: queue.Queue[_Item | None] = queue.Queue(MAX_WAITING)
        self._num_dropped = 0
        self._thread = threading.Thread(target=self._run, name="door-spans", daemon=True)
        self._thread.start()

    def emit(self, scope: Scope, span: DoorSpan) -> None:
        """Take the span; where too many wait already, it is dropped and counted."""
        try:
            self._waiting.put_nowait((scope, span))
        except queue.Full:
            self._num_dropped += 1
            if self._num_dropped & (self._num_dropped - 1) == 0:
                logger.warning("spans of the door were dropped", extra={"num_dropped": self._num_dropped})

    def close(self) -> None:
        """Store what waits, and end."""
        self._waiting.put(None)
        self._thread.join(timeout=10.0)

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch = [self._waiting.get()]
            if batch[0] is not None:
                time.sleep(GATHER_S)
            while len(batch) < MAX_BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            is_open = None not in batch
            by_scope: dict[Scope, list[DoorSpan]] = {}
            for item in batch:
                if item is not None:
                    by_scope.setdefault(item[0], []).append(item[1])
            for scope, spans in by_scope.items():
                self._store_batch(scope, export_request(spans))

    def _store_batch(self, scope: Scope, request: bytes) -> None:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                self._store.ingest(scope, request)
            except AIPlatformError as error:
                if not error.retryable or attempt == MAX_ATTEMPTS:
                    logger.warning("spans of the door were not stored", extra={"problem": str(error)})
                    return
                time.sleep(FIRST_RETRY_S * 2 ** (attempt - 1))
            except Exception:
                logger.exception("spans of the door were not stored")
                return
            else:
                return


def export_request(spans: Iterable[DoorSpan]) -> bytes:
    """The spans as an OTLP export request."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name", value={"string_value": SERVICE_NAME})
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "aiplatform.serve"
    for span in spans:
        scope_spans.spans.add(**_fields(span))
    return request.SerializeToString()


def _fields(span: DoorSpan) -> dict[str, Any]:
    # Dictionaries, because protobuf turns them into messages itself: that takes a third of making each one here.
    status = {} if span.error is None else {"code": Status.STATUS_CODE_ERROR, "message": span.error}
    return {
        "trace_id": bytes.fromhex(span.trace_id),
        "span_id": bytes.fromhex(span.span_id),
        "parent_span_id": bytes.fromhex(span.parent_span_id or ""),
        "trace_state": span.trace_state,
        "name": span.name,
        "kind": Span.SPAN_KIND_SERVER,
        "start_time_unix_nano": span.start_ns,
        "end_time_unix_nano": span.end_ns,
        "attributes": [{"key": key, "value": _any(value)} for key, value in span.attributes.items()],
        "status": status,
    }


def _any(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"string_value": value}
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int):
        return {"int_value": value}
    if isinstance(value, float):
        return {"double_value": value}
    if isinstance(value, list | tuple):
        return {"array_value": {"values": [_any(one) for one in value]}}
    return {"string_value": str(value)}
