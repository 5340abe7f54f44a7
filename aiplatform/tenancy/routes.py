"""HTTP of tenants, projects, members, keys and the audit log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response, status

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.audit import PAGE_SIZE
from aiplatform.tenancy.deletion import GRACE_S, Deletions
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tenancy.schemas import (
    MemberBody,
    NewKeyBody,
    NewProjectBody,
    NewTenantBody,
    ProjectChangeBody,
    SnippetKeyBody,
    caller_json,
    event_json,
    key_json,
    member_json,
    new_key_json,
    plan_json,
    project_json,
    quota_json,
    tenant_json,
)
from aiplatform.tenancy.service import Tenancy
from aiplatform.tenancy.spec import TenantSpec

Json = dict[str, Any]


def build_routes(tenancy: Tenancy) -> Routes:
    """The room's management API."""
    routes = Routes(tags=["tenancy"])
    _add_directory(routes, tenancy)
    _add_specs(routes, tenancy)
    _add_projects(routes, tenancy.deletions)
    _add_members(routes, tenancy)
    _add_keys(routes, tenancy)
    return routes


def _add_directory(routes: Routes, tenancy: Tenancy) -> None:
    directory = tenancy.directory

    @routes.get("/api/v1/me", permission=Permission.SIGNED_IN)
    def me(caller: CallerDep) -> Json:
        """Who calls, for which tenant and project, and what they may."""
        return caller_json(caller, directory.tenant(caller))

    @routes.post("/api/v1/me:sign-in-code", permission=Permission.SIGNED_IN, status_code=status.HTTP_201_CREATED)
    def sign_in_code(caller: CallerDep) -> Json:
        """A path that signs a browser in as the caller, once, within a quarter of an hour."""
        return {"path": f"/sign-in?code={tenancy.sessions.new_code_for(caller)}"}

    @routes.get("/api/v1/tenants", permission=Permission.TENANTS_READ)
    def tenants(caller: CallerDep) -> Json:
        """Every tenant of the platform."""
        return _page([tenant_json(tenant) for tenant in directory.tenants()])

    @routes.post("/api/v1/tenants", permission=Permission.TENANTS_WRITE, status_code=status.HTTP_201_CREATED)
    def create_tenant(body: NewTenantBody, caller: CallerDep) -> Json:
        """Make a tenant; the answer carries its first admin's key, this once."""
        made = directory.create_tenant(caller, body.id, name=body.name, admin_email=body.admin_email)
        return {**tenant_json(made.tenant), "admin_key": new_key_json(made.admin_key)}

    @routes.get("/api/v1/projects", permission=Permission.PROJECTS_READ)
    def projects(caller: CallerDep, *, deleted: bool = False) -> Json:
        """The projects that the caller can work in; or those that are deleted and not yet gone."""
        return _page([project_json(project) for project in directory.projects(caller, deleted=deleted)])

    @routes.post("/api/v1/projects", permission=Permission.PROJECTS_WRITE, status_code=status.HTTP_201_CREATED)
    def create_project(body: NewProjectBody, caller: CallerDep) -> Json:
        """Make a project."""
        return project_json(directory.create_project(caller, body.id, name=body.name))

    @routes.get("/api/v1/audit", permission=Permission.AUDIT_READ)
    def audit(
        caller: CallerDep,
        limit: Annotated[int, Query(ge=1, le=1000)] = PAGE_SIZE,
        page: str | None = None,
        action: str | None = None,
    ) -> Json:
        """Who changed what, newest first; `action` is one action or one noun."""
        events, following = tenancy.audit.page(caller, limit=limit, before=page, action=action)
        return {"items": [event_json(event) for event in events], "next": following}


def _add_specs(routes: Routes, tenancy: Tenancy) -> None:
    specs = tenancy.specs

    @routes.put("/api/v1/tenants/{tenant_id}", permission=Permission.TENANTS_WRITE)
    def apply(tenant_id: str, body: TenantSpec, caller: CallerDep, *, dry_run: bool = False) -> Json:
        """Make a tenant what a specification says, and tell what changed; the first time carries its admin's key."""
        if body.tenant != tenant_id:
            raise InvalidError(
                N_("The specification is of {name!r}, and the address names {other!r}."),
                reason="tenant.spec_name",
                name=body.tenant,
                other=tenant_id,
            )
        return plan_json(specs.apply(caller, body, dry_run=dry_run))

    @routes.get("/api/v1/tenants/{tenant_id}", permission=Permission.TENANTS_READ)
    def get(tenant_id: str, caller: CallerDep) -> Json:
        """A tenant, with the specification that describes it as it is, and how much of its limits is used."""
        tenant, spec = specs.get(tenant_id)
        quotas = [quota_json(use) for use in specs.use(tenant_id)]
        return {**tenant_json(tenant), "spec": spec.model_dump(mode="json"), "quotas": quotas}

    @routes.post("/api/v1/tenants/{tenant_id}:suspend", permission=Permission.TENANTS_WRITE)
    def suspend(tenant_id: str, caller: CallerDep) -> Json:
        """Let nobody of a tenant in until it is resumed; its data stay."""
        return tenant_json(specs.suspend(caller, tenant_id))

    @routes.post("/api/v1/tenants/{tenant_id}:resume", permission=Permission.TENANTS_WRITE)
    def resume(tenant_id: str, caller: CallerDep) -> Json:
        """Let a tenant in again."""
        return tenant_json(specs.resume(caller, tenant_id))

    @routes.delete("/api/v1/tenants/{tenant_id}", permission=Permission.TENANTS_WRITE)
    def delete(tenant_id: str, caller: CallerDep, grace_s: float = GRACE_S) -> Json:
        """Let nobody of a tenant in, and remove everything of it when the grace ends; until then it can be resumed."""
        return tenant_json(tenancy.deletions.delete_tenant(caller, tenant_id, grace_s=grace_s))

    @routes.get("/api/v1/quotas", permission=Permission.PROJECTS_READ)
    def quotas(caller: CallerDep) -> Json:
        """The limits of the caller's tenant, and how much of each is used."""
        return _page([quota_json(use) for use in specs.use(caller.tenant_id)])


def _add_projects(routes: Routes, deletions: Deletions) -> None:
    @routes.patch("/api/v1/projects/{project_id}", permission=Permission.PROJECTS_WRITE)
    def rename_project(project_id: str, body: ProjectChangeBody, caller: CallerDep) -> Json:
        """Give a project another name; its id stays."""
        return project_json(deletions.rename_project(caller, project_id, body.name))

    @routes.delete("/api/v1/projects/{project_id}", permission=Permission.PROJECTS_WRITE)
    def delete_project(project_id: str, caller: CallerDep, grace_s: float = GRACE_S) -> Json:
        """Hide a project, and remove everything of it when the grace ends; until then it can be restored."""
        return project_json(deletions.delete_project(caller, project_id, grace_s=grace_s))

    @routes.post("/api/v1/projects/{project_id}:restore", permission=Permission.PROJECTS_WRITE)
    def restore_project(project_id: str, caller: CallerDep) -> Json:
        """Take the deletion of a project back."""
        return project_json(deletions.restore_project(caller, project_id))


def _add_members(routes: Routes, tenancy: Tenancy) -> None:
    directory = tenancy.directory

    @routes.get("/api/v1/members", permission=Permission.MEMBERS_READ)
    def members(caller: CallerDep) -> Json:
        """The tenant's members."""
        return _page([member_json(member) for member in directory.members(caller)])

    @routes.put("/api/v1/members/{email}", permission=Permission.MEMBERS_WRITE)
    def put_member(email: str, body: MemberBody, caller: CallerDep) -> Json:
        """Add a member, or change one."""
        return member_json(directory.put_member(caller, email, body.role, name=body.name))

    @routes.delete(
        "/api/v1/members/{email}", permission=Permission.MEMBERS_WRITE, status_code=status.HTTP_204_NO_CONTENT
    )
    def remove_member(email: str, caller: CallerDep) -> Response:
        """Take a member out; their keys open nothing from then on."""
        directory.remove_member(caller, email)
        return Response(status_code=status.HTTP_204_NO_CONTENT)


def _add_keys(routes: Routes, tenancy: Tenancy) -> None:
    keys = tenancy.keys

    @routes.get("/api/v1/keys", permission=Permission.KEYS_READ)
    def list_keys(caller: CallerDep) -> Json:
        """The tenant's keys, newest first, without their texts."""
        return _page([key_json(key) for key in keys.list(caller) if _is_visible(key.project_id, caller)])

    @routes.post("/api/v1/keys", permission=Permission.KEYS_WRITE, status_code=status.HTTP_201_CREATED)
    def create_key(body: NewKeyBody, caller: CallerDep, response: Response) -> Json:
        """Make a key; the answer carries its text, this once."""
        _never_keep(response)
        made = keys.create(
            caller,
            name=body.name,
            role=body.role,
            scopes=body.scopes,
            project_id=body.project,
            lifetime_s=body.lifetime_s,
            email=body.email,
        )
        return new_key_json(made)

    @routes.post("/api/v1/keys:snippet", permission=Permission.SIGNED_IN, status_code=status.HTTP_201_CREATED)
    def create_snippet_key(body: SnippetKeyBody, caller: CallerDep, response: Response) -> Json:
        """Make the key of a snippet that is being copied: it writes to the caller's project, and expires."""
        _never_keep(response)
        return new_key_json(keys.create_for_snippet(caller, scopes=body.scopes))

    @routes.post("/api/v1/keys:renew", permission=Permission.SIGNED_IN, status_code=status.HTTP_201_CREATED)
    def renew_key(caller: CallerDep, response: Response) -> Json:
        """Make the successor of the caller's own short-lived key."""
        _never_keep(response)
        return new_key_json(keys.renew(caller))

    @routes.post("/api/v1/keys/{key_id}:revoke", permission=Permission.KEYS_WRITE)
    def revoke_key(key_id: str, caller: CallerDep) -> Json:
        """End a key, and the browser sessions that it began."""
        return key_json(keys.revoke(caller, key_id))


def _page(items: list[Json]) -> Json:
    return {"items": items, "next": None}


def _is_visible(project_id: str | None, caller: Caller) -> bool:
    return not caller.is_project_bound or project_id == caller.project_id


def _never_keep(response: Response) -> None:
    response.headers["cache-control"] = "no-store"
