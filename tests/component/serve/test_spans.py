"""The door's spans on their way to the real span store."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aiplatform.core.errors import InvalidError, TransientError
from aiplatform.core.scope import Scope
from aiplatform.serve import spans as spans_module
from aiplatform.serve.ports import DoorSpan
from aiplatform.serve.spans import BackgroundSink
from aiplatform.storage.database import Database
from aiplatform.tracing.model import SpanKind, Status
from aiplatform.tracing.service import Traces

LIN = Scope(tenant_id="default", project_id="default")
ACME = Scope(tenant_id="acme", project_id="default")
NOW_NS = 1_790_000_000_000_000_000


def span(number: int, **changes: Any) -> DoorSpan:
    fields: dict[str, Any] = {
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "parent_span_id": None,
        "trace_state": "",
        "name": "chat qa",
        "start_ns": NOW_NS,
        "end_ns": NOW_NS + 5_000_000,
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "qa",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.stream": True,
            "gen_ai.usage.input_tokens": 3,
            "gen_ai.usage.output_tokens": 4,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "你好"}]}]',
        },
    }
    return DoorSpan(**{**fields, **changes})


@pytest.fixture
def traces(sqlite_database: Database) -> Iterator[Traces]:
    opened = Traces(sqlite_database)
    yield opened
    opened.close()


def test_a_span_is_stored_for_its_own_tenant_and_says_what_was_asked(traces: Traces) -> None:
    sink = BackgroundSink(traces)
    sink.emit(LIN, span(1))
    sink.emit(ACME, span(2, error="it broke"))
    sink.close()
    [mine] = traces.list(LIN).items
    assert (mine.trace_id, mine.name, mine.status) == (f"{1:032x}", "chat qa", Status.OK)
    detail = traces.span(LIN, mine.trace_id, f"{1:016x}")
    assert detail.row.kind is SpanKind.LLM
    assert (detail.request_model, detail.usage.total_tokens, detail.finish_reasons[0]) == ("qa", 7, "stop")
    assert detail.input_messages[0].text == "你好"
    assert detail.parameters["temperature"] == 0.5
    [theirs] = traces.list(ACME).items
    assert (theirs.status, theirs.trace_id) == (Status.ERROR, f"{2:032x}")


class Store:
    """A store that fails as often as the test wants."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.stored: list[bytes] = []

    def ingest(self, scope: Scope, request: bytes) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.stored.append(request)


def test_a_store_that_is_away_for_a_moment_loses_nothing() -> None:
    store = Store(TransientError("away"), TransientError("still away"))
    sink = BackgroundSink(store)
    sink.emit(LIN, span(1))
    sink.close()
    assert len(store.stored) == 1


@pytest.mark.parametrize("failure", [InvalidError("no"), ValueError("odd")])
def test_what_cannot_be_stored_does_not_stop_the_next(failure: Exception) -> None:
    store = Store(failure)
    sink = BackgroundSink(store)
    sink.emit(LIN, span(1))
    sink.emit(ACME, span(2))
    sink.close()
    assert len(store.stored) == 1


def test_a_flood_never_holds_up_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans_module, "MAX_WAITING", 2)
    gate = threading.Event()

    class Slow(Store):
        def ingest(self, scope: Scope, request: bytes) -> None:
            gate.wait(10)
            super().ingest(scope, request)

    store = Slow()
    sink = BackgroundSink(store)
    for number in range(1, 100):
        sink.emit(LIN, span(number))
    gate.set()
    sink.close()
    assert 0 < len(store.stored) < 99


def test_spans_of_many_threads_all_arrive(traces: Traces, run_together: Callable[..., None]) -> None:
    sink = BackgroundSink(traces)
    run_together(*[lambda n=n: sink.emit(LIN, span(n)) for n in range(1, 33)])
    sink.close()
    assert len(traces.list(LIN).items) == 32
