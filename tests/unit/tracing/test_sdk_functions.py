"""Functions of every sort under `aip.trace`, and what is kept of a call."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from opentelemetry.trace import StatusCode

from aiplatform.tracing.sdk import Reduced, current_traceparent, openai_chat, span, trace
from tests.unit.tracing.conftest import Finished


def attributes_of(finished: Finished, name: str) -> dict[str, Any]:
    return dict(finished.one(name).attributes or {})


class Shop:
    @trace(name="method")
    def method(self, article: str, *, count: int = 1) -> str:
        return article * count

    @trace(name="of class")
    @classmethod
    def of_class(cls, article: str) -> str:
        return f"{cls.__name__} {article}"

    @classmethod
    @trace(name="below class")
    def below_class(cls, article: str) -> str:
        return article

    @trace(name="static")
    @staticmethod
    def static(article: str) -> str:
        return article

    @trace(name="async method")
    async def async_method(self, article: str) -> str:
        return article

    @trace(name="items")
    def items(self, article: str) -> Iterator[str]:
        yield article


def test_methods_of_every_sort_keep_their_arguments_but_not_their_object(finished: Finished) -> None:
    shop = Shop()
    assert shop.method("tea", count=2) == "teatea"
    assert (Shop.of_class("tea"), shop.below_class("tea"), Shop.static("tea")) == ("Shop tea", "tea", "tea")
    assert asyncio.run(shop.async_method("tea")) == "tea"
    assert list(shop.items("tea")) == ["tea"]
    inputs = {one.name: json.loads(str((one.attributes or {})["input.value"])) for one in finished.all()}
    assert inputs.pop("method") == {"article": "tea", "count": 2}
    assert set(map(str, inputs.values())) == {"{'article': 'tea'}"}
    assert len(inputs) == 5


def test_callable_objects_and_partials_are_functions_too(finished: Finished) -> None:
    class Adder:
        async def __call__(self, one: int) -> int:
            return one + 1

    async def add(one: int, two: int) -> int:
        return one + two

    assert asyncio.run(trace(name="object")(Adder())(1)) == 2
    assert asyncio.run(trace(name="partial")(functools.partial(add, 1))(two=2)) == 3
    assert attributes_of(finished, "object")["output.value"] == "2"
    assert attributes_of(finished, "partial")["output.value"] == "3"


def test_variable_arguments_are_kept_by_name(finished: Finished) -> None:
    @trace(name="many")
    def many(first: int, /, *rest: int, last: int = 0, **more: int) -> int:
        return first

    many(1, 2, 3, last=4, other=5)
    assert json.loads(attributes_of(finished, "many")["input.value"]) == {
        "first": 1,
        "rest": [2, 3],
        "last": 4,
        "more": {"other": 5},
    }


def test_what_is_kept_can_be_chosen(finished: Finished) -> None:
    @trace(name="login", capture_input=["user"], capture_output=False, attributes={"area": "auth", "tags": ["a", "b"]})
    def login(user: str, password: str) -> str:
        return "token"

    login("jo", "secret")
    found = attributes_of(finished, "login")
    assert found["input.value"] == '{"user": "jo"}'
    assert "output.value" not in found
    assert (found["area"], found["tags"]) == ("auth", '["a", "b"]')


def test_a_call_with_wrong_arguments_fails_as_it_would_and_says_so(finished: Finished) -> None:
    @trace(name="one")
    def one(argument: int) -> int:
        return argument

    with pytest.raises(TypeError, match="missing 1 required"):
        one()  # type: ignore[call-arg]
    assert finished.one("one").status.status_code is StatusCode.ERROR
    assert current_traceparent() is None


def test_an_exception_that_cannot_be_shown_goes_on_all_the_same(finished: Finished) -> None:
    class ShyError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(ShyError), span("shy"):
        raise ShyError
    assert finished.one("shy").status.description == "<ShyError>"


def test_a_returned_generator_is_one_span_until_it_ends(finished: Finished) -> None:
    @trace(name="returns")
    def returns() -> Iterator[str]:
        def inner() -> Iterator[str]:
            with span("inside"):
                yield "a"
            yield "b"

        return inner()

    made = returns()
    assert finished.all() == []
    assert list(made) == ["a", "b"]
    assert attributes_of(finished, "returns")["output.value"] == "ab"
    parent = finished.one("inside").parent
    assert parent is not None
    assert parent.span_id == finished.one("returns").context.span_id


def test_a_generator_that_fails_has_a_failed_span_with_what_came_before(finished: Finished) -> None:
    @trace(name="fails")
    async def fails() -> AsyncIterator[str]:
        yield "a"
        raise ValueError("broken")

    async def collect() -> list[str]:
        return [chunk async for chunk in fails()]

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(collect())
    assert finished.one("fails").status.status_code is StatusCode.ERROR
    assert attributes_of(finished, "fails")["output.value"] == "a"


class Stream:
    """As a client's: an iterator with a life of its own."""

    def __init__(self, chunks: list[Any]) -> None:
        self._chunks = iter(chunks)
        self.is_closed = False
        self.response = "headers"

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._chunks)

    def close(self) -> None:
        self.is_closed = True


def test_a_clients_stream_stays_itself_and_is_one_span(finished: Finished) -> None:
    @trace(name="sum", reduce=sum)
    def call(chunks: list[int]) -> Any:
        return Stream(chunks)

    made = call([1, 2, 3])
    assert made.response == "headers"
    assert list(made) == [1, 2, 3]
    assert attributes_of(finished, "sum")["output.value"] == "6"


def test_a_clients_stream_that_is_closed_early_ends_its_span_once(finished: Finished) -> None:
    inner = Stream([1, 2])

    @trace(name="early", reduce=sum)
    def call() -> Any:
        return inner

    made = call()
    next(made)
    made.close()
    made.close()
    assert inner.is_closed
    assert [one.name for one in finished.all()] == ["early"]
    assert attributes_of(finished, "early")["output.value"] == "1"


def test_a_reducer_that_fails_neither_breaks_the_call_nor_loses_the_chunks(finished: Finished) -> None:
    @trace(name="bad", reduce=lambda chunks: 1 / 0)
    def bad() -> Iterator[str]:
        yield "a"

    assert list(bad()) == ["a"]
    assert attributes_of(finished, "bad")["output.value"] == "a"
    assert "ZeroDivisionError" in attributes_of(finished, "bad")["aiplatform.reduce.error"]


def chunk(index: int, delta: dict[str, Any], finish: str | None = None, usage: Any = None) -> ChatCompletionChunk:
    return ChatCompletionChunk.model_validate(
        {
            "id": "c1",
            "created": 1,
            "model": "m-1",
            "object": "chat.completion.chunk",
            "choices": [] if usage else [{"index": index, "delta": delta, "finish_reason": finish}],
            "usage": usage,
        }
    )


CHUNKS = [
    chunk(0, {"role": "assistant", "content": "He"}),
    chunk(
        1, {"role": "assistant", "tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{"}}]}
    ),
    chunk(0, {"content": "llo"}),
    chunk(1, {"tool_calls": [{"index": 0, "function": {"arguments": '"a":1}'}}]}),
    chunk(1, {"tool_calls": [{"index": 1, "id": "u", "function": {"name": "g", "arguments": "{}"}}]}),
    chunk(0, {}, "stop"),
    chunk(1, {}, "tool_calls"),
    chunk(0, {}, usage={"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}),
]


@pytest.mark.parametrize("as_objects", [True, False])
def test_the_chunks_of_a_chat_become_its_answer(as_objects: bool) -> None:
    found = openai_chat(CHUNKS if as_objects else [one.model_dump() for one in CHUNKS])
    first, second = found.output
    assert first == {"role": "assistant", "content": "Hello"}
    assert [call["function"] for call in second["tool_calls"]] == [
        {"name": "f", "arguments": '{"a":1}'},
        {"name": "g", "arguments": "{}"},
    ]
    assert [call["id"] for call in second["tool_calls"]] == ["t", "u"]
    assert found.attributes == {
        "gen_ai.response.model": "m-1",
        "gen_ai.response.id": "c1",
        "gen_ai.response.finish_reasons": ["stop", "tool_calls"],
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 7,
    }


def test_a_reduced_stream_sets_attributes_of_its_span(finished: Finished) -> None:
    @trace(name="chat", kind="llm", reduce=openai_chat)
    def chat() -> Iterator[Any]:
        yield from CHUNKS

    list(chat())
    found = attributes_of(finished, "chat")
    assert found["gen_ai.usage.output_tokens"] == 7
    assert found["gen_ai.response.model"] == "m-1"
    assert openai_chat([]) == Reduced(None, {})
