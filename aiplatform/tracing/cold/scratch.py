"""Some traces in a small database of their own, in memory, so that one reader serves hot and cold spans alike.

What answers questions about traces is SQL. Rather than writing every question twice, cold spans are put into the same
tables for as long as a question takes, together with what of their traces lies in the platform's database still.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Table, create_engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateTable

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import scores, span_logs, span_resources, spans, traces
from aiplatform.tracing.cold.files import SPAN_COLUMNS, FrozenSpan
from aiplatform.tracing.store.logs import COLUMNS as LOG_ROW
from aiplatform.tracing.store.logs import logs_of
from aiplatform.tracing.store.statements import IN_PROJECT, any_of, listed, rows
from aiplatform.tracing.textindex.changes import resources, text_of_row
from aiplatform.tracing.textindex.reading import add_functions
from aiplatform.tracing.textindex.sqlite import attach_index, put_texts

_KEPT_IN_SQL: Final = (traces, scores, spans, span_logs)
"""Tables of which every trace has its rows in the platform's database, cold or not."""

_KEYS: Final = f"SELECT trace_id, span_id FROM spans WHERE {IN_PROJECT}"  # noqa: S608 - constants
_RESOURCES: Final = f"SELECT DISTINCT resource_key FROM spans WHERE {IN_PROJECT}"  # noqa: S608
_TEXTS: Final = f"SELECT trace_id, span_id, start_ns, name, resource_key, raw FROM spans WHERE {IN_PROJECT}"  # noqa: S608


class Scratch:
    """Traces of one project, to be read through `tx`. It is filled once.

    Args:
        source: A transaction of the platform's database, from which the rest of the traces is read.
        connection: Of the small database.
        is_indexed: Whether words and attributes are to be found too.
    """

    def __init__(self, source: Transaction, connection: Connection, *, is_indexed: bool) -> None:
        self._from = source
        self._driver: Any = connection.connection.driver_connection
        self._is_indexed = is_indexed
        self.tx = Transaction(connection, source.scope)
        """As SQLite reads it, whatever the platform's database is."""

    def fill(self, trace_ids: Sequence[str], cold: Iterable[FrozenSpan]) -> None:
        """Take traces in.

        Args:
            trace_ids: Which, hot or cold.
            cold: Spans of them that lie in files. A span that is in the database too has come back, or has ended.
        """
        for table in _KEPT_IN_SQL:
            self._copy(table, "trace_id", trace_ids)
        there = {(row.trace_id, row.span_id) for row in rows(self.tx, _KEYS)}
        added = [span for span in cold if span.key not in there]
        self.tx.insert_rows(spans, SPAN_COLUMNS, [span.values for span in added])
        records = [(*span.key, *record) for span in added for record in span.logs]
        self.tx.insert_rows(span_logs, LOG_ROW, records)
        self._copy(span_resources, "resource_key", [row.resource_key for row in rows(self.tx, _RESOURCES)])
        if self._is_indexed:
            self._index()

    def _copy(self, table: Table, key: str, values: Sequence[str]) -> None:
        columns = tuple(column.name for column in table.c if column.name not in {"tenant_id", "project_id"})
        condition = any_of(self._from, key, "wanted")
        sql = f"SELECT {', '.join(columns)} FROM {table.name} WHERE {IN_PROJECT} AND {condition}"  # noqa: S608
        found = rows(self._from, sql, wanted=listed(self._from, values))
        self.tx.insert_rows(table, columns, [tuple(row) for row in found])

    def _index(self) -> None:
        found = rows(self.tx, _TEXTS)
        said = logs_of(self.tx, [(row.trace_id, row.span_id) for row in found])
        texts = [text_of_row(row, said.get((row.trace_id, row.span_id), ())) for row in found]
        said_of = resources(self.tx, {row.resource_key for row in found})
        put_texts(self._driver, self.tx.scope, texts, said_of)


@contextmanager
def scratch(source: Transaction, *, is_indexed: bool = False) -> Iterator[Scratch]:
    """An empty one, gone at the end of the block; for the arguments see `Scratch`."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    try:
        with engine.connect() as connection:
            for statement in _tables():
                connection.exec_driver_sql(statement)
            made = Scratch(source, connection, is_indexed=is_indexed)
            attach_index(made._driver) if is_indexed else add_functions(made._driver)
            yield made
            connection.rollback()
    finally:
        engine.dispose()


@cache
def _tables() -> list[str]:
    """Statements that make the tables, written once: without indexes, which so few rows do not need."""
    dialect = sqlite.dialect()
    return [str(CreateTable(table).compile(dialect=dialect)) for table in (*_KEPT_IN_SQL, span_resources)]
