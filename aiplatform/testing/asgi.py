"""A platform in process: real routes, the real authentication layer, real keys; no socket.

platform = make_platform()                                  # fixture of tests/conftest.py
platform.attach(build_routes(service))
http = platform.client(role=Role.VIEWER)                    # httpx.Client that carries a key
api = platform.api()                                        # aiplatform.client.Client on the same application
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType

import httpx
import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from starlette.types import ASGIApp

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.settings import Settings
from aiplatform.storage.database import Database
from aiplatform.tenancy.directory import DEFAULT_PROJECT, DEFAULT_TENANT
from aiplatform.tenancy.key_service import KeyOrder, make_key
from aiplatform.tenancy.middleware import AuthenticationMiddleware, secure
from aiplatform.tenancy.model import Caller, KeyKind
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.tenancy.responses import ErrorPage
from aiplatform.tenancy.routing import Routes, attach
from aiplatform.tenancy.service import build_tenancy

BASE_URL = "http://127.0.0.1:8000"


class AsgiTransport(httpx.BaseTransport):
    """Calls an ASGI application from blocking code, on an event loop in a thread of its own."""

    def __init__(self, app: ASGIApp, portal: BlockingPortal) -> None:
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; the whole body is there when this returns."""
        return self._portal.call(self._answer, request, request.read())

    async def _answer(self, request: httpx.Request, content: bytes) -> httpx.Response:
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        answer = await self._inner.handle_async_request(asked)
        body = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(body))


class PlatformUnderTest:
    """One application on one database, with tenants, projects and keys as a test wants them."""

    def __init__(
        self,
        database: Database,
        *,
        settings: Settings | None = None,
        clock: Clock | None = None,
        error_page: ErrorPage | None = None,
    ) -> None:
        self.database = database
        self.settings = settings or Settings()
        self._clock: Clock = clock or SystemClock()
        self.tenancy = build_tenancy(database, self.settings, clock=self._clock)
        self._error_page = error_page
        self._app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        self._is_secured = False
        self._raw: ASGIApp | None = None
        self._portal_context = start_blocking_portal()
        self._portal = self._portal_context.__enter__()
        self._clients: list[httpx.Client | Client] = []
        self._owner = self._first_owner()

    @property
    def app(self) -> FastAPI:
        """The application behind the authentication layer; attach routes before you ask for it."""
        if not self._is_secured:
            secure(
                self._app,
                self.tenancy.authenticator,
                self.settings,
                error_page=self._error_page,
                admission=self.tenancy.admission,
            )
            self._is_secured = True
        return self._app

    def attach(self, *routers: Routes) -> None:
        """Add a room's routes."""
        attach(self._app, routers)

    def serve_raw(self, app: ASGIApp) -> None:
        """Answer with an ASGI application (the OTLP entry, a hosted server) instead, behind the same layer."""
        self._raw = AuthenticationMiddleware(
            app, self.tenancy.authenticator, self.settings, admission=self.tenancy.admission
        )

    def caller(
        self, role: Role = Role.DEVELOPER, *, tenant: str = DEFAULT_TENANT, project: str = DEFAULT_PROJECT
    ) -> Caller:
        """A caller of that role, for services called without HTTP; tenant and project are made where they are not."""
        key = self.key(role, tenant=tenant, project=project)
        headers = {"authorization": f"Bearer {key}", "x-aiplatform-project": project}
        return self.tenancy.authenticator.authenticate(headers)

    def key(
        self,
        role: Role = Role.DEVELOPER,
        *,
        tenant: str = DEFAULT_TENANT,
        project: str = DEFAULT_PROJECT,
        scopes: Iterable[Permission] | None = None,
    ) -> str:
        """A fresh key of that role, of its own member; tenant and project are made where they are not."""
        directory = self.tenancy.directory
        if tenant not in {one.tenant_id for one in directory.tenants()}:
            directory.create_tenant(self._owner, tenant)
        admin = Caller(tenant_id=tenant, project_id=project, principal="user:test", role=Role.PLATFORM_ADMIN)
        if project not in {one.project_id for one in directory.projects(admin)}:
            directory.create_project(admin, project)
        member = directory.put_member(admin, f"{role}@{tenant}", role)
        order = KeyOrder(
            kind=KeyKind.API,
            name=f"{role} of the tests",
            owner=f"user:{member.email}",
            role=role,
            created_by=admin.principal,
            scopes=None if scopes is None else frozenset(scopes),
        )
        with self.database.transaction(admin.tenant_scope) as tx:
            return make_key(tx, order, self._clock.now_ns()).text

    def client(
        self,
        role: Role | None = Role.DEVELOPER,
        *,
        key: str | None = None,
        tenant: str = DEFAULT_TENANT,
        project: str = DEFAULT_PROJECT,
    ) -> httpx.Client:
        """An HTTP client on the application; with neither role nor key it is nobody's."""
        if key is None and role is not None:
            key = self.key(role, tenant=tenant, project=project)
        headers = {"authorization": f"Bearer {key}", "x-aiplatform-project": project} if key else {}
        client = httpx.Client(base_url=BASE_URL, transport=self.transport(), headers=headers)
        self._clients.append(client)
        return client

    def api(
        self, role: Role = Role.DEVELOPER, *, tenant: str = DEFAULT_TENANT, project: str = DEFAULT_PROJECT
    ) -> Client:
        """The product's own client on the application."""
        credentials = Credentials(url=BASE_URL, project_id=project, key=self.key(role, tenant=tenant, project=project))
        client = Client(credentials, transport=self.transport())
        self._clients.append(client)
        return client

    def transport(self) -> httpx.BaseTransport:
        """What an HTTP client of the application's own kind needs."""
        return AsgiTransport(self._raw or self.app, self._portal)

    @contextmanager
    def listen(self) -> Iterator[str]:
        """Answer on a loopback socket, for clients in other processes; gives the address."""
        config = uvicorn.Config(self._raw or self.app, port=0, log_level="critical", ws="none", lifespan="off")
        server = uvicorn.Server(config)
        sockets = [config.bind_socket()]
        sockets[0].listen(config.backlog)  # who comes before the server is up waits for it
        thread = threading.Thread(target=server.run, kwargs={"sockets": sockets}, name="platform-under-test")
        thread.start()
        try:
            yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()

    def close(self) -> None:
        """End clients, threads and the event loop."""
        for client in self._clients:
            client.close()
        self.tenancy.close()
        self._portal_context.__exit__(None, None, None)

    def __enter__(self) -> PlatformUnderTest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _first_owner(self) -> Caller:
        self.tenancy.directory.ensure_default(None)
        return Caller(
            tenant_id=DEFAULT_TENANT,
            project_id=DEFAULT_PROJECT,
            principal="user:owner@localhost",
            role=Role.PLATFORM_ADMIN,
            owner="user:owner@localhost",
        )
