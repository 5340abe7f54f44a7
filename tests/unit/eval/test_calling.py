"""Limits, caps and retries: decisions alone, and a caller before a real server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import RemoteError, UnauthenticatedError
from aiplatform.eval.calling import ChatEndpoint, ChatReply, ChatRequest
from aiplatform.eval.calling.amounts import NOTHING, Amounts, Caps
from aiplatform.eval.calling.budget import Budget, BudgetReport
from aiplatform.eval.calling.desk import Desk, Reply, Report
from aiplatform.eval.calling.gate import CappedError
from aiplatform.eval.calling.keeping import CacheMode, KeptCall, MemoryCalls
from aiplatform.eval.calling.limiting import DoorReport, EndpointLimiter, Limits, Throttle, fair_parts
from aiplatform.eval.calling.opening import CallPlan, open_caller
from aiplatform.eval.calling.pricing import own_prices
from aiplatform.eval.calling.retrying import MAX_WAIT_S, CallError, Fate, Fault, seconds_of, wait_s
from aiplatform.eval.calling.scope import CallScope, call_scope
from tests.testing.chat_server import (
    Asked,
    ChatServer,
    Script,
    chat_server,
    cut_off,
    fails,
    follows_schema,
    malformed,
    rate_limited,
    says,
    slowly,
    with_faults,
)

LIMITS = Limits(in_flight=8)


@given(st.integers(0, 60), st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 30)))
def test_fair_parts_use_all_and_starve_nobody(total: int, wanted: dict[str, int]) -> None:
    parts = fair_parts(total, wanted)
    assert sum(parts.values()) == min(total, sum(wanted.values()))
    assert all(0 <= parts[name] <= wanted[name] for name in wanted)
    # Max-min fairness: who got less than he wants got at least as much, but for one, as anybody else.
    hungry = [parts[name] for name in wanted if parts[name] < wanted[name]]
    assert all(part <= least + 1 for part in parts.values() for least in hungry)


class Workers:
    """Workers that report as gates do, on a clock that the test turns."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limiter, self.limits, self.now_s = EndpointLimiter(), limits, 0.0
        self.shares: dict[str, tuple[int, int]] = {}
        self.flying: Counter[str] = Counter()

    def sync(self, worker: str, run: str, wanted: int, **more: Any) -> None:
        _, version = self.shares.get(worker, (0, 0))
        report = DoorReport(limits=self.limits, wanted=wanted, in_flight=self.flying[worker], version=version, **more)
        self.limiter.report(worker, run, report, self.now_s)
        share = self.limiter.share(worker, report, self.now_s)
        self.shares[worker] = (share.lease, share.version)
        self.flying[worker] = max(min(share.lease, wanted), min(self.flying[worker], wanted))


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 12), st.booleans()), max_size=60))
def test_workers_together_never_have_more_in_flight_than_the_window(steps: list[tuple[str, int, bool]]) -> None:
    workers = Workers()
    for worker, wanted, ends in steps:
        if ends:
            workers.flying[worker] = 0
        workers.sync(worker, f"run-{worker in 'ab'}", wanted)
        workers.now_s += 0.1
        assert sum(workers.flying.values()) <= 2 * LIMITS.in_flight


def test_two_runs_and_their_workers_get_equal_parts_of_a_small_window() -> None:
    workers = Workers(Limits(in_flight=12))
    for _ in range(4):
        workers.limiter.window = 12
        for worker, run in (("a", "one"), ("b", "two"), ("c", "two")):
            workers.flying[worker] = min(workers.flying[worker], workers.shares.get(worker, (0, 0))[0])
            workers.sync(worker, run, 100)
    assert {worker: lease for worker, (lease, _) in workers.shares.items()} == {"a": 6, "b": 3, "c": 3}


def test_the_window_shrinks_where_calls_are_throttled_and_grows_again() -> None:
    workers = Workers(Limits(in_flight=64))
    workers.sync("a", "one", 64)
    workers.now_s = 1.0
    workers.sync("a", "one", 64, answered=16, throttles=(Throttle(age_s=0.5),) * 48)
    assert workers.limiter.window == pytest.approx(64 * (1 - 0.75 / 2))
    small = workers.limiter.window
    workers.sync("a", "one", 64, throttles=(Throttle(age_s=0.5),) * 64)
    assert workers.limiter.window == small, "calls that began before say nothing of the smaller window"
    for _ in range(2000):
        workers.now_s += 0.1
        workers.sync("a", "one", 64, answered=20)
    assert workers.limiter.window == 64


def test_retry_after_stops_everybody_and_a_silent_worker_is_forgotten() -> None:
    workers = Workers()
    workers.sync("a", "one", 4, throttles=(Throttle(age_s=0.1, retry_after_s=2.0),))
    report = DoorReport(limits=LIMITS, wanted=4, in_flight=0)
    workers.limiter.report("b", "two", report, 0.5)
    assert workers.limiter.share("b", report, 0.5).pause_s == 1.5
    workers.limiter.report("b", "two", report, 60.0)
    assert not workers.limiter.knows("a")


def test_a_rate_is_kept_over_time() -> None:
    limits = Limits(in_flight=100, requests_per_minute=60)
    limiter, taken = EndpointLimiter(), 0.0
    for tick in range(300):
        report = DoorReport(limits=limits, wanted=100, in_flight=0, wants_requests=100)
        for worker in ("a", "b"):
            limiter.report(worker, worker, report, tick / 10)
            taken += limiter.share(worker, report, tick / 10).requests
    assert 29 <= taken <= 31 + 1


CALL = Amounts(calls=1, tokens=100)


@given(st.integers(0, 40), st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100)), max_size=80))
def test_a_budget_never_grants_more_than_is_left(cap: int, steps: list[tuple[str, int]]) -> None:
    budget = Budget(caps=Amounts(calls=cap, tokens=cap * 80), spent=NOTHING)
    held: dict[str, Amounts] = {}
    spent = NOTHING
    for worker, took in steps:
        mine = held.get(worker, NOTHING)
        used = NOTHING
        if CALL.within(mine):
            used = Amounts(calls=1, tokens=took)
            spent, mine = spent + used, mine - used
        back = mine if not CALL.within(mine) else NOTHING
        mine = mine - back
        wants = CALL if mine.is_zero else NOTHING
        report = BudgetReport(
            caps=budget.caps, held=mine, reserved=mine, spent=used, given_back=back, wants=wants, next_call=CALL
        )
        budget.report(worker, report, 0.0)
        held[worker] = mine + budget.grant(worker, report).more
        assert (spent + sum(held.values(), NOTHING)).within(budget.caps)
    assert budget.spent == spent


def test_what_a_dead_worker_had_reserved_counts_as_spent() -> None:
    budget = Budget(caps=Amounts(calls=10, tokens=1000), spent=NOTHING)
    wants = BudgetReport(caps=budget.caps, held=NOTHING, reserved=NOTHING, wants=CALL, next_call=CALL)
    budget.report("a", wants, 0.0)
    assert budget.grant("a", wants).more == CALL
    budget.report("a", BudgetReport(caps=budget.caps, held=CALL, reserved=CALL), 1.0)
    budget.forget_silent(5.0)
    assert budget.spent == CALL


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (CallError(Fault.TIMEOUT, ""), Fate.RETRY),
        (CallError(Fault.CONNECTION, ""), Fate.RETRY),
        (CallError(Fault.MALFORMED, ""), Fate.RETRY),
        *((CallError(Fault.STATUS, "", status=status), Fate.RETRY) for status in (408, 429, 500, 502, 503, 529)),
        *((CallError(Fault.STATUS, "", status=status), Fate.FAIL_ROW) for status in (400, 413, 422)),
        *((CallError(Fault.STATUS, "", status=status), Fate.STOP_RUN) for status in (401, 403, 404)),
        (CallError(Fault.STATUS, "", status=429, retry_after_s=86_400.0), Fate.FAIL_ROW),
    ],
)
def test_every_kind_of_error_has_its_fate(error: CallError, fate: Fate) -> None:
    assert error.fate is fate


@given(st.integers(1, 40), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 60)))
def test_waits_are_jittered_bounded_and_never_shorter_than_asked(
    attempt: int, drawn: float, after_s: float | None
) -> None:
    assert (after_s or 0.0) <= wait_s(attempt, drawn, after_s) <= (after_s or 0.0) + MAX_WAIT_S


def test_retry_after_is_read_in_seconds() -> None:
    assert [seconds_of(text) for text in ("2", " 0.5 ", "", "soon", "-1")] == [2.0, 0.5, None, None, None]


def request(text: str, **more: Any) -> ChatRequest:
    return ChatRequest(model="gpt-4o-mini", messages=({"role": "user", "content": text},), **more)


def asked(
    script: Script, texts: list[str], *, plan: CallPlan | None = None, cache: Any = None, desk: Desk | None = None
) -> tuple[ChatServer, list[ChatReply | BaseException]]:
    """Every text asked at once of a real server, with what became of it."""

    async def ask_all(server: ChatServer) -> list[ChatReply | BaseException]:
        async with open_caller(plan or CallPlan(), run_id="eval-1", cache=cache, desk=desk) as caller:
            calls = (caller.chat(ChatEndpoint(url=server.url, key="k"), request(text)) for text in texts)
            return await asyncio.gather(*calls, return_exceptions=True)

    with chat_server(script) as server:
        return server, asyncio.run(ask_all(server))


def texts_of(found: list[ChatReply | BaseException]) -> list[str]:
    assert all(isinstance(reply, ChatReply) for reply in found), found
    return [reply.text for reply in found if isinstance(reply, ChatReply)]


def test_equal_calls_are_one_and_kept_ones_are_not_made_again() -> None:
    cache = MemoryCalls()
    server, found = asked(follows_schema, ["a", "b", "a", "a"], cache=cache)
    assert texts_of(found) == ["answer to a", "answer to b", "answer to a", "answer to a"]
    assert server.counts.total() == 2
    assert sorted(reply.cached for reply in found if isinstance(reply, ChatReply)) == [False, False, True, True]
    kept = [call.reply["message"]["content"] for call in cache.calls.values()]
    assert sorted(kept) == ["answer to a", "answer to b"]


@pytest.mark.parametrize("fault", [fails(500), malformed(), cut_off(), rate_limited(0), rate_limited()])
def test_what_may_pass_is_tried_again_until_it_does(fault: Any) -> None:
    server, found = asked(lambda asked: follows_schema(asked) if asked.nth else fault, ["a"])
    assert texts_of(found) == ["answer to a"]
    assert server.counts.total() == 2


def test_with_faults_of_every_kind_every_call_ends_answered() -> None:
    script = with_faults(follows_schema, seed=1, limited=0.2, broken=0.05, garbled=0.02)
    server, found = asked(script, [f"q{n}" for n in range(120)], plan=CallPlan(limits=Limits(in_flight=32)))
    assert texts_of(found) == [f"answer to q{n}" for n in range(120)]
    assert (server.answered.total(), server.paid_twice) == (120, [])


def test_retry_after_holds_for_every_call_of_every_worker() -> None:
    desk = Desk()
    refused: list[float] = []

    def script(asked: Asked) -> Any:
        if not refused:
            refused.append(time.monotonic())
            return rate_limited(0.6)
        return says("yes")

    async def ask_all(server: ChatServer) -> None:
        async with (
            open_caller(CallPlan(), run_id="one", desk=desk) as one,
            open_caller(CallPlan(), run_id="two", desk=desk) as two,
        ):
            endpoint = ChatEndpoint(url=server.url, key="k")
            first = asyncio.create_task(one.chat(endpoint, request("first")))
            async with asyncio.timeout(10):
                while not any(each.paused_until_s for each in desk._limiters.values()):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            await asyncio.gather(first, *(two.chat(endpoint, request(f"q{n}")) for n in range(5)))

    with chat_server(script) as server:
        asyncio.run(ask_all(server))
    assert all(each.at - refused[0] >= 0.6 for each in server.asked[1:])


def test_a_bad_key_fails_all_at_once() -> None:
    plan = CallPlan(limits=Limits(in_flight=4))
    server, found = asked(lambda _: fails(401, "bad key"), [f"q{n}" for n in range(50)], plan=plan)
    assert all(isinstance(error, UnauthenticatedError) for error in found)
    assert server.counts.total() <= 4


def test_a_call_that_never_works_fails_with_what_was_told() -> None:
    async def ask(server: ChatServer) -> None:
        async with open_caller(CallPlan()) as caller:
            caller._max_attempts = 2
            await caller.chat(ChatEndpoint(url=server.url, key="k"), request("a"))

    with chat_server(lambda _: fails(500, "out of order")) as server:
        with pytest.raises(RemoteError, match=r"failed 2 times.*HTTP 500.*out of order"):
            asyncio.run(ask(server))
        assert server.counts.total() == 2


PRICE = (24 * 0.15 + 7 * 0.6) / 1e6
"""Of one answer of the server's, in dollars."""


@pytest.mark.parametrize(
    ("caps", "most"),
    [(Caps(calls=13), 13), (Caps(tokens=31 * 20), 20), (Caps(cost=25 * PRICE, currency="USD"), 25)],
    ids=["calls", "tokens", "cost"],
)
def test_a_cap_is_never_exceeded_and_ends_the_run(caps: Caps, most: int) -> None:
    plan = CallPlan(caps=caps, limits=Limits(in_flight=8))
    server, found = asked(slowly(follows_schema, 0.01), [f"q{n}" for n in range(40)], plan=plan)
    answered = [reply for reply in found if isinstance(reply, ChatReply)]
    assert all(isinstance(error, CappedError) for error in found if not isinstance(error, ChatReply))
    assert 0 < len(answered) == server.answered.total() <= most
    if caps.calls is not None:
        assert len(answered) == most


def test_a_lost_desk_is_told_again_what_it_must_know() -> None:
    class Forgetful(Desk):
        """Loses everything at every tenth report."""

        reports = 0

        async def sync(self, report: Report) -> Reply:
            self.reports += 1
            if self.reports % 10 == 0:
                Desk.__init__(self)
            return await super().sync(report)

    desk = Forgetful()
    plan = CallPlan(limits=Limits(in_flight=6))
    server, found = asked(slowly(follows_schema, 0.05), [f"q{n}" for n in range(120)], plan=plan, desk=desk)
    assert len(texts_of(found)) == 120
    assert server.most_in_flight <= 6
    assert desk.reports >= 10


def test_a_request_rate_is_kept_at_the_server() -> None:
    plan = CallPlan(limits=Limits(in_flight=50, requests_per_minute=1200))
    server, found = asked(follows_schema, [f"q{n}" for n in range(50)], plan=plan)
    assert len(texts_of(found)) == 50
    times = sorted(each.at for each in server.asked)
    assert times[-1] - times[0] >= (50 - 1 - 20) / 20 - 0.1


def test_nothing_is_used_or_kept_where_the_cache_is_off() -> None:
    cache = MemoryCalls()
    asyncio.run(cache.keep(KeptCall(digest="x", reply={})))
    server, found = asked(follows_schema, ["a"], plan=CallPlan(mode=CacheMode.OFF), cache=cache)
    assert texts_of(found) == ["answer to a"]
    assert (server.counts.total(), len(cache.calls)) == (1, 1)


def test_calls_say_what_they_came_to_and_for_whom_they_were_made() -> None:
    cache = MemoryCalls()

    async def ask(url: str) -> CallScope:
        async with open_caller(CallPlan(), run_id="eval-1", cache=cache) as caller:
            with call_scope(CallScope(caller=caller, run_id="eval-1")) as scope:
                for _ in range(2):
                    await caller.chat(ChatEndpoint(url=url, key="k"), request("a"))
                return scope

    with chat_server() as server:
        scope = asyncio.run(ask(server.url))
    counts = scope.counts
    assert (counts.paid, counts.cached, counts.input_tokens, counts.output_tokens) == (1, 1, 24, 7)
    assert (counts.nanos, counts.currency) == (round((24 * 0.15 + 7 * 0.6) / 1e6 * 1e9), "USD")
    assert counts.worth_tokens == 62
    (kept,) = cache.calls.values()
    assert (kept.run_id, kept.model, kept.currency) == ("eval-1", "gpt-4o-mini", "USD")
    # Whether anything is traced is up to the process; what is kept leads to the call that was paid for.
    assert scope.trace_ids == [kept.reply["trace_id"]] * (2 if kept.reply["trace_id"] else 0)


def test_a_tenants_own_price_comes_before_the_list() -> None:
    own = {"model": "gpt-4o-mini", "provider": "", "currency": "CNY", "input": 1.0, "output": 2.0, "origin": "own"}
    prices = own_prices([own, {**own, "currency": "EUR", "origin": "list"}])
    cost = prices.cost("gpt-4o-mini", 1_000_000, 500_000)
    assert cost is not None
    assert (cost.amount, cost.currency) == (2.0, "CNY")
    assert prices.cost("nobody-knows-it", 1, 1) is None
