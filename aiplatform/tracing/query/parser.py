"""The language of queries, and its parser. `docs/search.md` explains it with examples.

    query     = all {"OR" all}
    all       = one {["AND"] one}
    one       = "NOT" one | "-" condition | "(" query ")" | related | condition | word | phrase
    related   = "span(" query ")" [("under" | "child of") related]
    condition = name ":" (value | range | set) | name compare value | name ["not"] "in" set
              | name "like" value | name "=~" "/" expression "/" | name "exists" | "has:" name | "since:" length
    compare   = "=" | "!=" | ">" | ">=" | "<" | "<=" | "~" | "!~"
    range     = "[" value "TO" value "]" | value ".." value
    set       = "(" value {("," | "OR") value} ")"

AND, OR and NOT are always meant as such in capitals; in small letters they join conditions, and between plain words
they are words like any other, so that `file not found` is looked for as it stands. Nothing is ever executed: the text
becomes the tree of `tree.py`, or an error with a column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiplatform.core.i18n import N_
from aiplatform.tracing.query.conditions import Conditions
from aiplatform.tracing.query.fields import find, nearest
from aiplatform.tracing.query.tree import Node, Not, Relation, Span, Words, every, some

MAX_CHARACTERS: Final = 4000
MAX_DEPTH: Final = 16
"""Levels of a query; SQLite reads no statement that is nested about a hundred deep, and some levels take several."""

SPAN_LEVELS: Final = 3
MAX_CONDITIONS: Final = 100

_KEYWORDS: Final = frozenset({"and", "or", "not", "exists", "in", "like", "under", "child"})
"""Words that are quoted where they are meant as text, so that a tree is printed as text that is read alike."""

_WORD: Final = re.compile(r'[^\s()"]+')
_JOINT: Final = re.compile(r"(AND|OR|NOT|and|or|not)(?=[\s(\"]|$)")
_SPAN: Final = re.compile(r"span\(", re.IGNORECASE)
_RELATION: Final = re.compile(r"\s*(under|child\s+of)\s+(?=span\()", re.IGNORECASE)
_NEAR: Final = 0.75
"""How alike an unknown word before a colon must be to a field's name to be taken for its misspelling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One of the conditions that a query joins with AND at its top, and where it stands."""

    node: Node
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A query that was understood."""

    text: str
    pieces: Sequence[Piece]

    @property
    def node(self) -> Node | None:
        """The whole tree; None for an empty query."""
        return every(piece.node for piece in self.pieces) if self.pieces else None


def parse(text: str) -> Parsed:
    """The query that a text writes.

    Raises:
        QueryError: It cannot be understood; the error names the column, and its hint points at it.
    """
    return _Parser(text).parsed()


def parse_node(text: str) -> Node | None:
    """The tree of a query; None where it is empty.

    Raises:
        QueryError: It cannot be understood.
    """
    return parse(text).node


class _Parser(Conditions):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.num_conditions = 0
        if len(text) > MAX_CHARACTERS:
            self.fail(
                N_("A query may have {limit} characters; this one has {size}."),
                hint=N_("Ask for less at once."),
                reason="query.too_long",
                limit=MAX_CHARACTERS,
                size=len(text),
            )

    def parsed(self) -> Parsed:
        self.skip()
        if self.is_done():
            return Parsed(text=self.text, pieces=())
        start = self.place
        pieces = self._all()
        if self._joint(pieces[-1].node) == "or":
            node = self._rest_of_or(_joined(pieces))
            pieces = [Piece(node=node, start=start, end=self.place)]
        if not self.is_done():
            self.fail(N_("{found!r} does not belong here (column {column})."), end=self.place + 1)
        return Parsed(text=self.text, pieces=tuple(pieces))

    def _query(self) -> Node:
        self.skip()
        pieces = self._all()
        node = _joined(pieces)
        return self._rest_of_or(node) if self._joint(pieces[-1].node) == "or" else node

    def _rest_of_or(self, first: Node) -> Node:
        found = [first]
        last = first
        while self._joint(last) == "or":
            self._take_joint()
            pieces = self._all()
            last = pieces[-1].node
            found.append(_joined(pieces))
        return some(found)

    def _all(self) -> list[Piece]:
        found = [self._one()]
        while True:
            joint = self._joint(found[-1].node)
            if joint == "and":
                self._take_joint()
            elif joint == "or" or self.is_done() or self.peek(")"):
                return found
            found.append(self._one())

    def _one(self) -> Piece:
        self.skip()
        start = self.place
        self.depth += 1
        self.num_conditions += 1
        if self.depth > MAX_DEPTH:
            self.fail(N_("The query is nested too deeply (column {column})."))
        if self.num_conditions > MAX_CONDITIONS:
            self.fail(N_("A query may have {limit} conditions (column {column})."), limit=MAX_CONDITIONS)
        node = self._node()
        self.depth -= 1
        end = self.place
        self.skip()
        return Piece(node=node, start=start, end=end)

    def _node(self) -> Node:
        if self.is_done() or self.peek(")"):
            self.fail(N_("A condition is missing (column {column})."))
        if self._joint(None) == "not":
            self._take_joint()
            return Not(self._one().node)
        if self.peek("("):
            return self._group()
        if self.peek("-") and self._is_condition(self.place + 1, is_negated=True):
            self.place += 1
            return Not(self._one().node)
        if _SPAN.match(self.text, self.place):
            return self._related()
        condition = self.condition()
        return condition if condition is not None else self._words()

    def _group(self) -> Node:
        start = self.place
        self.place += 1
        node = self._query()
        if not self.peek(")"):
            self.fail(N_("This parenthesis is not closed (column {column})."), start=start, end=start + 1)
        self.place += 1
        return node

    def _related(self) -> Span:
        start = self.place
        if self.in_span:
            self.fail(
                N_("A span does not stand inside of another one's conditions (column {column})."), end=self.place + 5
            )
        self.depth += SPAN_LEVELS
        self.in_span = True
        self.place += len("span")
        where = self._group()
        self.in_span = False
        relation = _RELATION.match(self.text, self.place)
        if relation is None:
            self.depth -= SPAN_LEVELS
            return Span(where)
        self.place = relation.end()
        if self.depth >= MAX_DEPTH:
            self.fail(N_("The query is nested too deeply (column {column})."), start=start, end=start + 1)
        other = self._related()
        self.depth -= SPAN_LEVELS
        return Span(where, Relation(" ".join(relation[1].lower().split())), other)

    def _words(self) -> Words:
        if self.peek('"'):
            end = self.text.find('"', self.place + 1)
            phrase = self.text[self.place + 1 :] if end < 0 else self.text[self.place + 1 : end]
            self.place = len(self.text) if end < 0 else end + 1
            return Words((f'"{phrase}"',))
        match = _WORD.match(self.text, self.place)
        if match is None:
            self.fail(N_("A condition is missing (column {column})."))
        self._refuse_misspelling(match)
        self.place = match.end()
        return Words((f'"{match[0]}"' if match[0].lower() in _KEYWORDS else match[0],))

    def _refuse_misspelling(self, word: re.Match[str]) -> None:
        """A colon after a word that is no field (`http://…`, `12:30`) is text, but a slip is not."""
        name, colon, rest = word[0].partition(":")
        if not colon or not rest or rest.startswith("//") or not re.fullmatch(r"[A-Za-z_][\w.-]*", name, re.ASCII):
            return
        near = nearest(name, in_span=self.in_span, cutoff=_NEAR)
        if near is not None and find(name, in_span=self.in_span) is None:
            self.fail_unknown(name, near, word.start())

    def _joint(self, before: Node | None) -> str | None:
        """The AND, OR or NOT that stands here; None where there is none, or one that is meant as a word.

        Args:
            before: What stands before; None at a place where only NOT can stand.
        """
        self.skip()
        match = _JOINT.match(self.text, self.place)
        if match is None:
            return None
        word = match[1].lower()
        if (word == "not") != (before is None):
            return None
        is_between_words = before is None or isinstance(before, Words)
        if match[1].islower() and is_between_words and not self._is_condition(match.end()):
            return None
        return word

    def _take_joint(self) -> None:
        match = _JOINT.match(self.text, self.place)
        self.place = self.place if match is None else match.end()
        self.skip()

    def _is_condition(self, place: int, *, is_negated: bool = False) -> bool:
        """Whether something other than a plain word stands at a place."""
        if not is_negated:
            while place < len(self.text) and self.text[place].isspace():
                place += 1
            if self.text[place : place + 1] == "-":
                return self._is_condition(place + 1, is_negated=True)
            joint = _JOINT.match(self.text, place)
            if joint is not None and joint[1].lower() == "not":
                return joint[1].isupper() or self._is_condition(joint.end())
        if self.text[place : place + 1] == "(" or _SPAN.match(self.text, place):
            return True
        if is_negated and self.text[place : place + 1] == '"':
            return True
        return self.head(place) is not None


def _joined(pieces: Sequence[Piece]) -> Node:
    return every(piece.node for piece in pieces)
