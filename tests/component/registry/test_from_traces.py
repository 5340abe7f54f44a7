"""Traces as rows of data sets, on both databases: what a row holds, what is added, what it came from."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiplatform import datasets as aip_datasets
from aiplatform import traces as aip_traces
from aiplatform.core.errors import InvalidError, NotFoundError, PermissionDeniedError, TooLargeError, TransientError
from aiplatform.eval.blocks import row_of
from aiplatform.eval.inputs import TraceRows, open_source
from aiplatform.registry import from_traces
from aiplatform.registry.datasets import Datasets
from aiplatform.registry.from_traces import TraceChoice, TraceCollector
from aiplatform.registry.lineage import LineageGraph, Node, NodeKind
from aiplatform.registry.trace_routes import build_trace_routes
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, trace_id_of
from aiplatform.tracing.model import ScoreSource
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.service import Traces

START_NS = 1_790_000_000 * SECOND_NS


class House:
    """The rooms that take part."""

    def __init__(self, platform: PlatformUnderTest, folder: Path) -> None:
        database = platform.database
        self.platform = platform
        self.files = ArtifactStore((folder / "artifacts").as_uri())
        self.traces = Traces(database, index_path=folder / "text.db")
        self.datasets = Datasets(database, self.files)
        self.lineage = LineageGraph(database)
        self.collector = TraceCollector(self.traces, self.datasets, self.files, self.lineage)
        self.caller = platform.caller(Role.DEVELOPER)

    def send(self, *numbers: int, caller: Caller | None = None) -> list[str]:
        for number in numbers:
            span = make_span(
                1,
                trace=number,
                start_ns=START_NS + number * SECOND_NS,
                attributes={
                    "input.value": f'{{"question": "why {number}? 为什么", "k": 4}}',
                    "output.value": f"because {number}",
                    "session.id": f"s-{number % 2}",
                },
            )
            self.traces.ingest((caller or self.caller).scope, export_request([span]).SerializeToString())
        return [trace_id_of(number).hex() for number in numbers]

    def rows(self, reference: str, caller: Caller | None = None) -> list[dict[str, Any]]:
        return [dict(row) for row in self.datasets.rows(caller or self.caller, reference, limit=1000).rows]

    def make(self, name: str, table: pa.Table) -> None:
        content = io.BytesIO()
        pq.write_table(table, content)
        self.files.write(self.caller.scope, f"own/{name}.parquet", [content.getvalue()])
        self.datasets.create_version(self.caller, name, f"own/{name}.parquet", licence="MIT", description="own rows")


@pytest.fixture
def house(platform: PlatformUnderTest, tmp_path: Path) -> Iterator[House]:
    made = House(platform, tmp_path)
    yield made
    made.traces.close()


def ids(*trace_ids: str) -> TraceChoice:
    return TraceChoice(trace_ids=trace_ids)


def test_a_trace_becomes_a_row_and_a_new_data_set_descends_from_it(house: House) -> None:
    one, two = house.send(1, 2)
    added = house.collector.add(house.caller, "hard", ids(two, one), description="what went wrong")
    assert (added.version.reference, added.num_added, added.num_known) == ("hard@1", 2, 0)
    assert added.version.description == "what went wrong"
    assert house.rows("hard") == [
        {"input": f"why {number}? 为什么", "output": f"because {number}", "expected": None, "trace_id": trace_id}
        for number, trace_id in ((2, two), (1, one))
    ]
    found = house.lineage.neighbours(house.caller, Node(kind=NodeKind.DATASET, reference="hard@1"))
    assert {node.reference for node in found.upstream if node.kind is NodeKind.TRACE} == {one, two}
    made = house.lineage.neighbours(house.caller, Node(kind=NodeKind.TRACE, reference=one))
    assert [node.reference for node in made.downstream] == ["hard@1"]


def test_adding_again_makes_the_next_version_of_what_is_new_alone(house: House) -> None:
    one, two, three = house.send(1, 2, 3)
    house.collector.add(house.caller, "hard", ids(one, two))
    added = house.collector.add(house.caller, "hard", ids(two, three))
    assert (added.version.reference, added.num_added, added.num_known) == ("hard@2", 1, 1)
    assert [row["trace_id"] for row in house.rows("hard@2")] == [one, two, three]
    assert [row["trace_id"] for row in house.rows("hard@1")] == [one, two]
    again = house.collector.add(house.caller, "hard", ids(one, two, three))
    assert (again.version.reference, again.num_added) == ("hard@2", 0)
    found = house.lineage.neighbours(house.caller, Node(kind=NodeKind.DATASET, reference="hard@2"))
    assert {(node.kind, node.reference) for node in found.upstream} == {
        (NodeKind.TRACE, three), (NodeKind.DATASET, "hard@1"),
    }  # fmt: skip


def test_rows_join_a_data_set_with_columns_of_its_own(house: House) -> None:
    table = pa.table({"input": pa.array(["old", "older"], pa.large_string()), "weight": [0.5, 1.0]})
    house.make("mixed", table)
    (one,) = house.send(1)
    added = house.collector.add(house.caller, "mixed", ids(one), expected="output")
    assert (added.version.licence, added.version.description) == ("MIT", "own rows")
    rows = house.rows("mixed")
    assert [(row["input"], row["weight"], row["expected"]) for row in rows] == [
        ("old", 0.5, None), ("older", 1.0, None), ("why 1? 为什么", None, "because 1"),
    ]  # fmt: skip
    assert [row["trace_id"] for row in rows] == [None, None, one]


def test_columns_that_do_not_fit_are_said(house: House) -> None:
    house.make("numbers", pa.table({"input": [{"a": 1}]}))
    (one,) = house.send(1)
    with pytest.raises(InvalidError, match="numbers@1"):
        house.collector.add(house.caller, "numbers", ids(one))
    assert len(house.datasets.versions(house.caller, "numbers")) == 1


def test_what_is_expected_is_the_newest_score_of_that_name(house: House) -> None:
    trace_ids = house.send(1, 2, 3, 4)
    values: tuple[bool | float | str, ...] = ("first", True, 0.25)
    for trace_id, value in zip(trace_ids, values, strict=False):
        for said in ("old", value) if value == "first" else (value,):
            house.traces.add_score(
                house.caller.scope, trace_id=trace_id, name="label", value=said, source=ScoreSource.HUMAN,
                principal="user:lin",
            )  # fmt: skip
    house.collector.add(house.caller, "judged", ids(*trace_ids), expected="label")
    assert [row["expected"] for row in house.rows("judged")] == ["first", "true", "0.25", None]


def test_all_that_a_query_finds_is_added_oldest_first_and_bounded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace_ids = house.send(*range(1, 8))
    added = house.collector.add(house.caller, "odd", TraceChoice(query="session:s-1"))
    assert [row["trace_id"] for row in house.rows("odd")] == trace_ids[::2]
    assert not added.is_bounded
    monkeypatch.setattr(from_traces, "MAX_TRACES", 3)
    monkeypatch.setattr(from_traces, "_A_PAGE", 2)
    added = house.collector.add(house.caller, "some", TraceChoice(from_ns=START_NS + 2 * SECOND_NS))
    assert [row["trace_id"] for row in house.rows("some")] == trace_ids[4:]
    assert added.is_bounded
    with pytest.raises(TooLargeError):
        house.collector.add(house.caller, "some", ids(*trace_ids))


@pytest.mark.parametrize("choice", [TraceChoice(trace_ids=()), TraceChoice(query="session:nobody"), ids("nonsense")])
def test_nothing_is_made_of_nothing(house: House, choice: TraceChoice) -> None:
    house.send(1)
    with pytest.raises(InvalidError):
        house.collector.add(house.caller, "empty", choice)
    assert house.datasets.list(house.caller) == ()


def test_a_version_that_somebody_makes_meanwhile_is_not_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = house.send(1, 2, 3)
    house.collector.add(house.caller, "hard", ids(one))
    create = house.datasets.create_version
    rival = TraceCollector(house.traces, Datasets(house.platform.database, house.files), house.files, house.lineage)
    waiting = [two]

    def after_another(*args: Any, **more: Any) -> Any:
        while waiting:
            rival.add(house.caller, "hard", ids(waiting.pop()))
        return create(*args, **more)

    monkeypatch.setattr(house.datasets, "create_version", after_another)
    added = house.collector.add(house.caller, "hard", ids(three))
    assert added.version.reference == "hard@3"
    assert [row["trace_id"] for row in house.rows("hard")] == [one, two, three]


def test_who_never_gets_a_turn_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.collector.add(house.caller, "hard", ids(*house.send(1)))
    newest = house.datasets.get(house.caller, "hard")
    monkeypatch.setattr(house.collector, "_newest", lambda caller, name: newest)
    house.datasets.create_version(house.caller, "hard", newest.artifact_path)
    house.make("hard", pa.table({"input": ["another"]}))
    with pytest.raises(TransientError):
        house.collector.add(house.caller, "hard", ids(*house.send(2)))


def test_nobody_makes_rows_of_another_tenants_or_projects_traces(house: House) -> None:
    (one,) = house.send(1)
    for tenant, project in (("rival", "default"), ("default", "lab")):
        caller = house.platform.caller(Role.ADMIN, tenant=tenant, project=project)
        for trace_id in (one, trace_id_of(77).hex()):
            with pytest.raises(NotFoundError, match=trace_id):
                house.collector.add(caller, "stolen", ids(trace_id))
        with pytest.raises(InvalidError):
            house.collector.add(caller, "stolen", TraceChoice())
        assert house.datasets.list(caller) == ()


def test_the_route_and_the_client_add_and_viewers_do_not(house: House) -> None:
    house.platform.attach(build_trace_routes(house.collector))
    one, two = house.send(1, 2)
    path = "/api/v1/datasets/hard:add-traces"
    assert house.platform.client(Role.VIEWER).post(path, json={"trace_ids": [one]}).status_code == 403
    assert house.platform.client(None).post(path, json={"trace_ids": [one]}).status_code == 401
    with pytest.raises(PermissionDeniedError):
        house.collector.add(house.platform.caller(Role.VIEWER), "hard", ids(one))
    made = aip_datasets.add_traces("hard", [one], client=house.platform.api())
    assert made.reference == "hard@1"
    answer = house.platform.client().post(path, json={"query": "session:s-0", "expected": "output"})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["num_added"], body["num_known"], body["version"]["version"]) == (1, 0, 2)
    assert [row["expected"] for row in house.rows("hard")] == [None, "because 2"]
    assert [row["trace_id"] for row in house.rows("hard")] == [one, two]
    assert house.platform.client().post(path, json={"trace_ids": []}).status_code == 400


def test_traces_are_evaluated_on_without_becoming_a_data_set(house: House) -> None:
    house.platform.attach(build_trace_routes(house.collector), build_routes(house.traces))
    one, two = house.send(1, 2)
    for value in (0.25, 0.75):
        aip_traces.score(two, "wanted", value, client=house.platform.api())
    aip_traces.score(two, "answer", "because of that", client=house.platform.api())
    client = house.platform.api()
    source = open_source(TraceRows(expected="answer"), client)
    assert source.table is not None
    rows = [row_of(record, {}) for record in source.table.to_pylist()]
    assert [(row.row_id, row.trace_id, row.output) for row in rows] == [
        (one, one, "because 1"),
        (two, two, "because 2"),
    ]
    assert [row.expected for row in rows] == [None, "because of that"]
    assert rows[1].columns["scores"] == {"wanted": 0.75, "answer": "because of that"}
    assert rows[1].latency_ms is not None
    assert open_source(TraceRows(query="session:s-0", expected="answer"), client).num_rows == 1
    assert open_source(TraceRows(expected="answer"), client).ref.hash == source.ref.hash
    assert open_source(TraceRows(), client).ref.hash != source.ref.hash
    (newest,) = open_source(TraceRows(), client, limit=1).table.to_pylist()  # type: ignore[union-attr]
    assert row_of(newest, {}).row_id == two
    with pytest.raises(InvalidError, match="no rows"):
        open_source(TraceRows(query="session:none"), client)


def test_rows_of_another_tenants_or_projects_traces_are_not_read(house: House) -> None:
    (one,) = house.send(1)
    for tenant, project in (("rival", "default"), ("default", "lab")):
        caller = house.platform.caller(Role.ADMIN, tenant=tenant, project=project)
        with pytest.raises(NotFoundError, match=one):
            house.collector.rows(caller, ids(one))
        assert house.collector.rows(caller, TraceChoice()) == []
