"""The page of usage says what was counted, in both languages, and of its own project alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import export_request, make_span
from aiplatform.tracing.counting import CountKind
from aiplatform.tracing.ingest import Ingest
from tests.component.ui.world import World

SCOPE = Scope(tenant_id="default", project_id="default")


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    made = make_world()
    good, bad = make_span(1), make_span(2, start_ns=1)
    made.services.traces.ingest(SCOPE, export_request([good, bad]).SerializeToString())
    counted = Ingest(made.services.traces.incoming._database, made.services.traces.clock)
    counted.count(SCOPE, {(CountKind.REFUSED.value, "tracing.slow"): 3, (CountKind.REFUSED.value, "odd.code"): 1})
    counted.close()
    return made


def words(world: World, path: str, role: Role = Role.VIEWER, locale: str = "en", **more: str) -> str:
    http = world.platform.client(role, **more)
    answer = http.get(path, headers={"accept": "text/html", "cookie": f"aip_locale={locale}"})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text.partition('<div class="page stack">')[2]))


def test_it_says_what_was_taken_and_why_the_rest_was_not(world: World) -> None:
    text = words(world, "/default/default/usage")
    assert "Spans taken 1 " in text
    assert "at most 2 days ahead of the platform&#39;s clock. 1 " in text
    assert "Refused requests 4 " in text
    assert "the database took too long; senders come again 3 odd.code 1 " in text


def test_another_project_and_tenant_see_none_of_it(world: World) -> None:
    assert "Nothing arrived in these days" in words(world, "/default/second/usage", project="second")
    assert "Nothing arrived in these days" in words(world, "/gamma/default/usage", tenant="gamma")
    stranger = world.platform.client(Role.ADMIN, tenant="gamma")
    assert stranger.get("/default/default/usage").status_code == 404


def test_longer_times_are_links_and_commands(world: World) -> None:
    http = world.platform.client(Role.VIEWER)
    page = http.get("/default/default/usage?last=30d", headers={"accept": "text/html"}).text
    assert "aiplatform traces usage --days 30" in page
    assert 'href="/default/default/usage?last=90d"' in page
