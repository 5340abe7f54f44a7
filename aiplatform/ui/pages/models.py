"""Registered models: versions, aliases, where they come from and where they go."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.registry.lineage import Node, NodeKind
from aiplatform.registry.model import CHAMPION, ModelVersion
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.ui.site import BASE, Site, Visit

NODE_NAMES: Final = {
    NodeKind.TRACE: N_("trace"),
    NodeKind.DATASET: N_("data set"),
    NodeKind.MODEL: N_("model version"),
    NodeKind.TRAINING_RUN: N_("training run"),
    NodeKind.EVALUATION: N_("evaluation"),
    NodeKind.DEPLOYMENT: N_("deployment"),
}
NODE_PATHS: Final = {
    NodeKind.TRACE: "/traces/{}",
    NodeKind.DATASET: "/datasets/{}",
    NodeKind.MODEL: "/models/{}",
    NodeKind.EVALUATION: "/evaluations/{}",
    NodeKind.DEPLOYMENT: "/deployments/{}",
}


def add_models(routes: Routes, site: Site) -> None:
    """The list of models, the page of one, and moving an alias."""

    @routes.get(f"{BASE}/models", permission=Permission.MODELS_READ)
    def models(request: Request) -> Response:
        visit = site.visit(request, "models")
        found, problem = visit.attempt(lambda: site.services.models.list(visit.caller))
        ways = visit.ways(visit.request.url.path, "aiplatform models list", "aip.models.list()")
        return visit.page("pages/models.html", models=found or [], problem=problem, ways=ways)

    @routes.get(f"{BASE}/models/{{name}}", permission=Permission.MODELS_READ)
    def model_page(request: Request, name: str) -> Response:
        visit = site.visit(request, "models")
        name, _, asked = name.partition("@")
        model = site.services.models.get(visit.caller, name)
        versions = site.services.models.versions(visit.caller, name)
        wanted = visit.param("version") or asked
        chosen = next((one for one in versions if str(one.version) == wanted), versions[0] if versions else None)
        reference = chosen.reference if chosen else name
        return visit.page(
            "pages/model.html",
            {
                "model": model,
                "versions": versions,
                "chosen": chosen,
                "champion": CHAMPION,
                "address": visit.address("version"),
                "may_promote": visit.caller.may(Permission.MODELS_WRITE),
                "serving": _serving(site, visit, name),
                **(_lineage(site, visit, chosen) if chosen else {}),
                "ways": [
                    *visit.ways(
                        visit.address("version"), f"aiplatform models get {reference}", f"aip.models.get({reference!r})"
                    ),
                    ("MLflow", f"models:/{name}/{chosen.version}" if chosen else f"models:/{name}"),
                ],
            },
        )

    @routes.post(f"{BASE}/models/{{name}}/champion", permission=Permission.MODELS_WRITE)
    def promote(
        request: Request, name: str, version: Annotated[str, Form()] = "", expected: Annotated[str, Form()] = ""
    ) -> Response:
        """Point the champion's alias at a version, unless it moved since the page was drawn."""
        visit = site.visit(request, "models")
        if not version.isdecimal():
            raise InvalidError(N_("{version!r} is not a version."), version=version)
        site.services.models.promote(
            visit.caller,
            f"{name}@{version}",
            alias=CHAMPION,
            expected=int(expected) if expected.isdecimal() else None,
        )
        return RedirectResponse(f"{visit.base}/models/{name}?version={version}", HTTP_303_SEE_OTHER)


def _serving(site: Site, visit: Visit, name: str) -> list[Any]:
    if not visit.caller.may(Permission.DEPLOYMENTS_READ):
        return []
    deployments = site.services.deployments.list(visit.caller.scope)
    return [one for one in deployments if one.spec.version_ref is not None and one.spec.version_ref.name == name]


def _lineage(site: Site, visit: Visit, version: ModelVersion) -> dict[str, Any]:
    node = Node(kind=NodeKind.MODEL, reference=version.reference)
    found, problem = visit.attempt(lambda: site.services.lineage.neighbours(visit.caller, node))

    def box(each: Node) -> dict[str, str]:
        path = NODE_PATHS.get(each.kind)
        return {
            "name": each.reference,
            "kind": visit.text(NODE_NAMES[each.kind]),
            "href": f"{visit.base}{path.format(each.reference)}" if path else "",
        }

    return {
        "upstream": [box(each) for each in found.upstream] if found else [],
        "downstream": [box(each) for each in found.downstream] if found else [],
        "lineage_problem": problem,
    }
