"""Some traces in a small database of their own, in memory, so that one reader serves hot and cold spans alike.

What answers questions about traces is SQL. Rather than writing every question twice, cold spans are put into the same
tables for as long as a question takes, together with what of their traces lies in the platform's database still.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Table, create_engine, select
from sqlalchemy.pool import StaticPool

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import scores, span_logs, span_resources, spans, traces
from aiplatform.tracing.cold.files import LOG_ROW, SPAN_COLUMNS, FrozenSpan
from aiplatform.tracing.textindex.changes import text_of_row
from aiplatform.tracing.textindex.sqlite import attach_index, put_texts

_KEPT_IN_SQL: Final = (traces, scores, spans, span_logs)
"""Tables of which every trace has its rows in the platform's database, cold or not."""


class Scratch:
    """Traces of one project, to be read through `tx`.

    Args:
        tx: A transaction of the platform's database, from which the rest of the traces is read.
    """

    def __init__(self, tx: Transaction, connection: Any) -> None:
        self._from = tx
        self._connection = connection
        self.tx = Transaction(connection, tx.scope)
        """As SQLite reads it, whatever the platform's database is."""

    def fill(self, trace_ids: Sequence[str], cold: Iterable[FrozenSpan], *, is_indexed: bool = False) -> None:
        """Take traces in.

        Args:
            trace_ids: Which, hot or cold.
            cold: Spans of them that lie in files. A span that is in the database too has come back, or has ended.
            is_indexed: Whether words and attributes are to be found too.
        """
        for table in _KEPT_IN_SQL:
            self._copy(table, table.c.trace_id.in_(trace_ids))
        there = {(row.trace_id, row.span_id) for row in self.tx.execute(select(spans.c.trace_id, spans.c.span_id))}
        added = [span for span in cold if span.key not in there]
        self.tx.insert_rows(spans, SPAN_COLUMNS, [span.values for span in added])
        records = [(*span.key, *record) for span in added for record in span.logs]
        self.tx.insert_rows(span_logs, LOG_ROW, records)
        keys = {row.resource_key for row in self.tx.execute(select(spans.c.resource_key).distinct())}
        self._copy(span_resources, span_resources.c.resource_key.in_(sorted(keys)))
        if is_indexed:
            self._index()

    def _copy(self, table: Table, condition: Any) -> None:
        columns = tuple(column.name for column in table.c if column.name not in {"tenant_id", "project_id"})
        found = self._from.execute(select(*(table.c[name] for name in columns)).where(condition))
        self.tx.insert_rows(table, columns, [tuple(row) for row in found])

    def _index(self) -> None:
        logs: dict[tuple[str, str], list[bytes]] = {}
        ordered = select(span_logs).order_by(span_logs.c.time_ns, span_logs.c.position, span_logs.c.log_key)
        for row in self.tx.execute(ordered):
            logs.setdefault((row.trace_id, row.span_id), []).append(bytes(row.raw))
        columns = (spans.c.trace_id, spans.c.span_id, spans.c.start_ns, spans.c.name, spans.c.raw)
        texts = [
            text_of_row(row, logs.get((row.trace_id, row.span_id), ())) for row in self.tx.execute(select(*columns))
        ]
        put_texts(self._driver(), self.tx.scope, texts)

    def _driver(self) -> sqlite3.Connection:
        found: sqlite3.Connection = self._connection.connection.driver_connection
        return found


@contextmanager
def scratch(tx: Transaction) -> Iterator[Scratch]:
    """An empty one, gone at the end of the block."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    try:
        with engine.connect() as connection:
            for table in (*_KEPT_IN_SQL, span_resources):
                table.create(connection)
            made = Scratch(tx, connection)
            attach_index(made._driver())
            yield made
            connection.rollback()
    finally:
        engine.dispose()
