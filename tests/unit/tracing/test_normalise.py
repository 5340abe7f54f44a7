"""Dialects of the emitters, and the traps that each of them sets, against the one canonical record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiplatform.testing.otlp import any_value_of, make_span
from aiplatform.tracing.arrival import read_span
from aiplatform.tracing.content_model import Message, Part
from aiplatform.tracing.model import SpanDetail, SpanKind
from aiplatform.tracing.normalise import read_detail
from aiplatform.tracing.preview import previews
from aiplatform.tracing.searchable import searchable_text
from aiplatform.tracing.store.rows import span_of

QUESTION = [Message(role="user", parts=(Part(type="text", text="退款在哪里？"),))]
ANSWER = [Message(role="assistant", parts=(Part(type="text", text="On its way."),), finish_reason="stop")]
OPENAI_INPUT = {"model": "gpt", "messages": [{"role": "user", "content": "退款在哪里？"}]}
OPENAI_OUTPUT = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "On its way."}, "finish_reason": "stop"}]
}
PARTS_INPUT = [{"role": "user", "parts": [{"type": "text", "content": "退款在哪里？"}]}]
PARTS_OUTPUT = [{"role": "assistant", "parts": [{"type": "text", "content": "On its way."}], "finish_reason": "stop"}]

DIALECTS: dict[str, dict[str, Any]] = {
    "opentelemetry": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.response.model": "gpt-1",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 8,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.input.messages": json.dumps(PARTS_INPUT),
        "gen_ai.output.messages": json.dumps(PARTS_OUTPUT),
        "gen_ai.conversation.id": "s1",
        "user.id": "lin",
        "gen_ai.request.temperature": 0.5,
    },
    "opentelemetry, structured": {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.response.model": "gpt-1",
        "gen_ai.usage.prompt_tokens": 12,
        "gen_ai.usage.completion_tokens": 4,
        "gen_ai.usage.cache_read_input_tokens": 8,
        "gen_ai.usage.reasoning_tokens": 1,
        "gen_ai.input.messages": PARTS_INPUT,
        "gen_ai.output.messages": PARTS_OUTPUT,
        "gen_ai.conversation.id": "s1",
        "enduser.id": "lin",
        "gen_ai.request.temperature": 0.5,
    },
    "openinference": {
        "openinference.span.kind": "LLM",
        "llm.provider": "openai",
        "llm.request.model_name": "gpt",
        "llm.response.model_name": "gpt-1",
        "llm.token_count.prompt": 12,
        "llm.token_count.completion": 4,
        "llm.token_count.prompt_details.cache_read": 8,
        "llm.token_count.completion_details.reasoning": 1,
        "llm.finish_reason": "stop",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": "退款在哪里？",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "On its way.",
        "llm.output_messages.0.message.finish_reason": "stop",
        "input.value": json.dumps(OPENAI_INPUT),
        "session.id": "s1",
        "user.id": "lin",
        "llm.invocation_parameters": '{"model": "gpt", "temperature": 0.5}',
    },
    "mlflow": {
        "mlflow.spanType": '"CHAT_MODEL"',
        "mlflow.llm.provider": '"openai"',
        "mlflow.llm.model": '"gpt"',
        "gen_ai.response.model": "gpt-1",
        "mlflow.chat.tokenUsage": json.dumps(
            {"input_tokens": 12, "output_tokens": 4, "cache_read_input_tokens": 8, "reasoning_tokens": 1}
        ),
        # Encoded twice: MLflow writes every value as JSON, and these are JSON text already.
        "mlflow.spanInputs": json.dumps(json.dumps(OPENAI_INPUT)),
        "mlflow.spanOutputs": json.dumps(OPENAI_OUTPUT),
        "mlflow.trace.session": '"s1"',
        "mlflow.trace.user": '"lin"',
        "gen_ai.request.temperature": 0.5,
    },
    "langfuse": {
        "langfuse.observation.type": "generation",
        "gen_ai.system": "openai",
        "langfuse.observation.model.name": "gpt",
        "gen_ai.response.model": "gpt-1",
        "langfuse.observation.usage_details": json.dumps(
            {"prompt_tokens": 12, "completion_tokens": 4, "input_cached_tokens": 8, "output_reasoning_tokens": 1}
        ),
        "langfuse.observation.input": json.dumps(OPENAI_INPUT["messages"]),
        "langfuse.observation.output": json.dumps(
            {"role": "assistant", "content": "On its way.", "finish_reason": "stop"}
        ),
        "langfuse.session.id": "s1",
        "langfuse.user.id": "lin",
        "langfuse.observation.model.parameters": '{"temperature": 0.5}',
    },
    "traceloop": {
        "llm.request.type": "chat",
        "gen_ai.system": "OpenAI",
        "gen_ai.request.model": "gpt",
        "gen_ai.response.model": "gpt-1",
        "gen_ai.usage.input_tokens": "12",
        "gen_ai.usage.output_tokens": 4.0,
        "gen_ai.usage.cached_input_tokens": 8,
        "gen_ai.usage.reasoning_tokens": 1,
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "退款在哪里？",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "On its way.",
        "gen_ai.completion.0.finish_reason": "stop",
        "traceloop.association.properties.session_id": "s1",
        "traceloop.association.properties.user_id": "lin",
        "gen_ai.request.temperature": 0.5,
    },
}


def detail(attributes: dict[str, Any] | None = None, **fields: Any) -> SpanDetail:
    span = fields.pop("span", None) or make_span(attributes=attributes, **fields)
    arrival = read_span(span, "service", "key")
    row = _Row(arrival)
    return read_detail(span_of(row, arrival.trace_id), arrival.raw, resource=b"", scope=b"")


class _Row:
    def __init__(self, arrival: Any) -> None:
        self._arrival = arrival

    def __getattr__(self, name: str) -> Any:
        return getattr(self._arrival, name)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_record(dialect: str) -> None:
    found = detail(DIALECTS[dialect])
    assert found.row.kind is SpanKind.LLM
    assert found.operation == "chat"
    assert (found.provider, found.request_model, found.response_model) == ("openai", "gpt", "gpt-1")
    assert found.row.model == "gpt-1"
    usage = found.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens) == (12, 4, 8, 1)
    assert usage == found.row.usage
    assert list(found.input_messages) == QUESTION
    assert list(found.output_messages) == ANSWER
    assert found.finish_reasons == ("stop",)
    assert (found.session_id, found.user_id) == ("s1", "lin")
    assert found.parameters == {"temperature": 0.5}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_has_previews_and_is_found_by_its_words(dialect: str) -> None:
    raw = make_span(attributes=DIALECTS[dialect]).SerializeToString()
    assert previews(raw) == ("退款在哪里？", "On its way.")
    body = searchable_text(raw)
    assert "退款在哪里" in body
    assert "on its way." in body


TOOL_CALLS: dict[str, dict[str, Any]] = {
    "opentelemetry": {
        "gen_ai.output.messages": [
            {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "find", "arguments": {"q": 1}}]}
        ]
    },
    "openai": {
        "openinference.span.kind": "LLM",
        "output.value": json.dumps(
            {
                "choices": [
                    {
                        "message": {
                            "role": "assistant",
                            "content": None,
                            "tool_calls": [
                                {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}
                            ],
                        }
                    }
                ]
            }
        ),
    },
    "responses": {
        "openinference.span.kind": "LLM",
        "output.value": json.dumps(
            {"output": [{"type": "function_call", "call_id": "c1", "name": "find", "arguments": '{"q": 1}'}]}
        ),
    },
    "anthropic": {
        "openinference.span.kind": "LLM",
        "output.value": json.dumps(
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "find", "input": {"q": 1}}]}
        ),
    },
    "openinference": {
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "find",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"q": 1}',
    },
    "traceloop": {
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.tool_calls.0.id": "c1",
        "gen_ai.completion.0.tool_calls.0.name": "find",
        "gen_ai.completion.0.tool_calls.0.arguments": '{"q": 1}',
    },
}


@pytest.mark.parametrize("dialect", TOOL_CALLS)
def test_tool_calls_of_every_dialect_are_one_part(dialect: str) -> None:
    (message,) = detail(TOOL_CALLS[dialect]).output_messages
    assert message.role == "assistant"
    assert list(message.parts) == [Part(type="tool_call", tool_call_id="c1", tool_name="find", data={"q": 1})]


DOCUMENTS: dict[str, dict[str, Any]] = {
    "opentelemetry": {"gen_ai.retrieval.documents": [{"id": "d1", "content": "text", "score": 0.5}]},
    "openinference": {
        "retrieval.documents.0.document.id": "d1",
        "retrieval.documents.0.document.content": "text",
        "retrieval.documents.0.document.score": 0.5,
        "retrieval.documents.0.document.metadata": '{"page": 2}',
    },
    "mlflow": {
        "mlflow.spanType": '"RETRIEVER"',
        "mlflow.spanOutputs": json.dumps([{"page_content": "text", "id": "d1", "metadata": {"score": 0.5}}]),
    },
    "langchain": {
        "openinference.span.kind": "RETRIEVER",
        "output.value": json.dumps({"documents": [{"text": "text", "doc_id": "d1", "score": "0.5"}]}),
    },
}


@pytest.mark.parametrize("dialect", DOCUMENTS)
def test_documents_of_every_dialect_are_passages(dialect: str) -> None:
    (passage,) = detail(DOCUMENTS[dialect]).passages
    assert (passage.passage_id, passage.text, passage.score) == ("d1", "text", 0.5)


def test_texts_that_a_retriever_returns_are_passages() -> None:
    found = detail({"openinference.span.kind": "RETRIEVER", "output.value": '["one", "two"]'})
    assert [passage.text for passage in found.passages] == ["one", "two"]


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"openinference.span.kind": "AGENT", "gen_ai.operation.name": "chat"}, SpanKind.AGENT),
        ({"gen_ai.operation.name": "execute_tool"}, SpanKind.TOOL),
        ({"gen_ai.operation.name": "search_memory"}, SpanKind.MEMORY),
        ({"gen_ai.operation.name": "something_new"}, SpanKind.OTHER),
        ({"mlflow.spanType": '"WORKFLOW"'}, SpanKind.CHAIN),
        ({"langfuse.observation.type": "span"}, SpanKind.OTHER),
        ({"traceloop.span.kind": "task"}, SpanKind.CHAIN),
        ({"langsmith.span.kind": "retriever"}, SpanKind.RETRIEVER),
        ({"gen_ai.tool.name": "x"}, SpanKind.TOOL),
        ({"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 1}, SpanKind.LLM),
        ({"openinference.span.kind": ["odd"]}, SpanKind.OTHER),
        ({}, SpanKind.OTHER),
    ],
)
def test_kinds_come_from_whatever_says_them(attributes: dict[str, Any], kind: SpanKind) -> None:
    assert detail(attributes).row.kind is kind


def test_json_that_was_cut_off_is_shown_as_far_as_it_goes() -> None:
    cut = json.dumps(PARTS_INPUT)[:60]
    found = detail({"gen_ai.operation.name": "chat", "gen_ai.input.messages": cut, "input.value": '{"a": "\\u5185'})
    assert found.input_messages[0].parts[0].text == cut
    assert found.input == '{"a": "\\u5185'
    shown, _ = previews(make_span(attributes={"input.value": '{"a": "\\u5185\\u90e8'}).SerializeToString())
    assert shown == '{"a": "内部'


def test_parts_of_unknown_types_go_round_whole() -> None:
    part = {"type": "hologram", "uri": "x:1", "depth": 3}
    found = detail({"gen_ai.input.messages": [{"role": "user", "parts": [part]}]})
    assert found.input_messages[0].parts == (Part(type="hologram", data=part),)


def test_cache_writes_are_known_by_their_old_and_new_names() -> None:
    for name in ("cache_write.input_tokens", "cache_creation.input_tokens", "cache_creation_input_tokens"):
        found = detail({"gen_ai.usage.input_tokens": 5, f"gen_ai.usage.{name}": 3})
        assert found.usage.cache_write_tokens == 3


@pytest.mark.parametrize("count", [-1, "many", float("nan"), True, [1], 2**62])
def test_counts_that_are_none_are_not_zero(count: Any) -> None:
    assert detail({"gen_ai.usage.input_tokens": count}).usage.input_tokens is None


def test_errors_come_from_status_event_or_attribute() -> None:
    span = make_span(error="status says")
    event = span.events.add(name="exception", time_unix_nano=1)
    for name, value in (("type", "ValueError"), ("message", "event says"), ("stacktrace", "Traceback…")):
        pair = event.attributes.add(key=f"exception.{name}")
        pair.value.string_value = value
    found = detail(span=span)
    assert (found.error_type, found.error_message, found.error_stack) == ("ValueError", "event says", "Traceback…")
    assert found.row.error == "status says"
    assert detail({"langfuse.observation.level": "ERROR"}).row.status == "error"


def test_what_the_emitter_dropped_is_told() -> None:
    span = make_span()
    span.dropped_attributes_count = 12
    assert detail(span=span).num_dropped_attributes == 12


def test_of_a_name_that_occurs_twice_the_first_counts() -> None:
    span = make_span(attributes={"gen_ai.request.model": "first"})
    span.attributes.add(key="gen_ai.request.model").value.CopyFrom(any_value_of("second"))
    found = detail(span=span)
    assert (found.attributes["gen_ai.request.model"], found.row.model) == ("first", "first")


def test_span_events_carry_messages_too() -> None:
    span = make_span(attributes={"gen_ai.operation.name": "chat"})
    for name, attributes in (
        ("gen_ai.user.message", {"content": "hello"}),
        ("gen_ai.choice", {"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}),
    ):
        event = span.events.add(name=name)
        for key, value in attributes.items():
            event.attributes.add(key=key).value.CopyFrom(any_value_of(value))
    found = detail(span=span)
    assert [message.text for message in found.input_messages] == ["hello"]
    assert [(message.text, message.finish_reason) for message in found.output_messages] == [("hi", "stop")]


SMALL_DIALECTS: dict[str, dict[str, Any]] = {
    "langsmith": {
        "langsmith.span.kind": "llm",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.response.model": "gpt-1",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.input_token_details": "{'cache_read': 8, 'cache_creation': 0}",
        "gen_ai.prompt": json.dumps({"messages": [{"role": "user", "content": "退款在哪里？"}]}),
        "gen_ai.completion": json.dumps(OPENAI_OUTPUT),
        "langsmith.metadata.thread_id": "s1",
        "langsmith.metadata.user_id": "lin",
        "langsmith.span.tags": "a, b",
    },
    "logfire": {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.response.model": "gpt-1",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.details.cache_read_tokens": 8,
        "gen_ai.input.messages": json.dumps(PARTS_INPUT),
        "gen_ai.output.messages": json.dumps(PARTS_OUTPUT),
        "gen_ai.conversation.id": "s1",
        "user.id": "lin",
        "logfire.tags": ["a", "b"],
        "logfire.json_schema": "{}",
    },
    "vercel": {
        "ai.operationId": "ai.streamText.doStream",
        "ai.model.provider": "openai.chat",
        "ai.model.id": "gpt",
        "ai.response.model": "gpt-1",
        "ai.usage.inputTokens": 12,
        "ai.usage.outputTokens": 4,
        "ai.usage.cachedInputTokens": 8,
        "ai.prompt.messages": json.dumps(
            [{"role": "user", "content": [{"type": "text", "text": "退款在哪里？"}]}], ensure_ascii=False
        ),
        "ai.response.text": "On its way.",
        "ai.response.finishReason": "stop",
        "ai.response.msToFirstChunk": 250.0,
        "ai.telemetry.metadata.sessionId": "s1",
        "ai.telemetry.metadata.userId": "lin",
        "ai.telemetry.metadata.tags": ["a", "b"],
    },
}


@pytest.mark.parametrize("dialect", SMALL_DIALECTS)
def test_small_dialects_give_the_same_record(dialect: str) -> None:
    found = detail(SMALL_DIALECTS[dialect])
    assert found.dialect == dialect
    assert (found.row.kind, found.operation, found.provider) == (SpanKind.LLM, "chat", "openai")
    assert (found.request_model, found.response_model) == ("gpt", "gpt-1")
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.cache_read_tokens) == (12, 4, 8)
    assert list(found.input_messages) == QUESTION
    assert [message.text for message in found.output_messages] == ["On its way."]
    assert found.finish_reasons == ("stop",)
    assert (found.session_id, found.user_id, list(found.tags)) == ("s1", "lin", ["a", "b"])


def test_calls_that_stand_apart_from_the_answer_are_part_of_it() -> None:
    found = detail(
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.response.text": "One moment.",
            "ai.response.toolCalls": json.dumps([{"toolCallId": "c1", "toolName": "find", "input": '{"q": 1}'}]),
            "ai.response.finishReason": "tool-calls",
        }
    )
    (message,) = found.output_messages
    assert [part.type for part in message.parts] == ["text", "tool_call"]
    call = message.parts[1]
    assert (call.tool_call_id, call.tool_name, call.data) == ("c1", "find", {"q": 1})
    assert found.finish_reasons == ("tool_calls",)


def test_the_inner_span_of_a_vercel_call_is_the_model_and_the_outer_one_is_not() -> None:
    assert detail({"ai.operationId": "ai.generateText"}).row.kind is SpanKind.CHAIN
    assert detail({"ai.operationId": "ai.embedMany.doEmbed"}).row.kind is SpanKind.EMBEDDING
    assert detail({"ai.operationId": "ai.toolCall"}).row.kind is SpanKind.TOOL


@pytest.mark.parametrize(
    ("attributes", "dialect"),
    [
        ({"gen_ai.request.model": "m"}, "opentelemetry"),
        ({"gen_ai.request.model": "m", "openinference.span.kind": "LLM"}, "openinference"),
        ({"gen_ai.request.model": "m", "langfuse.observation.type": "generation"}, "langfuse"),
        ({"gen_ai.request.model": "m", "traceloop.span.kind": "task"}, "traceloop"),
        ({"mlflow.spanType": '"LLM"'}, "mlflow"),
        ({"gcp.vertex.agent.llm_request": "{}"}, "google-adk"),
        ({"http.method": "GET"}, None),
    ],
)
def test_a_span_says_whose_words_it_uses(attributes: dict[str, Any], dialect: str | None) -> None:
    assert detail(attributes).dialect == dialect


@pytest.mark.parametrize(
    ("attributes", "milliseconds"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.25}, 250),
        ({"ai.response.msToFirstChunk": 250}, 250),
        ({"langfuse.observation.completion_start_time": '"2026-11-24T10:00:00.250000Z"'}, 250),
        ({"langfuse.observation.completion_start_time": "2026-11-24T09:00:00Z"}, None),
        ({"langfuse.observation.completion_start_time": "soon"}, None),
        ({"gen_ai.response.time_to_first_chunk": -1}, None),
    ],
)
def test_the_time_to_the_first_piece_is_read_from_a_length_or_a_moment(
    attributes: dict[str, Any], milliseconds: int | None
) -> None:
    start_ns = 1_795_514_400 * 10**9  # 2026-11-24 10:00 UTC
    found = detail(attributes, start_ns=start_ns).time_to_first_chunk_ns
    assert found == (None if milliseconds is None else milliseconds * 10**6)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("OpenAI", "openai"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("az.ai.openai", "azure.ai.openai"),
        ("xai", "x_ai"),
        ("openai.responses", "openai"),
        ("azure.ai.openai", "azure.ai.openai"),
        ("google.generative-ai", "gcp.gemini"),
        ("my.own", "my.own"),
    ],
)
def test_providers_have_one_name(word: str, name: str) -> None:
    assert detail({"gen_ai.provider.name": word}).provider == name


@pytest.mark.parametrize(
    ("said", "type_"),
    [
        ("openai.APIConnectionError", "APIConnectionError"),
        ("builtins.ValueError", "ValueError"),
        ("timeout", "timeout"),
        ("500", "500"),
        ("java.net.ConnectException", "ConnectException"),
        ("some.host.name", "some.host.name"),
    ],
)
def test_errors_are_named_without_where_their_class_lives(said: str, type_: str) -> None:
    assert detail({"error.type": said}).error_type == type_


def test_prompts_that_are_linked_are_read() -> None:
    linked = json.dumps(json.dumps([{"name": "greeting", "version": 3}]))
    found = detail({"mlflow.linkedPrompts": linked})
    assert (found.prompt_name, found.prompt_version) == ("greeting", "3")
