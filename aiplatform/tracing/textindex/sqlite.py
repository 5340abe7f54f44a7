"""Words in SQLite's FTS5, in a second file, so that neither ever waits for the other's lock.

The index keeps no text of its own (`content=''`), only the words; the text of each span lies compressed beside it,
because taking a document out of such an index needs the very words that were put in.
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.textindex.changes import Change, SpanText, forget, gone, oldest_changes, texts
from aiplatform.tracing.textindex.ports import Matches
from aiplatform.tracing.words import Term, index_form, read_query

MAX_MATCHES: Final = 20_000
BUSY_TIMEOUT_MS: Final = 250
"""How long a process waits for another one that is writing the index; it then leaves the work to that one."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS docs (
    doc_id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT NOT NULL, trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL, start_ns INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (tenant_id, project_id, trace_id, span_id)
);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
    scope, body, content='', tokenize="unicode61 remove_diacritics 0"
);
"""


class SqliteTextIndex:
    """The index of an embedded platform. Thread safe; several processes may have it open."""

    def __init__(self, database: Database, path: Path) -> None:
        self._database = database
        self._path = path
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._updating = threading.Lock()
        """Held by the one thread of this process that brings the index up."""

    def update(self, max_spans: int = 2_000) -> int:
        """Take in what was committed and not yet read, oldest first; returns how many spans. Safe to repeat."""
        if not self._updating.acquire(blocking=False):
            return 0
        try:
            with self._database.system("read changes", write=False) as tx:
                changes = oldest_changes(tx, max_spans)
            if not changes:
                return 0
            with self._writing() as connection:
                if connection is None:
                    return 0
                num_spans = sum(self._take_in(connection, change) for change in changes)
            # The index is committed before the changes go: a crash between the two only repeats the work.
            with self._database.system("forget changes") as tx:
                forget(tx, changes)
            return num_spans
        finally:
            self._updating.release()

    def search(self, scope: Scope, query: str, *, from_ns: int | None, to_ns: int | None) -> Matches:
        """Traces with a span in which every term of the query occurs."""
        terms = read_query(query)
        if not terms:
            return Matches(trace_ids=(), is_cut=False)
        # A trace begins with its first span, so a matching span may start after the end of the wanted range.
        latest = 2**63 - 1 if to_ns is None else to_ns + DAY_NS
        found = self._connection().execute(
            "SELECT d.trace_id FROM words w JOIN docs d ON d.doc_id = w.rowid WHERE words MATCH ? "
            "AND d.tenant_id = ? AND d.project_id = ? AND d.start_ns BETWEEN ? AND ? ORDER BY w.rowid DESC LIMIT ?",
            (_match(scope, terms), scope.tenant_id, scope.project_id, from_ns or 0, latest, MAX_MATCHES + 1),
        )
        trace_ids = [row[0] for row in found]
        return Matches(trace_ids=tuple(dict.fromkeys(trace_ids[:MAX_MATCHES])), is_cut=len(trace_ids) > MAX_MATCHES)

    def delete(self, scope: Scope) -> None:
        """Forget everything of a scope."""
        connection = self._connection()
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("BEGIN IMMEDIATE")
        try:
            where, values = "tenant_id = ?", [scope.tenant_id]
            if scope.project_id is not None:
                where, values = f"{where} AND project_id = ?", [*values, scope.project_id]
            docs = connection.execute(f"SELECT doc_id, tenant_id, project_id, body FROM docs WHERE {where}", values)  # noqa: S608
            for doc_id, tenant_id, project_id, body in docs.fetchall():
                _take_out(connection, doc_id, Scope(tenant_id=tenant_id, project_id=project_id), body)
            connection.execute(f"DELETE FROM docs WHERE {where}", values)  # noqa: S608
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    def close(self) -> None:
        """Let go of files."""
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._local = threading.local()

    def _take_in(self, connection: sqlite3.Connection, change: Change) -> int:
        with self._database.read(change.scope) as tx:
            found = texts(tx, change.keys)
        for text in found:
            _put(connection, change.scope, text)
        removed = gone(change.keys, found)
        for trace_id, span_id in removed:
            _remove(connection, change.scope, trace_id, span_id)
        return len(found) + len(removed)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection | None]:
        """A write transaction of the index; None where another process is at it."""
        connection = self._connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            yield None
            return
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA journal_mode = WAL")
            # The index can be made again from the spans, so it need not survive a power failure to the last commit.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            self._local.connection = connection
            self._all.append(connection)
        return connection


def _put(connection: sqlite3.Connection, scope: Scope, text: SpanText) -> None:
    key = (scope.tenant_id, scope.project_id, text.trace_id, text.span_id)
    packed = zlib.compress(text.body.encode(), 1)
    known = connection.execute(
        "SELECT doc_id, body FROM docs WHERE tenant_id = ? AND project_id = ? AND trace_id = ? AND span_id = ?", key
    ).fetchone()
    if known is not None:
        doc_id, before = known
        if before == packed:
            return
        _take_out(connection, doc_id, scope, before)
        connection.execute("DELETE FROM docs WHERE doc_id = ?", (doc_id,))
    made = connection.execute(
        "INSERT INTO docs (tenant_id, project_id, trace_id, span_id, start_ns, body) VALUES (?, ?, ?, ?, ?, ?)",
        (*key, text.start_ns, packed),
    )
    connection.execute(
        "INSERT INTO words (rowid, scope, body) VALUES (?, ?, ?)",
        (made.lastrowid, _scope_word(scope), index_form(text.body)),
    )


def _remove(connection: sqlite3.Connection, scope: Scope, trace_id: str, span_id: str) -> None:
    known = connection.execute(
        "SELECT doc_id, body FROM docs WHERE tenant_id = ? AND project_id = ? AND trace_id = ? AND span_id = ?",
        (scope.tenant_id, scope.project_id, trace_id, span_id),
    ).fetchone()
    if known is not None:
        _take_out(connection, known[0], scope, known[1])
        connection.execute("DELETE FROM docs WHERE doc_id = ?", (known[0],))


def _take_out(connection: sqlite3.Connection, doc_id: int, scope: Scope, packed: bytes) -> None:
    body = index_form(zlib.decompress(packed).decode())
    connection.execute(
        "INSERT INTO words (words, rowid, scope, body) VALUES ('delete', ?, ?, ?)", (doc_id, _scope_word(scope), body)
    )


def _match(scope: Scope, terms: Sequence[Term]) -> str:
    """The FTS5 expression; its words hold letters and digits alone, so nothing in them can be syntax."""
    wanted = []
    for term in terms:
        for index, phrase in enumerate(term.phrases):
            is_last = index == len(term.phrases) - 1
            wanted.append(f'"{" ".join(phrase)}"{" *" if term.is_prefix and is_last else ""}')
    return f'scope : "{_scope_word(scope)}" AND body : ({" AND ".join(wanted)})'


def _scope_word(scope: Scope) -> str:
    # A word for the project, so that the index itself narrows to it: without it another tenant's many matches would
    # all be read to be thrown away.
    return "s" + blake2b(f"{scope.tenant_id}/{scope.project_id}".encode(), digest_size=8).hexdigest()
