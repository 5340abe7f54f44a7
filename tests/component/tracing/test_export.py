"""What leaves as a file is what rests in the store: all of it, once, of one moment, and of one project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from typer.testing import CliRunner

from aiplatform.cli.traces import app as traces_command
from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.core.clock import SystemClock
from aiplatform.core.errors import InvalidError, RateLimitedError, TransientError
from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, span_id_of, trace_id_of
from aiplatform.tracing import api, export
from aiplatform.tracing.export import ExportOrder, Exports, arrow_schema
from aiplatform.tracing.export_model import COLUMNS, ColumnType, ExportFormat, ExportLevel
from aiplatform.tracing.model import ScoreSource
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.service import Traces
from aiplatform.tracing.store import exporting
from aiplatform.tracing.store.scores import scores_by_trace
from aiplatform.tracing.textindex import Matches

SCOPE = Scope(tenant_id="default", project_id="default")
ROOT = Path(__file__).parents[3]
START_NS = make_span().start_time_unix_nano
ODD = {
    "input.value": '{"名": "值", "n": 123456789012345678901234567890, "half": "\\ud83d"}',
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "why 😀?",
    "nan": float("nan"),
    "bytes": b"\x00\xff",
    "nested": {"a": [1, {"b": None}], "ü": True},
    "empty": None,
    "tag.tags": ["x", "y"],
    "user.id": "lin",
}


def ingest(traces: Traces, *spans: Span, scope: Scope = SCOPE) -> None:
    result = traces.ingest(scope, export_request(spans, resource={"region": "eu"}).SerializeToString())
    assert (result.accepted, result.rejected) == (len(spans), 0)


def some_traces(num_traces: int, *, num_children: int = 3) -> list[Span]:
    return [
        make_span(
            number * 100 + child,
            trace=number,
            parent=number * 100 if child else None,
            name=f"{'child' if child else 'root'}-{number}",
            start_ns=START_NS + number * SECOND_NS + child,
            attributes=ODD if child == 1 else {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": number},
            error="boom" if number % 3 == 0 and child == 2 else None,
        )
        for number in range(1, num_traces + 1)
        for child in range(num_children + 1)
    ]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every loop of an export goes round several times."""
    monkeypatch.setattr(exporting, "PAGE_TRACES", 3)
    monkeypatch.setattr(exporting, "KEYS_AT_ONCE", 5)
    monkeypatch.setattr(exporting, "PIECE_SPANS", 2)
    monkeypatch.setattr(exporting, "MAX_RESOURCES", 1)
    monkeypatch.setattr(export, "GROUP_ROWS", 4)


@pytest.fixture
def client(platform: PlatformUnderTest, traces: Traces) -> Client:
    platform.attach(build_routes(traces))
    return platform.api(Role.VIEWER)


@pytest.fixture
def live(platform: PlatformUnderTest, traces: Traces) -> Iterator[Client]:
    """A client on a real socket, on which an answer can break off."""
    platform.attach(build_routes(traces))
    with (
        platform.listen() as url,
        Client(Credentials(url=url, project_id="default", key=platform.key(Role.VIEWER))) as opened,
    ):
        yield opened


def rows_of(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".parquet":
        found: list[dict[str, Any]] = pq.read_table(file).to_pylist()
        return found
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def everything(traces: Traces, **order: Any) -> bytes:
    return b"".join(traces.exports.open(SCOPE, ExportOrder(**order)))


@pytest.mark.usefixtures("small_pieces")
def test_spans_are_read_back_equal_to_what_is_stored(traces: Traces, client: Client, tmp_path: Path) -> None:
    ingest(traces, *some_traces(7))
    ingest(traces, *some_traces(2), scope=Scope(tenant_id="rival", project_id="default"))
    ingest(traces, *some_traces(2), scope=Scope(tenant_id="default", project_id="lab"))
    file = api.export(tmp_path / "spans.parquet", level="spans", client=client)
    found = rows_of(file)
    assert len(found) == 7 * 4 == len({(row["trace_id"], row["span_id"]) for row in found})
    places = [row["trace_id"] for row in found]
    assert places == sorted(places)  # spans of a trace stand together, traces oldest first
    for row in found:
        stored = traces.span(SCOPE, row["trace_id"], row["span_id"])
        assert (row["name"], row["kind"], row["status"]) == (stored.row.name, stored.row.kind, stored.row.status)
        assert (row["start_ns"], row["duration_ns"]) == (stored.row.start_ns, stored.row.duration_ns)
        assert (row["parent_id"], row["error"], row["tags"]) == (
            stored.row.parent_id,
            stored.row.error,
            [*stored.tags],
        )
        assert json.loads(row["attributes"]) == json.loads(json.dumps(dict(stored.attributes)))
        assert json.loads(row["resource"]) == {"service.name": "tests", "region": "eu"}
        assert row["input_tokens"] == stored.usage.input_tokens
        assert row["user_id"] == "lin"  # of its trace, where it names none itself
    odd = next(row for row in found if row["name"] == "child-1" and row["tags"])
    assert json.loads(odd["input"]) == {"名": "值", "n": 123456789012345678901234567890, "half": "\ufffd"}
    assert json.loads(odd["input_messages"])[0]["parts"][0]["text"] == "why 😀?"


@pytest.mark.usefixtures("small_pieces")
def test_traces_are_read_back_equal_to_the_list(traces: Traces, client: Client, tmp_path: Path) -> None:
    ingest(traces, *some_traces(8))
    trace_id = trace_id_of(3).hex()
    for name, value in (("relevance", 0.5), ("ok", True), ("verdict", "gut")):
        traces.add_score(SCOPE, trace_id=trace_id, name=name, value=value, source=ScoreSource.HUMAN, principal="lin")
    frame = pd.read_parquet(api.export(tmp_path / "t.parquet", client=client))
    assert [*frame.columns] == [column.name for column in COLUMNS[ExportLevel.TRACES]]
    listed = {item["trace_id"]: item for item in api.list(limit=100, client=client)}
    assert [*frame.trace_id] == sorted(listed)
    for row in frame.to_dict("records"):
        item = listed[row["trace_id"]]
        for name in ("name", "status", "start_ns", "duration_ns", "num_spans", "num_errors", "user_id", "updated_ns"):
            assert row[name] == item[name]
        assert [*row["models"]] == item["models"]
        assert row["input_tokens"] == item["usage"]["input_tokens"]
    scored = frame[frame.trace_id == trace_id].scores.iloc[0]
    assert {score["name"]: score["label"] or score["number"] for score in scored} == {
        "relevance": 0.5,
        "ok": 1.0,
        "verdict": "gut",
    }


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("level", ExportLevel)
def test_lines_of_json_hold_what_parquet_holds(
    traces: Traces, client: Client, tmp_path: Path, level: ExportLevel
) -> None:
    ingest(traces, *some_traces(5))
    table, lines = (
        rows_of(api.export(tmp_path / name, level=level, client=client)) for name in ("x.parquet", "x.jsonl")
    )
    nested = {column.name for column in COLUMNS[level] if column.type is ColumnType.JSON}
    decoded = [
        {name: json.loads(value) if name in nested and value is not None else value for name, value in row.items()}
        for row in table
    ]
    assert decoded == lines
    assert lines


def test_a_file_says_what_it_is(traces: Traces, client: Client, tmp_path: Path) -> None:
    ingest(traces, *some_traces(2))
    schema = pq.read_schema(api.export(tmp_path / "x.parquet", "name:root-1", level="spans", client=client))
    said = {key.decode(): value.decode() for key, value in schema.metadata.items() if key.startswith(b"aiplatform")}
    assert said["aiplatform.schema"] == "spans"
    assert said["aiplatform.schema_version"] == "1"
    assert said["aiplatform.query"] == "name:root-1"
    assert schema.remove_metadata().equals(arrow_schema(ExportLevel.SPANS))


def test_an_export_without_rows_is_whole(client: Client, tmp_path: Path) -> None:
    assert rows_of(api.export(tmp_path / "x.parquet", client=client)) == []
    assert rows_of(api.export(tmp_path / "x.jsonl", client=client)) == []


def test_a_query_narrows_by_field_words_and_time(traces: Traces, client: Client, tmp_path: Path) -> None:
    ingest(traces, *some_traces(6))
    wanted = {
        "errors:yes": {"root-3", "root-6"},
        "boom": {"root-3", "root-6"},
        "why child-2": {"root-2"},
        "errors:yes OR name = root-1": {"root-1", "root-3", "root-6"},
        "attributes.gen_ai.usage.input_tokens >= 5": {"root-5", "root-6"},
        "": {f"root-{number}" for number in range(1, 7)},
    }
    for query, names in wanted.items():
        found = rows_of(api.export(tmp_path / "x.jsonl", query, client=client))
        assert {row["name"] for row in found} == names, query
    between: dict[str, Any] = {"from_ns": START_NS + 2 * SECOND_NS, "to_ns": START_NS + 4 * SECOND_NS}
    found = rows_of(api.export(tmp_path / "x.jsonl", client=client, **between))
    assert [row["name"] for row in found] == ["root-2", "root-3"]
    with pytest.raises(InvalidError, match="duraton"):
        api.export(tmp_path / "y.jsonl", "duraton:2s", client=client)
    assert not (tmp_path / "y.jsonl").exists()


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("format_", ExportFormat)
def test_an_export_shows_one_moment_whatever_is_written_meanwhile(traces: Traces, format_: ExportFormat) -> None:
    ingest(traces, *some_traces(9))
    order = ExportOrder(level=ExportLevel.SPANS, format=format_)
    pieces = traces.exports.open(SCOPE, order)
    first = next(pieces)
    ingest(traces, *some_traces(12, num_children=5))  # more spans of these traces, and more traces
    rest = first + b"".join(pieces)
    if format_ is ExportFormat.PARQUET:
        found = pq.read_table(pa.BufferReader(rest)).to_pylist()
    else:
        found = [json.loads(line) for line in rest.splitlines()]
    assert len(found) == 9 * 4
    assert len(everything(traces, level=ExportLevel.SPANS, format=ExportFormat.JSONL).splitlines()) == 12 * 6


def test_a_trace_of_many_spans_comes_whole(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "KEYS_AT_ONCE", 50)
    monkeypatch.setattr(exporting, "PIECE_BYTES", 2_000)
    ingest(traces, *some_traces(2, num_children=120), make_span(900, trace=3))
    lines = everything(traces, level=ExportLevel.SPANS, format=ExportFormat.JSONL).splitlines()
    keys = {(row["trace_id"], row["span_id"]) for row in map(json.loads, lines)}
    assert len(keys) == len(lines) == 2 * 121 + 1


def test_no_more_than_a_piece_is_held(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PIECE_BYTES", 50_000)
    monkeypatch.setattr(export, "GROUP_BYTES", 100_000)
    for number in range(20):
        ingest(
            traces, *(make_span(n, trace=number + 1, attributes={"input.value": "x" * 10_000}) for n in range(1, 31))
        )
    sizes = [len(piece) for piece in traces.exports.open(
        SCOPE, ExportOrder(level=ExportLevel.SPANS, format=ExportFormat.JSONL))]  # fmt: skip
    assert sum(sizes) > 20 * 30 * 20_000
    assert max(sizes) < 400_000  # 100,000 bytes raw; a value stands in `input` and in `attributes`


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl"])
def test_an_export_that_breaks_off_leaves_no_file(
    traces: Traces, live: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ingest(traces, *some_traces(9))
    monkeypatch.setattr(export, "GROUP_ROWS", 2)
    monkeypatch.setattr(exporting, "PAGE_TRACES", 3)
    kept = tmp_path / name
    kept.write_text("of an earlier day")
    real = scores_by_trace
    calls = iter([False, False])

    def failing(*arguments: Any, **more: Any) -> Any:
        if next(calls, True):
            raise TransientError("The disk is gone.")
        return real(*arguments, **more)

    monkeypatch.setattr(export, "scores_by_trace", failing)
    with pytest.raises(TransientError):
        api.export(kept, client=live)
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(("platform", "text"))] == [name]
    assert kept.read_text() == "of an earlier day"


@pytest.mark.usefixtures("small_pieces")
def test_a_reader_who_leaves_keeps_nothing_open(traces: Traces, live: Client, platform: PlatformUnderTest) -> None:
    attributes = {"input.value": "long " * 20_000}
    for number in range(1, 60):
        ingest(traces, make_span(number, trace=number, attributes=attributes))
    for _ in range(export.MAX_AT_ONCE + 2):
        with live.stream("GET", "/api/v1/traces/export", params={"level": "spans", "format": "jsonl"}) as response:
            assert len(next(response.iter_bytes())) > 0
        ended = threading.Event()
        for _ in range(500):
            if platform.database.engine.pool.checkedout() == 0:  # type: ignore[attr-defined]
                ended.set()
                break
            SystemClock().sleep(0.02)
        assert ended.is_set()


def test_exports_of_one_process_are_counted(traces: Traces, client: Client, tmp_path: Path) -> None:
    ingest(traces, *some_traces(2))
    exports = Exports(traces, traces._database)
    open_ones = [exports.open(SCOPE, ExportOrder()) for _ in range(export.MAX_AT_ONCE)]
    for pieces in open_ones:
        next(pieces)
    with pytest.raises(RateLimitedError):
        next(exports.open(SCOPE, ExportOrder()))
    for pieces in open_ones:
        pieces.close()  # type: ignore[attr-defined]
    assert b"".join(exports.open(SCOPE, ExportOrder())).endswith(b"PAR1")


def test_words_that_match_too_often_are_refused_and_not_cut(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(traces, *some_traces(2))
    monkeypatch.setattr(traces.index, "search", lambda *_, **__: Matches(trace_ids=(), is_cut=True))
    with pytest.raises(InvalidError) as caught:
        everything(traces, query="why")
    assert caught.value.full_code == "export.too_many"


def test_another_tenant_and_who_may_not_read_get_nothing(
    traces: Traces, platform: PlatformUnderTest, tmp_path: Path
) -> None:
    platform.attach(build_routes(traces))
    ingest(traces, *some_traces(3))
    assert rows_of(api.export(tmp_path / "x.jsonl", client=platform.api(Role.ADMIN, tenant="rival"))) == []
    assert rows_of(api.export(tmp_path / "x.jsonl", client=platform.api(Role.ADMIN, project="lab"))) == []
    writer = platform.client(key=platform.key(scopes=[Permission.TRACES_WRITE]))
    refused: httpx.Response = writer.get("/api/v1/traces/export")
    assert refused.status_code == 403


def test_the_command_exports(traces: Traces, live: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(traces, *some_traces(3))
    monkeypatch.setenv("AIPLATFORM_URL", live.credentials.url)
    monkeypatch.setenv("AIPLATFORM_API_KEY", live.credentials.current_key())
    target = tmp_path / "out.parquet"
    done = CliRunner().invoke(traces_command, ["export", str(target), "name:root-2", "--level", "spans"])
    assert done.exit_code == 0, done.output
    assert {row["trace_id"] for row in rows_of(target)} == {trace_id_of(2).hex()}
    assert span_id_of(200).hex() in {row["span_id"] for row in rows_of(target)}
    lost = CliRunner().invoke(traces_command, ["export", str(tmp_path / "no" / "out.parquet")])
    assert isinstance(lost.exception, InvalidError)


@pytest.mark.ray
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_workers_of_ray_read_every_span_once(traces: Traces, live: Client) -> None:
    ingest(traces, *some_traces(10))
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AIPLATFORM_", "RAY_", "OTEL_"))}
    credentials = {"AIPLATFORM_URL": live.credentials.url, "AIPLATFORM_API_KEY": live.credentials.current_key()}
    environment = {**own, **credentials, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    script = str(Path(__file__).with_name("dataset_on_ray.py"))
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        done = subprocess.run(
            [sys.executable, script, folder], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240
        )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    wanted = [
        summary.trace_id + row.span_id
        for summary in traces.list(SCOPE).items
        for row in traces.get(SCOPE, summary.trace_id).spans
    ]
    assert found == {"spans": sorted(wanted), "none": 0}
