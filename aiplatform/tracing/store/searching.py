"""A query's tree as a SQL condition on rows of `traces`.

Every condition is true or false, never unknown, so that NOT is the opposite everywhere. Values are parameters; of what
a user wrote nothing stands in the statement itself. Each table that is read is limited to tenant and project here, as
the statement around it is by `storage.scoping`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, text

from aiplatform.storage.database import Transaction
from aiplatform.tracing.attribute_values import name_in_index
from aiplatform.tracing.model import SpanKind
from aiplatform.tracing.query.automaton import found
from aiplatform.tracing.query.tree import (
    INDEXED_SPACES,
    MAX_TEXT,
    TAG,
    Ago,
    Compare,
    Duration,
    Every,
    Exists,
    Instant,
    Name,
    Node,
    Not,
    Op,
    Relation,
    Some,
    Space,
    Span,
    Value,
    Words,
)
from aiplatform.tracing.query.tree import Between as BetweenNode
from aiplatform.tracing.query.tree import OneOf as OneOfNode
from aiplatform.tracing.query.values import storable
from aiplatform.tracing.store.comparing import Comparison, like_finds
from aiplatform.tracing.store.statements import IN_PROJECT, project_of, rows
from aiplatform.tracing.store.writing import joined, split

if TYPE_CHECKING:
    from aiplatform.tracing.textindex.ports import IndexSql

MAX_LISTED: Final = 2_000
"""Traces up to which the matches of a condition are fetched and named in the statement, so that it begins with them."""

MAX_VALUE_IDS: Final = 500
"""Values up to which they are named in the statement, rather than selected in it."""

Leaf = Compare | BetweenNode | OneOfNode | Exists

_TRACE_COLUMNS: Final = {
    "status": "traces.status", "service": "traces.service", "session": "traces.session_id", "user": "traces.user_id",
    "name": "traces.name", "trace": "traces.trace_id", "duration": "traces.duration_ns", "start": "traces.start_ns",
    "errors": "traces.num_errors", "spans": "traces.num_spans", "input_tokens": "traces.input_tokens",
    "output_tokens": "traces.output_tokens", "cost": "traces.cost",
}  # fmt: skip
_SPAN_COLUMNS: Final = {
    "name": "name", "kind": "kind", "status": "status", "model": "model", "service": "service", "error": "error",
    "duration": "duration_ns", "start": "start_ns", "input_tokens": "input_tokens", "output_tokens": "output_tokens",
    "cost": "cost", "parent": "parent_id",
}  # fmt: skip
_JOINED: Final = {"kind": "kinds", "model": "models"}
_PARAMETER: Final = re.compile(r":(\w+)")
_TRUTHS: Final = {"yes": "true", "true": "true", "no": "false", "false": "false"}


def query_condition(tx: Transaction, query: Node, index: IndexSql, *, now_ns: int) -> ColumnElement[bool]:
    """The condition that a trace meets a query.

    Args:
        tx: A transaction of the index's reader, bound to one project.
        query: The tree.
        index: How statements reach the index.
        now_ns: The moment that `now` means.
    """
    compiler = Compiler(tx, index, now_ns)
    sql = compiler.of_trace(query)
    used = {name: compiler.parameters[name] for name in _PARAMETER.findall(sql)}
    return text(f"({sql})").bindparams(**used)  # type: ignore[return-value]


class Compiler:
    """Builds the condition of one statement and collects its parameters.

    Args:
        tx: A transaction of the index's reader, bound to one project.
        index: How statements reach the index.
        now_ns: The moment that `now` means.
    """

    def __init__(self, tx: Transaction, index: IndexSql, now_ns: int) -> None:
        self.tx = tx
        self.index = index
        self.now_ns = now_ns
        self.parameters: dict[str, Any] = {}
        self._num_spans = 0
        self._compare = Comparison(index, self._bind)

    def of_trace(self, node: Node) -> str:
        """The condition that a row of `traces` meets a tree."""
        match node:
            case Every(of=several):
                return self._all(self.of_trace(each) for each in several)
            case Some(of=several):
                return self._any(self.of_trace(each) for each in several)
            case Not(of=Not(of=inner)):
                return self.of_trace(inner)
            case Not(of=inner):
                return f"NOT ({self.of_trace(inner)})"
            case Words():
                return self._words(node, None)
            case Span():
                return self._span_of_trace(node)
            case _:
                return self._trace_leaf(node)

    def of_span(self, node: Node, span: str) -> str:
        """The condition that a row of `spans`, called `span`, meets a tree."""
        match node:
            case Every(of=several):
                return self._all(self.of_span(each, span) for each in several)
            case Some(of=several):
                return self._any(self.of_span(each, span) for each in several)
            case Not(of=Not(of=inner)):
                return self.of_span(inner, span)
            case Not(of=inner):
                return f"NOT ({self.of_span(inner, span)})"
            case Words():
                return self._words(node, span)
            case Span():
                raise AssertionError("the parser lets no span stand inside of another one's conditions")
            case _:
                return self._span_leaf(node, span)

    def _trace_leaf(self, leaf: Leaf) -> str:
        name = leaf.name
        if name.space is Space.SCORE:
            own = self._score_condition(leaf)
            return f"traces.trace_id IN (SELECT c.trace_id FROM scores c WHERE {self._in('c')} AND {own})"  # noqa: S608
        if name.space is not Space.FIELD or name == TAG:
            return self._attribute_of_trace(leaf)
        if name.name in _JOINED:
            return self._joined(leaf, _JOINED[name.name])
        column = _tokens("traces") if name.name == "tokens" else _TRACE_COLUMNS[name.name]
        return self._column(leaf, column)

    def _span_leaf(self, leaf: Leaf, span: str) -> str:
        name = leaf.name
        if name.space is Space.SCORE:
            own = self._score_condition(leaf)
            at = f"c.trace_id = {span}.trace_id AND c.span_id = {span}.span_id"
            return f"EXISTS (SELECT 1 FROM scores c WHERE {self._in('c')} AND {at} AND {own})"  # noqa: S608
        if name.space is not Space.FIELD or name == TAG:
            where = f" AND {{table}}.trace_id = {span}.trace_id AND {{table}}.span_id = {span}.span_id"
            ids, _ = self._value_ids(leaf)
            return f"EXISTS ({self.index.spans_with_values(ids, where, is_probe=True)})" if ids else "FALSE"
        column = _tokens(span) if name.name == "tokens" else f"{span}.{_SPAN_COLUMNS[name.name]}"
        return self._column(leaf, column)

    def _column(self, leaf: Leaf, column: str) -> str:
        own = self._compare.condition(self._with_moments(leaf), text=column, number=column)
        return own if isinstance(leaf, Compare | BetweenNode | OneOfNode) else f"{column} IS NOT NULL"

    def _with_moments(self, leaf: Leaf) -> Leaf:
        """The same with moments and lengths as nanoseconds."""
        match leaf:
            case Compare(name=name, op=op, value=value):
                return Compare(name, op, self._plain(value))
            case BetweenNode(name=name, low=low, high=high):
                return BetweenNode(name, self._plain(low), self._plain(high))
            case OneOfNode(name=name, values=values):
                return OneOfNode(name, tuple(self._plain(value) for value in values))
            case Exists():
                return leaf

    def _plain(self, value: Value) -> Value:
        match value:
            case Ago(ns=ns):
                return self.now_ns - ns
            case Duration(ns=ns) | Instant(ns=ns):
                return ns
            case _:
                return value

    def _joined(self, leaf: Leaf, column: str) -> str:
        """A condition on names that stand in one column between line feeds: one of them has to meet it."""
        place = f"traces.{column}"
        match leaf:
            case Exists():
                return f"{place} <> ''"
            case OneOfNode(values=values):
                return self._any(self._holds(place, value) for value in values)
            case Compare(op=Op.EQUAL, value=value):
                return self._holds(place, value)
            case Compare(op=Op.NOT_EQUAL, value=value):
                return f"{place} <> '' AND {place} <> {self._bind(joined([str(value)]))}"
            case Compare(op=Op.CONTAINS, value=value):
                is_possible = "\n" not in str(value)
                own = self.index.contains(place, self._bind(str(value)))
                return f"{place} <> '' AND {own}" if is_possible else "FALSE"
            case Compare(op=op, value=value):
                fits: Callable[[str, str], bool] = like_finds if op is Op.LIKE else found
                sql = f"SELECT DISTINCT {column} AS names FROM traces WHERE {IN_PROJECT} AND {column} <> ''"  # noqa: S608
                every = [row.names for row in rows(self.tx, sql)]
                fitting = [names for names in every if any(fits(str(value), name) for name in split(names))]
                return f"{place} IN ({', '.join(self._bind(names) for names in fitting)})" if fitting else "FALSE"
            case _:
                raise AssertionError(f"the parser lets no range stand for {leaf.name}")

    def _holds(self, place: str, value: Value) -> str:
        find = "instr" if self.tx.dialect == "sqlite" else "strpos"
        return f"{find}({place}, {self._bind(joined([str(value)]))}) > 0"

    def _score_condition(self, leaf: Leaf) -> str:
        if leaf.name.name == "":
            return "TRUE"
        truth = "CASE WHEN c.number = 1 THEN 'true' ELSE 'false' END"
        as_text = f"CASE WHEN c.type = 'boolean' THEN {truth} ELSE c.label END"
        number = "CASE WHEN c.type = 'numeric' THEN c.number END"
        own = self._compare.condition(_with_truths(leaf), text=f"({as_text})", number=f"({number})")
        return f"c.name = {self._bind(leaf.name.name)} AND {own}"

    def _attribute_of_trace(self, leaf: Leaf) -> str:
        ids, is_listed = self._value_ids(leaf)
        if not ids:
            return "FALSE"
        spans = self.index.spans_with_values(ids, "", is_probe=False)
        if is_listed:
            few = self.tx.raw(
                f"SELECT m.trace_id FROM ({spans} LIMIT {MAX_LISTED + 1}) m",  # noqa: S608 - numbers and constants
                {"project_id": project_of(self.tx)},
            ).fetchall()
            if len(few) <= MAX_LISTED:
                return self._listed({row.trace_id for row in few})
            # So many that a walk through the newest traces soon meets enough of them.
            probe = self.index.spans_with_values(ids, " AND {table}.trace_id = traces.trace_id", is_probe=True)
            return f"EXISTS ({probe})"
        return f"traces.trace_id IN (SELECT m.trace_id FROM ({spans}) m)"  # noqa: S608

    def _listed(self, trace_ids: Iterable[str]) -> str:
        names = ", ".join(f"'{trace_id}'" for trace_id in sorted(trace_ids) if _is_hex(trace_id))
        return f"traces.trace_id IN ({names})" if names else "FALSE"

    def _value_ids(self, leaf: Leaf) -> tuple[str, bool]:
        """Values that meet a condition: their numbers where they are few, else the statement that selects them."""
        own = self._compare.condition(leaf, text="v.text", number="v.number", max_text=MAX_TEXT)
        name = self._bind(_index_name(leaf.name))
        sql = f"SELECT v.value_id FROM {self.index.values} v WHERE {self._in('v')} AND v.name = {name} AND {own}"  # noqa: S608
        if leaf.name.space is Space.RESOURCE:
            resources = f"SELECT r.resource_id AS value_id FROM {self.index.resources} r WHERE {self._in('r')}"  # noqa: S608
            sql = f"{resources} AND r.value_id IN ({sql})"
        parameters = {key: self.parameters[key] for key in _PARAMETER.findall(sql)}
        few = self.tx.raw(f"{sql} LIMIT {MAX_VALUE_IDS + 1}", {**parameters, "project_id": project_of(self.tx)}).all()
        if len(few) > MAX_VALUE_IDS:
            return sql, False
        return ", ".join(str(int(row.value_id)) for row in few), True

    def _words(self, words: Words, span: str | None) -> str:
        text = storable(words.text)
        few = self.index.few_with_words(self.tx, text, MAX_LISTED)
        if few is not None:
            return (
                self._listed_spans(few, span) if span is not None else self._listed({trace_id for trace_id, _ in few})
            )
        # What few do not have is soon met by a walk, where the statement cannot reach the index of words itself.
        is_probe = self.tx.dialect == "postgresql"
        where = f" AND {{table}}.trace_id = {span or 'traces'}.trace_id" if is_probe else ""
        where += f" AND {{table}}.span_id = {span}.span_id" if is_probe and span is not None else ""
        sql, parameters = self.index.spans_with_words(self.tx.scope, text, where, f"w{len(self.parameters)}_")
        self.parameters.update(parameters)
        self._bind_scope()
        if is_probe:
            return f"EXISTS ({sql})"
        if span is not None:
            return f"({span}.trace_id, {span}.span_id) IN ({sql})"
        return f"traces.trace_id IN (SELECT m.trace_id FROM ({sql}) m)"  # noqa: S608

    @staticmethod
    def _listed_spans(keys: Iterable[tuple[str, str]], span: str) -> str:
        pairs = ", ".join(f"('{trace}', '{id_}')" for trace, id_ in sorted(keys) if _is_hex(trace) and _is_hex(id_, 16))
        return f"({span}.trace_id, {span}.span_id) IN ({pairs})" if pairs else "FALSE"

    def _span_of_trace(self, node: Span) -> str:
        span = self._alias()
        at = f"{span}.trace_id = traces.trace_id AND {span}.day BETWEEN traces.first_day AND traces.last_day"
        own = self._chain(node, span)
        exists = f"EXISTS (SELECT 1 FROM spans {span} WHERE {self._in(span)} AND {at} AND {own})"  # noqa: S608
        needed = self._needed(node.where)
        return f"{needed} AND {exists}" if needed else exists

    def _chain(self, node: Span, span: str) -> str:
        own = self.of_span(node.where, span)
        if node.other is None:
            return own
        other = self._alias()
        at = f"{other}.trace_id = {span}.trace_id AND {other}.day BETWEEN traces.first_day AND traces.last_day"
        above = self._chain(node.other, other)
        if node.relation is Relation.CHILD_OF:
            found = (
                f"SELECT 1 FROM spans {other} WHERE {self._in(other)} AND {at} AND {other}.span_id = {span}.parent_id"  # noqa: S608
            )
            return f"{own} AND EXISTS ({found} AND {above})"
        # UNION leaves out what was met already, so that spans that are each other's parents end too.
        up, step = f"up_{other}", f"step_{other}"
        walk = (
            f"WITH RECURSIVE {up}(id) AS (SELECT {span}.parent_id UNION SELECT {step}.parent_id "  # noqa: S608
            f"FROM spans {step} JOIN {up} ON {step}.span_id = {up}.id WHERE {self._in(step)} "
            f"AND {step}.trace_id = {span}.trace_id AND {step}.day BETWEEN traces.first_day AND traces.last_day)"
        )
        found = f"SELECT 1 FROM {up} JOIN spans {other} ON {other}.span_id = {up}.id WHERE {self._in(other)} AND {at}"  # noqa: S608
        return f"{own} AND EXISTS ({walk} {found} AND {above})"

    def _needed(self, where: Node) -> str:
        """What a trace must hold if one of its spans is to meet conditions; it is cheaper to ask than the spans are."""
        found: list[str] = []
        for part in where.of if isinstance(where, Every) else (where,):
            match part:
                case Compare(value=SpanKind.OTHER):
                    pass  # no trace says that it holds such spans
                case Compare(name=Name(space=Space.FIELD, name="kind" | "model"), op=Op.EQUAL):
                    found.append(self._joined(part, _JOINED[part.name.name]))
                case Compare(name=Name(space=Space.FIELD, name="status"), op=Op.EQUAL, value="error"):
                    found.append("traces.num_errors > 0")
                case Compare() | BetweenNode() | OneOfNode() | Exists() if _is_attribute(part.name):
                    found.append(self._attribute_of_trace(part))
                case Words():
                    found.append(self._words(part, None))
        return self._all(found) if found else ""

    def _alias(self) -> str:
        self._num_spans += 1
        return f"s{self._num_spans}"

    def _in(self, table: str) -> str:
        self._bind_scope()
        return f"{table}.tenant_id = :tenant_id AND {table}.project_id = :project_id"

    def _bind_scope(self) -> None:
        self.parameters["tenant_id"] = self.tx.scope.tenant_id
        self.parameters["project_id"] = project_of(self.tx)

    def _bind(self, value: Any) -> str:
        name = f"q{len(self.parameters)}_"
        self.parameters[name] = storable(value) if isinstance(value, str) else value
        return f":{name}"

    @staticmethod
    def _all(conditions: Iterable[str]) -> str:
        return " AND ".join(conditions)

    @staticmethod
    def _any(conditions: Iterable[str]) -> str:
        return f"({' OR '.join(conditions)})"


def _tokens(table: str) -> str:
    before, after = f"{table}.input_tokens", f"{table}.output_tokens"
    both = f"coalesce({before}, 0) + coalesce({after}, 0)"
    return f"(CASE WHEN {before} IS NULL AND {after} IS NULL THEN NULL ELSE {both} END)"


def _index_name(name: Name) -> str:
    return name_in_index(name.space, name.name)


def _is_attribute(name: Name) -> bool:
    return name.space in INDEXED_SPACES or name == TAG


def _is_hex(id_: str, length: int = 32) -> bool:
    return len(id_) == length and all(each in "0123456789abcdef" for each in id_)


def _with_truths(leaf: Leaf) -> Leaf:
    """Yes and no as the booleans among scores are written."""
    if isinstance(leaf, Compare) and leaf.op is Op.EQUAL and str(leaf.value).lower() in _TRUTHS:
        value = str(leaf.value)
        return OneOfNode(leaf.name, (value, _TRUTHS[value.lower()]))
    return leaf
