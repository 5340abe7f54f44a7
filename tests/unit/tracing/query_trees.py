"""Random trees of the query language, and random traces for them to be true or false of."""

from __future__ import annotations

from hypothesis import strategies as st

from aiplatform.tracing.model import SpanKind, Status
from aiplatform.tracing.query.tree import (
    Ago,
    Between,
    Compare,
    Duration,
    Every,
    Exists,
    Instant,
    Name,
    Node,
    Not,
    OneOf,
    Op,
    Relation,
    Some,
    Space,
    Span,
    Words,
    every,
    some,
)
from aiplatform.tracing.query.values import storable

EQUALITIES = (Op.EQUAL, Op.NOT_EQUAL)
NUMERIC = (*EQUALITIES, Op.ABOVE, Op.AT_LEAST, Op.BELOW, Op.AT_MOST)
TEXTS = st.text(max_size=8).map(storable)
NAMES = st.text(min_size=1).map(storable)
NUMBERS = st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
LENGTHS = st.builds(Duration, st.integers(0, 2**62))
MOMENTS = st.builds(Ago, st.integers(0, 2**62)) | st.builds(Instant, st.integers(0, 2**62))
EXPRESSIONS = st.sampled_from(["a", "^ab?c*$", "(x|y)+z", '[a-c"]{2,3}', r"\d+\.\d", "/a/", "\\\\"])
PLAIN_WORDS = st.sampled_from(
    ["refund", "late", "内部", "12:30", "http://x.y", "x-1", "它's", "a.b", '"not"', '"two words"', '"status:ok"', "-x"]
)


def words() -> st.SearchStrategy[Words]:
    return st.lists(PLAIN_WORDS, min_size=1, max_size=3).map(lambda terms: Words(tuple(terms)))


def leaves(*, in_span: bool) -> st.SearchStrategy[Node]:
    """Conditions as the parser makes them, every kind of name and of value among them."""
    texts = st.sampled_from(["name", "model", "service"] + (["error"] if in_span else ["session", "user"])).map(_field)
    choice = st.one_of(
        st.builds(lambda op, value: Compare(_field("status"), op, str(value)), st.sampled_from(EQUALITIES),
                  st.sampled_from(Status)),
        st.builds(lambda op, value: Compare(_field("kind"), op, str(value)), st.sampled_from(EQUALITIES),
                  st.sampled_from(SpanKind)),
    )  # fmt: skip
    numbers = st.sampled_from(["cost", "tokens"] + ([] if in_span else ["errors", "spans"])).map(_field)
    own = st.builds(Name, st.sampled_from([Space.ATTRIBUTES, Space.METADATA, Space.SCORE]), NAMES)
    textual = texts | own
    found = [
        choice,
        words(),
        st.builds(Compare, textual, st.sampled_from([*EQUALITIES, Op.CONTAINS, Op.LIKE]), TEXTS),
        st.builds(Compare, textual, st.just(Op.MATCHES), EXPRESSIONS),
        st.builds(Compare, numbers | own, st.sampled_from(NUMERIC), NUMBERS),
        st.builds(Compare, st.just(_field("duration")), st.sampled_from(NUMERIC), LENGTHS),
        st.builds(Compare, st.just(_field("start")), st.sampled_from(NUMERIC), MOMENTS),
        st.builds(Between, numbers | own, NUMBERS, NUMBERS),
        st.builds(OneOf, textual, st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(tuple)),
        st.builds(Exists, textual | numbers),
        st.just(Exists(Name(Space.SCORE, ""))),
    ]
    return st.one_of(*found)


def trees(*, in_span: bool = False) -> st.SearchStrategy[Node]:
    """Whole queries."""
    base = leaves(in_span=in_span) if in_span else leaves(in_span=False) | spans()
    return st.recursive(base, _joined, max_leaves=8).filter(is_shallow)


def spans() -> st.SearchStrategy[Span]:
    """Conditions on single spans, and on how they stand to each other."""
    where = st.recursive(leaves(in_span=True), _joined, max_leaves=4)
    single = st.builds(Span, where)
    return st.recursive(single, lambda inner: st.builds(Span, where, st.sampled_from(Relation), inner), max_leaves=3)


def is_shallow(node: Node, level: int = 1) -> bool:
    """Whether a tree is within the depth that the language allows."""
    match node:
        case Not(of=inner):
            return is_shallow(inner, level + 2)
        case Every(of=several) | Some(of=several):
            return all(is_shallow(each, level + 2) for each in several)
        case Span(where=where, other=other):
            return is_shallow(where, level + 4) and (other is None or is_shallow(other, level + 4))
        case _:
            return level <= 16


def _joined(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3)
    return several.map(every) | several.map(some) | inner.map(Not)


def _field(name: str) -> Name:
    return Name(Space.FIELD, name)


__all__ = ["is_shallow", "leaves", "spans", "trees", "words"]
