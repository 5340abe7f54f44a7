"""Limits hold to the last unit: over threads, over processes, over one that is killed, over HTTP."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import insert

from aiplatform.core.clock import SystemClock
from aiplatform.core.errors import RateLimitedError
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.tables.tenancy import tenant_specs
from aiplatform.tenancy import lease_store
from aiplatform.tenancy.leases import RENEW_S, Leases
from aiplatform.tenancy.limits import DAY_NS, MINUTE_NS, Resource, window_start
from aiplatform.testing.clock import START_NS, FakeClock
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
