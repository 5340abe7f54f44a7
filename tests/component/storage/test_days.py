"""Partitions by day and bulk inserts, where the two databases differ most."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.days import DayPartitions
from aiplatform.storage.tables.tracing import span_resources, spans

OURS = Scope(tenant_id="ours", project_id="p")
THEIRS = Scope(tenant_id="theirs", project_id="p")
DAYS = (-3, 20_000, 20_001)
COLUMNS = ("trace_id", "span_id", "day", "name", "kind", "status", "start_ns", "resource_key", "raw")


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    yield opened
    opened.close()


def row(day: int, name: str = "work") -> tuple[object, ...]:
    return ("t" * 32, "s" * 16, day, name, "span", "ok", day, "r", b"raw")


def test_rows_go_in_by_the_hundred_and_a_repeat_changes_nothing(database: Database) -> None:
    DayPartitions(database, spans).ensure(DAYS)
    for name in ("first", "second"):
        with database.transaction(OURS) as tx:
            tx.insert_rows(spans, COLUMNS, [row(day, name) for day in DAYS])
    with database.read(OURS) as tx:
        kept = tx.execute(select(spans.c.tenant_id, spans.c.project_id, spans.c.name)).all()
    assert [tuple(one) for one in kept] == [("ours", "p", "first")] * len(DAYS)
    with database.read(THEIRS) as tx:
        assert tx.execute(select(spans)).all() == []


def test_a_row_may_take_the_place_of_its_twin(database: Database) -> None:
    for content in (b"old", b"new"):
        with database.transaction(OURS) as tx:
            tx.insert_rows(span_resources, ("resource_key", "resource", "scope"), [("k", content, b"")], replace=True)
    with database.read(OURS) as tx:
        assert tx.execute(select(span_resources.c.resource)).scalars().all() == [b"new"]


@pytest.mark.postgres
def test_many_who_need_the_same_day_make_it_once(postgres: Database) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: DayPartitions(postgres, spans).ensure(DAYS), range(6)))
    DayPartitions(postgres, spans).ensure(DAYS)


@pytest.mark.postgres
def test_a_partition_that_is_named_directly_shows_nobody_elses_rows(postgres: Database) -> None:
    DayPartitions(postgres, spans).ensure(DAYS)
    with postgres.transaction(OURS) as tx:
        tx.insert_rows(spans, COLUMNS, [row(20_000)])
    count = text("SELECT count(*) FROM spans_d20000")
    for scope, seen in ((OURS, 1), (THEIRS, 0)):
        with postgres.read(scope) as tx:
            assert tx._connection.execute(count).scalar() == seen
    copy = text("INSERT INTO spans_d20000 SELECT * FROM spans_d20000")
    forged = text("UPDATE spans_d20000 SET tenant_id = 'theirs'")
    for statement in (copy, forged):
        with pytest.raises(DBAPIError), postgres.transaction(OURS) as tx:
            tx._connection.execute(statement)
