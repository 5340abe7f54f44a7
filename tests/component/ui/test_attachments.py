"""Files of messages on the page: named, not written into it, and fetched behind headers that run nothing."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable

import pytest

from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import export_request, make_span, span_id_of, trace_id_of
from tests.component.ui.world import World

SCOPE = Scope(tenant_id="default", project_id="default")
PAGE = f"/default/default/traces/{trace_id_of(1).hex()}"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(3_000)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    made = make_world()
    parts = [
        {"type": "blob", "mime_type": kind, "content": base64.b64encode(data).decode()}
        for kind, data in (("image/png", PNG), ("image/svg+xml", SVG))
    ]
    messages = json.dumps([{"role": "user", "parts": parts}])
    span = make_span(1, attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": messages})
    other = make_span(2, parent=1)
    made.services.traces.ingest(SCOPE, export_request([span, other]).SerializeToString())
    return made


def test_a_picture_is_named_and_fetched_and_anything_else_is_kept_as_a_file(world: World) -> None:
    http = world.platform.client(Role.VIEWER)
    page = http.get(f"{PAGE}?span={span_id_of(1).hex()}", headers={"accept": "text/html"}).text
    assert base64.b64encode(PNG).decode()[:200] not in page
    assert "image/png" in page
    addresses = [html.unescape(found) for found in re.findall(r'<a class="link" href="([^"]+)" download', page)]
    assert len(addresses) == 2
    (shown,) = re.findall(r'<img class="attached" loading="lazy" src="([^"]+)"', page)
    picture = http.get(shown)
    assert picture.content == PNG
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["content-disposition"].startswith("inline;")
    kept = http.get(addresses[0])
    assert kept.headers["content-disposition"].startswith("attachment;")
    script = http.get(addresses[1].partition("?")[0])
    assert script.content == SVG
    assert script.headers["content-type"] == "application/octet-stream"
    assert script.headers["content-disposition"].startswith("attachment;")
    for answer in (picture, script):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"


def test_a_file_is_had_by_nobody_else_and_at_no_other_span(world: World) -> None:
    http = world.platform.client(Role.VIEWER)
    page = http.get(f"{PAGE}?span={span_id_of(1).hex()}", headers={"accept": "text/html"}).text
    (address,) = re.findall(r'<img class="attached" loading="lazy" src="([^"]+)"', page)
    assert http.get(address).status_code == 200
    assert http.get(address.replace(span_id_of(1).hex(), span_id_of(2).hex())).status_code == 404
    stranger = world.platform.client(Role.ADMIN, tenant="gamma")
    assert stranger.get(address).status_code == 404
    assert stranger.get(address.replace("/default/", "/gamma/", 1)).status_code == 404
