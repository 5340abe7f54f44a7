"""OTLP's messages: decoded, spans taken apart into arrivals, and answered in the encoding of the request."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status as RpcStatus  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from aiplatform.core.errors import AIPlatformError, InvalidError
from aiplatform.core.i18n import DEFAULT_LOCALE, N_
from aiplatform.core.scope import Scope
from aiplatform.tracing.arrival import Arrival, problem_with, read_span
from aiplatform.tracing.log_records import LogArrival
from aiplatform.tracing.model import Score
from aiplatform.tracing.redaction import Redactor, RedactorOf
from aiplatform.tracing.semconv import PROJECT_RESOURCE_KEYS
from aiplatform.tracing.values import any_value, plain_text

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
MAX_NAME: Final = 400

ProjectChooser = Callable[[str, bool], str | None]
"""From a project that a resource asks for, and whether it is our own attribute that asks, to the project its spans go
to; None refuses."""

GRPC_CODES: Final = {
    "INVALID_ARGUMENT": 3,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}
UNKNOWN_PROJECT: Final = N_("There is no such project for this key.")
Request = TypeVar("Request", bound=Message)


@dataclass(slots=True)
class Export:
    """What of one request goes to one project."""

    scope: Scope
    spans: list[Arrival] = field(default_factory=list)
    logs: list[LogArrival] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    resources: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    """Key -> resource and instrumentation scope, as they came."""

    rejected: int = 0
    problem: str | None = None
    rejections: dict[str, int] = field(default_factory=dict)
    """Why -> how many."""

    redacted: Counter[str] = field(default_factory=Counter)
    """What was taken out, by what it was."""

    num_dropped_attributes: int = 0
    """Attributes that the sender threw away, by its own account."""

    size_bytes: int = 0

    @property
    def num_accepted(self) -> int:
        """Spans, log records and scores together."""
        return len(self.spans) + len(self.logs) + len(self.scores)

    def reject(self, count: int, problem: str) -> None:
        """Count what is not stored; the first reason is the one reported."""
        self.rejected += count
        self.rejections[problem] = self.rejections.get(problem, 0) + count
        self.problem = self.problem or problem


def decode(body: bytes, media_type: str = PROTOBUF) -> ExportTraceServiceRequest:
    """The trace request in a body.

    Raises:
        InvalidError: The bytes are no export request of that media type.
    """
    return decode_as(ExportTraceServiceRequest, body, media_type)


def decode_as(kind: type[Request], body: bytes, media_type: str) -> Request:
    """The request of that kind in a body.

    Raises:
        InvalidError: The bytes are no such request in that media type.
    """
    try:
        if media_type == JSON:
            return _from_json(kind, body)
        return kind.FromString(body)
    except (DecodeError, json_format.ParseError, ValueError, TypeError, RecursionError, AttributeError) as error:
        raise InvalidError(
            N_("The body is not an OTLP {kind}: {problem}."),
            hint=N_("Send an {kind} with the matching Content-Type."),
            reason="tracing.undecodable",
            kind=kind.DESCRIPTOR.name,
            problem=str(error)[:200],
        ) from None


def exports_of(
    request: ExportTraceServiceRequest,
    scope: Scope,
    *,
    now_ns: int,
    choose_project: ProjectChooser | None = None,
    redactor_of: RedactorOf | None = None,
) -> list[Export]:
    """The request's spans by project; the first entry is the caller's own project and counts what is refused.

    Args:
        request: What was sent.
        scope: Tenant and project of the caller.
        now_ns: The platform's clock, against which starts are checked.
        choose_project: Asked where a resource names a project; without it resources choose nothing.
        redactor_of: Gives what takes secrets out of a scope's spans, before anything of them is read or kept.
    """
    own = Export(scope=scope)
    by_project: dict[str | None, Export] = {scope.project_id: own}
    for resource_spans in request.resource_spans:
        resource = resource_spans.resource
        service, wanted = named_by(resource)
        target = target_of(by_project, own, wanted, choose_project)
        redactor = redactor_for(target, redactor_of)
        if redactor is not None:
            redactor.resource(resource)
            service, _ = named_by(resource)
        resource_bytes = resource.SerializeToString()
        for scope_spans in resource_spans.scope_spans:
            if target is None:
                own.reject(len(scope_spans.spans), UNKNOWN_PROJECT)
                continue
            if redactor is not None:
                redactor.instrumentation(scope_spans.scope)
            scope_bytes = scope_spans.scope.SerializeToString()
            key = blake2b(resource_bytes + b"\0" + scope_bytes, digest_size=16).hexdigest()
            before = len(target.spans)
            for span in scope_spans.spans:
                problem = problem_with(span, now_ns)
                if problem is not None:
                    own.reject(1, problem)
                    continue
                if redactor is not None:
                    redactor.span(span)
                arrival = read_span(span, service, key)
                target.spans.append(arrival)
                target.num_dropped_attributes += span.dropped_attributes_count
                target.size_bytes += len(arrival.raw)
            if len(target.spans) > before:
                target.resources[key] = (resource_bytes, scope_bytes)
    return [export for export in by_project.values() if export is own or export.spans]


def read_request(
    scope: Scope, body: bytes, *, now_ns: int, media_type: str = PROTOBUF, redactor_of: RedactorOf | None = None
) -> Export:
    """The spans of a request that all go to the caller's project.

    Raises:
        InvalidError: The bytes are no export request.
    """
    return exports_of(decode(body, media_type), scope, now_ns=now_ns, redactor_of=redactor_of)[0]


def target_of(
    by_project: dict[str | None, Export],
    own: Export,
    wanted: tuple[str, bool] | None,
    choose_project: ProjectChooser | None,
) -> Export | None:
    """Where what a resource sends goes: the caller's own project unless it names one; None where it is refused."""
    if wanted is None or choose_project is None:
        return own
    project_id = choose_project(*wanted)
    if project_id is None:
        return None
    chosen = Scope(tenant_id=own.scope.tenant_id, project_id=project_id)
    return by_project.setdefault(project_id, Export(scope=chosen))


def redactor_for(target: Export | None, redactor_of: RedactorOf | None) -> Redactor | None:
    """What takes secrets out of what goes to an export, and counts them there; None where no policy is set."""
    found = redactor_of(target.scope) if redactor_of is not None and target is not None else None
    return found.counting(target.redacted) if found is not None and target is not None else None


def failure(error: AIPlatformError, media_type: str, locale: str = DEFAULT_LOCALE) -> bytes:
    """The body of a failure: `google.rpc.Status`."""
    return encoded(status_of(error, locale), media_type)


def status_of(error: AIPlatformError, locale: str = DEFAULT_LOCALE) -> Any:
    """An error as `google.rpc.Status`."""
    hint = error.localized_hint(locale)
    message = f"{error.localized(locale)} {hint}" if hint else error.localized(locale)
    return RpcStatus(code=GRPC_CODES.get(error.grpc_status, 2), message=message)


def encoded(message: Message, media_type: str) -> bytes:
    """A message in the encoding of a request."""
    if media_type == JSON:
        return json_format.MessageToJson(message, indent=None).encode()
    return message.SerializeToString()


def named_by(resource: Resource) -> tuple[str | None, tuple[str, bool] | None]:
    """The service that a resource names, and the project it asks for with whether our own attribute asks."""
    service: str | None = None
    wanted: dict[str, str] = {}
    for pair in resource.attributes:
        if pair.key == "service.name":
            service = plain_text(any_value(pair.value)).replace("\x00", "�")[:MAX_NAME] or None
        elif pair.key in PROJECT_RESOURCE_KEYS:
            wanted.setdefault(pair.key, plain_text(any_value(pair.value)))
    ours, foreign = PROJECT_RESOURCE_KEYS
    if ours in wanted:
        return service, (wanted[ours], True)
    return service, (wanted[foreign], False) if foreign in wanted else None


def _from_json(kind: type[Request], body: bytes) -> Request:
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    for resource_spans in _items(document, "resourceSpans", "resource_spans"):
        for scope_spans in _items(resource_spans, "scopeSpans", "scope_spans"):
            for span in _items(scope_spans, "spans", "spans"):
                _ids_from_hex(span, "traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id")
                for link in _items(span, "links", "links"):
                    _ids_from_hex(link, "traceId", "trace_id", "spanId", "span_id")
    for resource_logs in _items(document, "resourceLogs", "resource_logs"):
        for scope_logs in _items(resource_logs, "scopeLogs", "scope_logs"):
            for record in _items(scope_logs, "logRecords", "log_records"):
                _ids_from_hex(record, "traceId", "trace_id", "spanId", "span_id")
    return json_format.ParseDict(document, kind(), ignore_unknown_fields=True)


def _items(holder: dict[str, Any], name: str, other: str) -> list[dict[str, Any]]:
    items = holder.get(name, holder.get(other)) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError(f"{name} is not a list of objects")
    return items


def _ids_from_hex(holder: dict[str, Any], *names: str) -> None:
    """OTLP writes ids in hexadecimal where protobuf's JSON expects base 64."""
    for name in names:
        value = holder.get(name)
        if isinstance(value, str):
            holder[name] = base64.b64encode(bytes.fromhex(value)).decode("ascii")
