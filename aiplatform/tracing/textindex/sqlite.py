"""Words in SQLite's FTS5, in a second file, so that neither ever waits for the other's lock.

The index keeps no text of its own (`content=''`), only the words; the text of each span lies compressed beside it,
because taking a document out of such an index needs the very words that were put in.
"""

from __future__ import annotations

import json
import sqlite3
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database, Transaction
from aiplatform.tracing.attribute_values import AttributeValue, resource_mark
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.textindex.changes import (
    Change,
    SpanText,
    forget,
    gone,
    oldest_changes,
    resources,
    texts,
)
from aiplatform.tracing.textindex.ports import IndexSql, Matches
from aiplatform.tracing.textindex.reading import FOUND_FUNCTION, add_functions, open_reader
from aiplatform.tracing.words import Term, index_form, read_query

MAX_MATCHES: Final = 20_000
BUSY_TIMEOUT_MS: Final = 250
"""How long a process waits for another one that is writing the index; it then leaves the work to that one."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS {at}docs (
    doc_id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT NOT NULL, trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL, start_ns INTEGER NOT NULL, body BLOB NOT NULL, value_ids BLOB NOT NULL DEFAULT x'',
    UNIQUE (tenant_id, project_id, trace_id, span_id)
);
CREATE VIRTUAL TABLE IF NOT EXISTS {at}words USING fts5(
    scope, body, content='', tokenize="unicode61 remove_diacritics 0"
);
CREATE TABLE IF NOT EXISTS {at}attribute_values (
    value_id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT NOT NULL, name TEXT NOT NULL, text TEXT,
    number REAL
);
CREATE INDEX IF NOT EXISTS {at}ix_values_text ON attribute_values (tenant_id, project_id, name, text);
CREATE INDEX IF NOT EXISTS {at}ix_values_number ON attribute_values (tenant_id, project_id, name, number);
CREATE TABLE IF NOT EXISTS {at}doc_values (
    value_id INTEGER NOT NULL, doc_id INTEGER NOT NULL, PRIMARY KEY (value_id, doc_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {at}resource_values (
    tenant_id TEXT NOT NULL, project_id TEXT NOT NULL, value_id INTEGER NOT NULL, resource_id INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, project_id, value_id, resource_id)
) WITHOUT ROWID;
"""
_SCHEMA_NAME: Final = "textindex"


class SqliteTextIndex:
    """The index of an embedded platform. Thread safe; several processes may have it open."""

    def __init__(self, database: Database, path: Path) -> None:
        self._database = database
        self._path = path
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._updating = threading.Lock()
        """Held by the one thread of this process that brings the index up."""

        self._reader: Database | None = None
        self._opening = threading.Lock()
        """Held while the reader is opened."""

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
            columns = "doc_id, tenant_id, project_id, body, value_ids"
            docs = connection.execute(f"SELECT {columns} FROM docs WHERE {where}", values)  # noqa: S608 - constants
            for doc_id, tenant_id, project_id, body, value_ids in docs.fetchall():
                _take_out(connection, doc_id, Scope(tenant_id=tenant_id, project_id=project_id), body, value_ids)
            for table in ("docs", "attribute_values", "resource_values"):
                connection.execute(f"DELETE FROM {table} WHERE {where}", values)  # noqa: S608 - constants
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    def reader(self) -> Database:
        """The platform's database with the index beside it, for statements that need both; nothing is written."""
        with self._opening:
            if self._reader is None:
                self._connection()  # makes the file and its tables where there are none
                self._reader = open_reader(self._database, self._path, _SCHEMA_NAME)
            return self._reader

    @property
    def sql(self) -> IndexSql:
        """How statements of the reader reach the index."""
        return SQLITE_INDEX

    def close(self) -> None:
        """Let go of files."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._local = threading.local()

    def _take_in(self, connection: sqlite3.Connection, change: Change) -> int:
        with self._database.read(change.scope) as tx:
            found = texts(tx, change.keys)
            fresh = _unknown(connection, change.scope, {text.resource_key for text in found})
            said = resources(tx, fresh) if fresh else {}
        put_texts(connection, change.scope, found, said)
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
            connection.executescript(_SCHEMA.format(at=""))
            _add_column(connection)
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            self._local.connection = connection
            self._all.append(connection)
        return connection


def attach_index(connection: sqlite3.Connection) -> None:
    """Put an empty index beside a database in memory, so that `SQLITE_INDEX` reaches it as it reaches the file."""
    connection.execute(f"ATTACH DATABASE ':memory:' AS {_SCHEMA_NAME}")
    for statement in _SCHEMA.format(at=f"{_SCHEMA_NAME}.").split(";"):
        connection.execute(statement)
    add_functions(connection)


def put_texts(
    connection: sqlite3.Connection,
    scope: Scope,
    found: Iterable[SpanText],
    said: Mapping[str, Sequence[AttributeValue]],
) -> None:
    """Take spans into an index, and what their resources say, by their keys."""
    for resource_key, values in said.items():
        _put_resource(connection, scope, resource_key, values)
    texts = {(text.trace_id, text.span_id): text for text in found}
    if texts:
        _put_docs(connection, scope, list(texts.values()))


def _add_column(connection: sqlite3.Connection) -> None:
    """Files of 0.1.0 know no attributes; the migration has their spans read again."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(docs)")}
    if "value_ids" in columns:
        return
    try:
        connection.execute("ALTER TABLE docs ADD COLUMN value_ids BLOB NOT NULL DEFAULT x''")
    except sqlite3.OperationalError as error:
        if "duplicate column" not in str(error):  # another process was faster
            raise


def _unknown(connection: sqlite3.Connection, scope: Scope, resource_keys: Iterable[str]) -> list[str]:
    """The resources that are met for the first time: of all others a span has the mark already."""
    ids = {resource_mark(key).value_id(scope): key for key in resource_keys}
    signs = ", ".join("?" * len(ids))
    known = connection.execute(f"SELECT value_id FROM attribute_values WHERE value_id IN ({signs})", list(ids))  # noqa: S608
    for (value_id,) in known.fetchall():
        del ids[value_id]
    return list(ids.values())


def _put_resource(
    connection: sqlite3.Connection, scope: Scope, resource_key: str, values: Sequence[AttributeValue]
) -> None:
    owner, resource_id = (scope.tenant_id, scope.project_id), resource_mark(resource_key).value_id(scope)
    _put_values(connection, scope, {value.value_id(scope): value for value in values})
    connection.executemany(
        "INSERT OR IGNORE INTO resource_values (tenant_id, project_id, value_id, resource_id) VALUES (?, ?, ?, ?)",
        [(*owner, value.value_id(scope), resource_id) for value in values],
    )


def _put_values(connection: sqlite3.Connection, scope: Scope, values: Mapping[int, AttributeValue]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO attribute_values (value_id, tenant_id, project_id, name, text, number) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [
            (value_id, scope.tenant_id, scope.project_id, value.name, value.text, value.number)
            for value_id, value in values.items()
        ],
    )


def _put_docs(connection: sqlite3.Connection, scope: Scope, texts: Sequence[SpanText]) -> None:
    """Many spans in few statements; the caller holds the file's write lock."""
    known = _known(connection, scope, texts)
    doc_id: int = connection.execute("SELECT coalesce(max(doc_id), 0) FROM docs").fetchone()[0]
    docs: list[tuple[Any, ...]] = []
    words: list[tuple[int, str, str]] = []
    values: dict[int, AttributeValue] = {}
    postings: list[tuple[int, int]] = []
    for text in texts:
        packed = zlib.compress(text.body.encode(), 1)
        own = {value.value_id(scope): value for value in text.values}
        value_ids = _pack(own)
        before = known.get((text.trace_id, text.span_id))
        if before is not None:
            if before[1:] == (packed, value_ids):
                continue
            _take_out(connection, before[0], scope, *before[1:])
            connection.execute("DELETE FROM docs WHERE doc_id = ?", before[:1])
        doc_id += 1
        owner = (scope.tenant_id, scope.project_id, text.trace_id, text.span_id)
        docs.append((doc_id, *owner, text.start_ns, packed, value_ids))
        words.append((doc_id, _scope_word(scope), index_form(text.body)))
        values.update(own)
        postings.extend((value_id, doc_id) for value_id in own)
    connection.executemany(
        "INSERT INTO docs (doc_id, tenant_id, project_id, trace_id, span_id, start_ns, body, value_ids) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        docs,
    )
    connection.executemany("INSERT INTO words (rowid, scope, body) VALUES (?, ?, ?)", words)
    _put_values(connection, scope, values)
    # In the order of the table, so that neighbours go to one page.
    connection.executemany("INSERT OR IGNORE INTO doc_values (value_id, doc_id) VALUES (?, ?)", sorted(postings))


def _known(
    connection: sqlite3.Connection, scope: Scope, texts: Sequence[SpanText]
) -> dict[tuple[str, str], tuple[int, bytes, bytes]]:
    """Number, packed text and packed values of the spans that the index holds already."""
    found = connection.execute(
        "SELECT d.trace_id, d.span_id, d.doc_id, d.body, d.value_ids FROM json_each(?) k CROSS JOIN docs d "
        "ON d.tenant_id = ? AND d.project_id = ? AND d.trace_id = k.value ->> 0 AND d.span_id = k.value ->> 1",
        (json.dumps([(text.trace_id, text.span_id) for text in texts]), scope.tenant_id, scope.project_id),
    )
    return {(trace_id, span_id): (doc_id, body, values) for trace_id, span_id, doc_id, body, values in found}


def _remove(connection: sqlite3.Connection, scope: Scope, trace_id: str, span_id: str) -> None:
    known = connection.execute(
        "SELECT doc_id, body, value_ids FROM docs "
        "WHERE tenant_id = ? AND project_id = ? AND trace_id = ? AND span_id = ?",
        (scope.tenant_id, scope.project_id, trace_id, span_id),
    ).fetchone()
    if known is not None:
        _take_out(connection, known[0], scope, *known[1:])
        connection.execute("DELETE FROM docs WHERE doc_id = ?", (known[0],))


def _take_out(connection: sqlite3.Connection, doc_id: int, scope: Scope, packed: bytes, value_ids: bytes) -> None:
    body = index_form(zlib.decompress(packed).decode())
    connection.execute(
        "INSERT INTO words (words, rowid, scope, body) VALUES ('delete', ?, ?, ?)", (doc_id, _scope_word(scope), body)
    )
    connection.executemany(
        "DELETE FROM doc_values WHERE value_id = ? AND doc_id = ?",
        [(value_id, doc_id) for value_id in _unpack(value_ids)],
    )


def _pack(value_ids: Iterable[int]) -> bytes:
    found = sorted(value_ids)
    return struct.pack(f">{len(found)}q", *found)


def _unpack(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(packed) // 8}q", packed)


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


class _SqliteSql:
    """The index in a second file, attached to the reader's connections."""

    values = f"{_SCHEMA_NAME}.attribute_values"
    resources = f"{_SCHEMA_NAME}.resource_values"

    def spans_with_values(self, values: str, where: str, *, is_probe: bool) -> str:
        """Spans that have one of some values."""
        docs, found = f"{_SCHEMA_NAME}.docs d", f"{_SCHEMA_NAME}.doc_values a"
        # CROSS keeps the order of the join: from a trace to its spans, or from a value to those that have it.
        joined = f"{docs} CROSS JOIN {found}" if is_probe else f"{found} CROSS JOIN {docs}"
        return (
            f"SELECT d.trace_id, d.span_id FROM {joined} WHERE d.tenant_id = :tenant_id "  # noqa: S608 - constants
            f"AND d.project_id = :project_id AND a.doc_id = d.doc_id AND a.value_id IN ({values})"
            f"{where.format(table='d')}"
        )

    def spans_with_words(self, scope: Scope, query: str, where: str, prefix: str) -> tuple[str, dict[str, Any]]:
        """Spans in which all words of a query occur."""
        terms = read_query(query)
        found = (
            f"SELECT d.trace_id, d.span_id FROM {_SCHEMA_NAME}.words w CROSS JOIN {_SCHEMA_NAME}.docs d "  # noqa: S608
            "WHERE d.doc_id = w.rowid AND d.tenant_id = :tenant_id AND d.project_id = :project_id"
            f"{where.format(table='d')}"
        )
        if not terms:
            return f"{found} AND FALSE", {}
        return f"{found} AND w.words MATCH :{prefix}words", {f"{prefix}words": _match(scope, terms)}

    def few_with_words(self, tx: Transaction, query: str, limit: int) -> Sequence[tuple[str, str]] | None:
        """None: the statement reads the index of words itself."""
        return None

    def contains(self, text: str, part: str) -> str:
        """Whether a part occurs in a text, ASCII letters in either case."""
        return f"instr(lower({text}), lower({part})) > 0"

    def matches(self, text: str, pattern: str) -> str:
        """Whether an expression finds something in a text."""
        return f"{FOUND_FUNCTION}({pattern}, {text})"

    def pattern(self, expression: str) -> str:
        """An expression in the words of the database: its own, as the function is ours."""
        return expression


SQLITE_INDEX: Final[IndexSql] = _SqliteSql()
