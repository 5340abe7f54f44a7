from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.testing.chat_server import (
    ChatServer,
    chat_server,
    cut_off,
    fails,
    follows_schema,
    malformed,
    rate_limited,
    refused,
    says,
    slowly,
    truncated,
    with_faults,
)


def ask(server: ChatServer, text: str = "hi", **more: object) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(f"{server.url}/chat/completions", json=body)


def test_it_answers_by_its_script_and_counts_equal_questions() -> None:
    with chat_server(lambda asked: says("second") if asked.nth else rate_limited(2)) as server:
        first, second, other = ask(server), ask(server), ask(server, "else")
        assert (first.status_code, first.headers["retry-after"]) == (429, "2")
        assert second.json()["choices"][0]["message"]["content"] == "second"
        assert second.json()["usage"]["total_tokens"] == 31
        assert other.status_code == 429
        assert sorted(server.counts.values()) == [1, 2]
        assert (server.answered.total(), server.paid_twice) == (1, [])


def test_it_can_go_wrong_in_every_way() -> None:
    told = [fails(500), malformed(), refused("no"), truncated(), cut_off()]
    with chat_server(lambda asked: told[asked.nth]) as server:
        assert ask(server).status_code == 500
        with pytest.raises(ValueError, match="Unterminated"):
            ask(server).json()
        assert ask(server).json()["choices"][0]["message"]["refusal"] == "no"
        assert ask(server).json()["choices"][0]["finish_reason"] == "length"
        with pytest.raises(httpx.RemoteProtocolError):
            ask(server)
        assert server.answered.total() == 2


def test_it_follows_a_schema() -> None:
    properties = {"verdict": {"enum": ["pass", "fail"]}, "score": {"type": "number", "minimum": 1}}
    schema = {"type": "object", "properties": properties}
    with chat_server() as server:
        format_ = {"type": "json_schema", "json_schema": {"name": "v", "schema": schema}}
        answer = ask(server, response_format=format_).json()
    assert answer["choices"][0]["message"]["content"] == '{"verdict": "pass", "score": 1}'


def test_faults_come_at_their_rates_and_the_same_each_time() -> None:
    script = with_faults(follows_schema, seed=3, limited=0.2, broken=0.05, garbled=0.02)
    found = []
    for _ in range(2):
        with chat_server(script) as server, httpx.Client() as http:
            body = {"model": "m", "messages": [{"role": "user", "content": "q"}]}
            answers = [http.post(f"{server.url}/chat/completions", json=body) for _ in range(200)]
            found.append([answer.status_code for answer in answers])
    assert found[0] == found[1]
    assert 20 <= found[0].count(429) <= 60
    assert 2 <= found[0].count(500) <= 22


def test_slow_answers_are_in_flight_together() -> None:
    async def ask_all(url: str) -> None:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=50)) as http:
            body = {"model": "m", "messages": [{"role": "user", "content": "q"}]}
            await asyncio.gather(*(http.post(f"{url}/chat/completions", json=body) for _ in range(50)))

    with chat_server(slowly(follows_schema, 0.5)) as server:
        asyncio.run(ask_all(server.url))
    assert server.most_in_flight >= 40
