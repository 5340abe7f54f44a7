"""Spans in files answer as those in the database do: beside an evaluator of our own, and a twin that stays hot."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from aiplatform.client.http import Client
from aiplatform.core.errors import NotFoundError, PermissionDeniedError, TransientError
from aiplatform.core.scope import Scope
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Database
from aiplatform.storage.tables.tracing import cold_files, cold_traces, span_logs, spans
from aiplatform.storage.tables.tracing import traces as traces_table
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.otlp import (
    SECOND_NS,
    export_request,
    logs_request,
    make_record,
    make_span,
    span_id_of,
    trace_id_of,
)
from aiplatform.tracing.cold import moving, searching
from aiplatform.tracing.erasure import Subject
from aiplatform.tracing.export import ExportOrder
from aiplatform.tracing.export_model import ExportFormat, ExportLevel
from aiplatform.tracing.mlflow_traces import MlflowTraces
from aiplatform.tracing.model import DAY_NS, ScoreSource, TraceFilter, TraceSort
from aiplatform.tracing.query import filter_of, read_filter, show
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.service import Traces
from aiplatform.tracing.signals import read_logs
from aiplatform.tracing.store import remove_traces
from tests.component.tracing.test_search import LAB, START_NS, Oracle, a_trace, a_tree, store

SCOPE = Scope(tenant_id="default", project_id="default")
RIVAL = Scope(tenant_id="rival", project_id="default")
ROOT = Path(__file__).parents[3]
TOMORROW = START_NS // DAY_NS + 2
ADMIN = Caller(tenant_id="default", project_id="default", principal="key:admin", role=Role.ADMIN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def service(database: Database, tmp_path: Path, folder: Path, clock: FakeClock) -> Iterator[Traces]:
    """Small files and groups, on a clock that stands a while after the traces that tests make."""
    clock.advance((START_NS + 90 * DAY_NS - clock.now_ns()) / 1e9)
    opened = Traces(database, ArtifactStore(str(folder)), index_path=tmp_path / "text.db", clock=clock)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "GROUP_SPANS", 8)
    monkeypatch.setattr(moving, "FILE_SPANS", 20)


def freeze(service: Traces, clock: FakeClock, scope: Scope = SCOPE, *, max_files: int = 100) -> int:
    """Move what is a few hours old; returns how many spans went."""
    clock.advance(2 * 3600)
    service.update_index()
    total = 0
    for _ in range(max_files):
        moved = service.cold._moving.freeze(scope, TOMORROW + 365)
        if moved == 0:
            break
        total += moved
    service.update_index()
    return total


def ingest(service: Traces, *items: Any, scope: Scope = SCOPE) -> None:
    service.ingest(scope, export_request(items).SerializeToString())


def at(second: float, number: int, *, trace: int = 1, **more: Any) -> Any:
    return make_span(number, trace=trace, start_ns=START_NS + round(second * SECOND_NS), **more)


def log(service: Traces, *records: Any) -> None:
    for export in read_logs(logs_request(records), ADMIN, service.clock.now_ns(), None, None):
        service.incoming.submit(export).result()


def count(service: Traces, table: Any, scope: Scope = SCOPE) -> int:
    with service._database.read(scope) as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())


def everything(service: Traces, scope: Scope = SCOPE) -> list[Any]:
    """What the platform tells of a project, but for when it was written."""
    told: list[Any] = []
    windows = service.outlines
    for summary in service.list(scope, sort=TraceSort.OLDEST, limit=500).items:
        tree = service.get(scope, summary.trace_id)
        told.append(
            [
                getattr(summary, name)
                for name in summary.__slots__
                if name not in {"updated_ns", "project_id", "is_cold"}
            ]
        )
        told.append([(row, service.span(scope, row.trace_id, row.span_id)) for row in tree.spans])
        told.append([(score.name, score.value) for score in tree.scores])
        outline = service.outline(scope, summary.trace_id)
        told.append(windows.rows(scope, outline, range(len(outline))))
        told.append(windows.find(scope, outline, "a"))
        told.append([(one.input, one.output) for one in service.examples.of(scope, [summary.trace_id])])
    told.append(b"".join(service.exports.open(scope, ExportOrder(level=ExportLevel.SPANS, format=ExportFormat.JSONL))))
    return told


def ids(service: Traces, line: str, scope: Scope = SCOPE) -> set[str]:
    return {item.trace_id[-2:] for item in service.list(scope, read_filter(line), limit=100).items}


def walked(service: Traces, where: Any, sort: TraceSort, limit: int) -> list[str]:
    """Ids over all pages, which may be short but must end."""
    found: list[str] = []
    page = None
    for _ in range(200):
        answer = service.list(SCOPE, where, sort=sort, limit=limit, page=page)
        assert len(answer.items) <= limit
        found += [item.trace_id for item in answer.items]
        page = answer.next
        if page is None:
            return found
    raise AssertionError("the pages do not end")


def words_in_files(folder: Path) -> str:
    """Every text that a cold file holds."""
    return "".join(
        str(pq.ParquetFile(io.BytesIO(file.read_bytes())).read().to_pylist()) for file in folder.rglob("*.parquet")
    )


def test_random_queries_find_the_same_wherever_spans_lie(
    service: Traces, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MAX_OPENED_SPANS", 10)
    chance = random.Random(20261124)
    fakes = [a_trace(number, chance) for number in range(1, 21)]
    store(service, SCOPE, fakes)
    store(service, RIVAL, [a_trace(number, chance) for number in range(1, 26)])
    store(service, LAB, [a_trace(number, chance) for number in range(20, 40)])
    freeze(service, clock, RIVAL)
    freeze(service, clock, max_files=2)
    num_cold = count(service, cold_traces)
    assert 5 < num_cold < 20, "some are cold, some are hot"
    oracles = {trace_id_of(fake.number).hex(): Oracle(fake) for fake in fakes}
    num_told_apart = 0
    for number in range(16):
        node = a_tree(chance, 3)
        expected = [trace_id for trace_id, oracle in sorted(oracles.items()) if oracle.meets(node)]
        where = read_filter(show(node)) if number % 2 else filter_of(node)
        assert walked(service, where, TraceSort.OLDEST, 3) == expected, show(node)
        assert walked(service, where, TraceSort.NEWEST, 3) == expected[::-1], show(node)
        num_told_apart += 0 < len(expected) < 20
    assert num_told_apart > 6


def test_a_trace_reads_as_before(service: Traces, clock: FakeClock) -> None:
    chance = random.Random(7)
    store(service, SCOPE, [a_trace(number, chance) for number in range(1, 13)])
    log(service, make_record("gen_ai.user.message", {"content": "said by a record"}, trace=3, span=1))
    before, words = everything(service), ids(service, "refund")
    num_spans = count(service, spans)
    assert freeze(service, clock) == num_spans
    assert (count(service, spans), count(service, span_logs)) == (0, 0)
    assert everything(service) == before
    assert all(item.is_cold for item in service.list(SCOPE).items)
    assert service.get(SCOPE, trace_id_of(1).hex()).summary.is_cold
    assert ids(service, "refund") == words != set()
    assert ids(service, '"said by a record"') == {"03"}
    assert service.cold.thaw_waiting() == 0


def test_what_arrives_late_lands_once(service: Traces, clock: FakeClock) -> None:
    """A twin that never was cold is told the same; it looks the same at every moment."""
    first = [at(0, 1, name="root"), at(1, 2, parent=1, name="step", duration_ns=None), at(2, 3, parent=1)]
    late = [at(1, 2, parent=1, name="step", attributes={"note": "ended"}), at(3, 4, parent=2, error="late fault")]
    for scope in (SCOPE, LAB):
        ingest(service, *first, at(9, 1, trace=2, name="other"), scope=scope)
    assert freeze(service, clock) == 4
    for scope in (SCOPE, LAB):
        ingest(service, *late, first[0], first[2], scope=scope)  # the two others are repeats
        ingest(service, *late, scope=scope)
        service.add_score(
            scope, trace_id=trace_id_of(1).hex(), name="n", value=0.5, source=ScoreSource.HUMAN, principal="p"
        )
    twin = everything(service, LAB)
    told = everything(service)
    assert told[1:3] == twin[1:3], "tree, spans and scores are right at once"
    assert (told[0][7], told[0][8]) == (4, 1), "spans and errors are counted at once"
    assert service.cold.thaw_waiting() == 2
    assert everything(service) == twin
    assert ids(service, "ended") == set()
    assert ids(service, "fault attributes.note = ended") == {"01"}
    assert count(service, cold_traces) == 1
    assert freeze(service, clock) == 4, "it becomes cold again"
    assert everything(service) == twin


def test_a_record_of_a_cold_span_is_joined_to_it(service: Traces, clock: FakeClock) -> None:
    ingest(service, at(0, 1, name="chat", attributes={"gen_ai.operation.name": "chat"}))
    freeze(service, clock)
    record = make_record("gen_ai.user.message", {"content": "came late"}, trace=1, span=1)
    log(service, record)
    log(service, record)

    def said() -> str:
        return str(service.span(SCOPE, trace_id_of(1).hex(), span_id_of(1).hex()))

    assert "came late" in said()
    service.cold.thaw_waiting()
    assert "came late" in said()
    assert count(service, span_logs) == 1
    assert ids(service, "came") == {"01"}


def test_erasing_a_user_reaches_the_files(service: Traces, clock: FakeClock, folder: Path) -> None:
    for trace, user in ((1, "ann"), (2, "bob"), (3, "ann")):
        ingest(service, at(trace, 1, trace=trace, attributes={"user.id": user, "input.value": f"secret of {user}"}))
    freeze(service, clock, max_files=1)
    # One of them has come back meanwhile: what is left of it in the file goes too.
    ingest(service, at(30, 2, trace=3))
    service.cold.thaw_waiting()
    assert "secret of ann" in words_in_files(folder)
    removed = service.erasure.erase(ADMIN, Subject(user_id="ann"))
    assert (removed.num_traces, removed.num_spans) == (2, 3)
    assert "secret of ann" not in words_in_files(folder)
    assert "secret of bob" in words_in_files(folder)
    assert ids(service, "secret") == {"02"}
    with pytest.raises(NotFoundError):
        service.get(SCOPE, trace_id_of(1).hex())
    service.erasure.erase(ADMIN, Subject(user_id="bob"))
    assert list(folder.rglob("*.parquet")) == []
    assert count(service, cold_files) == 0


STEPS = ("put_file", "take_spans", "tell_index", "pack_ids", "make_filter", "leave", "sum_up", "remove_file")


@pytest.mark.parametrize("step", STEPS)
def test_whoever_dies_on_the_way_loses_and_doubles_nothing(
    service: Traces, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, folder: Path, step: str
) -> None:
    chance = random.Random(3)
    store(service, SCOPE, [a_trace(number, chance) for number in range(1, 7)])
    before = everything(service)
    real = getattr(moving, step)

    def die(*_: Any, **__: Any) -> None:
        raise TransientError("killed")

    def try_all() -> None:
        freeze(service, clock)
        with service._database.transaction(SCOPE) as tx:
            trace_ids = [row.trace_id for row in tx.execute(select(cold_traces.c.trace_id).limit(2))]
        service.cold._moving.thaw(SCOPE, trace_ids)
        service.cold.compact(SCOPE)

    with monkeypatch.context() as patched:
        patched.setattr(moving, step, die)
        with pytest.raises(TransientError):
            try_all()
    assert getattr(moving, step) is real
    assert everything(service) == before
    try_all()
    assert everything(service) == before
    clock.advance(2 * 86_400)
    service.cold._moving.sweep(SCOPE)
    with service._database.read(SCOPE) as tx:
        known = [row.path for row in tx.execute(select(cold_files.c.path))]
    lying = [str(file.relative_to(folder / "default" / "default")) for file in folder.rglob("*.parquet")]
    assert sorted(lying) == sorted(known), "no file is left that nothing refers to"


def test_a_worker_killed_at_any_moment_loses_and_doubles_nothing(
    service: Traces, clock: FakeClock, database_url: str, tmp_path: Path, folder: Path
) -> None:
    chance = random.Random(11)
    store(service, SCOPE, [a_trace(number, chance) for number in range(1, 31)])
    before = everything(service)
    clock.advance(2 * 3600)
    command = [sys.executable, "-m", "tests.component.tracing.freeze_traces", database_url]
    command += [str(tmp_path / "text.db"), str(folder), str(clock.now_ns())]

    def num_files() -> int:
        return len([*folder.rglob("*.parquet")])

    for _ in range(2):
        known = num_files()
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
            while num_files() == known and worker.poll() is None:
                threading.Event().wait(0.005)
            worker.kill()
        assert everything(service) == before
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.communicate(timeout=120)[0] == "done\n"
    assert (count(service, spans), count(service, cold_traces)) == (0, 30)
    assert everything(service) == before


def test_a_file_that_is_written_anew_while_a_trace_comes_back_keeps_it(
    service: Traces, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for trace in (1, 2, 3):
        ingest(service, at(trace, 1, trace=trace, name=f"t{trace}"))
    freeze(service, clock, max_files=1)
    with service._database.transaction(SCOPE) as tx:
        remove_traces(tx, [trace_id_of(1).hex()], now_ns=clock.now_ns())
    days = service.cold._moving._days
    real = days.ensure

    def ensure(wanted: Any) -> None:
        monkeypatch.setattr(days, "ensure", real)
        assert service.cold.compact(SCOPE) == 1
        real(wanted)

    monkeypatch.setattr(days, "ensure", ensure)
    assert service.cold._moving.thaw(SCOPE, [trace_id_of(2).hex()]) == 0, "it lies elsewhere by now"
    assert service.cold._moving.thaw(SCOPE, [trace_id_of(2).hex()]) == 1
    assert (count(service, spans), count(service, cold_traces)) == (1, 1)
    for trace in (2, 3):
        assert [row.name for row in service.get(SCOPE, trace_id_of(trace).hex()).spans] == [f"t{trace}"]


def test_what_changed_meanwhile_stays_hot(service: Traces, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(service, at(0, 1), at(5, 1, trace=2))
    put = service.cold._shelf.put

    def put_slowly(*given: Any, **more: Any) -> Any:
        ingest(service, at(1, 2, parent=1))
        return put(*given, **more)

    monkeypatch.setattr(service.cold._shelf, "put", put_slowly)
    freeze(service, clock, max_files=1)
    assert count(service, spans) == 2
    assert len(service.get(SCOPE, trace_id_of(1).hex()).spans) == 2
    assert len(service.get(SCOPE, trace_id_of(2).hex()).spans) == 1


def test_a_store_that_gives_back_something_else_takes_nothing(
    service: Traces, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    ingest(service, at(0, 1, name="mine"), at(1, 1, trace=2, name="other"))
    lying = b""

    def open_another(scope: Scope, path: str) -> Any:
        return io.BytesIO(lying)

    ingest(service, at(0, 1, name="not mine"), at(1, 1, trace=2, name="other"), scope=LAB)
    freeze(service, clock, LAB)
    lying = next(folder.rglob("*.parquet")).read_bytes()
    monkeypatch.setattr(service.cold._shelf._artifacts, "open", open_another)
    with pytest.raises(TransientError, match="other spans"):
        freeze(service, clock)
    assert count(service, spans) == 2
    assert count(service, cold_files) == 0


def test_groups_that_cannot_match_stay_shut(service: Traces, clock: FakeClock) -> None:
    for trace in range(1, 13):
        said = "needle" if trace == 7 else f"hay{trace}"
        for number in range(1, 9):
            ingest(service, at(trace * 60, number, trace=trace, attributes={"input.value": said, "n": f"v{trace}"}))
    freeze(service, clock)

    def opened(line: str, **more: Any) -> tuple[int, int, int]:
        search = searching.ColdSearch(service.cold._shelf, clock.now_ns())
        with service._database.read(SCOPE) as tx:
            found = search.all(tx, read_filter(line, TraceFilter(**more)))
        return len(found.trace_ids), search.num_opened, search.num_groups

    assert opened("needle") == (1, 1, 12)
    assert opened("attributes.n = v3") == (1, 1, 12)
    assert opened("nowhere") == (0, 0, 12)
    assert opened("needle trace:none") == (0, 0, 12)
    assert opened("needle", from_ns=START_NS + 500 * SECOND_NS) == (0, 0, 4)
    assert opened("needle", to_ns=START_NS + 430 * SECOND_NS) == (1, 1, 7)


def test_a_client_of_mlflow_reads_and_finds_cold_traces(service: Traces, clock: FakeClock) -> None:
    for trace, said in ((1, "refund"), (2, "refund"), (3, "thanks")):
        ingest(service, at(trace, 1, trace=trace, attributes={"input.value": said, "lane": f"l{trace}"}))
    freeze(service, clock, max_files=1)
    ingest(service, at(9, 1, trace=4, attributes={"input.value": "refund", "lane": "l4"}))
    mlflow = MlflowTraces(service, service._database)

    def found(line: str) -> list[str]:
        body = {"filter": line, "locations": [{"mlflow_experiment": {"experiment_id": "0"}}]}
        return [info["trace_id"][-2:] for info in mlflow.search(SCOPE, body)["traces"]]

    assert found("span.attributes.lane = 'l2'") == ["02"]
    assert found("trace.text LIKE '%refund%'") == ["04", "02", "01"]
    assert len(mlflow.get(SCOPE, f"tr-{trace_id_of(1).hex()}")["trace"]["spans"]) == 1


def test_tenants_and_projects_keep_apart(service: Traces, clock: FakeClock, folder: Path) -> None:
    for scope in (SCOPE, LAB, RIVAL):
        ingest(service, at(0, 1, name=f"of {scope.tenant_id}/{scope.project_id}"), scope=scope)
    for scope in (SCOPE, RIVAL):
        assert freeze(service, clock, scope) == 1
    for scope in (SCOPE, LAB, RIVAL):
        tree = service.get(scope, trace_id_of(1).hex())
        assert [row.name for row in tree.spans] == [f"of {scope.tenant_id}/{scope.project_id}"]
        assert ids(service, "rival", scope) == ({"01"} if scope == RIVAL else set())
    service.delete_scope(Scope(tenant_id="rival"))
    assert not list((folder / "rival").rglob("*.parquet"))
    assert [row.name for row in service.get(SCOPE, trace_id_of(1).hex()).spans] == ["of default/default"]
    with pytest.raises(NotFoundError):
        service.get(RIVAL, trace_id_of(1).hex())


def test_the_policy_moves_whole_days_and_retention_removes_them(
    service: Traces, clock: FakeClock, folder: Path, platform: PlatformUnderTest
) -> None:
    platform.attach(build_routes(service))
    admin: Client = platform.api(Role.ADMIN)
    assert admin.get("/api/v1/cold")["in_force"] is None
    day = clock.now_ns() // DAY_NS
    for age in (1, 6, 8, 40):
        ingest(service, make_span(1, trace=age, start_ns=(day - age) * DAY_NS + SECOND_NS))
    clock.advance(2 * 3600)
    assert service.cold.run() == 0, "nothing moves without a policy"
    admin.put("/api/v1/cold", {"hot_days": 7}, level="project")
    assert service.cold.run() == 2
    state = admin.get("/api/v1/cold")
    assert (state["in_force"], state["num_files"], state["num_traces"]) == ({"hot_days": 7.0}, 2, 2)
    assert (state["first_day"], state["last_day"]) == (day - 40, day - 8)
    assert service.cold.run() == 0
    clock.advance(2 * 86_400)
    assert service.cold.run() == 1
    admin.put("/api/v1/retention", {"keep_days": 30})
    assert service.retention.run().num_spans == 1
    service.cold.run()
    assert {item.trace_id for item in service.list(SCOPE).items} == {trace_id_of(age).hex() for age in (1, 6, 8)}
    assert len(list(folder.rglob("*.parquet"))) == 2
    admin.request("DELETE", "/api/v1/cold", params={"level": "project"})
    assert admin.get("/api/v1/cold")["in_force"] is None
    with pytest.raises(PermissionDeniedError):
        platform.api(Role.DEVELOPER).put("/api/v1/cold", {"hot_days": 1})
    assert count(service, traces_table) == 3
