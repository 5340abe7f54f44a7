import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from aiplatform.serve.tracecontext import enter

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_request_with_a_parent_becomes_its_child() -> None:
    context = enter(PARENT, "vendor=1")
    assert context.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert context.parent_span_id == "b7ad6b7169203331"
    assert (context.tracestate, context.is_sampled) == ("vendor=1", True)
    assert context.traceparent == f"00-{context.trace_id}-{context.span_id}-01"


def test_the_callers_decision_not_to_record_is_kept() -> None:
    context = enter(PARENT[:-2] + "00")
    assert not context.is_sampled
    assert context.traceparent.endswith("-00")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "garbage",
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        PARENT + "-more",
        PARENT[:-1],
    ],
)
def test_anything_else_begins_a_new_trace(header: str | None) -> None:
    context = enter(header)
    assert context.parent_span_id is None
    assert context.is_sampled
    assert len(context.trace_id) == 32
    assert int(context.trace_id, 16) > 0


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert enter("01" + PARENT[2:] + "-more").parent_span_id == "b7ad6b7169203331"


@given(st.text(max_size=80))
def test_any_text_is_survived(header: str) -> None:
    enter(header)


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_opentelemetrys_own_reader_agrees(trace_id: int, span_id: int, sampled: bool) -> None:
    context = enter(f"00-{trace_id:032x}-{span_id:016x}-{'01' if sampled else '00'}")
    read = TraceContextTextMapPropagator().extract({"traceparent": context.traceparent})
    span = trace.get_current_span(read).get_span_context()
    assert (span.trace_id, span.span_id) == (trace_id, int(context.span_id, 16))
    assert bool(span.trace_flags & 1) == sampled
