"""People judge answers in queues: blind, in turn, each in their own name; what they say feeds calibration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from aiplatform.client.http import Client
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.core.scope import Scope
from aiplatform.eval.judging import api as judges
from aiplatform.eval.judging.builtin import Correctness
from aiplatform.eval.reviewing import api as reviews
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from aiplatform.tracing.model import ScoreSource
from tests.component.eval.conftest import House
from tests.component.eval.judged import judged_run
from tests.testing.chat_server import ChatServer, chat_server
from tests.testing.scripted_judge import ScriptedJudge

SCOPE = Scope(tenant_id="default", project_id="default")
ANN, BOB = Role.DEVELOPER, Role.ADMIN
"""Keys of these roles belong to different people."""


@pytest.fixture(scope="module")
def server() -> Iterator[ChatServer]:
    with chat_server(ScriptedJudge(false_pass=0.5)) as running:
        yield running


@pytest.fixture
def ann(house: House) -> Client:
    return house.platform.api(ANN)


@pytest.fixture
def bob(house: House) -> Client:
    return house.platform.api(BOB)


def rows(n: int = 30, right: str = "x") -> list[dict[str, Any]]:
    return [
        {"id": f"q{k:03}", "input": f"question {k}", "expected": "x", "output": right if k % 3 else "y"}
        for k in range(n)
    ]


def run_of(house: House, server: ChatServer, client: Client, name: str = "v1", **fields: Any) -> Any:
    return judged_run(client, name, Correctness(model="m", url=server.url), rows(**fields))


def test_what_people_say_of_a_runs_answers_calibrates_its_judge(
    house: House, server: ChatServer, ann: Client, bob: Client
) -> None:
    run = run_of(house, server, ann)
    queue = reviews.create("answers", rubric="Is it x?", raters_per_item=2, client=ann)
    queue_id = queue["queue_id"]
    assert [label["name"] for label in queue["labels"]] == ["pass", "fail"]
    assert reviews.fill(queue_id, run=run, limit=20, client=ann) == 20
    assert reviews.fill(queue_id, run=run, limit=25, client=ann) == 5
    for client in (ann, bob):
        for item in list(reviews.items(queue_id, "mine", client=client)):
            said = "pass" if item["subject"]["output"] == "x" else "fail"
            if client is bob and item["position"] == 1:
                said = "fail" if said == "pass" else "pass"
            reviews.label(queue_id, item["item_id"], said, client=client)
    progress = reviews.get(queue_id, client=ann)["progress"]
    assert (progress["items"], progress["done"], progress["mine"], progress["conflicts"]) == (25, 25, 0, 1)
    assert set(progress["by_rater"].values()) == {25}
    assert progress["kappa"]["value"] == pytest.approx(progress["alpha"]["value"], abs=0.02)
    assert 0.85 < progress["kappa"]["value"] < 1
    [conflict] = reviews.items(queue_id, "conflict", client=ann)
    assert {label["label"] for label in conflict["labels"]} == {"pass", "fail"}
    known = judges.calibrate(run, queue=queue_id, client=ann).calibration
    assert (known.n, known.ties, known.source, known.num_raters) == (24, 1, queue_id, 2)
    assert known.false_passes is not None
    assert known.false_passes.value is not None
    assert 0.2 < known.false_passes.value < 0.9
    assert known.false_fails is not None
    assert known.false_fails.value == 0
    # Another judge of the same answers meets the same people; other answers do not.
    again = run_of(house, server, ann, "v2")
    other = run_of(house, server, ann, "v3", right="z")
    assert judges.calibrate(again, queue=queue_id, client=ann).calibration.n == 24
    assert judges.calibrate(other, queue=queue_id, client=ann).calibration.n < 12


def test_a_blind_rater_sees_neither_version_nor_verdicts_before_judging(
    house: House, server: ChatServer, ann: Client, bob: Client
) -> None:
    run = run_of(house, server, ann)
    queue_id = reviews.create("blind", raters_per_item=2, client=ann)["queue_id"]
    reviews.fill(queue_id, run=run, pick="low", scorer="correctness", limit=1, client=ann)
    [item] = reviews.items(queue_id, client=ann)
    shown = item["subject"]
    assert (shown["version"], shown["judged"], item["reason"], item["labels"]) == ("", {}, "", [])
    reviews.label(queue_id, item["item_id"], "fail", comment="not x", client=bob)
    assert reviews.items(queue_id, client=ann).__next__()["labels"] == []
    seen = reviews.label(queue_id, item["item_id"], "pass", client=ann)
    assert (seen["subject"]["version"], seen["subject"]["judged"]) == ("v1", {"correctness": 0.0})
    assert {label["comment"] for label in seen["labels"]} == {"", "not x"}
    open_queue = reviews.create("open", is_blind=False, client=ann)["queue_id"]
    reviews.fill(open_queue, run=run, limit=1, client=ann)
    assert next(reviews.items(open_queue, client=ann))["subject"]["version"] == "v1"


def test_items_are_given_to_people_in_turn_and_to_nobody_else(
    house: House, server: ChatServer, ann: Client, bob: Client
) -> None:
    run = run_of(house, server, ann, n=10)
    queue_id = reviews.create("shared", client=ann)["queue_id"]
    reviews.fill(queue_id, run=run, client=ann)
    people = [f"user:{role}@default" for role in (ANN, BOB)]
    assert reviews.assign(queue_id, people, client=ann) == 10
    assert reviews.assign(queue_id, people, client=ann) == 0
    mine, theirs = ([item["item_id"] for item in reviews.items(queue_id, "mine", client=each)] for each in (ann, bob))
    assert (len(mine), len(theirs), set(mine) & set(theirs)) == (5, 5, set())
    with pytest.raises(ConflictError, match="was given to"):
        reviews.label(queue_id, theirs[0], "pass", client=ann)
    with pytest.raises(InvalidError, match="as many people"):
        reviews.assign(queue_id, people, each=3, client=ann)


def test_a_label_can_be_changed_taken_back_and_left_out(
    house: House, server: ChatServer, ann: Client, bob: Client
) -> None:
    run = run_of(house, server, ann, n=3)
    queue_id = reviews.create("undo", labels={"good": 1.0, "so so": 0.5, "bad": 0.0}, client=ann)["queue_id"]
    reviews.fill(queue_id, run=run, client=ann)
    first, second, third = (item["item_id"] for item in reviews.items(queue_id, "mine", client=ann))
    reviews.label(queue_id, first, "good", client=ann)
    reviews.label(queue_id, first, "bad", client=ann)
    [label] = house.reviews.item(house.platform.caller(ANN), queue_id, first).labels
    assert (label.label, label.value) == ("bad", 0.0)
    house.clock.advance(1)
    reviews.label(queue_id, second, "", client=ann)
    undone = house.reviews.undo(house.platform.caller(ANN), queue_id)
    assert undone is not None
    assert undone.item_id == second
    assert [item["item_id"] for item in reviews.items(queue_id, "mine", client=ann)] == [second, third]
    reviews.undo(queue_id, first, client=ann)
    assert house.reviews.undo(house.platform.caller(ANN), queue_id) is None
    with pytest.raises(InvalidError, match="no label 'great'"):
        reviews.label(queue_id, first, "great", client=ann)
    with pytest.raises(NotFoundError):
        reviews.label(queue_id, "nothing", "good", client=ann)
    reviews.close(queue_id, client=ann)
    with pytest.raises(ConflictError, match="is closed"):
        reviews.label(queue_id, first, "good", client=ann)


def test_a_judged_trace_gets_a_score_in_the_persons_name(house: House, ann: Client) -> None:
    start_ns = house.clock.now_ns() - 60_000_000_000
    said = [{"input.value": f"q{n}", "output.value": f"a{n}", "session.id": "s"} for n in (1, 2)]
    spans = [make_span(n, trace=n, attributes=each, start_ns=start_ns) for n, each in enumerate(said, 1)]
    house.traces.ingest(SCOPE, export_request(spans).SerializeToString())
    queue_id = reviews.create("traces", score_name="helpful", client=ann)["queue_id"]
    assert reviews.fill(queue_id, query="session:s", client=ann) == 2
    assert reviews.fill(queue_id, trace_ids=[trace_id_of(1).hex()], client=ann) == 0
    house.reviews.add_trace(SCOPE, queue_id, trace_id_of(2).hex(), "relevance 0")
    item = next(each for each in reviews.items(queue_id, client=ann) if each["subject"]["input"] == "q1")
    reviews.label(queue_id, item["item_id"], "pass", comment="nice", client=ann)
    reviews.label(queue_id, item["item_id"], "fail", comment="on second thoughts", client=ann)
    [score] = house.traces.scores(SCOPE)
    assert (score.trace_id, score.name, score.value) == (trace_id_of(1).hex(), "helpful", 0.0)
    assert (score.source, score.comment) == (ScoreSource.HUMAN, "on second thoughts")
    assert score.principal == f"user:{ANN}@default"
    reviews.undo(queue_id, item["item_id"], client=ann)
    assert not house.traces.scores(SCOPE)


def test_pairs_are_shown_in_an_order_that_follows_from_the_row(house: House, server: ChatServer, ann: Client) -> None:
    one, two = run_of(house, server, ann, "v1"), run_of(house, server, ann, "v2", right="z")
    queue_id = reviews.create("pairs", labels={"win": 1.0, "tie": 0.5, "loss": 0.0}, client=ann)["queue_id"]
    assert reviews.fill(queue_id, run=one, against=two, client=ann) == 30
    items = list(reviews.items(queue_id, client=ann))
    assert {(each["kind"], each["subject"]["other_version"], each["subject"]["run_id"]) for each in items} == {
        ("pair", "", "")
    }
    swapped = [each["subject"]["is_swapped"] for each in items]
    assert 5 < sum(swapped) < 25


def test_rows_on_which_scorers_failed_or_differ_come_first(house: House, server: ChatServer, ann: Client) -> None:
    run = run_of(house, server, ann)
    queue_id = reviews.create("telling", is_blind=False, client=ann)["queue_id"]
    assert reviews.fill(queue_id, run=run, pick="failed", client=ann) == 0
    assert reviews.fill(queue_id, run=run, pick="disagreement", client=ann) == 0
    assert reviews.fill(queue_id, run=run, pick="low", scorer="correctness", limit=5, client=ann) == 5
    assert {item["reason"] for item in reviews.items(queue_id, client=ann)} == {"correctness 0"}
    with pytest.raises(InvalidError, match="no scorer"):
        reviews.fill(queue_id, run=run, pick="low", scorer="nothing", client=ann)


def test_a_queue_needs_labels_with_keys_of_their_own(ann: Client) -> None:
    for labels in ({"only": 1.0}, {f"l{n}": None for n in range(10)}, {"a": 1.0, "": 0.0}):
        with pytest.raises(InvalidError, match="labels with names"):
            reviews.create("wrong", labels=labels, client=ann)
    with pytest.raises(InvalidError):
        reviews.create("wrong", raters_per_item=0, client=ann)


def test_another_tenant_and_a_viewer_touch_no_queue(house: House, server: ChatServer, ann: Client) -> None:
    run = run_of(house, server, ann, n=3)
    queue_id = reviews.create("mine", client=ann)["queue_id"]
    reviews.fill(queue_id, run=run, client=ann)
    item_id = next(reviews.items(queue_id, client=ann))["item_id"]
    stranger = house.platform.api(tenant="beta")
    assert reviews.list(client=stranger) == ()
    calls = (
        lambda client: reviews.get(queue_id, client=client),
        lambda client: list(reviews.items(queue_id, client=client)),
        lambda client: reviews.label(queue_id, item_id, "pass", client=client),
        lambda client: reviews.undo(queue_id, item_id, client=client),
        lambda client: reviews.close(queue_id, client=client),
        lambda client: reviews.assign(queue_id, ["user:x@y"], client=client),
        lambda client: reviews.fill(queue_id, query="", client=client),
    )
    for call in calls:
        with pytest.raises(NotFoundError):
            call(stranger)
    viewer = house.platform.api(Role.VIEWER)
    with pytest.raises(PermissionDeniedError):
        reviews.label(queue_id, item_id, "pass", client=viewer)
    assert len(list(reviews.items(queue_id, client=viewer))) == 3
