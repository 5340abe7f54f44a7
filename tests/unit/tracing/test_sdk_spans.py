from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from aiplatform.tracing.sdk import (
    ContextThreadPoolExecutor,
    current_span,
    current_traceparent,
    in_context,
    span,
    trace,
    use_traceparent,
)
from aiplatform.tracing.sdk.serialise import as_text
from tests.unit.tracing.conftest import Finished


def attributes_of(finished: Finished, name: str) -> dict[str, Any]:
    return dict(finished.one(name).attributes or {})


def test_a_function_is_a_span_with_its_arguments_and_result(finished: Finished) -> None:
    @trace(kind="retriever", name="search")
    def search(question: str, *, top: int = 3) -> list[str]:
        return [question] * top

    assert search("why", top=2) == ["why", "why"]
    assert attributes_of(finished, "search") == {
        "openinference.span.kind": "RETRIEVER",
        "gen_ai.operation.name": "retrieval",
        "input.value": '{"question": "why", "top": 2}',
        "input.mime_type": "application/json",
        "output.value": '["why", "why"]',
        "output.mime_type": "application/json",
    }


def test_the_bare_decorator_takes_the_functions_name(finished: Finished) -> None:
    @trace
    def plain() -> str:
        return "out"

    assert plain() == "out"
    assert finished.all()[0].name.endswith("plain")
    assert plain.__name__ == "plain"


def test_an_exception_is_recorded_and_goes_on(finished: Finished) -> None:
    @trace(name="broken")
    def broken() -> None:
        raise KeyError("missing")

    with pytest.raises(KeyError):
        broken()
    found = finished.one("broken")
    assert found.status.status_code is StatusCode.ERROR
    assert [event.name for event in found.events] == ["exception"]
    assert attributes_of(finished, "broken")["error.type"] == "KeyError"


def test_async_functions_nest(finished: Finished) -> None:
    @trace(name="inner")
    async def inner() -> int:
        await asyncio.sleep(0)
        return 1

    @trace(name="outer")
    async def outer() -> int:
        return sum(await asyncio.gather(inner(), inner()))

    assert asyncio.run(outer()) == 2
    outer_span = finished.one("outer")
    inner_spans = [found for found in finished.all() if found.name == "inner"]
    assert {found.parent.span_id for found in inner_spans if found.parent} == {outer_span.context.span_id}


def test_a_generator_is_one_span_and_its_consumer_is_outside_it(finished: Finished) -> None:
    @trace(name="words")
    def words() -> Iterator[str]:
        with span("inside"):
            yield "a "
        yield "b"

    seen = []
    for word in words():
        seen.append(word)
        assert current_traceparent() is None
    assert seen == ["a ", "b"]
    assert attributes_of(finished, "words")["output.value"] == "a b"
    inside = finished.one("inside").parent
    assert inside is not None
    assert inside.span_id == finished.one("words").context.span_id


def test_a_generator_that_is_left_early_still_ends_its_span(finished: Finished) -> None:
    closed = []

    @trace(name="endless")
    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    made = endless()
    next(made)
    made.close()  # type: ignore[attr-defined]
    assert closed == [True]
    assert finished.one("endless").status.status_code is StatusCode.UNSET
    assert attributes_of(finished, "endless")["output.value"] == "[1]"


def test_what_is_sent_and_thrown_reaches_the_generator(finished: Finished) -> None:
    @trace(name="echo")
    def echo() -> Any:
        got = yield "start"
        try:
            yield got
        except ValueError:
            yield "caught"
        return "done"

    made = echo()
    assert next(made) == "start"
    assert made.send("hello") == "hello"
    assert made.throw(ValueError()) == "caught"
    with pytest.raises(StopIteration) as stop:
        next(made)
    assert stop.value.value == "done"
    assert finished.one("echo").status.status_code is StatusCode.UNSET


def test_an_async_generator_is_reduced_as_asked(finished: Finished) -> None:
    @trace(name="counts", reduce=sum)
    async def counts() -> AsyncIterator[int]:
        for number in (1, 2, 3):
            yield number

    async def collect() -> list[int]:
        return [number async for number in counts()]

    assert asyncio.run(collect()) == [1, 2, 3]
    assert attributes_of(finished, "counts")["output.value"] == "6"


def test_a_span_says_everything_in_standard_words(finished: Finished) -> None:
    with span("chat", kind="llm", input="hi") as open_span:
        open_span.set_model("m", response="m-1", provider="openai").set_tokens(input=5, output=2, cache_read=1)
        open_span.set_messages(input=[{"role": "user", "content": "你好"}], output=[])
        open_span.set_session("s", user_id="u").set_output({"ok": True})
        open_span.set_passages(["plain", ("scored", 0.5), {"text": "named", "id": "d1"}], query="q")
        open_span.set_tool("lookup", arguments={"a": 1}, result="found", call_id="c1")
        assert open_span.trace_id in (open_span.traceparent or "")
    found = attributes_of(finished, "chat")
    assert found["gen_ai.request.model"] == "m"
    assert found["gen_ai.usage.cache_read.input_tokens"] == 1
    assert json.loads(found["gen_ai.input.messages"]) == [{"role": "user", "content": "你好"}]
    assert json.loads(found["gen_ai.retrieval.documents"]) == [
        {"content": "plain"},
        {"content": "scored", "score": 0.5},
        {"id": "d1", "content": "named"},
    ]
    assert (found["session.id"], found["user.id"]) == ("s", "u")
    assert found["gen_ai.tool.call.arguments"] == '{"a": 1}'


def test_outside_of_any_span_setting_things_does_nothing() -> None:
    current_span().set_input("x").set_tokens(input=1).set_error("no")
    assert current_traceparent() is None


def test_a_traceparent_makes_the_next_span_a_child(finished: Finished) -> None:
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with use_traceparent(header), span("child") as child:
        assert child.trace_id == "0af7651916cd43dd8448eb211c80319c"
    parent = finished.one("child").parent
    assert parent is not None
    assert f"{parent.span_id:016x}" == "b7ad6b7169203331"
    for broken in (None, "", "nonsense", "00-0-0-0"):
        with use_traceparent(broken):
            assert current_traceparent() is None


def test_threads_continue_the_trace_where_asked(finished: Finished) -> None:
    def work() -> str | None:
        return current_traceparent()

    with span("outer") as outer:
        with ThreadPoolExecutor(1) as plain:
            assert plain.submit(work).result() is None
            assert plain.submit(in_context(work)).result() == outer.traceparent
        with ContextThreadPoolExecutor(1) as pool:
            assert pool.submit(work).result() == outer.traceparent
        thread = threading.Thread(target=in_context(work))
        thread.start()
        thread.join()


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    def model_dump(self) -> Any:
        raise RuntimeError("no")


@dataclass
class Point:
    x: float
    other: Any


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        ({"名": "值"}, '{"名": "值"}'),
        (Point(1.5, {1, }), '{"x": 1.5, "other": [1]}'),
        (float("nan"), '"nan"'),
        (Hostile(), '"<Hostile>"'),
        ({("a", 1): b"x"}, '{"(\'a\', 1)": "b\'x\'"}'),
    ],
)  # fmt: skip
def test_any_value_has_a_text(value: Any, text: str) -> None:
    assert as_text(value)[0] == text


def test_values_that_hold_themselves_have_one_too() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert as_text(loop)[0].startswith("[[[")
