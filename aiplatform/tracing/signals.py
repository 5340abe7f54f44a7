"""The three signals of OTLP: what a request of each holds, what of it is kept, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from aiplatform.core.i18n import DEFAULT_LOCALE, N_, translate
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.tracing.log_records import (
    EVALUATION_EVENT,
    NO_RESULT,
    NO_SCORES,
    event_name,
    problem_with_record,
    read_evaluation,
    read_record,
)
from aiplatform.tracing.model import IngestResult
from aiplatform.tracing.otlp import (
    UNKNOWN_PROJECT,
    Export,
    ProjectChooser,
    exports_of,
    named_by,
    redactor_for,
    target_of,
)
from aiplatform.tracing.redaction import RedactorOf

METRICS_ARE_DERIVED: Final = N_("Metrics are derived from spans here; data points that are sent are not kept.")

Reader = Callable[[Any, Caller, int, ProjectChooser | None, RedactorOf | None], list[Export]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One kind of OTLP request."""

    path: str
    service: str
    """Name of its gRPC service; its one method is `Export`."""

    permission: Permission
    request: type[Message]
    response: type[Message]
    rejected_field: str
    groups: Callable[[Any], Any]
    """The request's parts by resource."""

    read: Reader
    """From request, caller, the platform's clock, a project chooser and what takes secrets out, to what is stored."""

    def answer(self, result: IngestResult) -> Message:
        """The response; it carries a partial success only where something was refused."""
        response: Any = self.response()
        if result.rejected:
            setattr(response.partial_success, self.rejected_field, result.rejected)
            response.partial_success.error_message = translate(result.problem or "", DEFAULT_LOCALE)
        found: Message = response
        return found

    def projects_named(self, request: Message) -> Iterator[tuple[str, bool]]:
        """The projects that resources ask for, each with whether our own attribute asks."""
        for group in self.groups(request):
            wanted = named_by(group.resource)[1] if group.resource.attributes else None
            if wanted is not None:
                yield wanted


def read_traces(
    request: ExportTraceServiceRequest,
    caller: Caller,
    now_ns: int,
    choose_project: ProjectChooser | None,
    redactor_of: RedactorOf | None,
) -> list[Export]:
    """The spans by project."""
    return exports_of(request, caller.scope, now_ns=now_ns, choose_project=choose_project, redactor_of=redactor_of)


def read_logs(
    request: ExportLogsServiceRequest,
    caller: Caller,
    now_ns: int,
    choose_project: ProjectChooser | None,
    redactor_of: RedactorOf | None,
) -> list[Export]:
    """The log records that belong to spans, and the scores that evaluation results are, by project.

    The first entry is the caller's own project and counts what is refused.
    """
    own = Export(scope=caller.scope)
    by_project: dict[str | None, Export] = {caller.project_id: own}
    may_score = caller.may(Permission.SCORES_WRITE)
    position = 0
    for group in request.resource_logs:
        target = target_of(by_project, own, named_by(group.resource)[1], choose_project)
        redactor = redactor_for(target, redactor_of)
        for scoped in group.scope_logs:
            for record in scoped.log_records:
                position += 1
                if target is None:
                    own.reject(1, UNKNOWN_PROJECT)
                    continue
                if redactor is not None:
                    redactor.record(record)
                problem = _take(target, record, position, caller.principal if may_score else None, now_ns)
                if problem is not None:
                    own.reject(1, problem)
    return [export for export in by_project.values() if export is own or export.num_accepted]


def read_metrics(
    request: ExportMetricsServiceRequest,
    caller: Caller,
    _now_ns: int,
    _choose: ProjectChooser | None,
    _redactor_of: RedactorOf | None,
) -> list[Export]:
    """Nothing to store; the count of data points that are refused."""
    own = Export(scope=caller.scope)
    for group in request.resource_metrics:
        for scoped in group.scope_metrics:
            for metric in scoped.metrics:
                data = metric.WhichOneof("data")
                count = len(getattr(metric, data).data_points) if data is not None else 0
                if count:
                    own.reject(count, METRICS_ARE_DERIVED)
    return [own]


def _take(target: Export, record: LogRecord, position: int, scored_by: str | None, now_ns: int) -> str | None:
    """Put a record into an export; why not, where it cannot be kept."""
    name = event_name(record)
    if name == EVALUATION_EVENT:
        if scored_by is None:
            return NO_SCORES
        score = read_evaluation(record, principal=scored_by, now_ns=now_ns)
        if score is None:
            return NO_RESULT
        target.scores.append(score)
        target.size_bytes += record.ByteSize()
        return None
    problem = problem_with_record(record, name)
    if problem is None:
        arrival = read_record(record, position)
        target.logs.append(arrival)
        target.size_bytes += len(arrival.raw)
    return problem


TRACES: Final = Signal(
    path="/v1/traces",
    service="opentelemetry.proto.collector.trace.v1.TraceService",
    permission=Permission.TRACES_WRITE,
    request=ExportTraceServiceRequest,
    response=ExportTraceServiceResponse,
    rejected_field="rejected_spans",
    groups=lambda request: request.resource_spans,
    read=read_traces,
)
LOGS: Final = Signal(
    path="/v1/logs",
    service="opentelemetry.proto.collector.logs.v1.LogsService",
    permission=Permission.TRACES_WRITE,
    request=ExportLogsServiceRequest,
    response=ExportLogsServiceResponse,
    rejected_field="rejected_log_records",
    groups=lambda request: request.resource_logs,
    read=read_logs,
)
METRICS: Final = Signal(
    path="/v1/metrics",
    service="opentelemetry.proto.collector.metrics.v1.MetricsService",
    permission=Permission.TRACES_WRITE,
    request=ExportMetricsServiceRequest,
    response=ExportMetricsServiceResponse,
    rejected_field="rejected_data_points",
    groups=lambda request: request.resource_metrics,
    read=read_metrics,
)
SIGNALS: Final = (TRACES, LOGS, METRICS)
