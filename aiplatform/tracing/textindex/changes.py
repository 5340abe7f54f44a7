"""What was committed since the index last looked: read from the changes that every write leaves behind."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from sqlalchemy import delete, select

from aiplatform.core.scope import Scope
from aiplatform.storage.database import SystemTransaction, Transaction
from aiplatform.storage.tables.tracing import span_changes
from aiplatform.tracing.attribute_values import AttributeValue, attribute_values, resource_mark, resource_values
from aiplatform.tracing.log_records import joined
from aiplatform.tracing.searchable import text_of
from aiplatform.tracing.store.logs import logs_of
from aiplatform.tracing.store.statements import IN_PROJECT, any_of, each_by_key, listed, rows
from aiplatform.tracing.words import folded

KEY_BYTES = 28

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Spans of one commit."""

    change_id: str
    scope: Scope
    keys: Sequence[tuple[str, str, int]]
    """Trace id, span id, day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanText:
    """What the index keeps of a span."""

    trace_id: str
    span_id: str
    start_ns: int
    body: str
    values: Sequence[AttributeValue]
    resource_key: str


def oldest_changes(tx: SystemTransaction, max_spans: int) -> list[Change]:
    """The changes that have waited longest, about `max_spans` spans together, at least one change."""
    found: list[Change] = []
    num_spans = 0
    for row in tx.execute(select(span_changes).order_by(span_changes.c.created_ns).limit(max_spans)):
        keys = list(_keys(bytes(row.keys)))
        num_spans += len(keys)
        if found and num_spans > max_spans:
            break
        scope = Scope(tenant_id=row.tenant_id, project_id=row.project_id)
        found.append(Change(change_id=row.change_id, scope=scope, keys=keys))
    return found


def forget(tx: SystemTransaction, changes: Sequence[Change]) -> None:
    """Take changes away once the index holds them for good."""
    tx.execute(delete(span_changes).where(span_changes.c.change_id.in_([change.change_id for change in changes])))


def gone(keys: Sequence[tuple[str, str, int]], found: Sequence[SpanText]) -> list[tuple[str, str]]:
    """Trace and span ids of the keys that `texts` found no span of: what the index must forget.

    A span whose end moved it to another day is among them too; the change of its end, which is a later one, brings it
    back.
    """
    there = {(text.trace_id, text.span_id) for text in found}
    return [*dict.fromkeys((trace_id, span_id) for trace_id, span_id, _ in keys if (trace_id, span_id) not in there)]


def texts(tx: Transaction, keys: Sequence[tuple[str, str, int]]) -> list[SpanText]:
    """The texts of spans; those that are gone meanwhile are left out."""
    if tx.dialect == "sqlite":
        # CROSS keeps the order of the join: without statistics SQLite would walk all spans for each key.
        source = "json_each(:keys) k CROSS JOIN spans s ON s.trace_id = k.value ->> 0 AND s.span_id = k.value ->> 1"
        source += " AND s.day = k.value ->> 2"
        parameters = {"keys": json.dumps(keys)}
    else:
        arrays = "CAST(:trace_ids AS text[]), CAST(:span_ids AS text[]), CAST(:days AS integer[])"
        source = f"unnest({arrays}) k(trace_id, span_id, day) {each_by_key('spans', 'trace_id, span_id, day')}"
        trace_ids, span_ids, days = zip(*keys, strict=True)
        parameters = {"trace_ids": list(trace_ids), "span_ids": list(span_ids), "days": list(days)}  # type: ignore[dict-item]
    sql = (
        f"SELECT s.trace_id, s.span_id, s.start_ns, s.name, s.resource_key, s.raw FROM {source} "  # noqa: S608 - constants
        "WHERE s.tenant_id = :tenant_id AND s.project_id = :project_id"
    )
    found = rows(tx, sql, **parameters)
    said = logs_of(tx, [(row.trace_id, row.span_id) for row in found])
    return [text_of_row(row, said.get((row.trace_id, row.span_id), ())) for row in found]


def resources(tx: Transaction, keys: Iterable[str]) -> dict[str, list[AttributeValue]]:
    """What some resources say, by their keys."""
    condition = any_of(tx, "resource_key", "keys")
    sql = f"SELECT resource_key, resource FROM span_resources WHERE {IN_PROJECT} AND {condition}"  # noqa: S608 - constants
    return {row.resource_key: _resource(row) for row in rows(tx, sql, keys=listed(tx, keys))}


def _resource(row: Any) -> list[AttributeValue]:
    try:
        return resource_values(bytes(row.resource))
    except Exception:
        logger.exception("a resource cannot be read for the index", extra={"resource_key": row.resource_key})
        return []


def text_of_row(row: Any, records: Sequence[bytes]) -> SpanText:
    """What an index keeps of a stored span.

    Args:
        row: With `trace_id`, `span_id`, `start_ns`, `name`, `resource_key` and `raw`.
        records: Its log records.
    """
    values: Sequence[AttributeValue] = ()
    try:
        span = SpanMessage.FromString(joined(bytes(row.raw), records))
        body = text_of(span)
        values = attribute_values(span)
    except Exception:
        # One span that cannot be read must not keep all later ones from being found.
        logger.exception("a span cannot be read for the text index", extra={"trace_id": row.trace_id})
        body = folded(row.name)
    return SpanText(
        trace_id=row.trace_id,
        span_id=row.span_id,
        start_ns=row.start_ns,
        body=body,
        values=(*values, resource_mark(row.resource_key)),
        resource_key=row.resource_key,
    )


def _keys(packed: bytes) -> Iterator[tuple[str, str, int]]:
    for start in range(0, len(packed), KEY_BYTES):
        key = packed[start : start + KEY_BYTES]
        yield key[:16].hex(), key[16:24].hex(), int.from_bytes(key[24:], "big", signed=True)
