"""Live traces are sampled, filtered and scored once each, whatever happens to the worker."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.scope import Scope
from aiplatform.eval.judging.builtin import Correctness, Relevance
from aiplatform.eval.judging.cascade import Cascade
from aiplatform.eval.judging.judge import KEY_VARIABLE, MODEL_VARIABLE, URL_VARIABLE, Judge
from aiplatform.eval.online import api as online
from aiplatform.eval.online.endpoints import JudgeEndpoints
from aiplatform.eval.online.model import NewRule
from aiplatform.eval.online.routes import build_routes
from aiplatform.eval.online.sampling import is_sampled
from aiplatform.eval.online.service import OnlineEvaluation
from aiplatform.eval.online.store import OnlineStore
from aiplatform.eval.online.worker import JUDGE_TRACE_PREFIX, MAX_ATTEMPTS, OnlineWorker
from aiplatform.storage.database import Database
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from aiplatform.tracing.model import Score, ScoreSource
from aiplatform.tracing.service import Traces
from tests.testing.chat_server import ChatServer, chat_server, fails, refused, says_json, slowly

SCOPE = Scope(tenant_id="default", project_id="default")
JUDGE = {"judge": "relevance", "model": "m"}
GOOD = {"reason": "it answers", "label": "relevant"}


@dataclass(frozen=True)
class Live:
    """Online evaluation on real tracing, with a clock that the test turns."""

    traces: Traces
    service: OnlineEvaluation
    worker: OnlineWorker
    api: Client
    stranger: Client
    clock: FakeClock
    queued: list[tuple[str, str, str]]

    def arrive(self, numbers: Sequence[int], **fields: Any) -> None:
        """Traces arrive now; after a while nothing more of them does."""
        for number in numbers:
            attributes = {"input.value": f"question {number}", "output.value": f"answer {number}", **fields}
            start_ns = self.clock.now_ns() - 2_000_000_000
            span = make_span(number + 1, trace=number, name="ask", attributes=attributes, start_ns=start_ns)
            self.traces.ingest(SCOPE, export_request([span]).SerializeToString())

    def work(self, seconds: float = 60.0) -> int:
        self.clock.advance(seconds)
        return self.worker.run()

    def scores(self) -> list[Score]:
        return list(self.traces.scores(SCOPE))

    def scored(self) -> set[str]:
        return {score.trace_id for score in self.scores()}


class Queue:
    def __init__(self) -> None:
        self.put: list[tuple[str, str, str]] = []

    def add_trace(self, scope: Scope, queue_id: str, trace_id: str, reason: str) -> None:
        if queue_id == "gone":
            raise NotFoundError("gone")
        self.put.append((queue_id, trace_id, reason))


@pytest.fixture(scope="module")
def running() -> Iterator[ChatServer]:
    with chat_server() as server:
        yield server


@pytest.fixture
def server(running: ChatServer) -> ChatServer:
    running.asked.clear()
    running.counts.clear()
    running.script = lambda asked: says_json(GOOD)
    return running


@pytest.fixture
def live(
    database: Database,
    make_platform: Callable[..., PlatformUnderTest],
    server: ChatServer,
    clock: FakeClock,
    tmp_path: Path,
) -> Iterator[Live]:
    traces = Traces(database, index_path=tmp_path / "text.db", clock=clock)
    endpoints = JudgeEndpoints("", None, environment={URL_VARIABLE: server.url, KEY_VARIABLE: "operator"})
    store, queue = OnlineStore(database), Queue()
    service = OnlineEvaluation(store, endpoints, clock=clock)
    platform = make_platform()
    platform.attach(build_routes(service))
    yield Live(
        traces=traces,
        service=service,
        worker=OnlineWorker(store, traces, endpoints, queue, clock=clock),
        api=platform.api(),
        stranger=platform.api(tenant="beta"),
        clock=clock,
        queued=queue.put,
    )
    traces.close()


def ids(numbers: Sequence[int]) -> set[str]:
    return {trace_id_of(number).hex() for number in numbers}


def test_what_arrives_is_scored_once_and_what_was_there_before_is_not(live: Live, server: ChatServer) -> None:
    live.arrive([1, 2])
    live.clock.advance(1)
    rule = online.create("answers", scorers=[JUDGE], client=live.api)
    live.clock.advance(1)
    live.arrive([3, 4, 5])
    assert live.worker.run() == 0  # more of them may arrive
    assert live.work() == 3
    assert live.scored() == ids([3, 4, 5])
    score = live.scores()[0]
    assert (score.name, score.value, score.source, score.comment) == (
        "relevance",
        True,
        ScoreSource.JUDGE,
        "it answers",
    )
    assert score.principal == f"rule:{rule['rule_id']}"
    assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer operator"}
    assert all(asked.headers["traceparent"].split("-")[1].startswith(JUDGE_TRACE_PREFIX) for asked in server.asked)
    assert "question 3" in server.asked[0].text
    assert (live.work(), len(server.asked)) == (0, 3)
    # A span that comes late brings its trace back to the worker, which knows that it was scored.
    late = make_span(99, trace=3, parent=4, name="late", start_ns=live.clock.now_ns())
    live.traces.ingest(SCOPE, export_request([late]).SerializeToString())
    assert (live.work(), len(server.asked)) == (0, 3)
    state = online.get(rule["rule_id"], client=live.api)
    assert (state["today"], state["lag_s"], state["error"]) == ({"scored": 3}, 0, "")


def test_the_sample_follows_from_the_trace_id_and_the_filter_from_the_query(live: Live) -> None:
    online.create("some", scorers=[JUDGE], rate=0.5, query="session:wanted", client=live.api)
    live.clock.advance(1)
    live.arrive(range(100, 140), **{"session.id": "wanted"})
    live.arrive(range(200, 210), **{"session.id": "other"})
    live.work()
    wanted = {trace_id for trace_id in ids(range(100, 140)) if is_sampled(trace_id, 0.5)}
    assert live.scored() == wanted
    assert 8 <= len(wanted) <= 32


def test_a_higher_rate_takes_what_a_lower_one_takes() -> None:
    found = [{n for n in range(2000) if is_sampled(f"{n:032x}", rate)} for rate in (0.0, 0.1, 0.5, 1.0)]
    assert all(low <= high for low, high in itertools.pairwise(found))
    assert [len(each) for each in (found[0], found[-1])] == [0, 2000]
    assert 150 <= len(found[1]) <= 250


def test_traces_that_run_and_those_of_judges_and_evaluations_are_left_alone(live: Live) -> None:
    online.create("all", scorers=[JUDGE], client=live.api)
    live.clock.advance(1)
    now_ns = live.clock.now_ns()
    open_span = make_span(2, trace=1, duration_ns=None, start_ns=now_ns)
    judge = make_span(3, trace=1, start_ns=now_ns)
    judge.trace_id = bytes.fromhex(JUDGE_TRACE_PREFIX + "0" * 24)
    row = export_request([make_span(4, trace=4, start_ns=now_ns)], resource={"service.name": "evaluation"})
    live.traces.ingest(SCOPE, export_request([open_span, judge]).SerializeToString())
    live.traces.ingest(SCOPE, row.SerializeToString())
    assert live.work() == 0
    ended = make_span(2, trace=1, start_ns=now_ns, duration_ns=1)
    live.traces.ingest(SCOPE, export_request([ended]).SerializeToString())
    assert live.work() == 1
    assert live.scored() == ids([1])


def test_the_budget_of_a_day_is_kept_and_what_it_left_out_is_counted(live: Live, server: ChatServer) -> None:
    rule = online.create("few", scorers=[JUDGE], budget_per_day=3, client=live.api)
    live.clock.advance(1)
    live.arrive(range(5))
    live.work()
    assert len(live.scores()) == len(server.asked) == 3
    assert online.get(rule["rule_id"], client=live.api)["today"] == {"scored": 3, "over_budget": 2}
    live.clock.advance(86_400)
    live.arrive(range(10, 12))
    live.work()
    assert len(live.scores()) == 5


def test_the_three_states_are_kept_apart(live: Live, server: ChatServer) -> None:
    server.script = lambda asked: refused("no")
    rule = online.create(
        "states", scorers=[JUDGE, {"judge": "correctness", "model": "m"}, "exact_match"], client=live.api
    )
    live.clock.advance(1)
    live.arrive([1])
    live.work()
    assert live.scores() == []
    assert online.get(rule["rule_id"], client=live.api)["today"] == {"failed": 1, "not_applicable": 2}
    [failed] = online.results(rule["rule_id"], state="failed", client=live.api)
    assert "refused: no" in failed["reason"]


def test_passages_come_from_the_traces_retrievers(live: Live, server: ChatServer) -> None:
    server.script = lambda asked: says_json({"claims": [{"claim": "c", "reason": "", "supported": True}]})
    online.create("grounded", scorers=[{"judge": "groundedness", "model": "m"}], client=live.api)
    live.clock.advance(1)
    now_ns = live.clock.now_ns()
    found = {"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.content": "the capital is Paris"}
    spans = [
        make_span(1, trace=1, attributes={"input.value": "q", "output.value": "Paris"}, start_ns=now_ns),
        make_span(2, trace=1, parent=1, attributes=found, start_ns=now_ns),
    ]
    live.traces.ingest(SCOPE, export_request(spans).SerializeToString())
    assert live.work() == 1
    assert "the capital is Paris" in server.asked[0].text
    assert live.scores()[0].value == 1.0


def test_low_scores_go_to_a_review_queue(live: Live, server: ChatServer) -> None:
    server.script = lambda asked: says_json(
        {"reason": "off", "label": "irrelevant" if "1" in asked.text else "relevant"}
    )
    online.create("low", scorers=[JUDGE], queue_id="queue-1", below=0.5, client=live.api)
    online.create("gone", scorers=[{**JUDGE, "name": "again"}], queue_id="gone", below=1, client=live.api)
    live.clock.advance(1)
    live.arrive([1, 2])
    assert live.work() == 4
    assert live.queued == [("queue-1", trace_id_of(1).hex(), "relevance 0")]


def test_an_endpoint_that_is_away_loses_nothing(
    live: Live, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiplatform.eval.judging.plain_caller.MAX_ATTEMPTS", 1)
    rule = online.create("answers", scorers=[JUDGE], client=live.api)
    live.clock.advance(1)
    live.arrive([1, 2])
    server.script = lambda asked: fails(503, "away")
    assert live.work() == 0
    assert live.work() == 0
    server.script = lambda asked: fails(401, "the key ended")
    for _ in range(MAX_ATTEMPTS):
        live.work()
    assert "the key ended" in online.get(rule["rule_id"], client=live.api)["error"]
    assert live.scores() == []
    server.script = lambda asked: says_json(GOOD)
    assert live.work() == 2
    state = online.get(rule["rule_id"], client=live.api)
    assert (live.scored(), state["error"], state["today"]) == (ids([1, 2]), "", {"scored": 2})


def test_an_endpoint_that_never_comes_back_is_given_up(live: Live, server: ChatServer, monkeypatch: Any) -> None:
    monkeypatch.setattr("aiplatform.eval.judging.plain_caller.MAX_ATTEMPTS", 1)
    rule = online.create("answers", scorers=[JUDGE], client=live.api)
    live.clock.advance(1)
    live.arrive([1])
    server.script = lambda asked: fails(500, "broken")
    for _ in range(MAX_ATTEMPTS + 2):
        live.work()
    [told] = online.results(rule["rule_id"], client=live.api)
    assert (told["state"], told["attempts"], "broken" in told["reason"]) == ("failed", MAX_ATTEMPTS, True)
    assert len(server.asked) == MAX_ATTEMPTS


def test_a_rule_that_was_stopped_catches_up_and_says_how_far_it_is_behind(live: Live) -> None:
    rule = online.create("answers", scorers=[JUDGE], max_age_s=60, client=live.api)
    online.switch(rule["rule_id"], is_enabled=False, client=live.api)
    for number in range(30):
        live.clock.advance(3600)
        live.arrive([number])
    assert live.work() == 0
    behind = online.get(rule["rule_id"], client=live.api)["lag_s"]
    assert behind == pytest.approx(29 * 3600 + 60 - 30)
    assert online.switch(rule["rule_id"], is_enabled=True, client=live.api)["is_enabled"]
    assert live.work() == 30
    assert Counter(score.trace_id for score in live.scores()) == Counter(ids(range(30)))
    assert online.get(rule["rule_id"], client=live.api)["lag_s"] == 0


def test_a_rule_that_cannot_work_is_refused(live: Live) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"rate": 1.5}, "rate"),
        ({"scorers": []}, "scorers"),
        ({"scorers": ["no_such"]}, "no scorer"),
        ({"scorers": [{"judge": "nobody"}]}, "no judge 'nobody'"),
        ({"scorers": [{"judge": "relevance", "modell": "m"}]}, "no field 'modell'"),
        ({"scorers": [{"judge": "relevance", "model": "m", "samples": "many"}]}, "wrong at 'samples'"),
        ({"scorers": [{"judge": "relevance", "model": "m", "url": "http://169.254.169.254/v1"}]}, "an address"),
        ({"scorers": [{"judge": "relevance", "model": "m", "key": "stolen"}]}, "a key of its own"),
        ({"scorers": [{"judge": "correctness"}]}, "no model to ask"),
        ({"query": "duraton > 2s"}, "duraton"),
        ({"budget_per_day": -1}, "budget_per_day"),
    ]
    for change, problem in wrong:
        with pytest.raises(InvalidError, match=problem):
            online.create("wrong", **{"scorers": [JUDGE], "client": live.api, **change})


def test_another_tenant_sees_and_touches_no_rule(live: Live) -> None:
    rule_id = online.create("mine", scorers=[JUDGE], client=live.api)["rule_id"]
    assert online.list(client=live.stranger) == ()
    for call in (online.get, online.delete, online.results):
        with pytest.raises(NotFoundError):
            call(rule_id, client=live.stranger)
    with pytest.raises(NotFoundError):
        online.switch(rule_id, is_enabled=False, client=live.stranger)
    online.create("theirs", scorers=[JUDGE], client=live.stranger)
    live.clock.advance(1)
    live.arrive([1])
    assert live.work() == 1  # by the one rule whose project the trace is in
    online.delete(rule_id, client=live.api)
    assert online.list(client=live.api) == ()
    assert len(live.scores()) == 1


WORKER = """
import json, sys, time
from aiplatform.core.clock import SystemClock
from aiplatform.eval.online import worker
from aiplatform.eval.online.endpoints import JudgeEndpoints
from aiplatform.eval.online.store import OnlineStore
from aiplatform.storage.database import Database
from aiplatform.tracing.service import Traces
from pathlib import Path

given = json.loads(sys.argv[1])
worker.ABANDONED_AFTER_S, worker.BATCH, worker.IN_FLIGHT = 0.0, 8, 4
database = Database(given["database"])
endpoints = JudgeEndpoints("", None, environment={"AIPLATFORM_JUDGE_URL": given["url"]})
traces = Traces(database, index_path=Path(given["index"]))
online = worker.OnlineWorker(OnlineStore(database), traces, endpoints)
print("up", flush=True)
while True:
    online.run()
    time.sleep(0.02)
"""


def test_a_worker_that_is_killed_scores_nothing_twice_and_skips_nothing(
    sqlite_database: Database, server: ChatServer, tmp_path: Path
) -> None:
    traces = Traces(sqlite_database, index_path=tmp_path / "text.db")
    store = OnlineStore(sqlite_database)
    endpoints = JudgeEndpoints("", None, environment={URL_VARIABLE: server.url})
    server.script = slowly(lambda asked: says_json(GOOD), 0.02)
    caller = PlatformUnderTest(sqlite_database).caller()
    OnlineEvaluation(store, endpoints).create(caller, NewRule(name="live", scorers=(JUDGE,), rate=0.8, quiet_s=0.0))
    numbers = range(1, 81)
    now_ns = time.time_ns()
    spans = [
        make_span(n, trace=n, attributes={"input.value": f"q{n}", "output.value": f"a{n}"}, start_ns=now_ns)
        for n in numbers
    ]
    traces.ingest(SCOPE, export_request(spans).SerializeToString())
    wanted = {trace_id for trace_id in ids(numbers) if is_sampled(trace_id, 0.8)}
    given = json.dumps({"database": str(sqlite_database.url), "url": server.url, "index": str(tmp_path / "text.db")})
    for answers in (5, 37, None):
        with subprocess.Popen([sys.executable, "-c", WORKER, given], stdout=subprocess.PIPE) as process:
            try:
                if answers is not None:
                    server.wait_for(answers)
                else:
                    _until(lambda: len({score.trace_id for score in traces.scores(SCOPE)}) == len(wanted))
            finally:
                process.kill()
    scores = traces.scores(SCOPE)
    assert Counter(score.trace_id for score in scores) == Counter(wanted)
    # Only what was asked and not yet kept when the worker died was asked again.
    asked = Counter(asked.text for asked in server.asked)
    assert len(asked) == len(wanted)
    assert sum(asked.values()) <= len(wanted) + 2 * 4
    traces.close()


def _until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_judge_of_this_platform_is_asked_with_a_key_of_the_rules_own_project() -> None:
    class Keys:
        def key(self, scope: Scope) -> str:
            return f"{scope.tenant_id}/{scope.project_id}"

    inside = JudgeEndpoints("http://127.0.0.1:8000", Keys(), environment={})
    settled = inside.settled(Relevance(model="qa"), SCOPE)
    assert isinstance(settled, Judge)
    assert (settled.url, settled.key, settled.model) == ("http://127.0.0.1:8000/v1", "default/default", "qa")
    cascade = inside.settled(Cascade(cheap=Correctness(model="a"), dear=Correctness(model="b")), SCOPE)
    assert isinstance(cascade, Cascade)
    assert {cascade.cheap.key, cascade.dear.key} == {"default/default"}
    outside = JudgeEndpoints(
        "http://x", Keys(), environment={URL_VARIABLE: "http://judges/v1", MODEL_VARIABLE: "large"}
    )
    settled = outside.settled(Relevance(), SCOPE)
    assert isinstance(settled, Judge)
    assert (settled.url, settled.key, settled.model) == ("http://judges/v1", "", "large")
