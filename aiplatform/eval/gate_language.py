"""The language of gates, and its parser.

    hit@1 >= 0.5 and p95_latency <= 2s and cost <= $5 and not worse_than(baseline, "hit@1", 0.01)

    gate       = conjunction {"or" conjunction}
    conjunction= negation {"and" negation}
    negation   = ["not"] (group | call | limit)
    group      = "(" gate ")"
    limit      = measure compare ["$"] number [unit]
    compare    = ">=" | "<=" | ">" | "<" | "==" | "!="
    measure    = name | text | function "(" text {"," text} ")"
    call       = ("worse_than" | "better_than") "(" "baseline" "," text ["," number] ")"
               | "calibrated" "(" text ["," number] ")"
    unit       = "ms" | "s" | "min" | "%"

Functions of a measure: `coverage("hit@1")`, `count("hit@1")`, `lower("hit@1")` and `upper("hit@1")` for the ends of the
interval (`low` and `high` are the same), `slice("language=zh", "hit@1")`, `min_over("language", "hit@1")` and
`max_over("language", "hit@1")` for the slice that is lowest or highest, and `kappa("relevance")` for how well a judge
agrees with people. `calibrated("relevance", 0.6)` asks that even the lower end of that agreement reaches 0.6.

Nothing is ever executed: the text becomes the values of `gate_nodes`, or an error with a column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.eval.gate_nodes import (
    CALIBRATED_FROM,
    Against,
    Calibrated,
    Condition,
    Every,
    Gate,
    Limit,
    Measure,
    Node,
    Not,
    Some,
)

MAX_CHARACTERS: Final = 4000
MAX_DEPTH: Final = 40
MEASURE_FUNCTIONS: Final = {
    "coverage": 1,
    "count": 1,
    "lower": 1,
    "upper": 1,
    "low": 1,
    "high": 1,
    "slice": 2,
    "min_over": 2,
    "max_over": 2,
    "kappa": 1,
}
SHORT_NAMES: Final = {"low": "lower", "high": "upper"}
CALLS: Final = ("worse_than", "better_than")
CALIBRATED: Final = "calibrated"
BASELINE: Final = "baseline"
_UNITS: Final = {"ms": 1.0, "s": 1000.0, "min": 60_000.0, "%": 0.01}
_KEYWORDS: Final = frozenset({"and", "or", "not"})
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_@./]*)
      | (?P<text>"[^"]*"|'[^']*')
      | (?P<compare>>=|<=|==|!=|>|<)
      | (?P<mark>[(),%$])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def parse_gate(text: str) -> Gate:
    """The gate that a text writes.

    Raises:
        InvalidError: It cannot be understood; the message names the column, the hint points at it.
    """
    return _Parser(text).gate()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_CHARACTERS:
            raise InvalidError(
                N_("A gate may have {limit} characters; this one has {size}."),
                reason="gate.too_long",
                limit=MAX_CHARACTERS,
                size=len(text),
            )
        self.tokens = self._tokens()
        self.place = 0
        self.depth = 0

    def gate(self) -> Gate:
        if self.token.kind == "end":
            self._fail(N_("The gate is empty (column {column})."), self.token.start)
        pieces = self._pieces()
        if self.token.kind != "end":
            self._fail(N_("{found!r} does not belong here (column {column})."), self.token.start, self.token.text)
        conditions = tuple(Condition(text=self.text[start:end].strip(), node=node) for node, start, end in pieces)
        return Gate(text=self.text.strip(), conditions=conditions)

    @property
    def token(self) -> _Token:
        return self.tokens[self.place]

    def _pieces(self) -> list[tuple[Node, int, int]]:
        """The conditions joined by `and` at the top; a gate with `or` at the top is one condition."""
        start = self.token.start
        first = self._conjunction()
        if self._is("or"):
            return [(self._rest_of_or(self._joined(first)), start, self._last_end())]
        return first

    def _or(self) -> Node:
        first = self._joined(self._conjunction())
        return self._rest_of_or(first) if self._is("or") else first

    def _rest_of_or(self, first: Node) -> Node:
        found = [first]
        while self._is("or"):
            self._next()
            found.append(self._joined(self._conjunction()))
        return Some(of=tuple(found))

    def _conjunction(self) -> list[tuple[Node, int, int]]:
        found = [self._negation()]
        while self._is("and"):
            self._next()
            found.append(self._negation())
        return found

    @staticmethod
    def _joined(pieces: list[tuple[Node, int, int]]) -> Node:
        return pieces[0][0] if len(pieces) == 1 else Every(of=tuple(node for node, _, _ in pieces))

    def _negation(self) -> tuple[Node, int, int]:
        start = self.token.start
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._fail(N_("The gate is nested too deeply (column {column})."), start)
        if self._is("not"):
            self._next()
            node: Node = Not(of=self._negation()[0])
        elif self.token.text == "(":
            self._next()
            node = self._or()
            self._expect(")")
        elif self.token.text in CALLS and self.tokens[self.place + 1].text == "(":
            node = self._against()
        elif self.token.text == CALIBRATED and self.tokens[self.place + 1].text == "(":
            node = self._calibrated()
        else:
            node = self._limit()
        self.depth -= 1
        return node, start, self._last_end()

    def _calibrated(self) -> Calibrated:
        column = self._next().start + 1
        self._expect("(")
        judge, floor = self._text(), CALIBRATED_FROM
        if self.token.text == ",":
            self._next()
            floor, _ = self._number()
        self._expect(")")
        return Calibrated(judge=judge, floor=floor, column=column)

    def _against(self) -> Against:
        column = self.token.start + 1
        call = self._next().text
        self._expect("(")
        if self.token.text != BASELINE:
            self._fail(N_("Here stands {found!r}, where `baseline` must stand (column {column})."), *self._here())
        self._next()
        self._expect(",")
        metric = self._text()
        margin = 0.0
        if self.token.text == ",":
            self._next()
            margin, _ = self._number()
            if margin < 0:
                self._fail(N_("A margin cannot be negative (column {column})."), self.tokens[self.place - 1].start)
        self._expect(")")
        return Against(call=call, metric=metric, margin=margin, column=column)

    def _limit(self) -> Limit:
        measure = self._measure()
        if self.token.kind != "compare":
            self._fail(
                N_("After {measure!r} a comparison such as `>=` must follow (column {column})."),
                self.token.start,
                measure=measure.metric,
            )
        compare = self._next().text
        column = self.token.start + 1
        number, is_duration = self._number()
        return Limit(measure=measure, compare=compare, number=number, is_duration=is_duration, column=column)

    def _measure(self) -> Measure:
        token = self.token
        column = token.start + 1
        if token.kind == "text":
            return Measure(metric=self._text(), column=column)
        if token.kind != "name" or token.text in _KEYWORDS:
            self._fail(N_("Here stands {found!r}, where a metric must stand (column {column})."), *self._here())
        self._next()
        if self.token.text != "(":
            return Measure(metric=token.text, column=column)
        if token.text not in MEASURE_FUNCTIONS:
            self._fail(
                N_("There is no function {found!r} (column {column}). There are {functions}."),
                token.start,
                token.text,
                functions=", ".join([*MEASURE_FUNCTIONS, *CALLS, CALIBRATED]),
            )
        self._next()
        arguments = [self._text()]
        for _ in range(MEASURE_FUNCTIONS[token.text] - 1):
            self._expect(",")
            arguments.append(self._text())
        self._expect(")")
        function = SHORT_NAMES.get(token.text, token.text)
        in_slice = arguments[0] if len(arguments) > 1 else ""
        return Measure(metric=arguments[-1], function=function, in_slice=in_slice, column=column)

    def _number(self) -> tuple[float, bool]:
        if self.token.text == "$":
            self._next()
        if self.token.kind != "number":
            self._fail(N_("Here stands {found!r}, where a number must stand (column {column})."), *self._here())
        token = self._next()
        value = float(token.text)
        unit = self.token
        if unit.text == "%" or (unit.kind == "name" and unit.text not in _KEYWORDS):
            if unit.text not in _UNITS:
                self._fail(
                    N_("There is no unit {found!r} (column {column}). There are {units}."),
                    *self._here(),
                    units=", ".join(_UNITS),
                )
            self._next()
            return value * _UNITS[unit.text], unit.text != "%"
        return value, False

    def _text(self) -> str:
        if self.token.kind not in {"text", "name"} or self.token.text in _KEYWORDS:
            self._fail(N_("Here stands {found!r}, where a name in quotes must stand (column {column})."), *self._here())
        return self._next().text.strip("\"'")

    def _expect(self, mark: str) -> None:
        if self.token.text != mark:
            self._fail(
                N_("Here stands {found!r}, where {mark!r} must stand (column {column})."), *self._here(), mark=mark
            )
        self._next()

    def _is(self, keyword: str) -> bool:
        return self.token.kind == "name" and self.token.text == keyword

    def _next(self) -> _Token:
        token = self.token
        self.place += 1
        return token

    def _last_end(self) -> int:
        return self.tokens[self.place - 1].end

    def _here(self) -> tuple[int, str]:
        return self.token.start, self.token.text

    def _tokens(self) -> list[_Token]:
        tokens: list[_Token] = []
        place = 0
        while place < len(self.text):
            match = _TOKEN.match(self.text, place)
            if match is None:
                self._fail(N_("{found!r} does not belong here (column {column})."), place, self.text[place])
            kind = match.lastgroup or ""
            if kind != "space":
                tokens.append(_Token(kind=kind, text=match.group(), start=place))
            place = match.end()
        return [*tokens, _Token(kind="end", text="", start=len(self.text))]

    def _fail(self, message: str, start: int, found: str = "", **fields: Any) -> NoReturn:
        raise InvalidError(
            message,
            hint="{source}\n{pointer}",
            reason="gate.syntax",
            source=self.text,
            pointer=" " * start + "^" * max(1, len(found)),
            column=start + 1,
            found=found,
            **fields,
        )
