"""Facets on both databases: each count is what the list finds, whatever else is asked; nothing of another tenant."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from typer.testing import CliRunner

from aiplatform.cli import traces as traces_command
from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, trace_id_of
from aiplatform.tracing.facet_service import FacetReport
from aiplatform.tracing.model import ScoreSource
from aiplatform.tracing.pricing import Rates
from aiplatform.tracing.query import parse, read_filter
from aiplatform.tracing.query.facets import divide, joined
from aiplatform.tracing.query.fields import find
from aiplatform.tracing.query.printing import show
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import SCOPE

RIVAL = Scope(tenant_id="rival", project_id="default")
LAB = Scope(tenant_id="acme", project_id="lab")
START_NS = 1_790_000_000 * SECOND_NS
LINES = [
    "", "status:error", "kind:llm", "kind:(llm, tool) status:ok", "refund", "refund kind:tool service:door",
    "duration >= 1s duration < 5s", "duration >= 1s duration < 5s OR duration >= 30s", "user:lin session:s-1",
    "score.tone:good", "score.relevance >= 0.5 kind:llm", "tag:beta", "tag:(beta, nightly) status:error",
    "cost >= 0.01", "-status:error model:gpt-5-mini", "(status:error OR kind:tool) score.passed:true",
    "model:never-seen",
]  # fmt: skip


def send(traces: Traces, scope: Scope = SCOPE, num_traces: int = 60, seed: int = 3) -> None:
    chance = random.Random(seed)
    for number in range(1, num_traces + 1):
        kind = chance.choice(["LLM", "TOOL", "AGENT"])
        attributes: dict[str, Any] = {
            "openinference.span.kind": kind,
            "input.value": chance.choice(["refund please", "hello"]),
            "tag.tags": chance.sample(["beta", "nightly", "prod"], chance.randint(0, 2)),
        }
        if kind == "LLM":
            attributes |= {
                "llm.model_name": chance.choice(["gpt-5-mini", "qwen3-max"]),
                "llm.token_count.prompt": chance.choice([100, 40_000]),
                "llm.token_count.completion": 50,
            }
        if chance.random() < 0.7:
            attributes |= {"user.id": chance.choice(["lin", "mia"]), "session.id": f"s-{chance.randint(1, 3)}"}
        span = make_span(
            1,
            trace=number,
            name=f"trace {number}",
            start_ns=START_NS + number * SECOND_NS,
            duration_ns=chance.choice([50_000_000, 400_000_000, 2 * SECOND_NS, 40 * SECOND_NS]),
            attributes=attributes,
            error="broke" if chance.random() < 0.3 else None,
        )
        service = chance.choice(["door", "worker"])
        traces.ingest(scope, export_request([span], resource={"service.name": service}).SerializeToString())
        for name, value in (
            ("tone", chance.choice(["good", "bad"])),
            ("relevance", chance.random()),
            ("stars", float(chance.randint(1, 3))),
            ("passed", chance.random() < 0.5),
        ):
            if chance.random() < 0.6:
                traces.add_score(
                    scope, trace_id=trace_id_of(number).hex(), name=name, value=value, source=ScoreSource.CODE,
                    principal="tests",
                )  # fmt: skip
    traces.update_index()


def found(traces: Traces, line: str, scope: Scope = SCOPE) -> int:
    return len(traces.list(scope, read_filter(line), limit=500).items)


def counts(report: FacetReport) -> dict[str, int | None]:
    return {way.condition: way.choice.count for group in report.groups for way in group.ways}


def test_a_count_is_what_the_list_finds_with_the_other_facets_as_they_are(traces: Traces) -> None:
    send(traces)
    for line in LINES:
        check_counts(traces, line)


def check_counts(traces: Traces, line: str) -> None:
    report = traces.facets.of(SCOPE, line, limit=50)
    assert report.figures.num_traces == found(traces, line), line
    assert not report.is_bounded
    for group in report.groups:
        name = find(group.name, in_span=False)
        assert name is not None
        rest = divide(parse(line).node, name).rest
        for way in group.ways:
            alone = joined([*([] if rest is None else [rest]), way.choice.node])
            assert alone is not None
            if way.choice.count is None:  # somebody's own condition, which is there to be taken back
                assert way.is_chosen
            else:
                assert way.choice.count == found(traces, show(alone)), (line, way.condition)
            # What a click leads to is read by the list as well, and leaves this choice the other way round.
            found(traces, way.query)
            again = next((one for one in divide(parse(way.query).node, name).chosen if one == way.choice.node), None)
            assert (again is None) == way.is_chosen, line


def test_every_value_that_is_there_is_offered(traces: Traces) -> None:
    send(traces)
    found_counts = counts(traces.facets.of(SCOPE))
    for condition in (
        "status:error", "errors > 0", "kind:llm", "model:qwen3-max", "service:worker", "user:mia", "session:s-2",
        "tag:nightly", "duration < 100ms", "duration >= 30s", "score.tone:bad", "score.stars:2", "score.passed:true",
        "score.relevance <= 0.25",
    ):  # fmt: skip
        assert found_counts[condition], condition


def test_what_is_counted_is_bounded_and_said_to_be(traces: Traces) -> None:
    send(traces)
    whole = traces.facets.of(SCOPE)
    part = traces.facets.of(SCOPE, max_traces=10)
    assert part.is_bounded
    assert all(group.is_bounded for group in part.groups)
    assert part.figures.num_traces == 10
    newest = traces.list(SCOPE, limit=10).items
    durations = sorted(item.duration_ns for item in newest)
    assert (part.figures.duration_p50_ns, part.figures.duration_p95_ns) == (durations[4], durations[9])
    assert part.figures.num_errors == sum(item.num_errors > 0 for item in newest)
    assert not whole.is_bounded
    exactly = traces.facets.of(SCOPE, max_traces=60)
    assert not exactly.is_bounded
    assert exactly.figures == whole.figures


def test_figures_are_those_of_the_list_and_currencies_stay_apart(traces: Traces) -> None:
    for model, currency in (("gpt-5-mini", "USD"), ("qwen3-max", "CNY")):
        traces.prices.put(
            SCOPE, model=model, rates=Rates(input=10.0, output=20.0), currency=currency,
            principal="user:lin",
        )  # fmt: skip
    send(traces)
    items = traces.list(SCOPE, limit=500).items
    figures = traces.facets.of(SCOPE).figures
    for currency in ("USD", "CNY"):
        expected = sum(item.costs.get(currency, 0.0) for item in items)
        assert expected > 0
        assert figures.costs[currency] == pytest.approx(expected)
    assert set(figures.costs) == {"USD", "CNY"}
    assert figures.num_priced == sum(bool(item.costs) for item in items)
    assert figures.input_tokens == sum(item.usage.input_tokens or 0 for item in items)
    assert figures.output_tokens == sum(item.usage.output_tokens or 0 for item in items)
    # Amounts of several currencies have no ranges in common; those of one have.
    assert not [group for group in traces.facets.of(SCOPE).groups if group.name == "cost"]
    cost = next(group for group in traces.facets.of(SCOPE, "model:qwen3-max").groups if group.name == "cost")
    assert cost.currency == "CNY"


def test_the_time_narrows_what_is_counted(traces: Traces) -> None:
    send(traces)
    report = traces.facets.of(SCOPE, from_ns=START_NS + 11 * SECOND_NS, to_ns=START_NS + 21 * SECOND_NS)
    assert report.figures.num_traces == 10


def test_nothing_of_another_tenant_or_project_is_counted(traces: Traces) -> None:
    send(traces, num_traces=12)
    mine = traces.facets.of(SCOPE, limit=50)
    send(traces, RIVAL, num_traces=12, seed=5)
    send(traces, LAB, num_traces=12, seed=6)
    for line in ("", "tag:beta", "score.tone:good", "refund"):
        before = mine if line == "" else None
        report = traces.facets.of(SCOPE, line, limit=50)
        assert report.figures.num_traces == found(traces, line)
        if before is not None:
            assert counts(report) == counts(before)
            assert report.figures == before.figures
    assert traces.facets.of(Scope(tenant_id="nobody", project_id="default")).groups == []


def test_the_route_answers_who_may_read_and_shows_the_line_of_each_choice(
    traces: Traces, platform: PlatformUnderTest
) -> None:
    platform.attach(build_routes(traces))
    caller = platform.caller(Role.VIEWER)
    send(traces, caller.scope, num_traces=20)
    http = platform.client(Role.VIEWER)
    answer = http.get("/api/v1/traces/facets", params={"q": "status:error refund"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["figures"]["num_traces"] == found(traces, "status:error refund", caller.scope)
    assert body["figures"]["error_share"] == 1.0
    status = next(each for each in body["facets"] if each["name"] == "status")
    ways = {each["value"]: each for each in status["choices"]}
    assert ways["error"]["is_chosen"]
    assert ways["error"]["query"] == "refund"
    assert ways["ok"]["query"] == "status:(error, ok) refund"
    assert http.get("/api/v1/traces/facets", params={"q": "status:"}).status_code == 400
    assert http.get("/api/v1/traces/facets", params={"limit": 0}).status_code == 422
    assert platform.client(None).get("/api/v1/traces/facets").status_code == 401


def test_the_command_shows_them(traces: Traces, platform: PlatformUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    platform.attach(build_routes(traces))
    send(traces, platform.caller().scope, num_traces=20)
    monkeypatch.setattr(traces_command, "find_credentials", lambda project: None)
    monkeypatch.setattr(traces_command, "Client", lambda credentials: platform.api())
    shown = CliRunner().invoke(traces_command.app, ["facets", "status:error"], catch_exceptions=False).output
    failed = len(traces.list(platform.caller().scope, read_filter("status:error"), limit=500).items)
    assert re.search(rf" status:error +{failed} *$", shown, re.MULTILINE)
    assert re.search(rf"with errors +{failed} *$", shown, re.MULTILINE)
    assert "Counted over" not in shown
