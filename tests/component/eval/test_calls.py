"""Paid calls behind real routes: kept, found, counted, removed, and nobody else's."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from aiplatform.client.http import Client
from aiplatform.core.errors import InvalidError, PermissionDeniedError
from aiplatform.core.scope import Scope
from aiplatform.eval.calling.service import DAY_NS, KEPT_DAYS
from aiplatform.tenancy.permissions import Role
from tests.component.eval.conftest import House

PATH = "/api/v1/evaluation-calls"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def call(text: str, **more: Any) -> dict[str, Any]:
    reply = {"message": {"content": f"answer to {text} 你好"}}
    return {"digest": digest(text), "reply": reply, "model": "m", "run_id": "eval-1", **more}


def keep(api: Client, *calls: dict[str, Any], replace: bool = False) -> None:
    api.post(f"{PATH}:keep", {"items": [*calls], "replace": replace})


def found(api: Client, *texts: str, **more: Any) -> dict[str, Any]:
    items = api.post(f"{PATH}:find", {"digests": [digest(text) for text in texts], **more})["items"]
    return {text: items[digest(text)] for text in texts if digest(text) in items}


def test_what_was_kept_is_found_as_it_was(house: House) -> None:
    api = house.platform.api()
    keep(api, call("a"), call("b"))
    assert found(api, "a", "c") == {"a": call("a")["reply"]}


def test_the_first_answer_stays_unless_it_shall_be_replaced(house: House) -> None:
    api = house.platform.api()
    keep(api, call("a"))
    keep(api, call("a", reply={"n": 2}, run_id="eval-2"), call("a", reply={"n": 3}, run_id="eval-2"))
    assert found(api, "a") == {"a": call("a")["reply"]}
    keep(api, call("a", reply={"n": 2}, run_id="eval-2"), replace=True)
    assert found(api, "a", run_id="eval-1") == {}
    assert found(api, "a", run_id="eval-2") == {"a": {"n": 2}}


def test_what_a_run_has_paid_is_counted_exactly(house: House) -> None:
    api = house.platform.api()
    keep(api, *(call(f"q{n}", input_tokens=10, output_tokens=n, cost=0.25, currency="USD") for n in range(3)))
    keep(api, call("yuan", run_id="eval-2", cost=1.5, currency="CNY"), call("free", run_id="eval-2"))
    of_run = api.get(PATH, run_id="eval-1")
    assert (of_run["calls"], of_run["input_tokens"], of_run["output_tokens"]) == (3, 30, 3)
    assert of_run["costs"] == [{"amount": 0.75, "currency": "USD"}]
    assert api.get(PATH)["calls"] == 5
    assert {cost["currency"] for cost in api.get(PATH)["costs"]} == {"USD", "CNY"}


def test_nobody_finds_counts_or_removes_what_another_paid(house: House) -> None:
    api = house.platform.api()
    keep(api, call("a"))
    for other in (house.platform.api(tenant="beta"), house.platform.api(project="else")):
        assert found(other, "a") == {}
        assert other.get(PATH)["calls"] == 0
        assert other.request("DELETE", PATH).json() == {"removed": 0}
        keep(other, call("a", reply={"of": "another"}))
    assert found(api, "a") == {"a": call("a")["reply"]}
    with pytest.raises(PermissionDeniedError):
        keep(house.platform.api(Role.VIEWER), call("b"))


def test_answers_are_removed_by_model_or_age_or_when_nobody_uses_them(house: House) -> None:
    api = house.platform.api()
    keep(api, call("a"), call("b", model="other"))
    assert api.request("DELETE", PATH, params={"model": "other"}).json() == {"removed": 1}
    house.clock.advance(86_400 * 2)
    assert found(api, "a")  # which marks it as used now
    keep(api, call("c"))
    house.clock.advance(86_400 * (KEPT_DAYS - 1))
    assert (house.calls.sweep(), found(api, "c")) == (0, {"c": call("c")["reply"]})
    house.clock.advance(86_400 * (KEPT_DAYS - 1) + 1)
    assert (house.calls.sweep(), [*found(api, "a", "c")]) == (1, ["c"])
    assert api.request("DELETE", PATH, params={"before_ns": house.clock.now_ns() - DAY_NS}).json() == {"removed": 0}
    assert api.request("DELETE", PATH).json() == {"removed": 1}


def test_a_project_that_holds_too_much_loses_what_is_longest_unused(house: House) -> None:
    api = house.platform.api()
    for n in range(4):
        keep(api, call(f"q{n}"))
        house.clock.advance(1)
    keep(house.platform.api(project="else"), call("q0"))
    each = api.get(PATH)["size_bytes"] // 4
    assert house.calls._store.shrink(2 * each + each // 2) == 2
    assert [*found(api, "q0", "q1", "q2", "q3")] == ["q2", "q3"]


def test_a_project_that_is_deleted_takes_its_answers_along(house: House) -> None:
    api = house.platform.api()
    keep(api, call("a"))
    house.service._store.delete_scope(Scope(tenant_id="default", project_id="default"))
    assert found(api, "a") == {}


@pytest.mark.parametrize("body", [{"digests": ["x"]}, {"digests": []}, {}, {"digests": [digest("a")], "more": 1}])
def test_malformed_questions_are_refused(house: House, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        house.platform.api().post(f"{PATH}:find", body)
