"""Whatever log records arrive, each is kept or counted, and what it is joined to can be read."""

from __future__ import annotations

import json
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import any_value_of, logs_request, make_record, make_span, span_id_of, trace_id_of
from aiplatform.tracing.log_records import EVALUATION_EVENT, KEPT_EVENTS, joined, read_evaluation, read_record
from aiplatform.tracing.model import SpanKind, SpanRow, Status
from aiplatform.tracing.normalise import read_detail
from aiplatform.tracing.preview import previews
from aiplatform.tracing.searchable import searchable_text
from aiplatform.tracing.signals import read_logs
from tests.unit.tracing.test_decoding import attribute_sets, values

NOW_NS = time.time_ns()
CALLER = Caller(tenant_id="t", project_id="p", principal="key:k", role=Role.DEVELOPER)
ROW = SpanRow(
    trace_id=trace_id_of(1).hex(),
    span_id=span_id_of(1).hex(),
    parent_id=None,
    name="x",
    kind=SpanKind.LLM,
    status=Status.OK,
    start_ns=NOW_NS,
    duration_ns=1,
)
_KEYS = st.sampled_from(["gen_ai.evaluation.name", "gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label",
                         "gen_ai.evaluation.explanation", "event.name", "content", "message"])  # fmt: skip
said = st.one_of(attribute_sets, st.dictionaries(_KEYS, values, max_size=5))


@st.composite
def records(draw: st.DrawFn) -> LogRecord:
    record = LogRecord(
        time_unix_nano=draw(st.one_of(st.just(NOW_NS), st.integers(0, 2**64 - 1))),
        observed_time_unix_nano=draw(st.one_of(st.just(0), st.integers(0, 2**64 - 1))),
        event_name=draw(st.one_of(st.sampled_from([*sorted(KEPT_EVENTS), EVALUATION_EVENT]), st.text(max_size=6))),
        trace_id=draw(st.one_of(st.just(trace_id_of(1)), st.binary(max_size=18))),
        span_id=draw(st.one_of(st.just(span_id_of(1)), st.binary(max_size=9))),
        body=any_value_of(draw(st.one_of(values, said))),
    )
    for key, value in draw(said).items():
        record.attributes.add(key=key).value.CopyFrom(any_value_of(value))
    return record


@settings(max_examples=200)
@given(st.lists(records(), max_size=4))
def test_each_record_is_kept_or_counted_and_what_it_joins_can_be_read(sent: list[LogRecord]) -> None:
    (export,) = read_logs(logs_request(sent), CALLER, NOW_NS, None, None)
    assert export.num_accepted + export.rejected == len(sent)
    assert bool(export.problem) == bool(export.rejected)
    raw = joined(make_span().SerializeToString(), [arrival.raw for arrival in export.logs])
    detail = read_detail(ROW, raw, resource=b"", scope=b"")
    json.dumps([detail.attributes, [event.attributes for event in detail.events]], allow_nan=False)
    assert "\x00" not in searchable_text(raw)
    assert all(text is None or (0 < len(text) <= 300 and "\x00" not in text) for text in previews(raw))
    for arrival in export.logs:
        assert 0 <= arrival.time_ns < 2**63
        assert (len(arrival.trace_id), len(arrival.span_id), len(arrival.log_key)) == (32, 16, 32)
    for score in export.scores:
        assert 0 < len(score.name) <= 200
        assert 0 < score.created_ns < 2**63
        assert isinstance(score.value, str) or abs(score.value) != float("inf")
        assert not any("\x00" in text for text in (score.name, score.comment or "", str(score.value)))


@given(st.lists(records(), max_size=6))
@settings(max_examples=50)
def test_the_same_record_has_the_same_key_and_another_one_another(sent: list[LogRecord]) -> None:
    keys = {record.SerializeToString(deterministic=True): read_record(record, 1).log_key for record in sent}
    assert len(set(keys.values())) == len(keys)
    for record in sent:
        assert (
            read_record(LogRecord.FromString(record.SerializeToString()), 9).log_key == read_record(record, 1).log_key
        )


def test_a_spans_own_attribute_stays_where_details_say_otherwise() -> None:
    details = {"gen_ai.request.model": "other", "gen_ai.output.type": "text"}
    record = make_record("gen_ai.client.inference.operation.details", None, details)
    raw = make_span(attributes={"gen_ai.request.model": "own"}).SerializeToString()
    detail = read_detail(ROW, joined(raw, [record.SerializeToString()]), resource=b"", scope=b"")
    assert detail.attributes == {"gen_ai.request.model": "own", "gen_ai.output.type": "text"}
    assert detail.events == ()


def test_an_evaluation_keeps_its_identity_over_requests() -> None:
    fields: dict[str, Any] = {"gen_ai.evaluation.name": "x", "gen_ai.evaluation.score.value": "0.5"}
    record = make_record(EVALUATION_EVENT, fields)
    first, second = (read_evaluation(record, principal="key:k", now_ns=now_ns) for now_ns in (1, 2))
    assert first == second
    assert first is not None
    assert (first.value, first.created_ns) == (0.5, 1_000)
