"""What every tier of tests shares: both databases, a clock, and the real authentication layer in process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from aiplatform.storage.database import Database
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.databases import copy_sqlite, create_schema, empty_postgres
from aiplatform.testing.postgres import PostgresServer, server_programs
from tests.lanes import lane_of, rank_of

TEST_DATABASE = "test"

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the files of a lane together; among themselves they keep the random order."""
    items.sort(key=lambda item: rank_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole lanes, in the order in which they were collected."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = lane_of
    return scheduler


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "platform.db"
    create_schema(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server a session; its databases are reached as a role that cannot bypass row-level security."""
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server programs here: install Debian's `postgresql`")
    with PostgresServer(programs) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_database(postgres_server: PostgresServer) -> str:
    """Address of the session's prepared database; `postgres_url` empties it for each test."""
    url = postgres_server.create_database(TEST_DATABASE)
    create_schema(url)
    return url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Address of an empty SQLite database with every table."""
    return copy_sqlite(sqlite_template, tmp_path / "platform.db")


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_database: str) -> Iterator[str]:
    """Address of an empty PostgreSQL database with every table and its policies."""
    yield postgres_database
    empty_postgres(postgres_server, TEST_DATABASE)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Address of an empty database: the test runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database: the test runs once on SQLite and once on PostgreSQL."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """An empty SQLite database, where one dialect is enough."""
    opened = Database(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def make_platform(database: Database) -> Iterator[Callable[..., PlatformUnderTest]]:
    """A function that makes an in-process platform on the test's database; see `aiplatform.testing.asgi`."""
    made: list[PlatformUnderTest] = []

    def make(**options: Any) -> PlatformUnderTest:
        made.append(PlatformUnderTest(database, **options))
        return made[-1]

    yield make
    for platform in made:
        platform.close()


@pytest.fixture
def platform(make_platform: Callable[..., PlatformUnderTest]) -> PlatformUnderTest:
    """An in-process platform on the test's database: attach routes to it."""
    return make_platform()
