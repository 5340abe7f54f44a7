from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aiplatform.client.credentials import Credentials
from aiplatform.core.errors import InvalidError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from aiplatform.eval import rows
from aiplatform.eval.blocks import BlockEvaluator, BlockResult, Plan, row_of
from aiplatform.eval.calling import ChatEndpoint
from aiplatform.eval.calling.transport import ChatTransport
from aiplatform.eval.calls import Endpoint, FunctionModel, Model, StoredAnswers
from aiplatform.eval.inputs import open_source
from aiplatform.eval.loading import load_object
from aiplatform.eval.model import ModelKind, RowResult, ScoreState
from aiplatform.eval.ordering import model_of
from aiplatform.eval.scorers import Row, resolve
from tests.testing.chat_server import ChatServer, chat_server, fails, rate_limited, says
from tests.testing.row_files import MemoryFiles


def evaluated(
    model: Model, records: list[dict[str, Any]], scorers: tuple[Any, ...] = ("exact_match",), **fields: Any
) -> tuple[BlockResult, list[RowResult]]:
    sink = MemoryFiles()
    plan = Plan(run_id="eval-1", model=model, scorers=resolve(scorers), **fields)
    result = BlockEvaluator(plan, sink).evaluate(records)
    assert result.file is not None
    table = rows.read_table([sink.files[result.file.path]])
    return result, rows.to_results(table)


RECORDS = [
    {"id": f"r{n}", "input": f"q{n}", "expected": f"a{n}", "language": "en" if n % 2 else "zh"} for n in range(6)
]


def answer(question: str) -> str:
    if question == "q3":
        raise TimeoutError("30 s")
    return question.replace("q", "a")


async def answer_async(question: str) -> str:
    await asyncio.sleep(0)
    return answer(question)


def answer_all(questions: list[str]) -> list[str]:
    return [question.replace("q", "a") for question in questions]


class Loaded:
    made = 0

    def __init__(self) -> None:
        Loaded.made += 1

    def __call__(self, question: str) -> str:
        return answer(question)


@pytest.mark.parametrize("function", [answer, answer_async, Loaded], ids=["sync", "async", "class"])
def test_functions_answer_and_a_failed_call_is_that_rows_alone(function: Callable[..., Any]) -> None:
    result, found = evaluated(FunctionModel(function=function), RECORDS, slices=("language",))
    assert result.file is not None
    assert (len(found), result.errors, result.file.num_rows) == (6, 1, 6)
    by_id = {row.row_id: row for row in found}
    assert by_id["r3"].error == "TimeoutError: 30 s"
    assert by_id["r3"].scores[0].state is ScoreState.FAILED
    assert by_id["r2"].scores[0].value == 1.0
    assert by_id["r2"].slices == {"language": "zh"}
    assert (by_id["r2"].latency_ms or 0) >= 0


def test_a_class_is_made_once_a_worker() -> None:
    Loaded.made = 0
    plan = Plan(run_id="eval-1", model=model_of(Loaded), scorers=resolve(["exact_match"]))
    worker = BlockEvaluator(plan, MemoryFiles())
    worker.evaluate(RECORDS)
    worker.evaluate(RECORDS)
    assert Loaded.made == 1


def test_a_batch_function_is_called_once_and_must_answer_every_row() -> None:
    _, found = evaluated(FunctionModel(function=answer_all, batch=True), RECORDS)
    assert [row.output for row in found] == [f"a{n}" for n in range(6)]
    result, found = evaluated(FunctionModel(function=lambda _: ["one"], batch=True), RECORDS)
    assert result.errors == 6
    assert "1 outputs for 6 inputs" in found[0].error


def test_async_calls_run_side_by_side_up_to_the_limit() -> None:
    running, most = 0, 0

    async def counted(question: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return question

    evaluated(FunctionModel(function=counted, in_flight=3), RECORDS)
    assert most == 3


def test_blocking_functions_run_one_after_another_unless_asked() -> None:
    barrier = threading.Barrier(2)

    def meets(question: str) -> str:
        barrier.wait(timeout=10)
        return question

    result, _ = evaluated(FunctionModel(function=meets, in_flight=2), RECORDS)
    assert result.errors == 0


def test_stored_answers_are_scored_without_any_call() -> None:
    records = [{**each, "output": each["expected"]} for each in RECORDS[:5]]
    result, found = evaluated(StoredAnswers(), [*records, {**RECORDS[5], "error": "HTTP 500"}])
    assert result.errors == 1
    assert found[5].error == "HTTP 500"
    assert [row.scores[0].value for row in found[:5]] == [1.0] * 5
    assert found[0].trace_id == ""


def test_async_scorers_are_awaited_for_stored_answers_too() -> None:
    async def later(row: Row) -> float:
        await asyncio.sleep(0)
        return 0.5

    _, found = evaluated(StoredAnswers(), [{**RECORDS[0], "output": "x"}], (later, "exact_match"))
    assert [score.value for score in found[0].scores] == [0.5, 0.0]


def test_the_file_is_named_by_its_content_and_lies_in_the_runs_folder() -> None:
    stored = [{**each, "output": "x"} for each in RECORDS]
    first, second = (evaluated(StoredAnswers(), stored)[0].file for _ in range(2))
    assert first is not None
    assert first == second
    assert first.path.startswith("evaluations/eval-1/rows/")


def test_rows_have_the_id_that_they_bring_or_one_of_their_content() -> None:
    assert row_of({"id": 7, "input": "q"}, {}).row_id == "7"
    assert row_of({"row_id": "a", "id": 7, "input": "q"}, {}).row_id == "a"
    assert row_of({"input": "q", "key": "k"}, {"id": "key"}).row_id == "k"
    same = {"input": "q", "expected": "a"}
    assert row_of({**same, "output": "x"}, {}).row_id == row_of({**same, "output": "y"}, {}).row_id
    assert row_of({"input": "other"}, {}).row_id != row_of(same, {}).row_id


def test_columns_can_be_named_and_a_missing_input_is_told() -> None:
    found = row_of({"question": "q", "answers": ["a"]}, {"input": "question", "expected": "answers"})
    assert (found.input, found.expected) == ("q", ["a"])
    assert row_of({"question": "q", "inputs": "i"}, {}).input == "i"
    with pytest.raises(InvalidError, match="no column 'input'; there are: topic"):
        row_of({"topic": "q"}, {})
    with pytest.raises(InvalidError, match="no column 'topic'; there are: input"):
        row_of({"input": "q"}, {"input": "topic"})


def asked(server: ChatServer) -> list[RowResult]:
    return evaluated(Endpoint(model="qa", url=server.url, key="k"), RECORDS[:1])[1]


def test_an_endpoint_is_asked_in_openais_words_and_may_say_more_than_text() -> None:
    more = {"retrieved": ["p1"], "confidence": 0.5}
    with chat_server(lambda _: says("a0", aiplatform=more)) as server:
        (found,) = asked(server)
    assert found.output == {"answer": "a0", **more}
    assert found.scores[0].value == 1.0
    (request,) = server.asked
    assert found.trace_id in request.headers.get("traceparent", "")
    assert request.headers["authorization"] == "Bearer k"
    assert request.body == {"model": "qa", "messages": [{"role": "user", "content": "q0"}]}


def test_what_may_pass_is_tried_again() -> None:
    with chat_server(lambda asked: says("a0") if asked.nth else rate_limited(0)) as server:
        (found,) = asked(server)
    assert (found.error, server.counts.total()) == ("", 2)


def test_what_stays_wrong_is_the_rows_error() -> None:
    with chat_server(lambda _: fails(400, "too long")) as server:
        (found,) = asked(server)
    assert "HTTP 400" in found.error
    assert "too long" in found.error
    assert server.counts.total() == 1


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, UnauthenticatedError, "does not know the key"),
        (403, PermissionDeniedError, "refuses the key"),
        (404, NotFoundError, "has no model 'qa'"),
    ],
)
def test_what_would_fail_every_call_ends_the_run_at_once(status: int, kind: type[Exception], words: str) -> None:
    with chat_server(lambda _: fails(status)) as server, pytest.raises(kind, match=words):
        evaluated(Endpoint(model="qa", url=server.url, key="k", in_flight=2), RECORDS)
    assert server.counts.total() <= 2


def test_the_platforms_key_never_goes_to_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    credentials = Credentials(url="http://127.0.0.1:8000", project_id="default", key="aip_secret")
    transport = ChatTransport(credentials)
    assert transport.key_of(ChatEndpoint(url="http://models.test/v1")) == ""
    assert transport.key_of(ChatEndpoint()) == "aip_secret"
    assert transport.key_of(ChatEndpoint(url="http://127.0.0.1:8000/v1/")) == "aip_secret"
    assert transport.key_of(ChatEndpoint(url="http://127.0.0.1:8000/v1/", key="own")) == "own"
    assert "secret" not in repr(Endpoint(model="qa", key="secret"))


def test_models_say_what_they_are() -> None:
    assert StoredAnswers().ref.kind is ModelKind.STORED
    assert FunctionModel(function=answer, version="qa@3").ref.name.endswith(":answer")
    assert model_of(None) == StoredAnswers()
    assert model_of(answer) == FunctionModel(function=answer)
    assert model_of(str.upper).ref.name == "builtins:str.upper"
    with pytest.raises(InvalidError, match="cannot be called"):
        model_of(42)


def test_functions_are_found_by_their_reference() -> None:
    assert load_object("math:sqrt")(9) == 3
    for wrong in ("math:no_such", "no_such_module:f"):
        with pytest.raises(InvalidError, match="cannot be imported"):
            load_object(wrong)


def test_data_may_come_in_many_kinds(tmp_path: Path) -> None:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = pd.DataFrame(RECORDS)
    table = pa.Table.from_pylist(RECORDS)
    pq.write_table(table, tmp_path / "rows.parquet")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    files = [str(tmp_path / f"rows.{kind}") for kind in ("parquet", "csv", "jsonl")]
    for data in (RECORDS, (each for each in RECORDS), frame, table, *files, Path(files[0])):
        source = open_source(data, client=None, limit=4)  # type: ignore[arg-type]
        assert source.table is not None
        found = [row_of(record, {}) for record in source.table.to_pylist()]
        assert [(each.row_id, each.input) for each in found] == [(f"r{n}", f"q{n}") for n in range(4)]


@pytest.mark.parametrize(
    ("data", "told"), [([], "no rows"), (42, "'int'"), ([1], "row 0 is 'int'"), ("no.csv", "no file")]
)
def test_data_that_cannot_be_read_are_told(data: Any, told: str) -> None:
    from aiplatform.core.errors import AIPlatformError

    with pytest.raises(AIPlatformError, match=told):
        open_source(data, client=None)  # type: ignore[arg-type]
