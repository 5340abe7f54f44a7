"""Runs that go on, what a run was made of, and what it would cost: on real routes, without a cluster."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.core.errors import ConflictError, InvalidError
from aiplatform.eval import api as evaluations
from aiplatform.eval.blocks import BlockEvaluator, Plan
from aiplatform.eval.calling.opening import CallPlan, open_caller
from aiplatform.eval.calls import FunctionModel
from aiplatform.eval.estimating import predicted_sum
from aiplatform.eval.inputs import open_source
from aiplatform.eval.model import RunStatus
from aiplatform.eval.ordering import RunOrder, model_of
from aiplatform.eval.recording import recorded_order
from aiplatform.eval.resuming import _order
from aiplatform.eval.run_service import SILENT_AFTER_NS
from aiplatform.eval.scorers import Row, resolve, scorer
from aiplatform.eval.spec import parse_spec
from tests.component.eval.conftest import ApiSink, House
from tests.testing.chat_server import Asked, chat_server, says

SPEC = {"name": "v2", "data": {"dataset": "faq@3"}, "scorers": ["hit@1"]}
ROWS = [{"id": f"r{n}", "input": f"q{n}", "expected": f"a{n}"} for n in range(12)]
CALLS: list[str] = []


@pytest.fixture
def api(house: House) -> Iterator[Client]:
    """A client over a socket, whose credentials reach the platform from any thread or loop."""
    with house.platform.listen() as url:
        where = Credentials(url=url, project_id="default", key=house.platform.key())
        with Client(where) as client:
            yield client


def answer(question: str) -> str:
    CALLS.append(question)
    return question.replace("q", "a")


def answer_all(questions: list[str]) -> list[str]:
    return [answer(question) for question in questions]


async def answer_async(question: str) -> str:
    return answer(question)


@scorer
def short(row: Row) -> bool:
    return len(row.output) < 3


async def evaluated(api: Client, model: FunctionModel, rows: list[dict[str, Any]], run_id: str, key: str = "") -> Any:
    plan = Plan(run_id=run_id, model=model, scorers=resolve(["exact_match"]), credentials=api.credentials)
    async with open_caller(CallPlan(), run_id=run_id, credentials=api.credentials) as caller:
        return await BlockEvaluator(plan, ApiSink(api)).evaluated(rows, caller, key=key)


@pytest.mark.anyio
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "model",
    [
        FunctionModel(function=answer),
        FunctionModel(function=answer_async),
        FunctionModel(function=answer_all, batch=True),
    ],
    ids=["sync", "async", "batch"],
)
async def test_a_resumed_run_calls_a_function_for_new_rows_alone(api: Client, model: FunctionModel) -> None:
    CALLS.clear()
    await evaluated(api, model, ROWS[:5], "eval-f")
    result = await evaluated(api, model, ROWS, "eval-f")
    assert (sorted(CALLS), result.errors) == (sorted(row["input"] for row in ROWS), 0)
    await evaluated(api, model, ROWS[:1], "eval-other")
    assert len(CALLS) == 13, "another run shares nothing unless a key says that the function is the same"


@pytest.mark.anyio
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_runs_share_a_functions_answers_by_its_key(api: Client) -> None:
    CALLS.clear()
    for run_id, key in (("one", "v1"), ("two", "v1"), ("three", "v2")):
        await evaluated(api, FunctionModel(function=answer, cache_key=key), ROWS[:3], run_id)
    assert len(CALLS) == 6


@pytest.mark.anyio
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_finished_block_is_taken_as_it_is(api: Client, house: House) -> None:
    model = FunctionModel(function=answer)
    first = await evaluated(api, model, ROWS, "eval-b", key="ab" * 16)
    CALLS.clear()
    again = await evaluated(
        api, FunctionModel(function=answer, cache_key="none is called"), ROWS, "eval-b", key="ab" * 16
    )
    assert CALLS == []
    assert again.file == first.file
    refs = [each.ref for each in resolve(["exact_match"])]
    assert again.state.metrics(refs) == first.state.metrics(refs)
    assert again.state.rows_digest == first.state.rows_digest
    path = f"/api/v1/artifacts/{first.file.path}"
    api.request("PUT", path, content=b"not Parquet")
    replaced = await evaluated(api, model, ROWS, "eval-b", key="ab" * 16)
    assert replaced.errors == 0


def test_a_run_that_ended_without_a_result_goes_on_as_a_job(house: House) -> None:
    api = house.platform.api()
    api.post("/api/v1/evaluations", {"name": "v2", "run_id": "eval-7", "spec": SPEC, "start": True})
    with pytest.raises(ConflictError, match="nothing to resume"):
        api.post("/api/v1/evaluations/eval-7:resume")
    evaluations.cancel("eval-7", client=api)
    run = api.post("/api/v1/evaluations/eval-7:resume", {"max_calls": 9})
    assert (run["status"], run["attempt"], run["job_id"]) == ("queued", 2, "eval-7.2")
    assert (run["spec"]["max_calls"], house.jobs.specs[-1].submission_id) == (9, "eval-7.2")
    with pytest.raises(ConflictError, match="resumed elsewhere"):
        api.request("PATCH", "/api/v1/evaluations/eval-7", json={"done_rows": 1, "attempt": 1})
    api.request("PATCH", "/api/v1/evaluations/eval-7", json={"status": "completed", "attempt": 2})
    assert api.post("/api/v1/evaluations/eval-7:resume")["status"] == "completed"


def test_a_driver_that_was_only_slow_lets_its_run_go_on(house: House) -> None:
    api = house.platform.api()
    api.post("/api/v1/evaluations", {"name": "v2", "run_id": "eval-8"})
    house.clock.advance(SILENT_AFTER_NS / 1e9 + 1)
    assert house.service.sweep() == 1
    seen = evaluations.get("eval-8", client=api)
    assert (seen.status, seen.status.is_resumable) == (RunStatus.INTERRUPTED, True)
    api.request("PATCH", "/api/v1/evaluations/eval-8", json={"done_rows": 3, "attempt": 1})
    seen = evaluations.get("eval-8", client=api)
    assert (seen.status, seen.run.error, seen.run.ended_ns) == (RunStatus.RUNNING, "", None)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_run_is_made_again_of_what_was_recorded(house: House, api: Client) -> None:
    model = evaluations.endpoint("m", url="http://models.test/v1", options={"temperature": 0.5})
    order = RunOrder(name="v", data=ROWS, model=model, scorers=["exact_match", short], seed=7, slices=("a",))
    document = recorded_order(order, model, open_source(ROWS, api), "eval-9", api)
    parse_spec(document)
    house.platform.api().post("/api/v1/evaluations", {"name": "v", "run_id": "eval-9", "spec": document})
    run = evaluations.cancel("eval-9", client=api).run
    again = _order(run, api, data=None, model=None, scorers=None)
    assert (again.model, again.seed, again.slices) == (model, 7, ("a",))
    assert [each.name for each in resolve(again.scorers)] == ["exact_match", "short"]
    assert again.data.equals(open_source(ROWS, api).table)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_no_module_holds_must_be_given_again(house: House, api: Client) -> None:
    order = RunOrder(name="v", data=ROWS, model=lambda text: text, scorers=["exact_match"])
    document = recorded_order(order, model_of(order.model), open_source(ROWS, api), "eval-10", api)
    api.post("/api/v1/evaluations", {"name": "v", "run_id": "eval-10", "spec": document})
    evaluations.cancel("eval-10", client=api)
    with pytest.raises(InvalidError, match="by its id alone"):
        evaluations.resume("eval-10", client=api)
    run = evaluations.get("eval-10", client=api).run
    assert _order(run, api, data=None, model=answer, scorers=None).model is answer


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_estimate_covers_what_the_run_costs_and_its_sample_is_not_paid_again(api: Client) -> None:
    def script(asked: Asked) -> Any:
        return says("a", input_tokens=100 + len(asked.text), output_tokens=50, latency_s=0.01)

    rows = [{"id": str(n), "input": "x" * (n % 40) + str(n), "expected": "a"} for n in range(200)]
    with chat_server(script) as server:
        model = evaluations.endpoint("gpt-4o-mini", url=server.url, key="k", in_flight=10)
        found = evaluations.estimate(rows, model, scorers=["exact_match"], rows=20, client=api)
        assert server.answered.total() == 20
        again = evaluations.estimate(rows, model, scorers=["exact_match"], rows=20, client=api)
        assert (server.answered.total(), again.paid, again.cost) == (20, 0.0, found.cost)
    rest = sum(100 + len(row["input"]) + 50 for row in rows) * 180 / 200
    assert (found.num_rows, found.sample_rows, found.failed_rows) == (200, 20, 0)
    assert found.calls.value == found.calls.low == 180
    assert found.tokens.low <= rest <= found.tokens.high
    assert found.cost is not None
    assert (found.currency, found.paid > 0) == ("USD", True)
    assert 0.18 <= found.duration_s.value <= 20


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_rows_of_a_file_are_estimated_too(api: Client, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    found = evaluations.estimate(tmp_path / "rows.parquet", answer, scorers=["exact_match"], rows=5, client=api)
    assert (found.num_rows, found.sample_rows, found.failed_rows, found.cost) == (12, 5, 0, None)


def test_predicted_sums_cover_what_they_promise() -> None:
    drawn = random.Random(3)
    hits = 0
    for _ in range(400):
        values = [drawn.gauss(10, 3) for _ in range(120)]
        found = predicted_sum(values[:20], 100)
        hits += found.low <= math.fsum(values[20:]) <= found.high
    assert 0.92 <= hits / 400 <= 0.98
    assert predicted_sum([2.0], 3).high == math.inf
    assert predicted_sum([1.0, 3.0], 0).value == 0.0
    assert predicted_sum([1.0, 3.0], 5).value == statistics.mean([1, 3]) * 5
