import json
from typing import Any

import pytest

from aiplatform.core.errors import InvalidError
from aiplatform.serve.chat import Chunks, checked_chat, checked_embeddings, completion_from
from aiplatform.serve.genai import answer_attributes, request_attributes


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"role": "user"}, {"content": "x"}]}, "messages[1]"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 1}, "stream_options"),
    ],
)
def test_a_wrong_field_of_a_chat_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        checked_chat({"model": "m", "messages": [{"role": "user", "content": "x"}], **change})
    assert caught.value.fields["field"] == field


@pytest.mark.parametrize("given", [None, "", [], [1, 2], [[1]], {"a": 1}])
def test_embeddings_take_texts_alone(given: Any) -> None:
    with pytest.raises(InvalidError):
        checked_embeddings({"model": "m", "input": given})


def chunks(**options: Any) -> Chunks:
    return Chunks(**{"completion_id": "c", "model": "m", "created_s": 1, "include_usage": False, **options})


def test_a_stream_begins_with_the_role_and_ends_with_the_reason() -> None:
    stream = chunks()
    [first] = stream.take({"delta": {"content": "a"}})
    [second] = stream.take({"delta": {"content": "b"}})
    [last] = stream.close()
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "a"}
    assert second["choices"][0]["delta"] == {"content": "b"}
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "stop")
    assert stream.completion()["choices"][0]["message"]["content"] == "ab"


def test_a_stream_without_words_still_has_a_role() -> None:
    [only] = chunks().close()
    assert only["choices"][0]["delta"] == {"role": "assistant", "content": ""}


def test_usage_is_streamed_only_to_those_who_ask() -> None:
    for wanted in (False, True):
        stream = chunks(include_usage=wanted)
        stream.take({"delta": {"content": "a"}})
        stream.take({"usage": {"input_tokens": 3, "output_tokens": 1}})
        assert [chunk.get("usage", {}).get("total_tokens") for chunk in stream.close()] == [None, 4][: 1 + wanted]


def test_a_models_own_chunks_pass_through() -> None:
    stream = chunks()
    [chunk] = stream.take({"chunk": {"id": "up-1", "choices": [{"index": 0, "delta": {"content": "x"}}]}})
    assert (chunk["id"], chunk["object"], chunk["model"]) == ("up-1", "chat.completion.chunk", "m")
    assert stream.close() == []
    assert stream.completion()["choices"][0]["message"]["content"] == "x"


def test_tokens_that_nobody_counted_are_left_out() -> None:
    result = {"message": {"role": "assistant", "content": "x"}, "finish_reason": "stop", "usage": None}
    assert "usage" not in completion_from(result, completion_id="c", model="m", created_s=1)


def test_the_span_says_what_was_asked_and_answered() -> None:
    request = {
        "model": "m",
        "temperature": 0.5,
        "max_completion_tokens": 9,
        "stop": "END",
        "user": "lin",
        "metadata": {"session_id": "s1"},
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "u"}}],
            },
            {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "done"},
        ],
    }
    said = request_attributes("chat", request)
    assert said["gen_ai.request.temperature"] == 0.5
    assert said["gen_ai.request.max_tokens"] == 9
    assert (said["user.id"], said["session.id"]) == ("lin", "s1")
    kinds = [part["type"] for message in json.loads(said["gen_ai.input.messages"]) for part in message["parts"]]
    assert kinds == ["text", "uri", "tool_call", "tool_call_response"]
    answer = completion_from(
        {"message": {"role": "assistant", "content": "x"}, "finish_reason": "stop", "usage": {"prompt_tokens": 7}},
        completion_id="c",
        model="m",
        created_s=1,
    )
    answered = answer_attributes(answer)
    assert answered["gen_ai.usage.input_tokens"] == 7
    assert answered["gen_ai.response.finish_reasons"] == ["stop"]
    assert json.loads(answered["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "x"}]
