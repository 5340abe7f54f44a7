"""Saved searches on both databases: who may, what is kept, what the project shares and no other sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from aiplatform import traces as aip_traces
from aiplatform.cli import trace_searches
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.core.scope import Scope
from aiplatform.tenancy.audit import AuditLog
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span
from aiplatform.tracing import searches
from aiplatform.tracing.model import TraceSort
from aiplatform.tracing.routes import build_routes
from aiplatform.tracing.searches import SearchForm
from aiplatform.tracing.service import Traces
from aiplatform.ui.views.timerange import RANGES

PATH = "/api/v1/traces/searches"


@pytest.fixture
def served(traces: Traces, platform: PlatformUnderTest) -> PlatformUnderTest:
    platform.attach(build_routes(traces))
    return platform


def test_a_search_is_saved_listed_renamed_and_deleted(served: PlatformUnderTest) -> None:
    client = served.api()
    made = aip_traces.save_search(
        "  slow   errors ", "errors > 0 duration > 2s", last="24h", sort="slowest", client=client
    )
    assert made["name"] == "slow errors"
    aip_traces.save_search("all", client=client)
    assert [each["name"] for each in aip_traces.searches(client=client)] == ["all", "slow errors"]
    found = aip_traces.search("slow errors", client=client)
    assert found == made == aip_traces.search(made["search_id"], client=client)
    assert (found["query"], found["last"], found["sort"]) == ("errors > 0 duration > 2s", "24h", "slowest")
    changed = aip_traces.change_search("slow errors", new_name="slow", client=client)
    assert {**changed, "name": made["name"], "updated_ns": made["updated_ns"]} == made
    moved = aip_traces.change_search("slow", from_ns=1, to_ns=2, client=client)
    assert (moved["last"], moved["from_ns"], moved["to_ns"], moved["query"]) == (None, 1, 2, made["query"])
    with pytest.raises(ConflictError, match="'all'"):
        aip_traces.change_search("slow", new_name="all", client=client)
    with pytest.raises(ConflictError, match="'slow'"):
        aip_traces.save_search("slow", client=client)
    aip_traces.delete_search("slow", client=client)
    assert [each["name"] for each in aip_traces.searches(client=client)] == ["all"]
    with pytest.raises(NotFoundError):
        aip_traces.delete_search("slow", client=client)


@pytest.mark.parametrize(
    "body",
    [
        {"name": " "}, {"name": "x", "query": "duraton > 2s"}, {"name": "x", "last": "2d"},
        {"name": "x", "last": "24h", "from_ns": 1}, {"name": "x", "from_ns": 2, "to_ns": 1},
        {"name": "x", "from_ns": 2**70},
    ],
)  # fmt: skip
def test_what_cannot_be_opened_again_is_not_saved(served: PlatformUnderTest, body: dict[str, Any]) -> None:
    http = served.client()
    answer = http.post(PATH, json=body)
    assert answer.status_code in {400, 422}
    assert http.get(PATH).json()["items"] == []


def test_viewers_open_and_developers_write_and_the_owner_is_kept(served: PlatformUnderTest, traces: Traces) -> None:
    developer, viewer = served.caller(Role.DEVELOPER), served.caller(Role.VIEWER)
    made = traces.searches.create(developer, SearchForm(name="mine"))
    assert made.created_by == developer.principal
    assert traces.searches.list(viewer) == [made]
    for write in (
        lambda: traces.searches.create(viewer, SearchForm(name="theirs")),
        lambda: traces.searches.change(viewer, made.search_id, {"name": "theirs"}),
        lambda: traces.searches.remove(viewer, made.search_id),
    ):
        with pytest.raises(PermissionDeniedError):
            write()
    http = served.client(Role.VIEWER)
    assert http.get(f"{PATH}/{made.search_id}").json()["name"] == "mine"
    assert http.post(PATH, json={"name": "x"}).status_code == 403
    assert http.patch(f"{PATH}/{made.search_id}", json={"name": "x"}).status_code == 403
    assert http.delete(f"{PATH}/{made.search_id}").status_code == 403
    other = served.caller(Role.ADMIN)
    changed = traces.searches.change(other, made.search_id, {"query": "refund", "sort": TraceSort.OLDEST})
    assert (changed.created_by, changed.updated_by) == (developer.principal, other.principal)


def test_every_change_is_audited(served: PlatformUnderTest, traces: Traces, clock: FakeClock) -> None:
    caller = served.caller(Role.ADMIN)
    made = traces.searches.create(caller, SearchForm(name="mine"))
    traces.searches.change(caller, made.search_id, {"name": "ours"})
    traces.searches.remove(caller, made.search_id)
    events, _ = AuditLog(served.database, clock).page(caller, action="searches")
    assert [(event.action, event.target) for event in reversed(events)] == [
        (f"searches.{verb}", made.search_id) for verb in ("create", "change", "remove")
    ]
    assert {event.principal for event in events} == {caller.principal}


def test_nothing_of_another_tenant_or_project_is_seen_or_changed(served: PlatformUnderTest, traces: Traces) -> None:
    owner = served.caller(Role.ADMIN)
    made = traces.searches.create(owner, SearchForm(name="secret plan", query="refund"))
    for tenant, project in (("rival", "default"), ("default", "lab")):
        caller = served.caller(Role.ADMIN, tenant=tenant, project=project)
        http = served.client(Role.ADMIN, tenant=tenant, project=project)
        assert http.get(PATH).json()["items"] == []
        missing = http.get(f"{PATH}/search_nothing")
        for method in ("GET", "DELETE", "PATCH"):
            answer = http.request(method, f"{PATH}/{made.search_id}", json={} if method == "PATCH" else None)
            assert answer.status_code == missing.status_code == 404
            assert "secret" not in answer.text
        # A name of somebody else's is free.
        traces.searches.create(caller, SearchForm(name="secret plan"))
    assert traces.searches.list(owner) == [made]


def test_they_go_with_their_project(served: PlatformUnderTest, traces: Traces) -> None:
    here, there = served.caller(), served.caller(project="lab")
    for caller in (here, there):
        traces.searches.create(caller, SearchForm(name="mine"))
    traces.delete_scope(Scope(tenant_id=there.tenant_id, project_id="lab"))
    assert traces.searches.list(there) == []
    assert len(traces.searches.list(here)) == 1


def test_a_project_has_so_many_and_no_more(
    served: PlatformUnderTest, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "MAX_SEARCHES", 2)
    caller = served.caller()
    for name in ("one", "two"):
        traces.searches.create(caller, SearchForm(name=name))
    with pytest.raises(ConflictError, match="2 saved searches"):
        traces.searches.create(caller, SearchForm(name="three"))


def test_opening_one_lists_what_it_finds_now(served: PlatformUnderTest, traces: Traces) -> None:
    client, caller = served.api(), served.caller()
    now_ns = traces.clock.now_ns()
    for trace, age_s, name in ((1, 60, "refund"), (2, 7200, "refund"), (3, 60, "other")):
        span = make_span(1, trace=trace, name=name, start_ns=now_ns - age_s * SECOND_NS, duration_ns=trace * 1000)
        traces.ingest(caller.scope, export_request([span]).SerializeToString())
    aip_traces.save_search("lately", "name:refund", last="1h", client=client)
    aip_traces.save_search("ever", "name:refund", sort="slowest", client=client)
    assert [each["trace_id"][-1] for each in aip_traces.open_search("lately", client=client)] == ["1"]
    assert [each["trace_id"][-1] for each in aip_traces.open_search("ever", client=client)] == ["2", "1"]


def test_the_command_line_does_the_same(served: PlatformUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_searches, "find_credentials", lambda project: None)
    monkeypatch.setattr(trace_searches, "Client", lambda credentials: served.api())
    run: Callable[..., Any] = CliRunner().invoke
    assert run(trace_searches.app, ["list"]).output.strip() == "No search is saved in this project yet."
    arguments = ["create", "slow", "duration > 2s", "--last", "24h", "--sort", "slowest"]
    assert "'slow' is saved" in run(trace_searches.app, arguments, catch_exceptions=False).output
    assert "duration > 2s" in run(trace_searches.app, ["list"]).output
    assert "'slower'" in run(trace_searches.app, ["rename", "slow", "slower"]).output
    assert run(trace_searches.app, ["open", "slower"]).output.strip() == "No trace matches."
    assert run(trace_searches.app, ["delete", "slower"]).exit_code == 0
    assert isinstance(run(trace_searches.app, ["delete", "slower"]).exception, NotFoundError)
    assert isinstance(run(trace_searches.app, ["create", "x", "duraton > 2s"]).exception, InvalidError)


def test_the_page_and_the_store_know_the_same_ranges() -> None:
    assert tuple(RANGES) == searches.RANGES
    assert tuple(trace_searches.Last) == searches.RANGES
