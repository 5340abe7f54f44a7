"""The least that storing spans can take: rows with their bytes and two indexes, inserted and committed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import ingest
import psycopg
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from aiplatform.tracing.service import Traces

_TABLE = (
    "CREATE TABLE bare (trace_id TEXT NOT NULL, span_id TEXT NOT NULL, start_ns BIGINT NOT NULL, name TEXT NOT NULL, "
    "raw {blob} NOT NULL, PRIMARY KEY (trace_id, span_id))"
)
_INDEX = "CREATE INDEX ix_bare_start ON bare (start_ns)"
_INSERT = "INSERT INTO bare (trace_id, span_id, start_ns, name, raw) VALUES "
Row = tuple[str, str, int, str, bytes]


def inserted_per_cpu_s(
    url: str, folder: Path, num_spans: int, spans_a_commit: int, database_cpu_s: Callable[[], float]
) -> float:
    """Spans a CPU second that plain inserts store, each commit on disk before the next begins.

    Args:
        url: An empty database.
        folder: For the file of SQLite.
        num_spans: How many.
        spans_a_commit: How many are committed together.
        database_cpu_s: CPU seconds that the database's own processes have taken.
    """
    batches = [_rows(body) for body in ingest.bodies(num_spans, spans_a_commit)]
    folder.mkdir(parents=True, exist_ok=True)
    began, database_began = time.process_time(), database_cpu_s()
    (_sqlite if url.startswith("sqlite") else _postgres)(url, batches)
    return num_spans / (time.process_time() - began + database_cpu_s() - database_began)


def settle(url: str) -> None:
    """Let a database put its journal into its files, so that their sizes tell what it holds."""
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        for each in file.parent.glob(f"{file.stem}*.db"):
            connection = sqlite3.connect(each)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()


def analyse(traces: Traces) -> None:
    """Let PostgreSQL learn what its tables hold, as it does by itself a minute later."""
    database = traces.index.reader()
    if database.dialect == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _rows(body: bytes) -> list[Row]:
    spans = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    return [
        (span.trace_id.hex(), span.span_id.hex(), span.start_time_unix_nano, span.name, span.SerializeToString())
        for span in spans
    ]


def _sqlite(url: str, batches: Sequence[Sequence[Row]]) -> None:
    connection = sqlite3.connect(Path(url.removeprefix("sqlite:///")), isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(_TABLE.format(blob="BLOB"))
    connection.execute(_INDEX)
    for batch in batches:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(f"{_INSERT} (?, ?, ?, ?, ?)", batch)
        connection.execute("COMMIT")
    connection.close()


def _postgres(url: str, batches: Sequence[Sequence[Row]]) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        connection.execute(_TABLE.format(blob="BYTEA"))
        connection.execute(_INDEX)
        connection.commit()
        for batch in batches:
            with connection.cursor() as cursor:
                cursor.executemany(f"{_INSERT} (%s, %s, %s, %s, %s)", batch)
            connection.commit()
