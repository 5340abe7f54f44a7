from collections.abc import Callable

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from aiplatform.core.errors import RateLimitedError
from aiplatform.core.settings import ServerSettings, Settings
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.tenancy.routing import CallerDep, Routes, enforce
from aiplatform.testing.asgi import PlatformUnderTest

MakePlatform = Callable[..., PlatformUnderTest]
JSON = {"content-type": "application/json"}


def sample_routes() -> Routes:
    routes = Routes()

    @routes.get("/api/v1/who", permission=Permission.SIGNED_IN)
    def who(caller: CallerDep) -> dict[str, str]:
        return {"tenant": caller.tenant_id, "project": caller.project_id, "principal": caller.principal}

    @routes.post("/api/v1/things", permission=Permission.JOBS_WRITE)
    def things(body: dict[str, int]) -> dict[str, int]:
        return body

    @routes.post("/api/v1/small", permission=Permission.SIGNED_IN, max_body_bytes=10)
    def small(body: list[int]) -> int:
        return len(body)

    @routes.get("/health", permission=Permission.PUBLIC)
    def health() -> str:
        return "ok"

    @routes.get("/busy", permission=Permission.PUBLIC)
    def busy() -> str:
        raise RateLimitedError("Too many.", retry_after_s=1.2)

    @routes.get("/broken", permission=Permission.PUBLIC)
    def broken() -> str:
        raise RuntimeError("secret cause")

    @routes.get("/page", permission=Permission.TRACES_READ)
    def page() -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>x</title>")

    return routes


@pytest.fixture
def ready(platform: PlatformUnderTest) -> PlatformUnderTest:
    platform.attach(sample_routes())
    return platform


def test_a_key_reaches_its_tenant_and_the_project_that_it_names(ready: PlatformUnderTest) -> None:
    http = ready.client(tenant="acme", project="docs")
    assert http.get("/api/v1/who").json()["tenant"] == "acme"
    assert http.get("/api/v1/who").json()["project"] == "docs"
    assert http.get("/api/v1/who").json()["principal"].startswith("key:aip_")


def test_nobody_is_told_to_bring_a_key(ready: PlatformUnderTest) -> None:
    answer = ready.client(None).get("/api/v1/who")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["error"]["code"] == "auth.missing"


def test_a_path_that_is_not_there_reads_the_same_to_nobody_as_one_that_is(ready: PlatformUnderTest) -> None:
    assert ready.client(None).get("/nowhere").status_code == 401
    answer = ready.client().get("/nowhere")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_every_error_has_the_one_shape_and_the_request_id(ready: PlatformUnderTest) -> None:
    http = ready.client()
    answers = {
        404: http.get("/nowhere"),
        405: http.put("/health"),
        422: http.post("/api/v1/things", json={"a": "x"}),
        429: http.get("/busy"),
        500: http.get("/broken"),
        403: ready.client(Role.VIEWER).post("/api/v1/things", json={"a": 1}),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        error = answer.json()["error"]
        assert set(error) == {"code", "message", "hint", "request_id"}
        assert error["request_id"] == answer.headers["x-request-id"]
    assert answers[429].headers["retry-after"] == "2"
    assert "secret cause" not in answers[500].text


def test_a_sane_request_id_is_kept_and_an_odd_one_replaced(ready: PlatformUnderTest) -> None:
    http = ready.client()
    assert http.get("/health", headers={"x-request-id": "abc-12345678"}).headers["x-request-id"] == "abc-12345678"
    assert http.get("/health", headers={"x-request-id": "x y"}).headers["x-request-id"].startswith("req-")


def test_errors_speak_the_readers_language_cookie_before_header(ready: PlatformUnderTest) -> None:
    http = ready.client(None)
    english = http.get("/api/v1/who", headers={"accept-language": "de, en;q=0.5"}).json()["error"]["message"]
    assert english == "This needs an API key."


def test_a_foreign_host_name_is_refused_and_a_named_one_accepted(make_platform: MakePlatform) -> None:
    settings = Settings(server=ServerSettings(public_url="https://ai.example.com", allowed_hosts=("inner",)))
    platform = make_platform(settings=settings)
    platform.attach(sample_routes())
    http = platform.client(None)
    assert http.get("/health", headers={"host": "evil.example"}).json()["error"]["code"] == "host.unknown"
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000", "AI.example.com", "inner:1"):
        assert http.get("/health", headers={"host": host}).status_code == 200


def test_pages_carry_the_strict_policy_and_are_not_kept(ready: PlatformUnderTest) -> None:
    page = ready.client().get("/page")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert ready.client().get("/api/v1/who").headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" not in ready.client().get("/api/v1/who").headers


def test_a_browser_that_is_not_signed_in_goes_to_sign_in_and_back(make_platform: MakePlatform) -> None:
    def draw(scope: Scope, error: Exception) -> HTMLResponse:
        return HTMLResponse(f"<p>{error}", status_code=403)

    platform = make_platform(error_page=draw)
    platform.attach(sample_routes())
    http = platform.client(None)
    html = {"accept": "text/html"}
    answer = http.get("/page?run=1", headers=html)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/page%3Frun%3D1")
    fragment = http.get("/page", headers={**html, "hx-request": "true"})
    assert (fragment.status_code, fragment.headers["hx-redirect"]) == (401, "/sign-in?next=/page")
    assert http.get("/page").json()["error"]["code"] == "auth.missing"


def test_a_raw_application_stands_behind_the_same_layer(platform: PlatformUnderTest) -> None:
    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        enforce(scope, Permission.TRACES_WRITE)
        await PlainTextResponse(scope["state"]["caller"].tenant_id)(scope, receive, send)

    platform.serve_raw(door)
    assert platform.client(tenant="acme").post("/v1/traces").text == "acme"
    assert platform.client(None).post("/v1/traces").status_code == 401
    assert platform.client(Role.VIEWER).post("/v1/traces").status_code == 403


def test_a_body_that_is_too_large_is_refused_whatever_it_says_of_itself(ready: PlatformUnderTest) -> None:
    http = ready.client()
    assert http.post("/api/v1/small", content=b"[1,2]", headers=JSON).json() == 2
    stated = http.post("/api/v1/small", content=b"[1,2,3,4,5,6,7]", headers=JSON)
    chunked = http.post("/api/v1/small", content=iter([b"[1,2,3,4,", b"5,6,7]"]), headers=JSON)
    assert stated.status_code == chunked.status_code == 413
    assert "10 bytes" in chunked.json()["error"]["message"]


def test_no_key_is_ever_logged(ready: PlatformUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    key = ready.key(Role.VIEWER)
    http = ready.client(key=key)
    for path in ("/api/v1/who", "/broken", "/nowhere"):
        http.get(path)
    wrong = "aip_1a2b3c4d_" + "x" * 40
    assert wrong not in ready.client(key=wrong).get("/api/v1/who").text
    for secret in (key, key.rpartition("_")[2], wrong):
        assert secret not in caplog.text
    assert "secret cause" in caplog.text


def test_a_public_path_forgives_a_bad_key_until_something_behind_it_asks_for_a_caller(
    platform: PlatformUnderTest,
) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/door/health":
            enforce(scope, Permission.TRACES_READ)
        await PlainTextResponse("ok")(scope, receive, send)

    routes = Routes()
    routes.mount_guarded("/door", inner, permission=Permission.PUBLIC)
    platform.attach(routes)
    http = platform.client(key="aip_1a2b3c4d_" + "x" * 40)
    assert http.get("/door/health").text == "ok"
    assert http.get("/door/models").json()["error"]["code"] == "auth.refused"
    assert platform.client(None).get("/door/models").json()["error"]["code"] == "auth.missing"
    assert platform.client(Role.VIEWER).get("/door/models").text == "ok"
