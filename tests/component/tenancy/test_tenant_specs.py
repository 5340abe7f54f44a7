"""A tenant is what its specification says: planned, applied once, shown, suspended."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from aiplatform.tenancy.permissions import Role
from aiplatform.tenancy.routes import build_routes
from aiplatform.testing.asgi import PlatformUnderTest

LIN = {"email": "lin@example.com", "role": "admin"}
SPEC: dict[str, Any] = {
    "tenant": "acme",
    "name": "Acme 机器人",
    "projects": [{"id": "search", "name": "Search"}],
    "members": [LIN, {"email": "bo@example.com"}],
    "quotas": {"spans_per_day": 100, "span_bytes_per_day": "1KiB"},
}


@pytest.fixture
def admin(platform: PlatformUnderTest) -> httpx.Client:
    platform.attach(build_routes(platform.tenancy))
    return platform.client(Role.PLATFORM_ADMIN)


def apply(admin: httpx.Client, spec: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
    answer = admin.put(f"/api/v1/tenants/{spec['tenant']}", json=spec, params={"dry_run": dry_run})
    assert answer.status_code == 200, answer.text
    plan: dict[str, Any] = answer.json()
    return plan


def changes(plan: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["verb"], one["what"], one["name"]) for one in plan["changes"]]


def test_the_first_application_makes_everything_and_the_second_nothing(
    admin: httpx.Client, platform: PlatformUnderTest
) -> None:
    planned = apply(admin, SPEC, dry_run=True)
    assert admin.get("/api/v1/tenants/acme").status_code == 404, "a dry run makes nothing"
    made = apply(admin, SPEC)
    assert changes(made) == changes(planned)
    assert set(changes(made)) == {
        ("create", "tenant", "acme"), ("create", "project", "default"), ("create", "project", "search"),
        ("create", "member", "lin@example.com"), ("create", "member", "bo@example.com"),
        ("create", "quota", "spans_per_day"), ("create", "quota", "span_bytes_per_day"),
    }  # fmt: skip
    lin = platform.client(key=made["admin_key"]["key"])
    assert lin.get("/api/v1/me").json()["role"] == "admin"
    assert {one["id"] for one in lin.get("/api/v1/projects").json()["items"]} == {"default", "search"}
    again = apply(admin, SPEC)
    assert (again["changes"], again["admin_key"]) == ([], None)
    assert again == apply(admin, admin.get("/api/v1/tenants/acme").json()["spec"]), "what is shown can be applied"


def test_what_changes_is_changed_and_only_that(admin: httpx.Client, platform: PlatformUnderTest) -> None:
    key = apply(admin, SPEC)["admin_key"]["key"]
    other = {
        **SPEC,
        "projects": [],
        "members": [LIN, {"email": "yu@example.com", "role": "viewer"}],
        "quotas": {"spans_per_day": 50},
    }
    changed = apply(admin, other)
    assert changes(changed) == [
        ("create", "member", "yu@example.com"),
        ("remove", "member", "bo@example.com"),
        ("update", "quota", "spans_per_day"),
        ("remove", "quota", "span_bytes_per_day"),
    ]
    assert changed["unmanaged_projects"] == ["search"], "a project's data are not deleted by leaving its name out"
    lin = platform.client(key=key)
    assert [one["email"] for one in lin.get("/api/v1/members").json()["items"]] == ["lin@example.com", "yu@example.com"]
    told = lin.get("/api/v1/audit", params={"action": "tenants"}).json()["items"]
    assert [one["action"] for one in told] == ["tenants.apply", "tenants.apply"]


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"members": [{"email": "lin@example.com"}]}, "tenant.no_admin"),
        ({"members": [LIN, LIN]}, "tenant.spec_twice"),
        ({"members": [{"email": "nobody", "role": "admin"}]}, "member.email"),
        ({"projects": [{"id": "a"}, {"id": "a"}]}, "tenant.spec_twice"),
        ({"projects": [{"id": "api"}]}, "name.reserved"),
        ({"name": "\x07"}, "name.invalid"),
        ({"members": []}, "request.invalid"),
        ({"quotas": {"spans_per_day": -1}}, "request.invalid"),
        ({"quotas": {"spans_per_year": 1}}, "request.invalid"),
        ({"quotas": {"span_bytes_per_day": "many"}}, "request.invalid"),
        ({"tenant": "other"}, "tenant.spec_name"),
    ],
)
def test_a_wrong_specification_changes_nothing(admin: httpx.Client, part: dict[str, Any], code: str) -> None:
    answer = admin.put("/api/v1/tenants/acme", json={**SPEC, **part})
    assert answer.status_code in {400, 422}
    assert answer.json()["error"]["code"] == code
    assert admin.get("/api/v1/tenants/acme").status_code == 404


def test_a_suspended_tenant_is_let_in_nowhere_and_comes_back_as_it_was(
    admin: httpx.Client, platform: PlatformUnderTest
) -> None:
    key = apply(admin, SPEC)["admin_key"]["key"]
    lin = platform.client(key=key)
    assert lin.get("/api/v1/me").status_code == 200
    assert admin.post("/api/v1/tenants/acme:suspend").json()["suspended_ns"] > 0
    refused = lin.get("/api/v1/me")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "tenant.suspended")
    assert apply(admin, SPEC)["changes"] == [], "a suspended tenant can still be described"
    assert admin.post("/api/v1/tenants/acme:resume").json()["suspended_ns"] is None
    assert lin.get("/api/v1/me").status_code == 200
    assert admin.post("/api/v1/tenants/default:suspend").status_code == 403
    assert admin.post("/api/v1/tenants/nobody:suspend").status_code == 404
