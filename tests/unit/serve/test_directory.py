"""What the doors know of deployments: read once for all who ask at the same moment, and again when it is old."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from aiplatform.core.errors import AIPlatformError, NotFoundError, TransientError
from aiplatform.core.scope import Scope
from aiplatform.serve.directory import MISS_TTL_S, TTL_S, Directory
from aiplatform.serve.model import Deployment

HERE = Scope(tenant_id="acme", project_id="default")


class Rows:
    """A list that counts how often it is read, and waits until it may answer."""

    def __init__(self) -> None:
        self.num_reads = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.problem: AIPlatformError | None = None

    def list(self, scope: Scope) -> Sequence[Deployment]:
        self.num_reads += 1
        assert self.may_answer.wait(10)
        if self.problem is not None:
            raise self.problem
        return []


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def test_those_who_ask_at_the_same_moment_share_one_read(rows: Rows, ticks: Ticks) -> None:
    async def ask() -> None:
        directory = Directory(rows, monotonic=ticks)
        rows.may_answer.clear()
        asking = [asyncio.create_task(directory.all(HERE)) for _ in range(8)]
        await asyncio.sleep(0)
        asking[0].cancel()  # one who leaves takes the answer from nobody
        rows.may_answer.set()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert answers[1:] == [{}] * 7

    asyncio.run(ask())
    assert rows.num_reads == 1


def test_what_is_old_is_read_again_and_an_unknown_name_sooner(rows: Rows, ticks: Ticks) -> None:
    async def ask() -> None:
        directory = Directory(rows, monotonic=ticks)
        await directory.all(HERE)
        await directory.all(HERE)
        assert rows.num_reads == 1
        ticks.now = MISS_TTL_S
        with pytest.raises(NotFoundError, match="nobody"):
            await directory.find(HERE, "nobody")
        assert rows.num_reads == 2
        ticks.now += TTL_S
        await directory.all(HERE)
        assert rows.num_reads == 3

    asyncio.run(ask())


def test_a_database_that_is_away_is_told_to_all_and_asked_again(rows: Rows, ticks: Ticks) -> None:
    async def ask() -> None:
        directory = Directory(rows, monotonic=ticks)
        rows.problem = TransientError("The database is away.")
        answers = await asyncio.gather(*(directory.all(HERE) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(answer, TransientError) for answer in answers)
        rows.problem = None
        assert await directory.all(HERE) == {}

    asyncio.run(ask())
    assert rows.num_reads == 2
