"""`/api/v1/deployments`: want, look, roll back, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Query, Response

from aiplatform.serve.model import Deployment, Revision, spec_from
from aiplatform.serve.service import Deployments
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes


def build_routes(service: Deployments) -> Routes:
    """The routes of deployments."""
    routes = Routes(tags=["deployments"])

    @routes.get("/api/v1/deployments", permission=Permission.DEPLOYMENTS_READ)
    def list_deployments(caller: CallerDep) -> dict[str, Any]:
        """Every deployment of the project, what needs somebody first."""
        return {"items": [deployment_json(found) for found in service.list(caller.scope)], "next": None}

    @routes.put("/api/v1/deployments/{name}", permission=Permission.DEPLOYMENTS_WRITE)
    def apply_deployment(caller: CallerDep, name: str, spec: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """Want this deployment; wanting the same again changes nothing."""
        return deployment_json(service.apply(caller, spec_from({**spec, "name": name})))

    @routes.get("/api/v1/deployments/{name}", permission=Permission.DEPLOYMENTS_READ)
    def get_deployment(caller: CallerDep, name: str) -> dict[str, Any]:
        """One deployment with its revisions, newest first."""
        found = service.get(caller.scope, name)
        revisions = [revision_json(one) for one in service.revisions(caller.scope, name)]
        return {**deployment_json(found), "revisions": revisions}

    @routes.post("/api/v1/deployments/{name}:rollback", permission=Permission.DEPLOYMENTS_WRITE)
    def rollback_deployment(
        caller: CallerDep, name: str, revision: Annotated[int | None, Query(ge=1)] = None
    ) -> dict[str, Any]:
        """Want an older revision again: by default the newest whose spec differs."""
        return deployment_json(service.rollback(caller, name, to=revision))

    @routes.delete("/api/v1/deployments/{name}", permission=Permission.DEPLOYMENTS_WRITE, status_code=204)
    def delete_deployment(caller: CallerDep, name: str) -> Response:
        """Want it no more."""
        service.delete(caller, name)
        return Response(status_code=204)

    return routes


def deployment_json(deployment: Deployment) -> dict[str, Any]:
    """A deployment as the interface shows it."""
    state = deployment.state
    return {
        "name": deployment.name,
        "tenant": deployment.tenant_id,
        "project": deployment.project_id,
        "current": revision_json(deployment.current),
        "created_ns": deployment.created_ns,
        "state": {
            "status": state.status.value,
            "message": state.message,
            "ready_replicas": state.ready_replicas,
            "seen_ns": state.seen_ns,
            "since_ns": state.since_ns,
        },
    }


def revision_json(revision: Revision) -> dict[str, Any]:
    """A revision as the interface shows it."""
    return {
        "number": revision.number,
        "revision_id": revision.revision_id,
        "spec": revision.spec.as_dict(),
        "author": revision.author,
        "created_ns": revision.created_ns,
        "restored_from": revision.restored_from,
    }
