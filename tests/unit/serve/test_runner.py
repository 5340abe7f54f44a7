import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiplatform.core.errors import ConfigError, InvalidError, RemoteError
from aiplatform.serve.ports import Method
from aiplatform.serve.runner import ModelRunner, load_class

Messages = Sequence[Mapping[str, Any]]
HELLO = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
ANSWER = {"message": {"role": "assistant", "content": "HELLO"}, "finish_reason": "stop", "usage": None}


def chat_model(chat: Callable[..., Any]) -> ModelRunner:
    return ModelRunner("m", type("Model", (), {"chat": staticmethod(chat)})(), Method.CHAT)


def plain(messages: Messages) -> str:
    return str(messages[-1]["content"]).upper()


async def coroutine(messages: Messages) -> str:
    return plain(messages)


def generator(messages: Messages) -> Iterator[str]:
    yield from plain(messages)


async def async_generator(messages: Messages) -> AsyncIterator[str]:
    for letter in plain(messages):
        yield letter


def returns_generator(messages: Messages) -> Iterator[str]:
    return iter(plain(messages))


def returns_message(messages: Messages) -> dict[str, Any]:
    return {"role": "assistant", "content": plain(messages)}


@pytest.mark.parametrize(
    "chat", [plain, coroutine, generator, async_generator, returns_generator, returns_message], ids=lambda f: f.__name__
)
def test_every_kind_of_chat_method_answers_and_streams(chat: Callable[..., Any]) -> None:
    runner = chat_model(chat)

    async def both() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return await runner.call(Method.CHAT, HELLO), [part async for part in runner.stream(HELLO)]

    answer, parts = asyncio.run(both())
    assert answer == ANSWER
    assert "".join(part.get("delta", {}).get("content", "") for part in parts) == "HELLO"


def test_options_are_passed_to_those_who_take_them() -> None:
    def chat(messages: Messages, temperature: float, top_p: float = 1.0) -> str:
        return f"{temperature} {top_p}"

    answer = asyncio.run(chat_model(chat).call(Method.CHAT, {**HELLO, "temperature": 0.5, "seed": 1}))
    assert answer["message"]["content"] == "0.5 1.0"


def test_all_options_but_the_protocols_own_reach_a_catch_all() -> None:
    def chat(messages: Messages, **options: Any) -> str:
        return ",".join(sorted(options))

    request = {**HELLO, "temperature": 0.5, "tools": [], "stream": True, "stream_options": {}}
    assert asyncio.run(chat_model(chat).call(Method.CHAT, request))["message"]["content"] == "temperature,tools"


def test_streaming_is_a_hint_for_those_who_name_it() -> None:
    def chat(messages: Messages, *, stream: bool = False) -> str:
        return str(stream)

    runner = chat_model(chat)

    async def parts() -> list[dict[str, Any]]:
        return [part async for part in runner.stream(HELLO)]

    assert asyncio.run(parts())[0]["delta"]["content"] == "True"


def test_tool_calls_and_usage_pass_through() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "search", "arguments": "{}"}}

    def chat(messages: Messages) -> dict[str, Any]:
        return {"content": None, "tool_calls": [call], "usage": {"prompt_tokens": 3}}

    answer = asyncio.run(chat_model(chat).call(Method.CHAT, HELLO))
    assert answer["finish_reason"] == "tool_calls"
    assert answer["message"]["tool_calls"] == [call]
    assert answer["usage"] == {"prompt_tokens": 3}


def test_streamed_tool_calls_are_joined() -> None:
    def chat(messages: Messages) -> Iterator[dict[str, Any]]:
        yield {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "search", "arguments": '{"q"'}}]}
        yield {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}
        yield {"usage": {"completion_tokens": 2}}

    answer = asyncio.run(chat_model(chat).call(Method.CHAT, HELLO))
    function = {"name": "search", "arguments": '{"q":1}'}
    assert answer["message"]["tool_calls"] == [{"id": "1", "type": "function", "function": function}]
    assert (answer["finish_reason"], answer["usage"]) == ("tool_calls", {"completion_tokens": 2})


def test_what_the_users_code_raises_becomes_one_sentence() -> None:
    def chat(messages: Messages) -> str:
        raise KeyError("corpus")

    with pytest.raises(RemoteError, match="The model 'm' failed: KeyError: 'corpus'"):
        asyncio.run(chat_model(chat).call(Method.CHAT, HELLO))


def test_errors_of_the_platforms_tree_keep_their_kind() -> None:
    def chat(messages: Messages) -> str:
        raise InvalidError("too many messages")

    with pytest.raises(InvalidError, match="too many"):
        asyncio.run(chat_model(chat).call(Method.CHAT, HELLO))


def test_a_failure_in_the_middle_of_a_stream_comes_after_what_was_said() -> None:
    def chat(messages: Messages) -> Iterator[str]:
        yield "a"
        raise ValueError("broken")

    seen: list[dict[str, Any]] = []

    async def collect() -> None:
        async for part in chat_model(chat).stream(HELLO):
            seen.append(part)

    with pytest.raises(RemoteError, match="broken"):
        asyncio.run(collect())
    assert seen == [{"delta": {"content": "a"}}]


def test_leaving_a_stream_closes_the_users_generator() -> None:
    closed: list[bool] = []

    def chat(messages: Messages) -> Iterator[str]:
        try:
            while True:
                yield "a"
        finally:
            closed.append(True)

    async def leave() -> None:
        stream = chat_model(chat).stream(HELLO)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(leave())
    assert closed == [True]


@pytest.mark.parametrize("result", [None, 3, object()])
def test_a_result_that_is_no_answer_is_named(result: Any) -> None:
    with pytest.raises(RemoteError, match=type(result).__name__):
        asyncio.run(chat_model(lambda messages: result).call(Method.CHAT, HELLO))


def test_a_class_without_the_protocols_method_is_refused_when_it_is_made() -> None:
    with pytest.raises(ConfigError, match="'object' has no method 'chat'"):
        ModelRunner("m", object(), Method.CHAT)


def test_embeddings_are_asked_only_of_those_who_offer_them() -> None:
    with pytest.raises(InvalidError, match="'m' does not offer 'embed'"):
        asyncio.run(chat_model(plain).call(Method.EMBED, {"model": "m", "input": "a"}))


def test_embeddings_are_lists_of_numbers_one_for_each_input() -> None:
    class Model:
        def chat(self, messages: Messages) -> str:
            return ""

        def embed(self, inputs: Sequence[str]) -> Any:
            return np.array([[len(text), 1.0] for text in inputs])

    runner = ModelRunner("m", Model(), Method.CHAT)
    assert asyncio.run(runner.call(Method.EMBED, {"input": ["a", "bb"]})) == {"embeddings": [[1.0, 1.0], [2.0, 1.0]]}
    assert asyncio.run(runner.call(Method.EMBED, {"input": "abc"})) == {"embeddings": [[3.0, 1.0]]}


def test_inference_takes_arrays_and_gives_tensors() -> None:
    class Model:
        def infer(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
            return {"sum": inputs["x"].sum(axis=1), "label": ["a", "b"]}

    runner = ModelRunner("m", Model(), Method.INFER)
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}
    answer = asyncio.run(runner.call(Method.INFER, {"inputs": [tensor], "outputs": [{"name": "sum"}]}))
    assert answer == {"id": None, "outputs": [{"name": "sum", "shape": [2], "datatype": "FP32", "data": [3.0, 7.0]}]}


def test_a_class_is_found_in_the_users_own_folder(tmp_path: Path) -> None:
    (tmp_path / "my_models_of_a_test.py").write_text("class Outer:\n    class Inner: ...\n", encoding="utf-8")
    try:
        assert load_class("my_models_of_a_test:Outer.Inner", tmp_path).__name__ == "Inner"
    finally:
        sys.path.remove(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "words"),
    [("no_such_module_here:A", "No module named"), ("json:Nothing", "Nothing"), ("json:dumps", "is no class")],
)
def test_a_class_that_cannot_be_had_is_named(path: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_class(path)
