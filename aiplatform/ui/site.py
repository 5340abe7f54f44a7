"""What every page handler has at hand: the rooms' services, the renderer, and the visit that is being answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from aiplatform.client.credentials import DEFAULT_PROJECT, PROJECT_VARIABLE
from aiplatform.core.errors import AIPlatformError, NotFoundError, PermissionDeniedError
from aiplatform.core.i18n import N_, translate
from aiplatform.eval.judging.service import JudgeService
from aiplatform.eval.online.service import OnlineEvaluation
from aiplatform.eval.reviewing.service import Reviews
from aiplatform.eval.service import EvaluationService
from aiplatform.registry.datasets import Datasets
from aiplatform.registry.experiments import Experiments
from aiplatform.registry.from_traces import TraceCollector
from aiplatform.registry.lineage import LineageGraph
from aiplatform.registry.models import Models
from aiplatform.serve.service import Deployments
from aiplatform.tenancy.credentials import session_tokens
from aiplatform.tenancy.model import Caller, Tenant
from aiplatform.tenancy.names import PAGE_NOUNS, RESERVED
from aiplatform.tenancy.responses import request_id_of
from aiplatform.tenancy.routing import caller_of, optional_caller
from aiplatform.tenancy.service import Tenancy
from aiplatform.tracing.service import Traces
from aiplatform.ui.address import Address
from aiplatform.ui.frame import KEYS, Choice, Frame, choices, navigation_for, preferences_of
from aiplatform.ui.rendering import Renderer

T = TypeVar("T")


class TenantConvertor(Convertor[str]):
    """A tenant's slug as the first segment of a page's address."""

    regex = rf"(?!(?:{'|'.join(RESERVED)})(?:/|$))[a-z][-a-z0-9]{{0,39}}"

    def convert(self, value: str) -> str:
        """The slug itself."""
        return value

    def to_string(self, value: str) -> str:
        """The slug itself."""
        return value


class NounConvertor(Convertor[str]):
    """The first segment of a short address."""

    regex = "|".join(PAGE_NOUNS)

    def convert(self, value: str) -> str:
        """The noun itself."""
        return value

    def to_string(self, value: str) -> str:
        """The noun itself."""
        return value


register_url_convertor("tenant", TenantConvertor())
register_url_convertor("noun", NounConvertor())
BASE: Final = "/{tenant:tenant}/{project}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UiServices:
    """The rooms that the pages show."""

    tenancy: Tenancy
    traces: Traces
    evaluations: EvaluationService
    judges: JudgeService
    reviews: Reviews
    online: OnlineEvaluation
    datasets: Datasets
    models: Models
    experiments: Experiments
    lineage: LineageGraph
    collector: TraceCollector
    deployments: Deployments
    url: str
    """Address that clients use, for snippets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error as a page shows it."""

    message: str
    hint: str | None
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request for a page of a project."""

    request: Request
    caller: Caller
    frame: Frame
    renderer: Renderer

    @property
    def base(self) -> str:
        """`/tenant/project`."""
        return self.frame.base

    @property
    def locale(self) -> str:
        """The reader's language."""
        return self.frame.locale

    def text(self, message: str) -> str:
        """A marked text in the reader's language."""
        return translate(message, self.locale)

    def address(self, *keep: str) -> Address:
        """This page's address, with the parameters that are its state."""
        return Address.of(self.request, keep)

    def param(self, name: str) -> str | None:
        """A parameter of the query; None where it is empty or missing."""
        return self.request.query_params.get(name) or None

    def page(
        self, template: str, view: Mapping[str, Any] | None = None, *, status: int = 200, **more: Any
    ) -> HTMLResponse:
        """Draw a template with what it shows."""
        return self.renderer.page(template, self.frame, {**(view or {}), **more}, status=status)

    def ways(self, link: object, cli: str, python: str = "", *, of_project: bool = True) -> list[tuple[str, str]]:
        """The same view as a link, a command and a line of Python.

        Args:
            link: Address of the page with its state.
            cli: The command, its arguments quoted.
            python: The line; empty where there is none.
            of_project: Whether the command is about a project: it is named where it is not the default one.
        """
        project_id = self.caller.project_id
        is_named = of_project and project_id != DEFAULT_PROJECT
        found = [(self.text(N_("Link")), str(link)), ("CLI", f"{cli} --project {project_id}" if is_named else cli)]
        if python:
            found.append(("Python", f"{python}  # {PROJECT_VARIABLE}={project_id}" if is_named else python))
        return found

    def attempt(self, read: Callable[[], T]) -> tuple[T | None, Problem | None]:
        """What a part of the page needs, or why it cannot be shown: the part fails, not the page."""
        try:
            return read(), None
        except AIPlatformError as error:
            return None, problem_of(error, self.locale)


class Site:
    """Draws pages for callers."""

    def __init__(self, services: UiServices, renderer: Renderer) -> None:
        self.services = services
        self.renderer = renderer

    def visit(self, request: Request, current: str) -> Visit:
        """The visit of a page in a project.

        Raises:
            NotFoundError: The caller has no such tenant or project.
        """
        caller = self._caller(request)
        projects = self.services.tenancy.directory.projects(caller)
        if caller.project_id not in {project.project_id for project in projects}:
            raise _no_project(caller.project_id)
        base = f"/{caller.tenant_id}/{caller.project_id}"
        bare = self.bare_frame(request.scope)
        tenants = self._tenants(request, caller)
        frame = replace(
            bare,
            base=base,
            tenant_name=next((tenant.name for tenant in tenants if tenant.tenant_id == caller.tenant_id), ""),
            project_id=caller.project_id,
            principal=(caller.owner or caller.principal).removeprefix("user:"),
            tenants=choices(
                [(tenant.tenant_id, tenant.name) for tenant in tenants],
                caller.tenant_id,
                lambda tenant_id: f"/{tenant_id}" if tenant_id == caller.tenant_id else f"/sign-in/tenants/{tenant_id}",
            ),
            projects=self._project_choices(caller, [(one.project_id, one.name) for one in projects], current),
            navigation=navigation_for(caller, base, current, lambda text: translate(text, bare.locale)),
            keys=tuple((keys, translate(what, bare.locale)) for keys, what in KEYS),
        )
        return Visit(request=request, caller=caller, frame=frame, renderer=self.renderer)

    def bare_frame(self, scope: Scope) -> Frame:
        """The frame of a page outside of every project: signing in, errors."""
        request = Request(scope)
        query = request.url.query
        return Frame(
            preferences=preferences_of(request),
            now_ns=self.renderer.clock.now_ns(),
            request_id=request_id_of(scope) or "",
            here=request.url.path + (f"?{query}" if query else ""),
        )

    def error_page(self, scope: Scope, error: AIPlatformError) -> Response:
        """An error as a browser shows it: what failed, what to do, an id to quote. For `tenancy.middleware.secure`."""
        frame = self.bare_frame(scope)
        caller = optional_caller(scope)
        is_fragment = any(name == b"hx-request" for name, _ in scope["headers"])
        view = {
            "problem": problem_of(error, frame.locale),
            "status": error.http_status,
            "home": f"/{caller.tenant_id}/{caller.project_id}" if caller else "/sign-in",
            "is_forbidden": isinstance(error, PermissionDeniedError),
        }
        template = "parts/problem.html" if is_fragment else "pages/error.html"
        return self.renderer.page(template, frame, view, status=error.http_status)

    def _caller(self, request: Request) -> Caller:
        """The caller, working in the project that the address names."""
        caller = caller_of(request)
        tenant_id, project_id = request.path_params["tenant"], request.path_params["project"]
        if tenant_id != caller.tenant_id or (caller.is_project_bound and project_id != caller.project_id):
            raise _no_project(f"{tenant_id}/{project_id}")
        return replace(caller, project_id=project_id)

    def _tenants(self, request: Request, caller: Caller) -> list[Tenant]:
        """The caller's tenant, and those in which this browser is signed in as well."""
        directory, sessions = self.services.tenancy.directory, self.services.tenancy.sessions
        tokens = session_tokens(request.headers.get("cookie"))
        known = [tenant for tenant, _ in sessions.tenants_of(tokens)] if len(tokens) > 1 else []
        own = [] if any(tenant.tenant_id == caller.tenant_id for tenant in known) else [directory.tenant(caller)]
        return own + known

    def _project_choices(self, caller: Caller, projects: list[tuple[str, str]], current: str) -> tuple[Choice, ...]:
        if caller.is_project_bound:
            projects = [pair for pair in projects if pair[0] == caller.project_id]
        page = "" if current == "overview" else f"/{current}"
        return choices(
            [
                (project_id, f"{name} · {project_id}" if name and name != project_id else project_id)
                for project_id, name in projects
            ],
            caller.project_id,
            lambda project_id: f"/{caller.tenant_id}/{project_id}{page}",
        )


def problem_of(error: AIPlatformError, locale: str) -> Problem:
    """An error in the reader's language."""
    return Problem(message=error.localized(locale), hint=error.localized_hint(locale), code=error.full_code)


def _no_project(name: str) -> NotFoundError:
    return NotFoundError(
        N_("There is no project {name!r} that you can open."),
        hint=N_("Choose one of your projects at the top left, or sign in with another key."),
        reason="project.unknown",
        name=name,
    )
