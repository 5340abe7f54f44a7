"""The management API and signing in, over HTTP in process."""

from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

from aiplatform.core.settings import ServerSettings, Settings
from aiplatform.tenancy.permissions import Role
from aiplatform.tenancy.routes import build_routes
from aiplatform.tenancy.routing import declared_routes
from aiplatform.tenancy.sign_in import build_sign_in_routes
from aiplatform.testing.asgi import BASE_URL, PlatformUnderTest

MakePlatform = Callable[..., PlatformUnderTest]


@pytest.fixture
def ready(platform: PlatformUnderTest) -> PlatformUnderTest:
    platform.attach(build_routes(platform.tenancy), build_sign_in_routes(platform.tenancy, platform.settings))
    return platform


def browser(platform: PlatformUnderTest) -> httpx.Client:
    return httpx.Client(base_url=BASE_URL, transport=platform.transport(), headers={"sec-fetch-site": "same-origin"})


def test_every_route_declares_its_permission(ready: PlatformUnderTest) -> None:
    assert [route for route in declared_routes(ready.app) if route.permission is None] == []


def test_a_caller_learns_who_they_are_and_what_they_may(ready: PlatformUnderTest) -> None:
    me = ready.client(Role.VIEWER, tenant="acme").get("/api/v1/me").json()
    assert (me["tenant"]["id"], me["project"], me["role"]) == ("acme", "default", "viewer")
    assert "traces.read" in me["permissions"]
    assert "public" not in me["permissions"]


@pytest.mark.parametrize(
    ("method", "path", "body", "least"),
    [
        ("GET", "/api/v1/tenants", None, Role.PLATFORM_ADMIN),
        ("POST", "/api/v1/tenants", {"id": "new"}, Role.PLATFORM_ADMIN),
        (
            "PUT",
            "/api/v1/tenants/new",
            {"tenant": "new", "members": [{"email": "x@y", "role": "admin"}]},
            Role.PLATFORM_ADMIN,
        ),
        ("GET", "/api/v1/tenants/default", None, Role.PLATFORM_ADMIN),
        ("POST", "/api/v1/tenants/default:resume", None, Role.PLATFORM_ADMIN),
        ("GET", "/api/v1/quotas", None, Role.VIEWER),
        ("GET", "/api/v1/projects", None, Role.VIEWER),
        ("POST", "/api/v1/projects", {"id": "new"}, Role.ADMIN),
        ("GET", "/api/v1/members", None, Role.DEVELOPER),
        ("PUT", "/api/v1/members/x@y", {"role": "viewer"}, Role.ADMIN),
        ("GET", "/api/v1/keys", None, Role.DEVELOPER),
        ("POST", "/api/v1/keys", {"name": "x", "role": "viewer"}, Role.ADMIN),
        ("POST", "/api/v1/keys:snippet", {}, Role.DEVELOPER),
        ("GET", "/api/v1/audit", None, Role.ADMIN),
    ],
)
def test_the_permission_table_holds(
    ready: PlatformUnderTest, method: str, path: str, body: dict[str, object] | None, least: Role
) -> None:
    roles = list(Role)
    for role in roles:
        answer = ready.client(role).request(method, path, json=body)
        if roles.index(role) < roles.index(least):
            assert answer.status_code == 403, role
        else:
            assert answer.status_code < 300 or answer.status_code == 409, role


def test_a_new_tenants_admin_sees_only_their_own(ready: PlatformUnderTest) -> None:
    made = ready.client(Role.PLATFORM_ADMIN).post("/api/v1/tenants", json={"id": "acme", "name": "Acme"}).json()
    acme = ready.client(key=made["admin_key"]["key"])
    assert acme.get("/api/v1/me").json()["tenant"]["id"] == "acme"
    assert [one["email"] for one in acme.get("/api/v1/members").json()["items"]] == ["admin@acme"]
    assert acme.get("/api/v1/tenants").status_code == 403


def test_a_key_is_shown_once(ready: PlatformUnderTest) -> None:
    http = ready.client(Role.ADMIN)
    answer = http.post("/api/v1/keys", json={"name": "ci", "role": "developer", "scopes": ["traces.write"]})
    made = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert made["key"].startswith(made["id"])
    listed = http.get("/api/v1/keys").json()["items"]
    assert made["id"] in {one["id"] for one in listed}
    assert all("key" not in one and "secret_hash" not in one for one in listed)
    assert http.post(f"/api/v1/keys/{made['id']}:revoke").json()["revoked_ns"]
    wrong = http.post(f"/api/v1/keys/{made['key']}:revoke")
    assert wrong.status_code == 404
    assert made["key"] not in wrong.text


def test_an_unknown_field_or_role_is_an_error_that_names_it(ready: PlatformUnderTest) -> None:
    http = ready.client(Role.ADMIN)
    answer = http.post("/api/v1/keys", json={"name": "x", "rule": "viewer"})
    assert answer.status_code == 422
    assert "rule" in answer.json()["error"]["message"]
    assert http.put("/api/v1/members/x@y", json={"role": "boss"}).status_code == 422


def test_the_audit_log_pages_and_knows_the_request(ready: PlatformUnderTest) -> None:
    http = ready.client(Role.ADMIN)
    http.post("/api/v1/projects", json={"id": "docs"}, headers={"x-request-id": "req-of-the-test"})
    page = http.get("/api/v1/audit", params={"limit": 1, "action": "projects"}).json()
    assert page["items"][0]["target"] == "docs"
    assert page["items"][0]["request_id"] == "req-of-the-test"
    first = http.get("/api/v1/audit", params={"limit": 2}).json()
    second = http.get("/api/v1/audit", params={"limit": 2, "page": first["next"]}).json()
    assert not {one["id"] for one in first["items"]} & {one["id"] for one in second["items"]}


def test_a_browser_signs_in_with_a_key_works_and_signs_out(ready: PlatformUnderTest) -> None:
    key = ready.key(Role.ADMIN)
    with browser(ready) as http:
        answer = http.post("/sign-in", data={"key": key, "next": "/default/default/traces"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/default/default/traces")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie
        assert key not in answer.headers["set-cookie"]
        assert http.get("/api/v1/me").json()["principal"] == "user:admin@default"
        assert http.post("/api/v1/projects", json={"id": "docs"}).status_code == 201
        assert http.post("/sign-out").headers["location"] == "/sign-in"
        assert http.get("/api/v1/me").status_code == 401


def test_another_sites_page_changes_nothing_with_the_cookie(ready: PlatformUnderTest) -> None:
    with browser(ready) as http:
        http.post("/sign-in", data={"key": ready.key(Role.ADMIN)})
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"sec-fetch-site": "", "origin": "http://evil.example"},
        ):
            answer = http.post("/api/v1/projects", json={"id": "evil"}, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "auth.cross_site")
        assert http.post("/sign-in", data={"key": "x"}, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_a_wrong_key_signs_nobody_in(ready: PlatformUnderTest) -> None:
    with browser(ready) as http:
        answer = http.post("/sign-in", data={"key": "aip_wrong"})
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "aip_wrong" not in answer.text


def test_a_link_signs_in_once_and_never_leads_elsewhere(ready: PlatformUnderTest) -> None:
    path = ready.client(Role.VIEWER).post("/api/v1/me:sign-in-code").json()["path"]
    with browser(ready) as http:
        answer = http.get(f"{path}&next=https://evil.example")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert http.get("/api/v1/me").json()["role"] == "viewer"
        assert http.get(path).status_code == 401


def test_a_browser_switches_between_the_tenants_it_signed_in_to(ready: PlatformUnderTest) -> None:
    with browser(ready) as http:
        http.post("/sign-in", data={"key": ready.key(Role.ADMIN, tenant="acme")})
        http.post("/sign-in", data={"key": ready.key(Role.VIEWER, tenant="beta")})
        assert http.get("/api/v1/me").json()["tenant"]["id"] == "beta"
        assert urlsplit(http.get("/sign-in/tenants/acme").headers["location"]).path == "/acme"
        assert http.get("/api/v1/me").json()["tenant"]["id"] == "acme"
        assert http.get("/sign-in/tenants/default").status_code == 404


def test_cookies_are_secure_behind_https(make_platform: MakePlatform) -> None:
    platform = make_platform(settings=Settings(server=ServerSettings(public_url="https://ai.example.com")))
    platform.attach(build_sign_in_routes(platform.tenancy, platform.settings))
    with httpx.Client(base_url="https://ai.example.com", transport=platform.transport()) as http:
        answer = http.post("/sign-in", data={"key": platform.key(Role.VIEWER)})
        assert "secure" in answer.headers["set-cookie"].lower()
