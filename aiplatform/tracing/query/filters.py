"""From a query to the filter that lists are narrowed by, and back to a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from aiplatform.tracing.model import SpanKind, Status, TraceFilter
from aiplatform.tracing.query.parser import parse
from aiplatform.tracing.query.printing import show
from aiplatform.tracing.query.tree import (
    Compare,
    Duration,
    Name,
    Node,
    Op,
    Space,
    Words,
    every,
    parts_of,
)


def read_filter(line: str, base: TraceFilter | None = None) -> TraceFilter:
    """The filter that a line of the query language means; see `docs/search.md`.

    Args:
        line: What was typed.
        base: A filter that the line narrows further.

    Raises:
        QueryError: The line cannot be understood; it names the column.
    """
    return filter_of(parse(line).node, base)


def filter_of(node: Node | None, base: TraceFilter | None = None) -> TraceFilter:
    """The filter that a tree means. What the columns of a trace answer becomes a field of the filter.

    Args:
        node: The tree; None narrows nothing.
        base: A filter that the tree narrows further.
    """
    base = base or TraceFilter()
    found: dict[str, Any] = {}
    rest: list[Node] = [] if base.query is None else [base.query]
    for part in () if node is None else parts_of(node):
        field, value = _simple(part)
        if field and field not in found and getattr(base, field) is None:
            found[field] = value
        else:
            rest.append(part)
    return replace(base, query=every(rest) if rest else None, **found)


def node_of(where: TraceFilter) -> Node | None:
    """The tree that means the same as a filter; None where it narrows nothing. Its range of time is left out."""
    parts: list[Node] = []
    for name, (field, op, read) in _WRITTEN.items():
        value = getattr(where, field)
        if value is not None:
            # Durations are whole nanoseconds: "more than 2 s" reads better than "2.000000001 s or more".
            is_above = field == "min_duration_ns" and value % 1_000_000 == 1
            compared = (Op.ABOVE, value - 1) if is_above else (op, value)
            parts.append(Compare(Name(Space.FIELD, name), compared[0], read(compared[1])))
    if where.has_errors is not None:
        parts.append(Compare(_ERRORS, Op.ABOVE if where.has_errors else Op.EQUAL, 0))
    if where.query is not None:
        parts.append(where.query)
    if where.text:
        text = parse(where.text).node
        parts.extend(() if text is None else parts_of(text))
    return every(parts) if parts else None


def line_of(where: TraceFilter) -> str:
    """The line that `read_filter` reads as this filter; empty where it narrows nothing."""
    node = node_of(where)
    return show(node) if node is not None else ""


def _simple(node: Node) -> tuple[str, Any]:
    if isinstance(node, Words):
        return "text", node.text
    if not isinstance(node, Compare) or node.name.space is not Space.FIELD:
        return "", None
    if node.name == _ERRORS:
        is_known = (node.op, node.value) in {(Op.ABOVE, 0), (Op.EQUAL, 0)}
        return ("has_errors", node.op is Op.ABOVE) if is_known else ("", None)
    if node.name.name == "duration" and isinstance(node.value, Duration) and node.op in {Op.AT_LEAST, Op.ABOVE}:
        return "min_duration_ns", node.value.ns + (node.op is Op.ABOVE)  # durations are whole nanoseconds
    field, op, _ = _WRITTEN.get(node.name.name, ("", None, str))
    if field and node.op is op:
        return field, _READ.get(node.name.name, str)(node.value)
    return "", None


_ERRORS: Final = Name(Space.FIELD, "errors")
_READ: Final[dict[str, Callable[[Any], Any]]] = {"status": Status, "kind": SpanKind}
_WRITTEN: Final[dict[str, tuple[str, Op, Callable[[Any], Any]]]] = {
    "trace": ("trace_id", Op.EQUAL, str),
    "name": ("name", Op.CONTAINS, str),
    "status": ("status", Op.EQUAL, str),
    "kind": ("kind", Op.EQUAL, str),
    "model": ("model", Op.EQUAL, str),
    "service": ("service", Op.EQUAL, str),
    "session": ("session_id", Op.EQUAL, str),
    "user": ("user_id", Op.EQUAL, str),
    "duration": ("min_duration_ns", Op.AT_LEAST, Duration),
}
"""Field of a query -> field of the filter, how the filter compares it, and how its value is written."""
