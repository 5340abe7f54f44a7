"""What is remembered of callers, with a database that answers only when the test lets it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from aiplatform.core.errors import UnauthenticatedError
from aiplatform.storage.database import Database
from aiplatform.tenancy.auth import CACHE_TTL_S, Authenticator
from aiplatform.tenancy.credentials import Credential
from aiplatform.tenancy.directory import Directory
from aiplatform.testing.clock import FakeClock

HEADERS = "x-api-key"


class SlowDatabase(Database):
    """A database whose next read across tenants waits for the test."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.reads = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.is_reading = threading.Event()

    @contextmanager
    def system(self, purpose: str, *, write: bool = True) -> Iterator[Any]:
        with super().system(purpose, write=write) as tx:
            yield tx
        if purpose == "authenticate":
            self.reads += 1
            self.is_reading.set()
            assert self.go_on.wait(30)


@pytest.fixture
def slow(sqlite_url: str) -> Iterator[SlowDatabase]:
    database = SlowDatabase(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def seconds() -> list[float]:
    return [0.0]


@pytest.fixture
def authenticator(slow: SlowDatabase, seconds: list[float]) -> Iterator[Authenticator]:
    made = Authenticator(slow, clock=FakeClock(), monotonic=lambda: seconds[0])
    yield made
    made.close()


@pytest.fixture
def key(slow: SlowDatabase, authenticator: Authenticator) -> str:
    made = Directory(slow, FakeClock(), authenticator).ensure_default(None)
    assert made is not None
    return made.text


def test_one_lookup_serves_everybody_who_comes_while_it_runs(
    slow: SlowDatabase, authenticator: Authenticator, key: str, seconds: list[float]
) -> None:
    caller = authenticator.authenticate({HEADERS: key})
    seconds[0] = CACHE_TTL_S
    slow.go_on.clear()
    slow.is_reading.clear()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(authenticator.authenticate, {HEADERS: key})
        assert slow.is_reading.wait(30)
        assert [authenticator.authenticate({HEADERS: key}) for _ in range(100)] == [caller] * 100
        slow.go_on.set()
        assert looking.result() == caller
    assert slow.reads == 2


def test_what_was_read_before_a_change_is_not_remembered_after_it(
    slow: SlowDatabase, authenticator: Authenticator, key: str
) -> None:
    slow.go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(authenticator.authenticate, {HEADERS: key})
        assert slow.is_reading.wait(30)
        authenticator.forget()
        slow.go_on.set()
        looking.result()
    authenticator.authenticate({HEADERS: key})
    assert slow.reads == 2


def test_a_key_that_opens_nothing_is_asked_for_every_time(slow: SlowDatabase, authenticator: Authenticator) -> None:
    unknown = Credential(digest="0", is_session=False, project_id=None)
    for _ in range(2):
        with pytest.raises(UnauthenticatedError):
            authenticator.look_up(unknown)
    assert authenticator.remembered(unknown) is None
    assert slow.reads == 2
