"""Scores on the page of a trace: forms as a browser without scripts sends them, and as fragments, on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import pytest

from aiplatform.core.scope import Scope
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import export_request, make_span, span_id_of, trace_id_of
from aiplatform.tracing.model import Score, ScoreSource
from tests.component.ui.test_pages import checked
from tests.component.ui.world import World

SCOPE = Scope(tenant_id="default", project_id="default")
TRACE, SPAN = trace_id_of(1).hex(), span_id_of(1).hex()
PAGE = f"/default/default/traces/{TRACE}"
FORM = {"span": SPAN, "part": "scores", "about": "span"}
FRAGMENT = {"hx-request": "true", "hx-target": "scores"}


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    made = make_world()
    made.services.traces.ingest(SCOPE, export_request([make_span(1), make_span(2, parent=1)]).SerializeToString())
    return made


def client(world: World, role: Role = Role.DEVELOPER, **more: str) -> httpx.Client:
    found = world.platform.client(role, **more)
    found.headers.update({"accept": "text/html"})
    return found


def scores(world: World) -> list[Score]:
    return list(world.services.traces.scores(SCOPE))


def given(world: World, by: str, value: float = 1.0) -> str:
    return world.services.traces.add_score(
        SCOPE, trace_id=TRACE, name="taste", value=value, source=ScoreSource.HUMAN, principal=by, comment="why not"
    ).score_id


@pytest.mark.parametrize(
    ("fields", "value"),
    [({"type": "numeric", "numeric": "0.8"}, 0.8), ({"type": "boolean", "boolean": "false"}, False),
     ({"type": "label", "label": "warm"}, "warm"), ({"type": "text", "text": "says 你好 <b>"}, "says 你好 <b>")],
)  # fmt: skip
def test_a_score_of_each_type_is_given_to_a_span(world: World, fields: dict[str, str], value: object) -> None:
    http = client(world)
    answer = http.post(f"{PAGE}/scores", data={**FORM, **fields, "name": "tone", "comment": "so"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?span={SPAN}&part=scores#scores")
    (score,) = scores(world)
    assert (score.name, score.value, score.comment, score.span_id) == ("tone", value, "so", SPAN)
    assert (score.source, score.type) == (ScoreSource.HUMAN, fields["type"])
    page = http.get(f"{PAGE}?span={SPAN}&part=scores").text
    assert "<b>so" not in page
    assert "says 你好 &lt;b&gt;" in page or value != "says 你好 <b>"
    other = http.get(f"{PAGE}?span={span_id_of(2).hex()}&part=scores").text
    assert "No scores" in other


def test_a_score_of_the_whole_trace_shows_on_every_span_and_in_the_facts(world: World) -> None:
    http = client(world)
    answer = http.post(
        f"{PAGE}/scores", data={**FORM, "about": "trace", "name": "useful", "type": "numeric", "numeric": "4"},
        headers=FRAGMENT,
    )  # fmt: skip
    assert answer.status_code == 200
    assert "The score useful is kept." in answer.text
    assert 'id="score-chips"' in answer.text
    assert checked(answer.text).ids.count("scores") == 1
    assert scores(world)[0].span_id is None
    for span in (1, 2):
        assert "useful 4" in http.get(f"{PAGE}?span={span_id_of(span).hex()}").text


def test_a_value_that_is_none_is_said_in_place_and_what_was_typed_stays(world: World) -> None:
    http = client(world)
    sent = {**FORM, "name": "tone", "type": "numeric", "numeric": "a lot", "comment": "kept"}
    for headers, status in (({}, 400), (FRAGMENT, 422)):
        answer = http.post(f"{PAGE}/scores", data=sent, headers=headers)
        assert answer.status_code == status
        assert "&#39;a lot&#39; is not a number." in answer.text
        assert 'value="a lot"' in answer.text
        assert ">kept</textarea>" in answer.text
        page = checked(answer.text)
        assert (page.wrong, len(page.ids)) == ([], len(set(page.ids)))
    assert scores(world) == []


def test_ones_own_score_is_corrected_and_deleted(world: World) -> None:
    http = client(world)
    http.post(f"{PAGE}/scores", data={**FORM, "name": "tone", "type": "numeric", "numeric": "1"})
    (first,) = scores(world)
    form = http.get(PAGE, params={"span": SPAN, "part": "scores", "edit": first.score_id}, headers=FRAGMENT).text
    assert f'name="score_id" value="{first.score_id}"' in form
    http.post(
        f"{PAGE}/scores", data={**FORM, "name": "tone", "type": "label", "label": "flat", "score_id": first.score_id}
    )
    (second,) = scores(world)
    assert (second.score_id, second.value, second.span_id) == (first.score_id, "flat", SPAN)
    answer = http.post(f"{PAGE}/scores/{first.score_id}/delete", data=FORM, headers=FRAGMENT)
    assert "The score tone is deleted." in answer.text
    assert scores(world) == []


def test_anothers_score_is_changed_by_admins_alone(world: World) -> None:
    score_id = given(world, "user:somebody@example.com")
    developer, admin = client(world), client(world, Role.ADMIN)
    assert "Correct the score" not in developer.get(f"{PAGE}?part=scores").text
    assert developer.post(f"{PAGE}/scores/{score_id}/delete", data=FORM).status_code == 403
    again = {**FORM, "name": "taste", "type": "numeric", "numeric": "0", "score_id": score_id}
    assert developer.post(f"{PAGE}/scores", data=again).status_code == 403
    assert scores(world)[0].value == 1.0
    assert "Correct the score" in admin.get(f"{PAGE}?part=scores").text
    assert admin.post(f"{PAGE}/scores", data=again).status_code == 303
    assert scores(world)[0].value == 0.0


def test_a_viewer_sees_scores_and_no_form(world: World) -> None:
    given(world, "user:somebody@example.com")
    http = client(world, Role.VIEWER)
    page = http.get(f"{PAGE}?part=scores").text
    assert "why not" in page
    assert "<form" not in page[page.index('id="scores"') :].partition("</section>")[0]
    for path in (f"{PAGE}/scores", f"{PAGE}/scores/x/delete"):
        assert http.post(path, data=FORM).status_code == 403


def test_a_score_belongs_to_the_trace_of_its_address(world: World) -> None:
    score_id = given(world, "user:somebody@example.com")
    world.services.traces.ingest(SCOPE, export_request([make_span(1, trace=2)]).SerializeToString())
    other = f"/default/default/traces/{trace_id_of(2).hex()}"
    http = client(world, Role.ADMIN)
    assert http.post(f"{other}/scores/{score_id}/delete", data=FORM).status_code == 404
    stranger = client(world, Role.ADMIN, tenant="gamma")
    for path in (f"{PAGE}/scores/{score_id}/delete", f"/gamma/default/traces/{TRACE}/scores/{score_id}/delete"):
        assert stranger.post(path, data=FORM).status_code == 404
    assert stranger.post(f"/gamma/default/traces/{TRACE}/scores", data=FORM).status_code == 404
    assert len(scores(world)) == 1


def test_names_in_use_complete_the_name(world: World) -> None:
    given(world, "user:somebody@example.com")
    page = client(world).get(f"{PAGE}?part=scores").text
    assert re.search(r'<option value="taste" data-type="numeric">Number</option>', page)
