"""Words in a PostgreSQL table: an array with a GIN index finds candidates, their text decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import delete, func, select, text

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.rls import WORDS_SETTING
from aiplatform.storage.tables.tracing import attribute_values, resource_values, span_attributes, span_texts
from aiplatform.tracing.attribute_values import AttributeValue, resource_mark
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.query.regex import postgres_form
from aiplatform.tracing.store.statements import IN_PROJECT, each_by_key, rows
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
from aiplatform.tracing.words import read_query, words_of

MAX_MATCHES: Final = 20_000
_LOCK_KEY: Final = 7_101_961
_UPSERT: Final = (
    "INSERT INTO span_texts (tenant_id, project_id, trace_id, span_id, start_ns, body, words) "
    "SELECT :tenant_id, :project_id, trace_id, span_id, start_ns, body, string_to_array(words, ' ') "
    "FROM unnest(CAST(:trace_ids AS text[]), CAST(:span_ids AS text[]), CAST(:starts_ns AS bigint[]), "
    "CAST(:bodies AS text[]), CAST(:words AS text[])) t(trace_id, span_id, start_ns, body, words) "
    "ON CONFLICT (tenant_id, project_id, trace_id, span_id) "
    "DO UPDATE SET start_ns = excluded.start_ns, body = excluded.body, words = excluded.words"
)

_REMOVE: Final = tuple(
    f"DELETE FROM {table} WHERE tenant_id = :tenant_id AND project_id = :project_id "  # noqa: S608 - constants
    "AND trace_id = :trace_id AND span_id = :span_id"
    for table in ("span_texts", "span_attributes")
)
_REMOVE_ATTRIBUTES: Final = _REMOVE[1]


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
        condition, parameters = words_condition(query, "t")
        sql = (
            f"SELECT t.trace_id FROM span_texts t WHERE {IN_PROJECT} AND {condition} "  # noqa: S608 - constants
            "AND t.start_ns BETWEEN :from_ns AND :to_ns ORDER BY t.start_ns DESC LIMIT :limit"
        )
        latest = 2**63 - 1 if to_ns is None else to_ns + DAY_NS
        with self._database.read(scope) as tx, wanting_words(tx, parameters):
            found = rows(tx, sql, from_ns=from_ns or 0, to_ns=latest, limit=MAX_MATCHES + 1, **parameters)
        trace_ids = [row.trace_id for row in found]
        return Matches(trace_ids=tuple(dict.fromkeys(trace_ids[:MAX_MATCHES])), is_cut=len(trace_ids) > MAX_MATCHES)

    def reader(self) -> Database:
        """The database itself: the index lies in its tables."""
        return self._database

    @property
    def sql(self) -> IndexSql:
        """How statements reach the index."""
        return SQL

    def delete(self, scope: Scope) -> None:
        """Forget everything of a scope."""
        with self._database.transaction(scope) as tx:
            for table in (span_texts, span_attributes, resource_values, attribute_values):
                tx.execute(delete(table))

    def close(self) -> None:
        """Nothing to let go of: connections belong to the database."""

    def _take_in(self, change: Change) -> int:
        with self._database.transaction(change.scope) as tx:
            found = texts(tx, change.keys)
            if found:
                known = _indexed_before(tx, found)
                _put_texts(tx, found)
                _put_resources(tx, {item.resource_key for item in found})
                _put_attributes(tx, found, known)
            removed = gone(change.keys, found)
            if removed:
                project = {"project_id": change.scope.project_id}
                for sql in _REMOVE:
                    tx.raw(sql, [{**project, "trace_id": trace, "span_id": span} for trace, span in removed])
        return len(found) + len(removed)


@contextmanager
def wanting_words(tx: Transaction, parameters: Mapping[str, Any]) -> Iterator[None]:
    """Let the statements of a block see only rows of `span_texts` that hold the words of `words_condition`.

    They find those by the index, which a condition of their own cannot use; see `storage.rls`.
    """
    say = func.set_config(WORDS_SETTING, " ".join(parameters.get("words", ())), True)
    tx.execute(select(say))
    yield
    # Not where a statement failed: the transaction takes no further one, and the setting ends with it.
    tx.execute(select(func.set_config(WORDS_SETTING, "", True)))


def words_condition(query: str, table: str, prefix: str = "") -> tuple[str, dict[str, Any]]:
    """The condition that every term of a query occurs in a row of `span_texts`, and its parameters."""
    terms = read_query(query)
    if not terms:
        return "FALSE", {}
    words = {word for term in terms for phrase in term.phrases for word in phrase}
    # Words next to each other, and beginnings, are decided on the text itself.
    checked = [term.text for term in terms if len(term.phrases) > 1 or len(term.phrases[0]) > 1]
    parameters: dict[str, Any] = {f"{prefix}text{index}": value for index, value in enumerate(checked)}
    conditions = [f"strpos({table}.body, :{name}) > 0" for name in parameters]
    parameters[f"{prefix}words"] = sorted(words)
    return " AND ".join([f"{table}.words @> CAST(:{prefix}words AS text[])", *conditions]), parameters


def _indexed_before(tx: Transaction, found: Sequence[SpanText]) -> list[dict[str, Any]]:
    """Keys of the spans that the index holds already: most spans come once."""
    arrays = "unnest(CAST(:trace_ids AS text[]), CAST(:span_ids AS text[]))"
    source = f"{arrays} k(trace_id, span_id) {each_by_key('span_texts', 'trace_id, span_id')}"
    sql = (
        f"SELECT s.trace_id, s.span_id FROM {source} "  # noqa: S608 - constants
        "WHERE s.tenant_id = :tenant_id AND s.project_id = :project_id"
    )
    keys = rows(tx, sql, trace_ids=[item.trace_id for item in found], span_ids=[item.span_id for item in found])
    return [{"project_id": tx.scope.project_id, "trace_id": key.trace_id, "span_id": key.span_id} for key in keys]


def _put_texts(tx: Transaction, found: Sequence[SpanText]) -> None:
    once = list({(item.trace_id, item.span_id): item for item in found}.values())
    columns = {
        "trace_ids": [item.trace_id for item in once],
        "span_ids": [item.span_id for item in once],
        "starts_ns": [item.start_ns for item in once],
        "bodies": [item.body for item in once],
        "words": [" ".join(_kept_words(item.body)) for item in once],  # arrays of unequal lengths cannot be unnested
    }
    tx.raw(_UPSERT, {"project_id": tx.scope.project_id, **columns})


def _kept_words(body: str) -> list[str]:
    """The words of a text, and beside pairs every single CJK character, which has no beginning to be found by here."""
    words = set(words_of(body))
    return sorted(words if body.isascii() else {part for word in words for part in _with_singles(word)})


def _put_attributes(tx: Transaction, found: Sequence[SpanText], known: Sequence[dict[str, Any]]) -> None:
    """What the spans' attributes say now; what those that are known said before is taken away first."""
    if known:
        tx.raw(_REMOVE_ATTRIBUTES, known)
    values: dict[int, AttributeValue] = {}
    postings: list[tuple[int, str, str]] = []
    for item in found:
        for value in item.values:
            value_id = value.value_id(tx.scope)
            values[value_id] = value
            postings.append((value_id, item.trace_id, item.span_id))
    _put_values(tx, values)
    # In the order of the index, so that neighbours go to one page.
    tx.insert_rows(span_attributes, ("value_id", "trace_id", "span_id"), sorted(postings))


def _put_resources(tx: Transaction, keys: Iterable[str]) -> None:
    """What resources say that are met for the first time: of all others a span has the mark already."""
    ids = {resource_mark(key).value_id(tx.scope): key for key in keys}
    sql = f"SELECT value_id FROM attribute_values WHERE {IN_PROJECT} AND value_id = ANY(:ids)"  # noqa: S608 - constants
    for row in rows(tx, sql, ids=list(ids)):
        del ids[row.value_id]
    said = resources(tx, ids.values()) if ids else {}
    values = {value.value_id(tx.scope): value for found in said.values() for value in found}
    _put_values(tx, values)
    pairs = [(value.value_id(tx.scope), resource_id) for resource_id, key in ids.items() for value in said.get(key, ())]
    tx.insert_rows(resource_values, ("value_id", "resource_id"), pairs)


def _put_values(tx: Transaction, values: Mapping[int, AttributeValue]) -> None:
    rows_ = [(value_id, value.name, value.text, value.number) for value_id, value in sorted(values.items())]
    tx.insert_rows(attribute_values, ("value_id", "name", "text", "number"), rows_)


class _PostgresSql:
    """The index in tables beside the spans."""

    values = "attribute_values"
    resources = "resource_values"

    def spans_with_values(self, values: str, where: str, *, is_probe: bool) -> str:
        """Spans that have one of some values."""
        return (
            f"SELECT a.trace_id, a.span_id FROM span_attributes a WHERE a.tenant_id = :tenant_id "  # noqa: S608
            f"AND a.project_id = :project_id AND a.value_id IN ({values}){where.format(table='a')}"
        )

    def spans_with_words(self, scope: Scope, query: str, where: str, prefix: str) -> tuple[str, dict[str, Any]]:
        """Spans in which all words of a query occur."""
        condition, parameters = words_condition(query, "t", prefix)
        sql = (
            f"SELECT t.trace_id, t.span_id FROM span_texts t WHERE t.tenant_id = :tenant_id "  # noqa: S608
            f"AND t.project_id = :project_id AND {condition}{where.format(table='t')}"
        )
        return sql, parameters

    def few_with_words(self, tx: Transaction, query: str, limit: int) -> Sequence[tuple[str, str]] | None:
        """Spans in which all words of a query occur; None where there are more than `limit`."""
        condition, parameters = words_condition(query, "t")
        sql = (
            f"SELECT t.trace_id, t.span_id FROM span_texts t WHERE {IN_PROJECT} AND {condition} "  # noqa: S608 - constants
            "LIMIT :limit"
        )
        with wanting_words(tx, parameters):
            found = rows(tx, sql, limit=limit + 1, **parameters)
        return None if len(found) > limit else [(row.trace_id, row.span_id) for row in found]

    def contains(self, text: str, part: str) -> str:
        """Whether a part occurs in a text, ASCII letters in either case."""
        return f"strpos(lower({text}), lower({part})) > 0"

    def matches(self, text: str, pattern: str) -> str:
        """Whether an expression finds something in a text."""
        return f"{text} ~ {pattern}"

    def pattern(self, expression: str) -> str:
        """An expression in the words of the database."""
        return postgres_form(expression)


SQL: Final[IndexSql] = _PostgresSql()


def _with_singles(word: str) -> set[str]:
    return {word, *word} if len(word) == 2 and not word.isascii() else {word}
