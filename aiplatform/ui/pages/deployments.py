"""Deployments: what is wanted, what is seen, and how to ask one."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aiplatform.serve.model import STATUS_NAMES, Protocol, Status
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.ui.site import BASE, Site
from aiplatform.ui.views.snippets import PLACEHOLDER, infer_snippet, try_snippets

DEPLOYMENT_TONES: Final = {
    Status.PENDING: ("dim", "clock"),
    Status.STARTING: ("unsure", "clock"),
    Status.READY: ("better", "circle-check"),
    Status.FAILED: ("worse", "circle-x"),
    Status.STOPPED: ("dim", "circle"),
}


def add_deployments(routes: Routes, site: Site) -> None:
    """The list of deployments, the page of one, and going back to an older revision."""

    @routes.get(f"{BASE}/deployments", permission=Permission.DEPLOYMENTS_READ)
    def deployments(request: Request) -> Response:
        visit = site.visit(request, "deployments")
        ways = visit.ways(visit.request.url.path, "aiplatform deployments list", "aip.deployments.list()")
        return visit.page(
            "pages/deployments.html",
            deployments=site.services.deployments.list(visit.caller.scope),
            tones=DEPLOYMENT_TONES,
            names=STATUS_NAMES,
            ways=ways,
        )

    @routes.get(f"{BASE}/deployments/{{name}}", permission=Permission.DEPLOYMENTS_READ)
    def deployment_page(request: Request, name: str) -> Response:
        visit = site.visit(request, "deployments")
        found = site.services.deployments.get(visit.caller.scope, name)
        revisions, problem = visit.attempt(lambda: site.services.deployments.revisions(visit.caller.scope, name))
        url, project = site.services.url, visit.caller.project_id
        is_chat = found.spec.protocol is Protocol.CHAT
        ways_in = try_snippets(url, project, name) if is_chat else (infer_snippet(url, project, name),)
        chosen = next((one for one in ways_in if one.key == visit.param("way")), ways_in[0])
        return visit.page(
            "pages/deployment.html",
            {
                "deployment": found,
                "revisions": revisions or [],
                "revisions_problem": problem,
                "tones": DEPLOYMENT_TONES,
                "names": STATUS_NAMES,
                "snippets": visit.address("way").tabs("way", [(one.key, one.name) for one in ways_in], chosen.key),
                "chosen": chosen,
                "placeholder": PLACEHOLDER,
                "may_write": visit.caller.may(Permission.DEPLOYMENTS_WRITE),
                "ways": visit.ways(
                    visit.address("way"), f"aiplatform deployments get {name}", f"aip.deployments.get({name!r})"
                ),
            },
        )

    @routes.post(f"{BASE}/deployments/{{name}}/rollback", permission=Permission.DEPLOYMENTS_WRITE)
    def rollback(request: Request, name: str, to: Annotated[str, Form()] = "") -> Response:
        """Want an older revision again."""
        visit = site.visit(request, "deployments")
        site.services.deployments.rollback(visit.caller, name, to=int(to) if to.isdecimal() else None)
        return RedirectResponse(f"{visit.base}/deployments/{name}", HTTP_303_SEE_OTHER)
