"""What rests in the database after spans came in any order, twice, late, or for somebody else."""

from __future__ import annotations

import random
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.scope import Scope
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, span_id_of, trace_id_of
from aiplatform.tracing.model import ScoreSource, ScoreType, SpanKind, Status, TraceFilter, TraceSort
from aiplatform.tracing.service import Traces
from aiplatform.tracing.store import writing
from tests.component.tracing.conftest import SCOPE

OTHER_TENANT = Scope(tenant_id="rival", project_id="default")
OTHER_PROJECT = Scope(tenant_id="acme", project_id="lab")
TRACE_ID = trace_id_of(1).hex()
START_NS = make_span().start_time_unix_nano


def ingest(traces: Traces, *spans: Span, scope: Scope = SCOPE) -> None:
    result = traces.ingest(scope, export_request(spans).SerializeToString())
    assert (result.accepted, result.rejected) == (len(spans), 0)


def llm(span: int, *, parent: int | None, tokens: tuple[int, int], **fields: Any) -> Span:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": tokens[0],
        "gen_ai.usage.output_tokens": tokens[1],
    }
    return make_span(span, parent=parent, attributes={**attributes, **fields.pop("attributes", {})}, **fields)


def agent_trace() -> list[Span]:
    """An agent that repeats what its two model calls used, one of them failing, and a tool."""
    return [
        llm(1, parent=None, tokens=(30, 6), name="agent", start_ns=START_NS, duration_ns=9 * SECOND_NS,
            attributes={"openinference.span.kind": "AGENT", "input.value": "why?", "output.value": "because",
                        "session.id": "s1", "user.id": "lin"}),
        llm(2, parent=1, tokens=(10, 2), name="first", start_ns=START_NS + SECOND_NS),
        make_span(3, parent=1, name="tool", start_ns=START_NS + 2 * SECOND_NS,
                  attributes={"gen_ai.operation.name": "execute_tool"}),
        llm(4, parent=3, tokens=(20, 4), name="second", start_ns=START_NS + 3 * SECOND_NS, error="boom\nat line 1"),
    ]  # fmt: skip


def test_a_trace_is_summed_up_the_same_whatever_the_order_of_arrival(traces: Traces) -> None:
    spans = agent_trace()
    seen = []
    for seed in range(6):
        scope = Scope(tenant_id="acme", project_id=f"p{seed}")
        shuffled = random.Random(seed).sample(spans, len(spans))
        cut = seed % len(shuffled)
        ingest(traces, *shuffled[:cut], scope=scope)
        ingest(traces, *shuffled[cut:], scope=scope)
        ingest(traces, *shuffled[: cut + 1], scope=scope)
        tree = traces.get(scope, TRACE_ID)
        summary = tree.summary
        assert (summary.usage.input_tokens, summary.usage.output_tokens) == (30, 6)
        assert (summary.name, summary.has_root, summary.num_spans, summary.num_errors) == ("agent", True, 4, 1)
        assert (summary.status, summary.start_ns, summary.duration_ns) == (Status.OK, START_NS, 9 * SECOND_NS)
        assert (summary.input_preview, summary.output_preview) == ("why?", "because")
        assert (summary.session_id, summary.user_id) == ("s1", "lin")
        seen.append([(row.name, row.depth, row.num_children, row.num_descendants) for row in tree.spans])
    assert seen == [[("agent", 0, 2, 3), ("first", 1, 0, 0), ("tool", 1, 1, 1), ("second", 2, 0, 0)]] * 6


def test_a_repeated_span_changes_nothing(traces: Traces) -> None:
    ingest(traces, make_span(name="first"))
    before = traces.get(SCOPE, TRACE_ID)
    ingest(traces, make_span(name="changed"), make_span(name="changed again"))
    assert traces.get(SCOPE, TRACE_ID) == before


def test_a_finished_span_replaces_its_pending_form_and_never_the_reverse(traces: Traces) -> None:
    pending = make_span(name="work", start_ns=START_NS, duration_ns=None)
    finished = make_span(name="work done", start_ns=START_NS, error="no")
    ingest(traces, pending)
    assert traces.get(SCOPE, TRACE_ID).summary.status is Status.RUNNING
    ingest(traces, finished)
    ingest(traces, pending)
    tree = traces.get(SCOPE, TRACE_ID)
    assert [(row.name, row.status, row.duration_ns) for row in tree.spans] == [("work done", Status.ERROR, SECOND_NS)]
    assert (tree.summary.num_spans, tree.summary.status, tree.summary.name) == (1, Status.ERROR, "work done")


def test_a_late_root_gives_the_trace_its_name(traces: Traces) -> None:
    ingest(traces, make_span(2, parent=1, name="child", start_ns=START_NS))
    before = traces.get(SCOPE, TRACE_ID).summary
    assert (before.name, before.has_root) == ("child", False)
    ingest(traces, make_span(1, name="root", start_ns=START_NS + SECOND_NS, attributes={"input.value": "late"}))
    after = traces.get(SCOPE, TRACE_ID).summary
    assert (after.name, after.has_root, after.input_preview) == ("root", True, "late")


def test_the_same_ids_coexist_in_two_tenants_and_two_projects(traces: Traces) -> None:
    for scope in (SCOPE, OTHER_TENANT, OTHER_PROJECT):
        ingest(traces, make_span(name=f"{scope.tenant_id}/{scope.project_id}"), scope=scope)
    for scope in (SCOPE, OTHER_TENANT, OTHER_PROJECT):
        assert [row.name for row in traces.get(scope, TRACE_ID).spans] == [f"{scope.tenant_id}/{scope.project_id}"]
        assert len(traces.list(scope).items) == 1
    traces.delete_scope(Scope(tenant_id="acme"))
    assert traces.list(SCOPE).items == []
    assert traces.list(OTHER_PROJECT).items == []
    assert len(traces.list(OTHER_TENANT, TraceFilter(text="rival")).items) == 1


def test_nothing_tells_of_another_tenants_trace(traces: Traces) -> None:
    ingest(traces, make_span(), scope=OTHER_TENANT)
    missing: list[str] = []
    foreign: list[str] = []
    for found, trace_id in ((missing, trace_id_of(9).hex()), (foreign, TRACE_ID)):
        for ask in (lambda id_: traces.get(SCOPE, id_), lambda id_: traces.span(SCOPE, id_, span_id_of(1).hex())):
            with pytest.raises(NotFoundError) as raised:
                ask(trace_id)
            found.append(str(raised.value).replace(trace_id, "…"))
    assert missing == foreign


def test_words_are_found_in_what_went_in_and_came_out(traces: Traces) -> None:
    ingest(traces, make_span(1, trace=1, attributes={"input.value": "The refund is late"}))
    ingest(traces, make_span(2, trace=2, attributes={"output.value": '{"text": "\\u5185\\u90e8\\u9519\\u8bef"}'}))
    ingest(traces, make_span(3, trace=3, name="plain", error="Timeout after 30s"))

    def found(text: str, scope: Scope = SCOPE) -> list[str]:
        page = traces.list(scope, TraceFilter(text=text))
        assert page.freshness is not None
        assert page.freshness.is_current
        return [item.trace_id for item in page.items]

    first, second, third = (trace_id_of(number).hex() for number in (1, 2, 3))
    assert found("refund") == [first]
    assert found("LATE refund") == [first]
    assert found('"refund is"') == [first]
    assert found('"refund late"') == []
    assert found("refun") == []
    for text in ("内部", "错误", "部错", "误", "内部错误"):
        assert found(text) == [second]
    assert found("timeout") == [third]
    assert found("refund timeout") == []
    assert found('" OR 1=1 -- %_*:^') == []
    assert found("refund", OTHER_TENANT) == []


def test_the_index_says_how_far_it_is_behind(traces: Traces) -> None:
    ingest(traces, make_span())
    behind = traces.freshness(SCOPE)
    assert (behind.is_current, behind.num_waiting_spans) == (False, 1)
    assert traces.freshness(OTHER_TENANT).is_current
    assert traces.update_index() == 1
    assert traces.update_index() == 0
    assert traces.freshness(SCOPE).is_current


def test_an_index_brought_up_twice_finds_once(traces: Traces) -> None:
    ingest(traces, make_span(name="pending words", start_ns=START_NS, duration_ns=None))
    traces.update_index()
    ingest(traces, make_span(name="finished words", start_ns=START_NS))
    traces.update_index()
    assert len(traces.list(SCOPE, TraceFilter(text="finished")).items) == 1
    assert traces.list(SCOPE, TraceFilter(text="pending")).items == []


def test_lists_narrow_by_every_field(traces: Traces) -> None:
    ingest(traces, *agent_trace())
    ingest(traces, make_span(trace=2, name="other", start_ns=START_NS - 3600 * SECOND_NS))
    agent, other = TRACE_ID, trace_id_of(2).hex()

    def found(**where: Any) -> list[str]:
        return [item.trace_id for item in traces.list(SCOPE, TraceFilter(**where)).items]

    assert found() == [agent, other]
    assert found(trace_id=other) == [other]
    assert found(name="AGE") == [agent]
    assert found(name="%") == []
    assert found(status=Status.OK) == [agent, other]
    assert found(kind=SpanKind.TOOL) == [agent]
    assert found(model="m") == [agent]
    assert found(session_id="s1") == [agent]
    assert found(user_id="lin") == [agent]
    assert found(has_errors=True) == [agent]
    assert found(has_errors=False) == [other]
    assert found(from_ns=START_NS) == [agent]
    assert found(to_ns=START_NS) == [other]
    assert found(min_duration_ns=5 * SECOND_NS) == [agent]
    assert found(service="tests") == [agent, other]


@pytest.mark.parametrize("sort", list(TraceSort))
def test_pages_hold_every_trace_once_and_in_order(traces: Traces, sort: TraceSort) -> None:
    spans = [
        make_span(number, trace=number, start_ns=START_NS + (number % 3) * SECOND_NS, duration_ns=number // 2)
        for number in range(1, 12)
    ]
    ingest(traces, *spans)
    everything = [item.trace_id for item in traces.list(SCOPE, sort=sort).items]
    walked: list[str] = []
    page: str | None = None
    while True:
        found = traces.list(SCOPE, sort=sort, limit=3, page=page)
        walked += [item.trace_id for item in found.items]
        page = found.next
        if page is None:
            break
    assert walked == everything
    assert len(set(walked)) == 11
    with pytest.raises(InvalidError):
        traces.list(SCOPE, page="nonsense")


def test_a_histogram_counts_each_trace_once(traces: Traces) -> None:
    ingest(traces, *agent_trace())
    ingest(traces, make_span(trace=2, start_ns=START_NS + 5 * SECOND_NS))
    counts = traces.histogram(SCOPE, TraceFilter(), from_ns=START_NS, to_ns=START_NS + 10 * SECOND_NS, num_buckets=10)
    assert [(index, count) for index, count in enumerate(counts) if count != (0, 0)] == [(0, (0, 1)), (5, (1, 0))]


def test_large_traces_are_carried_forward_and_settled(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LARGE_TRACE", 2)
    spans = agent_trace()
    ingest(traces, *spans[1:])
    ingest(traces, spans[0])
    ingest(traces, spans[0], spans[2])
    carried = traces.get(SCOPE, TRACE_ID).summary
    assert (carried.num_spans, carried.num_errors, carried.name) == (4, 1, "agent")
    assert traces.settle() == 1
    assert traces.settle() == 0
    settled = traces.get(SCOPE, TRACE_ID).summary
    assert (settled.usage.input_tokens, settled.usage.output_tokens) == (30, 6)
    assert (settled.num_spans, settled.start_ns, settled.duration_ns) == (4, START_NS, 9 * SECOND_NS)


def test_parents_in_a_circle_are_still_shown(traces: Traces) -> None:
    ingest(traces, make_span(1, parent=2), make_span(2, parent=1), make_span(3, parent=3))
    tree = traces.get(SCOPE, TRACE_ID)
    assert sorted(row.span_id for row in tree.spans) == [span_id_of(number).hex() for number in (1, 2, 3)]
    assert not tree.summary.has_root


def test_values_that_databases_dislike_are_kept(traces: Traces) -> None:
    attributes = {
        "nul": "a\x00b",
        "input.value": "x\x00y",
        "session.id": "s\x00",
        "nan": float("nan"),
        "infinite": float("-inf"),
        "bytes": b"\x00\xff",
        "nested": {"list": [1, {"deep": True}], "none": None},
        "empty": None,
        "large": "z" * 300_000,
    }
    ingest(traces, make_span(name="n\x00ame", attributes=attributes))
    traces.update_index()
    detail = traces.span(SCOPE, TRACE_ID, span_id_of(1).hex())
    assert detail.attributes["nul"] == "a\x00b"
    assert detail.attributes["nan"] == "nan"
    assert detail.attributes["nested"] == {"list": [1, {"deep": True}], "none": None}
    assert len(detail.attributes["large"]) == 300_000
    assert traces.get(SCOPE, TRACE_ID).summary.name == "n�ame"


def test_scores_of_every_type_are_kept_and_replaced_by_id(traces: Traces) -> None:
    ingest(traces, make_span())
    add = traces.add_score
    add(SCOPE, trace_id=TRACE_ID, name="relevance", value=0.5, source=ScoreSource.CODE, principal="key:a", score_id="r")
    add(
        SCOPE, trace_id=TRACE_ID, name="relevance", value=0.75, source=ScoreSource.CODE, principal="key:a", score_id="r"
    )
    add(SCOPE, trace_id=TRACE_ID, name="ok", value=True, source=ScoreSource.HUMAN, principal="user:lin", comment="好")
    add(SCOPE, trace_id=TRACE_ID, name="tone", value="kind", source=ScoreSource.JUDGE, principal="service:judge")
    found = {score.name: score for score in traces.get(SCOPE, TRACE_ID).scores}
    assert {name: score.value for name, score in found.items()} == {"relevance": 0.75, "ok": True, "tone": "kind"}
    assert found["ok"].value is True
    assert found["ok"].comment == "好"
    assert found["tone"].type is ScoreType.LABEL
    assert traces.scores(OTHER_TENANT) == []
    assert [score.name for score in traces.scores(SCOPE, name="tone")] == ["tone"]
    with pytest.raises(InvalidError):
        add(SCOPE, trace_id=TRACE_ID, name="x", value=float("nan"), source=ScoreSource.CODE, principal="k")
    with pytest.raises(InvalidError):
        add(SCOPE, trace_id="12", name="x", value=1, source=ScoreSource.CODE, principal="k")
