"""What is counted of everything that arrives, and the report of it, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from starlette.testclient import TestClient

from aiplatform.core.errors import InvalidError, TransientError
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.tenancy.responses import install_error_handlers
from aiplatform.tenancy.routing import attach
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.otlp import export_request, make_span
from aiplatform.tracing.counting import REJECTIONS, CountKind
from aiplatform.tracing.ingest import Ingest
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.otlp import read_request
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.service import Traces
from aiplatform.tracing.usage_report import UsageReport
from tests.component.tracing.conftest import SCOPE, KeyNamesCaller, signals_app

Post = Callable[..., int]


@pytest.fixture
def post(traces: Traces) -> Post:
    """A function that sends a request to one of the signals, and gives the status."""
    client = TestClient(KeyNamesCaller(signals_app(traces, max_body_bytes=10_000)))

    def sent(body: Any, signal: str = "traces", *, who: str = "acme") -> int:
        content = body if isinstance(body, bytes) else body.SerializeToString()
        headers = {"authorization": f"Bearer {who}", "content-type": "application/x-protobuf"}
        return client.post(f"/v1/{signal}", content=content, headers=headers).status_code

    return sent


def report_when(traces: Traces, is_there: Callable[[UsageReport], bool], scope: Scope = SCOPE) -> UsageReport:
    """The report, once what is counted beside commits has been stored: within a second or so."""
    until = time.monotonic() + 20
    while True:
        report = traces.usage.of(scope)
        if is_there(report):
            return report
        assert time.monotonic() < until, report.total
        time.sleep(0.05)


def test_what_was_taken_is_counted_in_the_commit_that_keeps_it(traces: Traces) -> None:
    spans = [make_span(number) for number in range(1, 4)]
    spans[0].dropped_attributes_count = 7
    request = export_request(spans).SerializeToString()
    traces.ingest(SCOPE, request)
    first = traces.usage.of(SCOPE).total
    size = sum(len(span.SerializeToString()) for span in spans)
    assert (first.num_spans, first.num_known, first.size_bytes) == (3, 0, size)
    assert (first.num_dropped_attributes, first.num_traces) == (7, 1)
    traces.ingest(SCOPE, request)
    second = traces.usage.of(SCOPE).total
    assert (second.num_spans, second.num_known, second.size_bytes) == (6, 3, 2 * size)
    assert second.num_traces == 1


def test_what_is_rejected_is_counted_by_reason(traces: Traces, post: Post) -> None:
    early = make_span(2, start_ns=1)
    nameless = make_span(3)
    nameless.span_id = b""
    assert post(export_request([make_span(1), early, nameless])) == 200
    assert traces.usage.of(SCOPE).total.rejected == {"bad_start": 1, "bad_span_id": 1}
    assert post(export_request([early])) == 200  # nothing to commit: counted by itself
    metrics = ExportMetricsServiceRequest()
    points = metrics.resource_metrics.add().scope_metrics.add().metrics.add().gauge.data_points
    points.add()
    points.add()
    assert post(metrics, "metrics") == 200
    total = report_when(traces, lambda report: "metrics" in report.total.rejected).total
    assert total.rejected == {"bad_start": 2, "bad_span_id": 1, "metrics": 2}
    assert total.num_spans == 1


def test_requests_that_are_refused_whole_are_counted_by_reason(traces: Traces, post: Post) -> None:
    assert post(b"nonsense") == 400
    assert post(b"x" * 10_001) == 413
    assert post(export_request([make_span()]), who="acme/default/viewer") == 403
    assert post(export_request([make_span()]), who="") == 401
    total = report_when(traces, lambda report: report.total.num_refused == 3).total
    assert total.refused == {"permission_denied": 1, "tracing.too_large": 1, "tracing.undecodable": 1}
    assert total.num_spans == 0


def test_what_is_redacted_is_counted_by_what_it_was(traces: Traces, database: Database) -> None:
    from aiplatform.tenancy.model import Caller
    from aiplatform.tenancy.permissions import Role

    admin = Caller(tenant_id="acme", project_id="default", principal="key:a", role=Role.ADMIN)
    traces.redaction.set(admin, {"rules": ["email"]}, whole_tenant=False)
    span = make_span(attributes={"input.value": "lin@example.com and an@example.org", "output.value": "nothing"})
    for _ in range(2):
        traces.ingest(SCOPE, export_request([span]).SerializeToString())
    redacted = traces.usage.of(SCOPE).total.redacted
    assert sum(redacted.values()) == 4
    assert list(redacted) == ["email"]


def test_days_are_those_of_arrival_for_spans_and_of_the_begin_for_traces(database: Database, tmp_path: Path) -> None:
    clock = FakeClock()
    service = Traces(database, index_path=tmp_path / "days.db", clock=clock)
    today = clock.now_ns() // DAY_NS
    attributes = {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5,
                  "gen_ai.operation.name": "chat", "llm.cost.total": 0.25}  # fmt: skip
    late = make_span(1, trace=1, start_ns=(today - 2) * DAY_NS + 5, attributes=attributes)
    own = make_span(1, trace=2, start_ns=today * DAY_NS, attributes=attributes, error="no")
    service.ingest(SCOPE, export_request([late, own]).SerializeToString())
    report = service.usage.of(SCOPE, days=3)
    by_day = dict(report.days)
    assert list(by_day) == [today, today - 2]
    assert (by_day[today].num_spans, by_day[today].num_traces, by_day[today].num_errors) == (2, 1, 1)
    assert (by_day[today - 2].num_spans, by_day[today - 2].num_traces) == (0, 1)
    assert by_day[today - 2].usage.input_tokens == 10
    assert report.total.usage.total_tokens == 30
    assert report.total.costs == {"USD": 0.5}
    assert (report.oldest_ns, report.newest_ns) == ((today - 2) * DAY_NS + 5, today * DAY_NS)
    assert service.usage.of(SCOPE, days=1).total.num_traces == 1
    for days in (0, 367):
        with pytest.raises(InvalidError):
            service.usage.of(SCOPE, days=days)
    service.close()


def test_two_processes_count_into_one_report(database: Database, traces: Traces) -> None:
    writers = [Ingest(database, traces.clock) for _ in range(2)]
    for number, writer in enumerate(writers, 1):
        request = export_request([make_span(number)]).SerializeToString()
        writer.submit(read_request(SCOPE, request, now_ns=traces.clock.now_ns())).result(30)
        writer.count(SCOPE, {(CountKind.REFUSED.value, "tracing.slow"): number})
        writer.close()  # stores what was only counted
    total = traces.usage.of(SCOPE).total
    assert (total.num_spans, total.refused) == (2, {"tracing.slow": 3})


def test_what_was_not_kept_is_not_counted_as_taken(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    real = traces.incoming._database.transaction

    def broken(scope: Scope) -> Any:
        raise TransientError("away")

    export = read_request(SCOPE, export_request([make_span()]).SerializeToString(), now_ns=traces.clock.now_ns())
    with monkeypatch.context() as patched:
        patched.setattr(traces.incoming._database, "transaction", broken)
        traces.incoming.count(SCOPE, {(CountKind.REFUSED.value, "tracing.slow"): 1})
        with pytest.raises(TransientError):
            traces.incoming.submit(export).result(30)
    assert traces.incoming._database.transaction == real
    traces.incoming.submit(export).result(30)
    total = traces.usage.of(SCOPE).total
    assert (total.num_spans, total.refused) == (1, {"tracing.slow": 1}), "counts that waited went with the commit"


def test_nobody_sees_or_changes_what_another_counts(traces: Traces) -> None:
    app = FastAPI()
    install_error_handlers(app)
    attach(app, [build_routes(traces)])
    client = TestClient(KeyNamesCaller(app))
    traces.ingest(SCOPE, export_request([make_span()]).SerializeToString())

    def spans_of(who: str) -> int:
        answer = client.get("/api/v1/traces/usage", params={"days": 2}, headers={"authorization": f"Bearer {who}"})
        assert answer.status_code == 200
        return int(answer.json()["total"]["num_spans"])

    assert [spans_of(who) for who in ("acme/default/viewer", "acme/other/admin", "rival/default/admin")] == [1, 0, 0]
    traces.delete_scope(Scope(tenant_id="rival", project_id="default"))
    traces.delete_scope(Scope(tenant_id="acme", project_id="other"))
    assert spans_of("acme") == 1
    traces.delete_scope(SCOPE)
    assert spans_of("acme") == 0


def test_every_reason_has_its_words() -> None:
    assert all(len(reason) <= 40 for reason in REJECTIONS)
    assert len(set(REJECTIONS.values())) == len(REJECTIONS)
