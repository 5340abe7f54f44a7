import anyio
import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from aiplatform.core.errors import PermissionDeniedError, UnauthenticatedError
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.tenancy.routing import (
    CallerDep,
    DeclaredRoute,
    Routes,
    attach,
    declared_routes,
    public_matcher,
)


def caller(role: Role = Role.VIEWER) -> Caller:
    return Caller(tenant_id="acme", project_id="default", principal="user:lin@acme.example", role=role)


def app_with(routes: Routes) -> FastAPI:
    app = FastAPI(openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    attach(app, [routes])
    return app


def as_caller(app: ASGIApp, who: Caller | None) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["caller"] = who
        await app(scope, receive, send)

    return wrapped


def request(
    app: ASGIApp, method: str, path: str, who: Caller | None = None, content: bytes | None = None
) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(as_caller(app, who))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, content=content, headers={"content-type": "application/json"})

    return anyio.run(ask)


def sample_routes(seen: list[str]) -> Routes:
    routes = Routes()

    @routes.get("/who", permission=Permission.SIGNED_IN)
    def who(caller: CallerDep) -> str:
        return caller.principal

    @routes.post("/things/{thing_id}:cancel", permission=Permission.JOBS_WRITE)
    def cancel(thing_id: str, body: dict[str, int]) -> str:
        seen.append(thing_id)
        return thing_id

    @routes.get("/health", permission=Permission.PUBLIC)
    def health() -> str:
        return "ok"

    routes.mount_guarded("/files", PlainTextResponse("file"), permission=Permission.TRACES_READ)
    return routes


def test_a_route_without_a_permission_cannot_be_written() -> None:
    routes = Routes()
    with pytest.raises(TypeError, match="permission"):
        routes.get("/x")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="declares no permission"):
        routes.add_api_route("/x", lambda: None)


def test_a_known_caller_with_the_permission_reaches_the_handler() -> None:
    app = app_with(sample_routes([]))
    assert request(app, "GET", "/who", caller()).json() == "user:lin@acme.example"


def test_a_caller_without_the_permission_is_refused_before_the_body_is_read() -> None:
    seen: list[str] = []
    app = app_with(sample_routes(seen))
    with pytest.raises(PermissionDeniedError):
        request(app, "POST", "/things/t1:cancel", caller(), content=b"{not json")
    assert seen == []
    answer = request(app, "POST", "/things/t1:cancel", caller(Role.DEVELOPER), content=b'{"a": 1}')
    assert (answer.json(), seen) == ("t1", ["t1"])


def test_nobody_reaches_only_public_routes() -> None:
    app = app_with(sample_routes([]))
    assert request(app, "GET", "/health").json() == "ok"
    with pytest.raises(UnauthenticatedError):
        request(app, "GET", "/who")
    with pytest.raises(UnauthenticatedError):
        request(app, "GET", "/files/a")


def test_a_mounted_application_stands_behind_its_permission() -> None:
    app = app_with(sample_routes([]))
    assert request(app, "GET", "/files/a", caller()).text == "file"


def test_every_route_tells_its_permission_and_an_undeclared_one_shows() -> None:
    app = app_with(sample_routes([]))
    app.add_api_route("/loose", lambda: None)
    found = {route.path: route for route in declared_routes(app)}
    assert found["/who"] == DeclaredRoute(methods=frozenset({"GET"}), path="/who", permission=Permission.SIGNED_IN)
    assert found["/files"].permission is Permission.TRACES_READ
    assert found["/loose"].permission is None


def test_the_openapi_document_names_the_permission() -> None:
    document = app_with(sample_routes([])).openapi()
    assert document["paths"]["/things/{thing_id}:cancel"]["post"]["x-permission"] == "jobs.write"


def test_public_paths_are_known_from_the_routes() -> None:
    routes = sample_routes([])
    routes.mount_guarded("/static", PlainTextResponse("x"), permission=Permission.PUBLIC)
    is_public = public_matcher(app_with(routes))
    assert is_public("GET", "/health")
    assert is_public("HEAD", "/health")
    assert is_public("GET", "/static/app.css")
    assert not is_public("POST", "/health")
    assert not is_public("GET", "/who")
    assert not is_public("GET", "/staticx")
    assert not is_public("GET", "/files/a")
