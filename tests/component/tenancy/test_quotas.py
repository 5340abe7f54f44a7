"""Limits hold to the last unit: over threads, over processes, over one that is killed, over HTTP."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import func, insert, select

from aiplatform.core.clock import SystemClock
from aiplatform.core.errors import RateLimitedError
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.tables.tenancy import tenant_specs
from aiplatform.storage.tables.tracing import spans as spans_table
from aiplatform.tenancy import lease_store
from aiplatform.tenancy.leases import RENEW_S, Leases
from aiplatform.tenancy.limits import DAY_NS, MINUTE_NS, Resource, window_start
from aiplatform.tenancy.permissions import Role
from aiplatform.tenancy.routes import build_routes
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.clock import START_NS, FakeClock
from aiplatform.testing.otlp import export_request, make_span
from aiplatform.tracing.endpoint import OtlpEndpoint
from aiplatform.tracing.entry import SignalEntry
from aiplatform.tracing.service import Traces
from aiplatform.tracing.signals import TRACES
from tests.component.tenancy.lease_process import HOLD_S

ACME = Scope(tenant_id="acme")
LIMIT = 211
NOW_NS = START_NS


def limit(database: Database, **quotas: int) -> None:
    with database.transaction(ACME) as tx:
        row = {"spec": {}, "quotas": quotas, "applied_ns": 1, "applied_by": "user:test"}
        tx.insert(insert(tenant_specs), row)


def taken(leases: Leases, resource: Resource, attempts: int, *, threads: int = 1, amount: int = 1) -> int:
    def take(_: int) -> int:
        try:
            if not leases.take_now("acme", resource, amount):
                leases.take("acme", resource, amount)
        except RateLimitedError:
            return 0
        return amount

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(take, range(attempts)))


@contextmanager
def process(url: str, resource: Resource, attempts: int, threads: int) -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-m",
        "tests.component.tenancy.lease_process",
        url,
        resource,
        str(attempts),
        str(threads),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def told(running: subprocess.Popen[str]) -> int:
    assert running.stdout is not None
    return int(running.stdout.readline())


def test_fifty_callers_of_two_entries_get_the_limit_and_not_one_more(database: Database, clock: FakeClock) -> None:
    limit(database, requests_per_minute=LIMIT)
    entries = [Leases(database, clock) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        had = list(pool.map(lambda entry: taken(entry, Resource.REQUESTS, LIMIT, threads=25), entries))
    # Each got what it asked for until the limit; what is leased and not used goes back when an entry ends.
    assert sum(had) <= LIMIT
    for entry in entries:
        entry.close()
    last = Leases(database, clock)
    assert sum(had) + taken(last, Resource.REQUESTS, LIMIT) == LIMIT
    assert taken(last, Resource.REQUESTS, 1) == 0
    last.close()


def test_the_next_minute_begins_anew(database: Database, clock: FakeClock) -> None:
    limit(database, requests_per_minute=3)
    leases = Leases(database, clock, monotonic=lambda: clock.now_ns() / 1e9)
    assert taken(leases, Resource.REQUESTS, 5) == 3
    with pytest.raises(RateLimitedError) as refused:
        leases.take("acme", Resource.REQUESTS, 1)
    assert refused.value.full_code == "quota.requests_per_minute"
    assert refused.value.retry_after_s == (window_start(Resource.REQUESTS, NOW_NS) + MINUTE_NS - NOW_NS) / 1e9
    clock.advance(refused.value.retry_after_s)
    assert taken(leases, Resource.REQUESTS, 5) == 3
    leases.close()


def test_amounts_that_do_not_fit_are_refused_whole_and_smaller_ones_still_fit(
    database: Database, clock: FakeClock
) -> None:
    limit(database, spans_per_day=1000)
    leases = Leases(database, clock, monotonic=lambda: clock.now_ns() / 1e9)
    assert taken(leases, Resource.SPANS, 1, amount=600) == 600
    assert taken(leases, Resource.SPANS, 1, amount=600) == 0
    assert taken(leases, Resource.SPANS, 1, amount=400) == 400
    assert taken(leases, Resource.SPANS, 1, amount=1) == 0
    leases.give_back("acme", Resource.SPANS, 400, taken_ns=NOW_NS)
    clock.advance(1)
    assert taken(leases, Resource.SPANS, 1, amount=400) == 400
    clock.advance(DAY_NS / 1e9)
    assert taken(leases, Resource.SPANS, 1, amount=1000) == 1000
    leases.close()


def test_what_is_given_back_can_be_had_again_and_never_more_at_a_time(database: Database, clock: FakeClock) -> None:
    limit(database, concurrent_requests=7)
    entries = [Leases(database, clock, monotonic=lambda: clock.now_ns() / 1e9) for _ in range(2)]
    running, most = 0, 0
    lock = threading.Lock()

    def call(number: int) -> bool:
        nonlocal running, most
        entry = entries[number % 2]
        try:
            if not entry.take_now("acme", Resource.CONCURRENT_REQUESTS, 1):
                entry.take("acme", Resource.CONCURRENT_REQUESTS, 1)
        except RateLimitedError:
            return False
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)  # the call's own time
        with lock:
            running -= 1
        entry.give_back("acme", Resource.CONCURRENT_REQUESTS, 1)
        return True

    with ThreadPoolExecutor(50) as pool:
        assert any(pool.map(call, range(300)))
    assert 0 < most <= 7
    for entry in entries:
        entry.close()
    with database.read(ACME) as tx:
        assert lease_store.held(tx, Resource.CONCURRENT_REQUESTS, clock.now_ns()) == 0


def test_a_renewal_keeps_what_runs_and_frees_what_does_not(database: Database, clock: FakeClock) -> None:
    limit(database, concurrent_requests=4)
    one, other = (Leases(database, clock, monotonic=lambda: clock.now_ns() / 1e9) for _ in range(2))
    assert taken(one, Resource.CONCURRENT_REQUESTS, 9) == 4
    one.give_back("acme", Resource.CONCURRENT_REQUESTS, 3)
    for _ in range(8):
        clock.advance(RENEW_S)
        one.renew()
    assert taken(other, Resource.CONCURRENT_REQUESTS, 9) == 3
    clock.advance(1)
    assert taken(one, Resource.CONCURRENT_REQUESTS, 9) == 0, "the other entry has them"
    one.close()
    other.close()


@pytest.mark.timeout(120)
def test_a_killed_entry_frees_what_ran_there_and_takes_no_more_than_it_leased(database_url: str) -> None:
    database = Database(database_url)
    limit(database, concurrent_requests=5, spans_per_day=400)
    mine = Leases(database, SystemClock())
    with process(database_url, Resource.CONCURRENT_REQUESTS, 3, 3) as other:
        assert told(other) == 3
        assert taken(mine, Resource.CONCURRENT_REQUESTS, 50, threads=25) == 2
        other.kill()
        other.wait()
        until = time.monotonic() + 10 * HOLD_S
        more = 0
        while more < 3 and time.monotonic() < until:
            more += taken(mine, Resource.CONCURRENT_REQUESTS, 1)
            time.sleep(0.05)
        assert more == 3
        assert taken(mine, Resource.CONCURRENT_REQUESTS, 9) == 0
    with process(database_url, Resource.SPANS, 150, 25) as other:
        had = told(other)
        other.kill()
        other.wait()
    rest = taken(mine, Resource.SPANS, 400, threads=25)
    assert had == 150
    assert rest <= 250, "never over"
    with database.read(ACME) as tx:
        granted = lease_store.granted_in_window(
            tx, Resource.SPANS, window_start(Resource.SPANS, SystemClock().now_ns())
        )
    assert granted == 400, "what is missing was leased by the killed entry"
    mine.close()
    database.close()


def test_over_http_a_caller_learns_which_limit_was_hit_and_a_browser_is_not_counted(
    platform: PlatformUnderTest,
) -> None:
    platform.attach(build_routes(platform.tenancy))
    limit(platform.database, requests_per_minute=3)
    client = platform.client(Role.ADMIN, tenant="acme")
    said = [client.get("/api/v1/me") for _ in range(4)]
    assert [answer.status_code for answer in said] == [200, 200, 200, 429]
    assert said[-1].json()["error"]["code"] == "quota.requests_per_minute"
    assert "3 requests a minute" in said[-1].json()["error"]["message"]
    assert 1 <= int(said[-1].headers["retry-after"]) <= 60
    assert platform.client(Role.ADMIN, tenant="other").get("/api/v1/me").status_code == 200
    used = platform.client(Role.PLATFORM_ADMIN).get("/api/v1/tenants/acme").json()["quotas"]
    assert [(one["resource"], one["limit"], one["used"]) for one in used] == [("requests_per_minute", 3, 3)]


def test_spans_over_the_limit_are_refused_whole_and_what_is_not_stored_does_not_count(
    platform: PlatformUnderTest,
) -> None:
    limit(platform.database, spans_per_day=5, concurrent_requests=10)
    with closing(Traces(platform.database)) as traces:
        entry = SignalEntry(traces, TRACES, admission=platform.tenancy.admission)
        platform.serve_raw(OtlpEndpoint(entry))
        client = platform.client(Role.DEVELOPER, tenant="acme")

        def send(first: int, count: int) -> int:
            spans = [make_span(number, trace=1) for number in range(first, first + count)]
            body = export_request(spans).SerializeToString()
            answer = client.post("/", content=body, headers={"content-type": "application/x-protobuf"})
            return answer.status_code

        assert send(1, 3) == 200
        assert send(4, 3) == 429
        assert send(4, 2) == 200
        assert send(6, 1) == 429
        with platform.database.read(ACME) as tx:
            assert tx.execute(select(func.count()).select_from(spans_table)).scalar() == 5
