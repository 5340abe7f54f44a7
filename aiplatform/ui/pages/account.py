"""What stands outside of projects: static files, preferences, the way in, the palette's answers."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aiplatform.core.errors import AIPlatformError, NotFoundError
from aiplatform.core.i18n import LOCALES, N_
from aiplatform.tenancy.hosts import local_target
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.ui.assets import PREFIX
from aiplatform.ui.frame import LOCALE_COOKIE, THEME_COOKIE, THEMES, UTC_COOKIE
from aiplatform.ui.site import BASE, Site, problem_of
from aiplatform.ui.views.palette import Found, looks_like_trace_id, matching

YEAR_S: Final = 31_536_000


def add_account(routes: Routes, site: Site) -> None:
    """Static files, preferences, `/` and the palette."""

    @routes.get(f"{PREFIX}/{{version}}/{{name:path}}", permission=Permission.PUBLIC)
    def static(request: Request, version: str, name: str) -> Response:
        return site.renderer.assets.respond(request, version, name)

    @routes.get("/favicon.ico", permission=Permission.PUBLIC)
    def favicon() -> Response:
        return RedirectResponse(site.renderer.assets.url("mark.svg"), HTTP_303_SEE_OTHER)

    @routes.post("/preferences", permission=Permission.PUBLIC)
    def preferences(
        locale: Annotated[str | None, Form()] = None,
        theme: Annotated[str | None, Form()] = None,
        utc: Annotated[str | None, Form()] = None,
        next: Annotated[str | None, Form()] = None,  # noqa: A002 - the form field's name
    ) -> Response:
        """Keep a choice in its cookie and go back to the page."""
        response = RedirectResponse(local_target(next), HTTP_303_SEE_OTHER)
        chosen = (
            (LOCALE_COOKIE, locale if locale in LOCALES else None),
            (THEME_COOKIE, theme if theme in THEMES else None),
            (UTC_COOKIE, utc if utc in {"0", "1"} else None),
        )
        for name, value in chosen:
            if value is not None:
                response.set_cookie(name, value, max_age=YEAR_S, samesite="lax", path="/")
        return response

    @routes.get("/", permission=Permission.SIGNED_IN)
    def home(caller: CallerDep) -> Response:
        return RedirectResponse(f"/{caller.tenant_id}/{caller.project_id}", HTTP_303_SEE_OTHER)

    @routes.get("/{tenant:tenant}", permission=Permission.SIGNED_IN)
    def tenant_home(tenant: str, caller: CallerDep) -> Response:
        if tenant != caller.tenant_id:
            raise NotFoundError(
                N_("There is no tenant {name!r} that you can open."),
                hint=N_("Sign in with a key of that tenant."),
                reason="tenant.unknown",
                name=tenant,
            )
        return RedirectResponse(f"/{caller.tenant_id}/{caller.project_id}", HTTP_303_SEE_OTHER)

    @routes.get("/{noun:noun}", permission=Permission.SIGNED_IN)
    @routes.get("/{noun:noun}/{rest:path}", permission=Permission.SIGNED_IN)
    def whole_address(request: Request, caller: CallerDep) -> Response:
        """`/comparisons/cmp-1?project=docs` leads to the page in the reader's tenant, by default in their project."""
        query = dict(request.query_params)
        project_id = query.pop("project", None) or caller.project_id
        address = f"/{caller.tenant_id}/{quote(project_id, safe='')}{quote(request.url.path)}"
        return RedirectResponse(address + (f"?{urlencode(query)}" if query else ""), HTTP_303_SEE_OTHER)

    @routes.get(f"{BASE}/find", permission=Permission.SIGNED_IN)
    def find(request: Request) -> Response:
        """Things of the project whose names hold what is typed."""
        visit = site.visit(request, "")
        asked = (visit.param("q") or "").strip()
        found: list[Found] = []
        if looks_like_trace_id(asked):
            found.append(Found(kind=visit.text(N_("trace")), name=asked, path=f"/traces/{asked}", icon="list-tree"))
        caller, services = visit.caller, site.services
        sources = (
            (Permission.EVALUATIONS_READ, lambda: [
                Found(kind=visit.text(N_("evaluation")), name=run.name, path=f"/evaluations/{run.run_id}", icon="scale")
                for run in services.evaluations.list(caller, limit=100).items
            ]),
            (Permission.DATASETS_READ, lambda: [
                Found(kind=visit.text(N_("data set")), name=one.name, path=f"/datasets/{one.name}", icon="database")
                for one in services.datasets.list(caller)
            ]),
            (Permission.EXPERIMENTS_READ, lambda: [
                Found(
                    kind=visit.text(N_("experiment")), name=one.name, path=f"/experiments/{one.experiment_id}",
                    icon="flask-conical",
                )
                for one in services.experiments.list(caller)
            ]),
            (Permission.MODELS_READ, lambda: [
                Found(kind=visit.text(N_("model")), name=one.name, path=f"/models/{one.name}", icon="boxes")
                for one in services.models.list(caller)
            ]),
            (Permission.DEPLOYMENTS_READ, lambda: [
                Found(kind=visit.text(N_("deployment")), name=one.name, path=f"/deployments/{one.name}", icon="rocket")
                for one in services.deployments.list(caller.scope)
            ]),
        )  # fmt: skip
        for permission, read in sources:
            if caller.may(permission):
                # A part that cannot be asked now is left out: the palette finds what it can.
                found += visit.attempt(read)[0] or []
        return visit.page("parts/found.html", found=matching(found, asked))


def sign_in_page(site: Site, request: Request, problem: AIPlatformError | None, target: str) -> Response:
    """The sign-in page, for `tenancy.sign_in`."""
    frame = site.bare_frame(request.scope)
    shown = None if problem is None else problem_of(problem, frame.locale)
    status = 200 if problem is None else problem.http_status
    return site.renderer.page("pages/sign_in.html", frame, {"problem": shown, "next": target}, status=status)
