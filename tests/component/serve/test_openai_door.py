"""The stock `openai` client against the door, over a real socket, behind the real authentication layer."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from aiplatform.core.scope import Scope
from aiplatform.serve.directory import Directory
from aiplatform.serve.model import Deployment, DeploymentSpec, DeploymentState, Protocol, Status
from aiplatform.serve.openai import OpenAIDoor
from aiplatform.serve.ports import DoorSpan, Method
from aiplatform.serve.store import DeploymentStore
from aiplatform.storage.database import Database
from aiplatform.tenancy.middleware import AuthenticationMiddleware
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.models import LocalModelHost

SCOPE = Scope(tenant_id="default", project_id="default")
QUESTION: list[Any] = [{"role": "user", "content": "如何 sort a list?"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": '{"q": "sort"}'}}


class Echo:
    """Says what it was asked, with whatever the test wants besides."""

    def chat(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> Any:
        said = str(messages[-1]["content"])
        if said == "fail":
            raise ValueError("the corpus is gone")
        if options.get("tools"):
            return {"content": None, "tool_calls": [CALL], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}
        return self._words(said)

    @staticmethod
    def _words(said: str) -> Iterator[Any]:
        for word in said.split(" "):
            if word == "break":
                raise RuntimeError("lost the thread")
            yield f"{word} "
        yield {"usage": {"prompt_tokens": 4, "completion_tokens": len(said.split(" "))}}

    def embed(self, inputs: Sequence[str]) -> list[list[float]]:
        return [[float(len(text)), 0.5] for text in inputs]


@dataclass
class Spans:
    """A sink that keeps what it is given."""

    spans: list[tuple[Scope, DoorSpan]] = field(default_factory=list)

    def emit(self, scope: Scope, span: DoorSpan) -> None:
        self.spans.append((scope, span))

    @property
    def last(self) -> DoorSpan:
        return self.spans[-1][1]


class Door:
    """A door on a socket, with deployments as the test wants them."""

    def __init__(self, database: Database, platform: PlatformUnderTest, on_socket: Callable[[Any], str]) -> None:
        self.store = DeploymentStore(database)
        self.host, self.spans, self._platform = LocalModelHost(), Spans(), platform
        door = OpenAIDoor(Directory(self.store, monotonic=iter(range(10**6)).__next__), self.host, sink=self.spans)
        app = AuthenticationMiddleware(door, platform.tenancy.authenticator, platform.settings)
        self.url = f"{on_socket(app)}/v1"
        self._clients: list[OpenAI] = []

    def add(self, name: str, model: Any = None, *, status: Status = Status.READY, **changes: Any) -> Deployment:
        spec = replace(DeploymentSpec(name=name, target="tests:Echo"), **changes)
        deployment = self.store.save(SCOPE, spec, author="user:lin", now_ns=1_790_000_000_000_000_000)
        self.store.tell(deployment, DeploymentState(status=status, ready_replicas=int(status is Status.READY)))
        if model is not None:
            method = Method.CHAT if spec.protocol is Protocol.CHAT else Method.INFER
            self.host.add(deployment.application, model, method)
        return deployment

    def client(self, **options: Any) -> OpenAI:
        key = options.pop("key", None) or self._platform.key(options.pop("role", Role.DEVELOPER))
        self._clients.append(OpenAI(base_url=self.url, api_key=key, max_retries=0, **options))
        return self._clients[-1]

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def door(sqlite_database: Database, on_socket: Callable[[Any], str]) -> Iterator[Door]:
    with PlatformUnderTest(sqlite_database) as platform:
        opened = Door(sqlite_database, platform, on_socket)
        opened.add("echo", Echo())
        yield opened
        opened.close()


def test_a_chat_is_answered(door: Door) -> None:
    answer = door.client().chat.completions.create(model="echo", messages=QUESTION)
    assert answer.choices[0].message.content == "如何 sort a list? "
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.model, answer.object) == ("echo", "chat.completion")
    assert answer.usage is not None
    assert answer.usage.total_tokens == 8


def test_a_chat_is_streamed_word_by_word(door: Door) -> None:
    stream = door.client().chat.completions.create(
        model="echo", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert words == ["如何 ", "sort ", "a ", "list? "]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_clients_own_streaming_helper_accumulates(door: Door) -> None:
    with door.client().chat.completions.stream(model="echo", messages=QUESTION) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "如何 sort a list? "


def test_tool_calls_reach_the_client(door: Door) -> None:
    tools: Any = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}]
    answer = door.client().chat.completions.create(model="echo", messages=QUESTION, tools=tools)
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].model_dump() == CALL
    chunks = list(door.client().chat.completions.create(model="echo", messages=QUESTION, tools=tools, stream=True))
    streamed = [chunk.choices[0].delta.tool_calls for chunk in chunks if chunk.choices[0].delta.tool_calls]
    assert streamed[0][0].function is not None
    assert streamed[0][0].function.arguments == '{"q": "sort"}'


def test_the_raw_answer_names_its_trace_and_its_request(door: Door) -> None:
    raw = door.client().chat.completions.with_raw_response.create(model="echo", messages=QUESTION)
    assert raw.headers["x-trace-id"] == door.spans.last.trace_id
    assert raw.headers["x-request-id"] == door.spans.last.attributes["aiplatform.request_id"]
    assert raw.parse().choices[0].message.content


def test_the_span_is_a_child_of_the_clients_and_parent_of_the_replicas(door: Door) -> None:
    parent = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1"}
    door.client().chat.completions.create(model="echo", messages=QUESTION, extra_headers=parent, user="lin", seed=7)
    scope, span = door.spans.spans[-1]
    assert scope == SCOPE
    assert (span.trace_id, span.parent_span_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert span.trace_state == "a=1"
    assert door.host.calls[-1].traceparent == f"00-{span.trace_id}-{span.span_id}-01"
    assert span.name == "chat echo"
    assert span.end_ns > span.start_ns
    said = span.attributes
    assert said["gen_ai.operation.name"] == "chat"
    assert (said["gen_ai.request.seed"], said["user.id"]) == (7, "lin")
    assert said["gen_ai.usage.output_tokens"] == 4
    assert json.loads(said["gen_ai.input.messages"])[0]["parts"][0]["content"] == QUESTION[0]["content"]
    assert json.loads(said["gen_ai.output.messages"])[0]["parts"][0]["content"] == "如何 sort a list? "
    assert (said["aiplatform.deployment"], said["aiplatform.deployment.revision"]) == ("echo", 1)


def test_a_caller_who_records_nothing_gets_no_span(door: Door) -> None:
    unsampled = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}
    door.client().chat.completions.create(model="echo", messages=QUESTION, extra_headers=unsampled)
    assert door.spans.spans == []


def test_a_streams_span_has_the_whole_answer_and_the_time_to_the_first_word(door: Door) -> None:
    list(door.client().chat.completions.create(model="echo", messages=QUESTION, stream=True))
    said = door.spans.last.attributes
    assert json.loads(said["gen_ai.output.messages"])[0]["parts"][0]["content"] == "如何 sort a list? "
    assert 0 < said["gen_ai.response.time_to_first_chunk"] < 60


def test_an_unknown_model_is_the_clients_own_not_found(door: Door) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        door.client().chat.completions.create(model="nothing", messages=QUESTION)
    assert caught.value.code == "model_not_found"
    assert "There is no model 'nothing' in this project." in caught.value.message
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["request_id"] == caught.value.request_id
    assert door.spans.last.error is not None


def test_a_deployment_is_found_as_soon_as_it_is_there(door: Door) -> None:
    with pytest.raises(openai.NotFoundError):
        door.client().chat.completions.create(model="late", messages=QUESTION)
    door.add("late", Echo())
    assert door.client().chat.completions.create(model="late", messages=QUESTION).model == "late"


def test_a_models_own_failure_is_told_and_traced(door: Door) -> None:
    question: Any = [{"role": "user", "content": "fail"}]
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError, match="ValueError: the corpus is gone") as caught:
            list(door.client().chat.completions.create(model="echo", messages=question, stream=stream))
        assert (caught.value.status_code, caught.value.code) == (502, "model.failed")
        assert door.spans.last.attributes["error.type"] == "model.failed"


def test_a_failure_in_the_middle_of_a_stream_raises_after_the_words_before_it(door: Door) -> None:
    question: Any = [{"role": "user", "content": "one two break three"}]
    stream = door.client().chat.completions.create(model="echo", messages=question, stream=True)
    words = (chunk.choices[0].delta.content for chunk in stream)
    seen: list[str | None] = []
    with pytest.raises(openai.APIError, match="lost the thread"):
        seen.extend(words)
    assert seen == ["one ", "two "]
    assert door.spans.last.error is not None
    assert "one two " in door.spans.last.attributes["gen_ai.output.messages"]


@pytest.mark.parametrize(
    ("status", "words"),
    [(Status.STARTING, "is starting"), (Status.FAILED, "does not run"), (Status.STOPPED, "is stopped")],
)
def test_a_model_that_does_not_answer_says_why(door: Door, status: Status, words: str) -> None:
    door.add("slow", status=status)
    with pytest.raises(openai.InternalServerError, match=words) as caught:
        door.client().chat.completions.create(model="slow", messages=QUESTION)
    assert caught.value.status_code == 503


def test_a_model_whose_replicas_are_gone_is_unavailable_for_now(door: Door) -> None:
    door.add("gone")
    with pytest.raises(openai.InternalServerError, match="No replica of the model 'gone'") as caught:
        door.client().chat.completions.create(model="gone", messages=QUESTION)
    assert caught.value.response.headers["retry-after"] == "2"


def test_a_model_of_the_other_protocol_says_where_to_ask(door: Door) -> None:
    door.add("tensors", protocol=Protocol.INFER)
    with pytest.raises(openai.BadRequestError, match="Open Inference Protocol"):
        door.client().chat.completions.create(model="tensors", messages=QUESTION)


def test_wrong_requests_name_their_field(door: Door) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        door.client().chat.completions.create(model="echo", messages=[])
    assert (caught.value.param, caught.value.type) == ("messages", "invalid_request_error")


def test_errors_speak_the_readers_language_where_it_is_known(door: Door) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        door.client().chat.completions.create(
            model="nothing", messages=QUESTION, extra_headers={"accept-language": "zh-CN"}
        )
    assert "nothing" in caught.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_body_that_is_no_object_is_refused(door: Door, body: bytes) -> None:
    headers = {"authorization": f"Bearer {door.client().api_key}"}
    answer = httpx.post(f"{door.url}/chat/completions", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_wrong_key_is_the_clients_own_authentication_error(door: Door) -> None:
    with pytest.raises(openai.AuthenticationError):
        door.client(key="aip_wrong").chat.completions.create(model="echo", messages=QUESTION)


def test_who_may_only_look_may_not_ask(door: Door) -> None:
    viewer = door.client(role=Role.VIEWER)
    assert [model.id for model in viewer.models.list()] == ["echo"]
    with pytest.raises(openai.PermissionDeniedError):
        viewer.chat.completions.create(model="echo", messages=QUESTION)


def test_models_are_listed_and_found(door: Door) -> None:
    door.add("another", status=Status.FAILED)
    client = door.client()
    assert [model.id for model in client.models.list()] == ["another", "echo"]
    assert client.models.retrieve("echo").created == 1_790_000_000
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


def test_embeddings_in_both_encodings(door: Door) -> None:
    client = door.client()
    for encoding in ("float", "base64"):
        answer = client.embeddings.create(model="echo", input=["a", "bb"], encoding_format=encoding)
        assert [one.embedding for one in answer.data] in ([[1.0, 0.5], [2.0, 0.5]], ["AACAPwAAAD8=", "AAAAQAAAAD8="])
    # The client's own default asks for base64 and decodes it.
    assert client.embeddings.create(model="echo", input="abc").data[0].embedding == [3.0, 0.5]
    assert door.spans.last.attributes["gen_ai.embeddings.dimension.count"] == 2


def test_an_unknown_address_is_not_found(door: Door) -> None:
    headers = {"authorization": f"Bearer {door.client().api_key}"}
    for method, path in [("GET", "chat/completions"), ("POST", "responses"), ("DELETE", "models/echo")]:
        assert httpx.request(method, f"{door.url}/{path}", headers=headers).status_code == 404


def test_a_client_that_leaves_ends_the_models_work(door: Door) -> None:
    ended = threading.Event()

    class Endless:
        def chat(self, messages: Any) -> Iterator[str]:
            try:
                while True:
                    yield "word "
            finally:
                ended.set()

    door.add("endless", Endless())
    stream = door.client().chat.completions.create(model="endless", messages=QUESTION, stream=True)
    next(iter(stream))
    stream.close()
    assert ended.wait(10)


def test_many_at_once_do_not_mix(door: Door, run_together: Callable[..., None]) -> None:
    client = door.client()

    def ask(number: int) -> None:
        question: Any = [{"role": "user", "content": f"number {number}"}]
        answer = client.chat.completions.create(model="echo", messages=question)
        assert answer.choices[0].message.content == f"number {number} "

    run_together(*[lambda n=n: ask(n) for n in range(16)])
