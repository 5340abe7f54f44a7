"""One holder at a time, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from aiplatform.gateway.leases import Lease
from aiplatform.storage.database import Database
from aiplatform.testing.clock import FakeClock


def _lease(database: Database, clock: FakeClock, holder: str) -> Lease:
    return Lease(database, "worker", holder=holder, lifetime_s=15, clock=clock)


def test_the_first_holds_it_until_it_lets_go(database: Database, clock: FakeClock) -> None:
    first, second = _lease(database, clock, "a"), _lease(database, clock, "b")
    assert first.hold()
    assert not second.hold()
    assert first.hold()
    second.release()
    assert not second.hold(), "only the holder can let go"
    first.release()
    assert second.hold()


def test_a_lease_that_is_not_renewed_falls_to_another(database: Database, clock: FakeClock) -> None:
    first, second = _lease(database, clock, "a"), _lease(database, clock, "b")
    assert first.hold()
    clock.advance(14)
    assert first.hold()
    clock.advance(14)
    assert not second.hold()
    clock.advance(2)
    assert second.hold()
    assert not first.hold()


def test_leases_of_different_names_are_apart(database: Database, clock: FakeClock) -> None:
    assert Lease(database, "one", holder="a", lifetime_s=15, clock=clock).hold()
    assert Lease(database, "two", holder="b", lifetime_s=15, clock=clock).hold()


def test_of_many_that_ask_at_once_one_gets_it(database: Database, clock: FakeClock) -> None:
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda index: _lease(database, clock, f"h{index}").hold(), range(8)))
    assert sum(held) == 1
