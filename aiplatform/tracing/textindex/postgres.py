"""Words in a PostgreSQL table: an array with a GIN index finds candidates, their text decides."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, text

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.storage.tables.tracing import span_texts
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.store.statements import IN_PROJECT, rows
from aiplatform.tracing.textindex.changes import Change, forget, gone, oldest_changes, texts
from aiplatform.tracing.textindex.ports import Matches
from aiplatform.tracing.words import read_query, words_of

MAX_MATCHES: Final = 20_000
_LOCK_KEY: Final = 7_101_961
_UPSERT: Final = (
    "INSERT INTO span_texts (tenant_id, project_id, trace_id, span_id, start_ns, body, words) "
    "VALUES (:tenant_id, :project_id, :trace_id, :span_id, :start_ns, :body, :words) "
    "ON CONFLICT (tenant_id, project_id, trace_id, span_id) "
    "DO UPDATE SET start_ns = excluded.start_ns, body = excluded.body, words = excluded.words"
)

_REMOVE: Final = (
    "DELETE FROM span_texts WHERE tenant_id = :tenant_id AND project_id = :project_id "
    "AND trace_id = :trace_id AND span_id = :span_id"
)


class PostgresTextIndex:
    """The index of a platform on PostgreSQL. Thread safe; one indexer works at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def update(self, max_spans: int = 2_000) -> int:
        """Take in what was committed and not yet read, oldest first; returns how many spans. Safe to repeat."""
        with self._database.system("index texts") as tx:
            is_ours = tx.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK_KEY}).scalar()
            changes = oldest_changes(tx, max_spans) if is_ours else []
            if not changes:
                return 0
            num_spans = sum(self._take_in(change) for change in changes)
            # Committed after the texts, each in a transaction of its tenant: a crash between only repeats the work.
            forget(tx, changes)
        return num_spans

    def search(self, scope: Scope, query: str, *, from_ns: int | None, to_ns: int | None) -> Matches:
        """Traces with a span in which every term of the query occurs."""
        terms = read_query(query)
        if not terms:
            return Matches(trace_ids=(), is_cut=False)
        words = {word for term in terms for phrase in term.phrases for word in phrase}
        # Words next to each other, and beginnings, are decided on the text itself.
        checked = [term.text for term in terms if len(term.phrases) > 1 or len(term.phrases[0]) > 1]
        conditions = [f"strpos(body, :text{index}) > 0" for index in range(len(checked))]
        sql = (
            f"SELECT trace_id FROM span_texts WHERE {IN_PROJECT} AND words @> CAST(:words AS text[]) "  # noqa: S608
            f"AND start_ns BETWEEN :from_ns AND :to_ns {''.join(f' AND {condition}' for condition in conditions)} "
            "ORDER BY start_ns DESC LIMIT :limit"
        )
        parameters = {f"text{index}": value for index, value in enumerate(checked)}
        latest = 2**63 - 1 if to_ns is None else to_ns + DAY_NS
        with self._database.read(scope) as tx:
            found = rows(
                tx, sql, words=sorted(words), from_ns=from_ns or 0, to_ns=latest, limit=MAX_MATCHES + 1, **parameters
            )
        trace_ids = [row.trace_id for row in found]
        return Matches(trace_ids=tuple(dict.fromkeys(trace_ids[:MAX_MATCHES])), is_cut=len(trace_ids) > MAX_MATCHES)

    def delete(self, scope: Scope) -> None:
        """Forget everything of a scope."""
        with self._database.transaction(scope) as tx:
            tx.execute(delete(span_texts))

    def close(self) -> None:
        """Nothing to let go of: connections belong to the database."""

    def _take_in(self, change: Change) -> int:
        with self._database.transaction(change.scope) as tx:
            found = texts(tx, change.keys)
            if found:
                values = [
                    {
                        "project_id": change.scope.project_id,
                        "trace_id": item.trace_id,
                        "span_id": item.span_id,
                        "start_ns": item.start_ns,
                        "body": item.body,
                        # Beside pairs every single CJK character, which has no beginning to be found by here.
                        "words": sorted({part for word in words_of(item.body) for part in _with_singles(word)}),
                    }
                    for item in found
                ]
                tx.raw(_UPSERT, values)
            removed = gone(change.keys, found)
            if removed:
                project = {"project_id": change.scope.project_id}
                tx.raw(_REMOVE, [{**project, "trace_id": trace, "span_id": span} for trace, span in removed])
        return len(found) + len(removed)


def _with_singles(word: str) -> set[str]:
    return {word, *word} if len(word) == 2 and not word.isascii() else {word}
