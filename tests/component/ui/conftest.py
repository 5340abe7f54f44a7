"""One seeded platform with pages for the whole folder; MLflow runs in a process of its own, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from aiplatform.eval.model import Change, Comparison
from aiplatform.storage.database import Database
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.databases import copy_sqlite
from aiplatform.ui.routes import Ui
from tests.component.ui import world as worlds
from tests.component.ui.world import World

PROJECT = "docs-assistant"


@dataclass(frozen=True)
class Seeded:
    """The world and what is in it."""

    world: World
    caller: Caller
    comparison: Comparison
    failed_trace: str
    experiment_id: str

    @property
    def base(self) -> str:
        return f"/default/{PROJECT}"

    @property
    def both_traces(self) -> str:
        """The page of the failed trace beside another one."""
        found = self.world.services.traces.list(self.caller.scope, limit=100).items
        other = next(trace.trace_id for trace in found if trace.trace_id != self.failed_trace)
        return f"/traces/compare?a={other}&b={self.failed_trace}"

    @property
    def row_id(self) -> str:
        """A row that the comparison's first candidate made worse."""
        found = self.world.services.evaluations.comparison_rows(
            self.caller, self.comparison.comparison_id, change=Change.WORSE, limit=1
        )
        return found.items[0].row_id

    @property
    def leaderboard(self) -> str:
        """The leaderboard of the data set that was compared on."""
        return f"/leaderboard?{urlencode({'data': self.comparison.data.label})}"

    @property
    def calibration(self) -> str:
        """The page of the newest calibration."""
        return f"/calibrations/{self.world.services.judges.calibrations(self.caller).items[0].calibration_id}"

    @property
    def queue(self) -> str:
        """The page of a review queue."""
        return f"/reviews/{self.world.services.reviews.list(self.caller)[0].queue_id}"

    @property
    def pages(self) -> list[str]:
        """Every page that shows something, below `/tenant/project`."""
        run_id = self.comparison.baseline.run_id
        comparison = f"/comparisons/{self.comparison.comparison_id}"
        trace = f"/traces/{self.failed_trace}"
        return [
            "", "?start=1", "?start=1&way=otel", "/traces", "/traces?q=status:error&last=24h", "/traces?sort=slowest",
            "/traces/searches", "/traces/to-dataset?q=errors:yes", f"/traces/to-dataset?pick={self.failed_trace}",
            trace, f"{trace}?part=attributes", f"{trace}?part=events", f"{trace}?part=scores", f"{trace}?part=raw",
            "/usage", "/usage?last=30d",
            "/sessions", "/sessions?q=s-0001&last=30d", "/sessions/s-0001",
            self.both_traces, f"{self.both_traces}&only=different&pair=1", f"/traces/compare?b={self.failed_trace}",
            "/evaluations", f"/evaluations/{run_id}", f"/evaluations/{run_id}?slice=language%3Dzh&state=scored",
            f"/evaluations/{run_id}/row?id={self.row_id}", f"{comparison}/row?id={self.row_id}", self.leaderboard,
            "/datasets/python-faq/changes?before=1&after=2", "/datasets/python-faq/changes?before=1&after=2&fate=added",
            "/judges", self.calibration, "/reviews", self.queue, f"{self.queue}?which=done",
            f"{self.queue}?which=conflict",
            comparison, f"{comparison}?metric=mrr&change=better", f"{comparison}?slice=language%3Dzh",
            "/datasets", "/datasets/python-faq", "/datasets/python-faq?version=1&offset=25",
            "/experiments", f"/experiments/{self.experiment_id}", f"/experiments/{self.experiment_id}?columns=all",
            "/models", "/models/qa", "/models/qa?version=1",
            "/deployments", "/deployments/docs-assistant", "/deployments/reranker?way=curl",
            "/members", "/keys",
        ]  # fmt: skip

    @property
    def templates(self) -> list[str]:
        """One address for every template: what a browser looks at."""
        run_id = self.comparison.baseline.run_id
        return [
            "", "?start=1", "/traces?last=24h", f"/traces/{self.failed_trace}",
            f"/traces/{self.failed_trace}?part=attributes", self.both_traces, "/traces/searches",
            f"/traces/to-dataset?pick={self.failed_trace}", f"/traces/erase?pick={self.failed_trace}",
            "/sessions", "/sessions/s-0001", "/usage",
            "/evaluations", f"/evaluations/{run_id}",
            f"/comparisons/{self.comparison.comparison_id}",
            f"/comparisons/{self.comparison.comparison_id}/row?id={self.row_id}", self.leaderboard,
            "/judges", self.calibration, "/reviews", self.queue,
            "/datasets", "/datasets/python-faq", "/datasets/python-faq/changes?before=1&after=2", "/experiments",
            f"/experiments/{self.experiment_id}", "/models", "/models/qa", "/deployments",
            "/deployments/docs-assistant", "/members", "/keys",
        ]  # fmt: skip


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with worlds.mlflow_process(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture(scope="session")
def seeded(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, mlflow_url: str) -> Iterator[Seeded]:
    """A platform that a team has worked with. Tests read it, and change only what they make themselves."""
    folder = tmp_path_factory.mktemp("seeded")
    database = Database(copy_sqlite(sqlite_template, folder / "platform.db"))
    holder: dict[str, Ui] = {}
    with PlatformUnderTest(database, error_page=worlds.error_page_of(holder)) as platform:
        world = worlds.build_world(platform, holder, folder, mlflow_url=mlflow_url)
        caller = platform.caller(Role.ADMIN, project=PROJECT)
        comparison = worlds.seed(world, caller)
        worlds.seed_judging(world, caller, comparison.baseline.run_id)
        experiment_id = worlds.seed_mlflow(world, caller, folder)
        found = world.services.traces.list(caller.scope, limit=100).items
        failed = next(trace.trace_id for trace in found if trace.num_errors)
        yield Seeded(
            world=world, caller=caller, comparison=comparison, failed_trace=failed, experiment_id=experiment_id
        )
        world.close()
    database.close()


@pytest.fixture
def make_world(make_platform: Callable[..., PlatformUnderTest], tmp_path: Path) -> Iterator[Callable[..., World]]:
    """A function that makes an empty platform with pages on the test's own database."""
    made: list[World] = []

    def make(**options: Any) -> World:
        holder: dict[str, Ui] = {}
        platform = make_platform(error_page=worlds.error_page_of(holder))
        made.append(worlds.build_world(platform, holder, tmp_path, **options))
        return made[-1]

    yield make
    for world in made:
        world.close()
