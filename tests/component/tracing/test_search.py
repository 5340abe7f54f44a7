"""Queries on both databases, beside an evaluator of our own that looks at every span in Python."""

from __future__ import annotations

import operator
import random
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.core.scope import Scope
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, trace_id_of
from aiplatform.tracing.model import ScoreSource, TraceSort
from aiplatform.tracing.query import filter_of, parse, read_filter, show
from aiplatform.tracing.query.tree import (
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
from aiplatform.tracing.service import Traces
from aiplatform.tracing.store import searching
from tests.component.tracing.conftest import SCOPE

RIVAL = Scope(tenant_id="rival", project_id="default")
LAB = Scope(tenant_id="acme", project_id="lab")
START_NS = 1_790_000_000 * SECOND_NS
KINDS = {"llm": "LLM", "tool": "TOOL", "agent": "AGENT", "other": None}
NAMES = ("agent", "chat", "Lookup", "内部", "100%", "a_b")
REGIONS = ("eu", "US", "eu-west", "5", "50%")
RESOURCES: tuple[dict[str, Any], ...] = (
    {"service.version": 2, "region": "eu"},
    {"service.version": "3", "region": "US"},
    {},
)
WORDS = ("refund", "late", "内部错误", "timeout")
EXPRESSIONS = ("^a", "k", "(?i)LOOK", "内", "[0-9]+%$", "^(eu|us)", "a.b")
PATTERNS = ("a*", "*k*", "e*t", "50%*", "*", "EU", "a_*", "\\*")


@dataclass
class FakeSpan:
    """What the evaluator knows of a span."""

    number: int
    parent: int | None
    name: str
    kind: str
    start_ns: int
    duration_ns: int
    error: str | None
    attributes: dict[str, Any]
    metadata: dict[str, Any]
    words: str
    tokens: tuple[int, int] | None
    resource: dict[str, Any] = field(default_factory=dict)

    def message(self, trace: int) -> SpanMessage:
        attributes = {**self.attributes, "input.value": self.words}
        attributes |= {f"langsmith.metadata.{key}": value for key, value in self.metadata.items()}
        if KINDS[self.kind]:
            attributes["openinference.span.kind"] = KINDS[self.kind]
        if self.tokens is not None:
            attributes |= {"gen_ai.usage.input_tokens": self.tokens[0], "gen_ai.usage.output_tokens": self.tokens[1]}
        return make_span(
            self.number, trace=trace, parent=self.parent, name=self.name, attributes=attributes,
            start_ns=self.start_ns, duration_ns=self.duration_ns, error=self.error,
        )  # fmt: skip


@dataclass
class FakeTrace:
    """What the evaluator knows of a trace."""

    number: int
    spans: list[FakeSpan]
    scores: list[tuple[str, Any, int | None]] = field(default_factory=list)


def a_trace(number: int, chance: random.Random) -> FakeTrace:
    spans: list[FakeSpan] = []
    for index in range(1, chance.randint(1, 5) + 1):
        attributes: dict[str, Any] = {}
        if chance.random() < 0.7:
            attributes["code"] = chance.choice([200, 404, 500, 503, "500", "late", 2.5, True])
        if chance.random() < 0.3:
            attributes["list"] = chance.sample(["a", "b", "c"], 2)
        spans.append(
            FakeSpan(
                number=index, parent=chance.randint(1, index - 1) if index > 1 else None, name=chance.choice(NAMES),
                kind=chance.choice(list(KINDS)), start_ns=START_NS + number * SECOND_NS + index,
                duration_ns=chance.choice([1, 2, 3]) * SECOND_NS,
                error=chance.choice([None, None, "Timeout here", "no"]),
                attributes=attributes, metadata={"region": chance.choice(REGIONS)} if chance.random() < 0.5 else {},
                words=" ".join(chance.sample(WORDS, chance.randint(0, 2))),
                tokens=(chance.randint(0, 5), chance.randint(0, 5)) if chance.random() < 0.5 else None,
                resource=chance.choice(RESOURCES),
            )
        )  # fmt: skip
    scores: list[tuple[str, Any, int | None]] = []
    scores += [("relevance", chance.choice([0.1, 0.5, 0.9]), chance.choice([None, 1]))] if chance.random() < 0.5 else []
    scores += [("verdict", chance.choice(["good", "bad", True, False]), None)] if chance.random() < 0.5 else []
    return FakeTrace(number, spans, scores)


def name_is(space: Space, name: str) -> Name:
    return Name(space, name)


def a_leaf(chance: random.Random, *, in_span: bool) -> Node:
    def one(*values: Any) -> Any:
        return chance.choice(values)

    orderings = (Op.EQUAL, Op.NOT_EQUAL, Op.ABOVE, Op.AT_LEAST, Op.BELOW, Op.AT_MOST)
    texts = [name_is(Space.FIELD, "name"), name_is(Space.METADATA, "region"), name_is(Space.ATTRIBUTES, "code")]
    texts.append(name_is(Space.RESOURCE, "region"))
    numbers = [name_is(Space.FIELD, "tokens"), name_is(Space.ATTRIBUTES, "code"), name_is(Space.SCORE, "relevance")]
    numbers.append(name_is(Space.RESOURCE, "service.version"))
    numbers += [] if in_span else [name_is(Space.FIELD, "errors"), name_is(Space.FIELD, "spans")]
    value = chance.choice([*NAMES, *REGIONS, "late", "200", "x"])
    match chance.randrange(11):
        case 0:
            return Compare(chance.choice(texts), one(Op.EQUAL, Op.NOT_EQUAL), value)
        case 1:
            return Compare(chance.choice(texts), Op.CONTAINS, one(value, value[:1], "A", ""))
        case 2:
            return Compare(chance.choice(texts), Op.LIKE, chance.choice(PATTERNS))
        case 3:
            return Compare(chance.choice(texts), Op.MATCHES, chance.choice(EXPRESSIONS))
        case 4:
            return Compare(chance.choice(numbers), chance.choice(orderings), one(0, 1, 2.5, 200, 500, 0.5, 7))
        case 5:
            return Between(chance.choice(numbers), *sorted([one(0, 1, 200), one(0.5, 5, 404, 500)]))
        case 6:
            name = chance.choice([*texts, name_is(Space.SCORE, "verdict")])
            return OneOf(name, (value, one("good", "eu", "a") if name.space is Space.FIELD else one("good", 500)))
        case 7:
            return Exists(chance.choice([*texts, *numbers, Name(Space.SCORE, ""), Name(Space.ATTRIBUTES, "list")]))
        case 8:
            own = [
                Compare(name_is(Space.FIELD, "kind"), one(Op.EQUAL, Op.NOT_EQUAL), one("llm", "tool", "agent", "other"))
            ]
            own += [Compare(name_is(Space.FIELD, "status"), Op.EQUAL, one("ok", "error"))]
            own += [Compare(name_is(Space.SCORE, "verdict"), Op.EQUAL, one("good", "true", "no"))]
            own += [Compare(name_is(Space.ATTRIBUTES, "list"), Op.EQUAL, one("a", "d"))]
            own += [Compare(name_is(Space.FIELD, "error"), Op.CONTAINS, one("time", "x"))] if in_span else []
            leaf: Node = chance.choice(own)
            return leaf
        case 9:
            length = Compare(name_is(Space.FIELD, "duration"), chance.choice(orderings), Duration(2 * SECOND_NS))
            start = Compare(
                name_is(Space.FIELD, "start"), chance.choice(orderings[2:]), Instant(START_NS + 9 * SECOND_NS)
            )
            return length if chance.random() < 0.5 else start
        case _:
            return Words(
                tuple(chance.sample(["refund", "late", "内部", '"refund late"', "timeout", "错误"], one(1, 2)))
            )


def a_tree(chance: random.Random, depth: int, *, in_span: bool = False) -> Node:
    kind = chance.random()
    if depth == 0 or kind < 0.3:
        return a_leaf(chance, in_span=in_span)
    if not in_span and kind < 0.55:
        return a_span(chance)
    if kind < 0.65:
        return Not(a_tree(chance, depth - 1, in_span=in_span))
    joined = [a_tree(chance, depth - 1, in_span=in_span) for _ in range(2)]
    return every(joined) if kind < 0.85 else some(joined)


def a_span(chance: random.Random) -> Span:
    where = a_tree(chance, 1, in_span=True)
    if chance.random() < 0.5:
        return Span(where)
    return Span(where, chance.choice(list(Relation)), Span(a_tree(chance, 1, in_span=True)))


class Oracle:
    """Whether a trace meets a query, by looking."""

    def __init__(self, trace: FakeTrace) -> None:
        self.trace = trace
        self.root = trace.spans[0]
        self.end_ns = max(span.start_ns + span.duration_ns for span in trace.spans)

    def meets(self, node: Node, span: FakeSpan | None = None) -> bool:
        match node:
            case Every(of=several):
                return all(self.meets(each, span) for each in several)
            case Some(of=several):
                return any(self.meets(each, span) for each in several)
            case Not(of=inner):
                return not self.meets(inner, span)
            case Span():
                return any(self.stands(node, each) for each in self.trace.spans)
            case Words(terms=terms):
                return any(self.says(terms, each) for each in (self.trace.spans if span is None else [span]))
            case Compare() | Between() | OneOf() | Exists():
                return any(holds(node, value) for value in self.values(node.name, span))

    def stands(self, node: Span, span: FakeSpan) -> bool:
        if not self.meets(node.where, span):
            return False
        if node.other is None:
            return True
        by_number = {each.number: each for each in self.trace.spans}
        above = []
        parent = span.parent
        while parent is not None:
            above.append(by_number[parent])
            parent = by_number[parent].parent
        return any(self.stands(node.other, each) for each in above[: 1 if node.relation is Relation.CHILD_OF else None])

    def says(self, terms: tuple[str, ...], span: FakeSpan) -> bool:
        said = "\n".join([span.name, span.words, span.error or ""]).lower()
        for term in terms:
            wanted = term.strip('"')
            is_there = wanted in said if not wanted.isascii() else re.search(rf"\b{wanted}\b", said) is not None
            if not is_there:
                return False
        return True

    def values(self, name: Name, span: FakeSpan | None) -> list[Any]:
        spans = self.trace.spans if span is None else [span]
        match name.space:
            case Space.ATTRIBUTES:
                found = [each.attributes[name.name] for each in spans if name.name in each.attributes]
                return [plain(item) for value in found for item in (value if isinstance(value, list) else [value])]
            case Space.METADATA:
                return [each.metadata[name.name] for each in spans if name.name in each.metadata]
            case Space.RESOURCE:
                return [each.resource[name.name] for each in spans if name.name in each.resource]
            case Space.SCORE:
                scores = [each for each in self.trace.scores if name.name in {"", each[0]}]
                return [Scored(value) for _, value, of in scores if span is None or of == span.number]
            case _:
                return self.field(name.name, span)

    def field(self, name: str, span: FakeSpan | None) -> list[Any]:
        spans = self.trace.spans if span is None else [span]
        tokens = [each.tokens for each in self.leaves(spans, span) if each.tokens is not None]
        own = self.root if span is None else span
        end_ns = self.end_ns if span is None else own.start_ns + own.duration_ns
        found: dict[str, list[Any]] = {
            "name": [own.name],
            "status": ["error" if own.error else "ok"],
            # A trace names the kinds of its spans that have one of their own.
            "kind": [each.kind for each in spans if span is not None or each.kind != "other"],
            "duration": [end_ns - own.start_ns],
            "start": [own.start_ns],
            "errors": [sum(each.error is not None for each in spans)],
            "spans": [len(spans)],
            "tokens": [sum(sum(each) for each in tokens)] if tokens else [],
            "error": [own.error] if own.error else [],
        }
        return found[name]

    def leaves(self, spans: list[FakeSpan], span: FakeSpan | None) -> list[FakeSpan]:
        """Spans whose usage counts: of a trace, those under which no other span says its own."""
        if span is not None:
            return spans
        saying = {each.number for each in spans if each.tokens is not None}
        by_number = {each.number: each for each in spans}
        covered = set()
        for number in saying:
            parent = by_number[number].parent
            while parent is not None:
                covered.add(parent)
                parent = by_number[parent].parent
        return [each for each in spans if each.number not in covered]


@dataclass(frozen=True)
class Scored:
    """A score's value: it is compared by its kind."""

    value: Any


def plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def holds(node: Compare | Between | OneOf | Exists, value: Any) -> bool:
    match node:
        case Exists():
            return True
        case OneOf(values=values):
            return any(is_equal(value, each, node.name) for each in values)
        case Between(low=low, high=high):
            number = number_of(value)
            return number is not None and low <= number <= high  # type: ignore[operator]
        case Compare(op=Op.EQUAL, value=wanted):
            return is_equal(value, wanted, node.name)
        case Compare(op=Op.NOT_EQUAL, value=wanted):
            return not is_equal(value, wanted, node.name)
        case Compare(op=Op.CONTAINS, value=wanted):
            text = text_of(value)
            return text is not None and lower(str(wanted)) in lower(text)
        case Compare(op=Op.LIKE, value=wanted):
            text = text_of(value)
            pattern = re.escape(lower(str(wanted))).replace(r"\\\*", "\0").replace(r"\*", ".*").replace("\0", r"\*")
            return text is not None and re.fullmatch(pattern, lower(text), re.DOTALL) is not None
        case Compare(op=Op.MATCHES, value=wanted):
            text = text_of(value)
            return text is not None and re.search(str(wanted), text, re.ASCII) is not None
        case Compare(op=op, value=wanted):
            number = number_of(value)
            limit: Any = wanted.ns if isinstance(wanted, Duration | Instant) else wanted
            orders: dict[Op, Any] = {
                Op.ABOVE: operator.gt,
                Op.AT_LEAST: operator.ge,
                Op.BELOW: operator.lt,
                Op.AT_MOST: operator.le,
            }
            return number is not None and bool(orders[op](number, limit))


def is_equal(value: Any, wanted: Any, name: Name) -> bool:
    wanted = wanted.ns if isinstance(wanted, Duration | Instant) else wanted
    if isinstance(wanted, int | float):
        return bool(number_of(value) == wanted)
    text = text_of(value)
    if name.space is Space.SCORE and wanted in {"yes", "no", "true", "false"}:
        return text in {wanted, {"yes": "true", "no": "false"}.get(wanted, wanted)}
    return bool(text == wanted)


def number_of(value: Any) -> float | None:
    if isinstance(value, Scored):
        return value.value if isinstance(value.value, float) else None
    if isinstance(value, int | float):
        return value
    return float(value) if re.fullmatch(r"\d+", value) else None


def text_of(value: Any) -> str | None:
    if isinstance(value, Scored):
        return None if isinstance(value.value, float) else str(plain(value.value))
    return str(value)


def lower(text: str) -> str:
    return "".join(each.lower() if each.isascii() else each for each in text)


def store(traces: Traces, scope: Scope, fakes: list[FakeTrace]) -> None:
    for resource in RESOURCES:
        spans = [span.message(fake.number) for fake in fakes for span in fake.spans if span.resource == resource]
        result = traces.ingest(scope, export_request(spans, resource=resource).SerializeToString())
        assert (result.accepted, result.rejected) == (len(spans), 0)
    for fake in fakes:
        for index, (name, value, of) in enumerate(fake.scores):
            traces.add_score(
                scope, trace_id=trace_id_of(fake.number).hex(), name=name, value=value, source=ScoreSource.CODE,
                principal="t", span_id=None if of is None else fake.spans[of - 1].message(1).span_id.hex(),
                score_id=f"{fake.number}-{index}",
            )  # fmt: skip


@pytest.fixture(params=["listed", "walked"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Few matches are named in the statement, many are asked for trace by trace: both must find the same."""
    if request.param == "walked":
        monkeypatch.setattr(searching, "MAX_LISTED", 1)
        monkeypatch.setattr(searching, "MAX_VALUE_IDS", 1)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_random_queries_find_what_a_look_at_every_span_finds(traces: Traces) -> None:
    chance = random.Random(20261124)
    fakes = [a_trace(number, chance) for number in range(1, 21)]
    store(traces, SCOPE, fakes)
    store(traces, RIVAL, [a_trace(number, chance) for number in range(1, 26)])
    store(traces, LAB, [a_trace(number, chance) for number in range(20, 40)])
    oracles = {trace_id_of(fake.number).hex(): Oracle(fake) for fake in fakes}
    answers = []
    for _ in range(120):
        node = a_tree(chance, 3)
        assert parse(show(node)).node == node
        expected = {trace_id for trace_id, oracle in oracles.items() if oracle.meets(node)}
        page = traces.list(SCOPE, read_filter(show(node)), limit=100)
        assert {item.trace_id for item in page.items} == expected, show(node)
        # Also where nothing of the query becomes a field of the filter.
        page = traces.list(SCOPE, filter_of(Not(Not(node))), limit=100)
        assert {item.trace_id for item in page.items} == expected, show(node)
        answers.append(len(expected))
    assert sum(0 < answer < 20 for answer in answers) > 50, "queries that tell traces apart"


DEEPEST = [
    "NOT (" * 7 + "attributes.code != 5 OR a" + ")" * 7,
    "(a OR " * 7 + "status:error b" + ")" * 7,
    "NOT (NOT (span(a OR NOT (kind:tool OR score.x > 1)) under span(NOT (attributes.x = 5)) child of span(-error:x)))",
    "NOT (" * 5 + "span(attributes.x in (1, 2) OR score.y != 5)" + ")" * 5,
    "span(a) under span(b) under span(NOT (NOT (metadata.x exists OR name =~ /b/) OR b))",
    " OR ".join(f"attributes.x = {number}" for number in range(50)),
]  # fmt: skip


@pytest.mark.parametrize("line", DEEPEST)
def test_the_deepest_queries_are_run(traces: Traces, line: str) -> None:
    store(traces, SCOPE, [a_trace(1, random.Random(1))])
    traces.list(SCOPE, read_filter(line))


def found(traces: Traces, line: str, scope: Scope = SCOPE) -> list[str]:
    page = traces.list(scope, read_filter(line), sort=TraceSort.OLDEST, limit=100)
    assert page.freshness is None or page.freshness.is_current
    return [item.trace_id[-2:] for item in page.items]


def put(traces: Traces, *spans: SpanMessage, scope: Scope = SCOPE) -> None:
    traces.ingest(scope, export_request(spans).SerializeToString())


def test_what_a_finished_span_says_takes_the_place_of_what_its_pending_form_said(traces: Traces) -> None:
    put(traces, make_span(start_ns=START_NS, duration_ns=None, attributes={"state": "begun", "kept": 1}))
    assert found(traces, "attributes.state:begun") == ["01"]
    put(traces, make_span(start_ns=START_NS, attributes={"state": "done", "kept": 1}))
    assert found(traces, "attributes.state:begun") == []
    assert found(traces, "attributes.state:done attributes.kept:1") == ["01"]


def test_the_same_attribute_is_found_by_its_own_tenant_and_project_alone(traces: Traces) -> None:
    for number, scope in enumerate((SCOPE, RIVAL, LAB), start=1):
        put(traces, make_span(trace=number, start_ns=START_NS, attributes={"k": "v"}), scope=scope)
        traces.add_score(
            scope, trace_id=trace_id_of(number).hex(), name=f"own{number}", value="x", source=ScoreSource.CODE,
            principal="t",
        )  # fmt: skip
    for line in ("attributes.k:v", "NOT attributes.k:x", "span(attributes.k:v)", "has:score", "span OR span", "name:*"):
        for number, scope in enumerate((SCOPE, RIVAL, LAB), start=1):
            assert found(traces, line, scope) == [f"{number:02d}"], line
    traces.delete_scope(Scope(tenant_id="acme"))
    assert found(traces, "attributes.k:v") == found(traces, "attributes.k:v", LAB) == []
    assert found(traces, "attributes.k:v", RIVAL) == ["02"]
    assert traces.complete(SCOPE, "attributes.").items == ()
    put(traces, make_span(trace=7, start_ns=START_NS, attributes={"k": "v"}))
    assert found(traces, "attributes.k:v") == ["07"]


def test_spans_are_found_by_the_resource_that_sent_them(traces: Traces) -> None:
    def sent(number: int, resource: dict[str, Any], scope: Scope = SCOPE) -> None:
        span = make_span(trace=number, start_ns=START_NS + number, attributes={"openinference.span.kind": "TOOL"})
        traces.ingest(scope, export_request([span], resource=resource).SerializeToString())
        traces.update_index()  # each by itself: the second one of a resource meets what the first one left

    sent(1, {"service.version": "1.2", "host.name": "alpha", "process.command_args": ["run", "fast"]})
    sent(2, {"service.version": "1.2", "host.name": "alpha", "process.command_args": ["run", "fast"]})
    sent(3, {"service.version": "1.10", "host.name": "beta", "cpu": 8})
    sent(4, {"service.version": "1.2"}, RIVAL)
    assert found(traces, "resource.service.version:1.2") == ["01", "02"]
    assert found(traces, 'resource.service.version:"1.10"') == ["03"]
    assert found(traces, "resource.host.name:al*") == ["01", "02"]
    assert found(traces, "resource.cpu >= 8") == found(traces, "has:resource.cpu") == ["03"]
    assert found(traces, "NOT resource.cpu exists") == ["01", "02"]
    assert found(traces, "resource.process.command_args:fast") == ["01", "02"]
    assert found(traces, "span(kind:tool resource.host.name:beta)") == ["03"]
    assert found(traces, "attributes.host.name:beta") == [], "it is no attribute of the span"
    assert found(traces, "resource.service.version:1.2", RIVAL) == ["04"]
    assert found(traces, "resource.host.name:alpha", RIVAL) == []

    def texts(line: str, scope: Scope = SCOPE) -> list[str]:
        return [each.text for each in traces.complete(scope, line).items]

    assert texts("res") == ["resource."]
    assert texts("resource.h") == ["resource.host.name"]
    assert texts("resource.host.name:") == ["alpha", "beta"]
    assert texts("resource.h", RIVAL) == []
    traces.delete_scope(SCOPE)
    assert found(traces, "resource.service.version:1.2") == []
    assert found(traces, "resource.service.version:1.2", RIVAL) == ["04"]
    sent(5, {"service.version": "1.2", "host.name": "alpha", "process.command_args": ["run", "fast"]})
    assert found(traces, "resource.host.name:alpha") == ["05"], "its values were put down again"


def test_suggestions_are_what_the_project_has(traces: Traces) -> None:
    put(
        traces,
        make_span(name="answer", attributes={"http.code": 500, "we ird": "x y", "openinference.span.kind": "LLM"}),
    )
    put(traces, make_span(name="rival", attributes={"http.secret": "s"}), scope=RIVAL)
    traces.update_index()

    def texts(line: str, at: int | None = None, scope: Scope = SCOPE) -> list[str]:
        return [each.text for each in traces.complete(scope, line, at).items]

    assert texts("sta") == ["status:", "start:"]
    assert texts("status:e") == ["error"]
    assert texts("a OR -status:e") == ["error"]
    assert texts("attributes.h") == ["attributes.http.code"]
    assert texts("attributes.h", scope=RIVAL) == ["attributes.http.secret"]
    assert texts("attributes.we") == ['attributes."we ird"']
    assert texts('attributes."we ird":') == ['"x y"']
    assert texts("attributes.http.code = ") == ['"500"']
    assert texts("name:a") == ["answer"]
    assert texts("kind in (tool, l") == ["llm"]
    assert texts("span(err") == ["error:"]
    assert texts("err") == ["errors:"]
    assert texts("has:ses") == ["session"]
    assert texts('"a phrase') == []
    assert texts("cost:1") == []
    line = "sta error"
    completion = traces.complete(SCOPE, line, 3)
    assert (completion.start, completion.end) == (0, 3)


@pytest.mark.parametrize(
    "evil", ["'; DROP TABLE traces; --", "%' OR '1'='1", ":tenant_id", "{table}", "\0\ud800", "!%_"]
)
def test_nothing_of_a_query_becomes_a_part_of_the_statement(traces: Traces, evil: str) -> None:
    put(traces, make_span(start_ns=START_NS, attributes={"k": "v"}))
    own = Name(Space.ATTRIBUTES, evil)
    for name in (own, Name(Space.SCORE, evil), Name(Space.FIELD, "name"), Name(Space.FIELD, "model")):
        for node in (
            Compare(name, Op.EQUAL, evil),
            Compare(name, Op.CONTAINS, evil),
            Compare(name, Op.LIKE, f"*{evil}*"),
            OneOf(name, (evil, "x")),
            Span(Compare(own, Op.NOT_EQUAL, evil)),
            Words((f'"{evil}"',)),
        ):
            assert traces.list(SCOPE, filter_of(Not(Not(node)))).items == [], node
            assert len(traces.list(SCOPE, filter_of(Not(node))).items) == 1, node
    traces.complete(SCOPE, f"attributes.{evil}")
    traces.complete(SCOPE, f"attributes.k:{evil}")


def test_pages_go_on_where_the_last_one_ended(traces: Traces) -> None:
    put(
        traces,
        *(make_span(trace=number, start_ns=START_NS + number, attributes={"k": number % 2}) for number in range(20)),
    )
    where = read_filter("attributes.k:1 OR name:nothing")
    seen: list[str] = []
    page = None
    while True:
        part = traces.list(SCOPE, where, sort=TraceSort.OLDEST, limit=3, page=page)
        seen += [item.trace_id for item in part.items]
        page = part.next
        if page is None:
            break
    assert seen == [trace_id_of(number).hex() for number in range(1, 20, 2)]


def test_relative_times_are_counted_from_the_question(traces: Traces) -> None:
    now_ns = traces.clock.now_ns()
    put(
        traces,
        make_span(trace=1, start_ns=now_ns - 600 * SECOND_NS),
        make_span(trace=2, start_ns=now_ns - 7200 * SECOND_NS),
    )
    assert found(traces, "since:1h") == ["01"]
    assert found(traces, "start < now-1h OR cost > 1") == ["02"]
    counts = traces.histogram(
        SCOPE, read_filter("since:1h OR attributes.x:1"), from_ns=now_ns - 9000 * SECOND_NS, to_ns=now_ns, num_buckets=1
    )
    assert counts == [(1, 0)]


def test_a_histogram_counts_what_the_words_are_found_in(traces: Traces) -> None:
    now_ns = traces.clock.now_ns()
    put(
        traces,
        make_span(trace=1, start_ns=now_ns - 600 * SECOND_NS, attributes={"input.value": "refund please"}),
        make_span(trace=2, start_ns=now_ns - 6600 * SECOND_NS, attributes={"input.value": "refund"}, error="broke"),
        make_span(trace=3, start_ns=now_ns - 600 * SECOND_NS, attributes={"input.value": "hello"}),
    )
    where = read_filter("refund")
    counts = traces.histogram(SCOPE, where, from_ns=now_ns - 7200 * SECOND_NS, to_ns=now_ns, num_buckets=2)
    assert counts == [(0, 1), (1, 0)]
