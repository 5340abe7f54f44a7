"""What the routes of tenants, projects, members, keys and the audit log take and give, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from aiplatform.tenancy.model import ApiKey, AuditEvent, Caller, Member, NewKey, Project, Tenant
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.tenancy.tenant_service import Plan, QuotaUse


class Body(BaseModel):
    """Base of what is taken: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class NewTenantBody(Body):
    """A tenant to make."""

    id: str
    """A DNS label of at most 40 characters."""

    name: str | None = None
    admin_email: str | None = None
    """Address of its first admin; by default `admin@<id>`."""


class NewProjectBody(Body):
    """A project to make."""

    id: str
    """A DNS label of at most 40 characters."""

    name: str | None = None


class ProjectChangeBody(Body):
    """What a project shall be called."""

    name: str


class MemberBody(Body):
    """What a member shall be."""

    role: Role
    name: str | None = None


class NewKeyBody(Body):
    """A key to make."""

    name: str
    """What it is for."""

    role: Role = Role.DEVELOPER
    scopes: list[str] | None = None
    """Permissions it is limited to; by default all that its role may."""

    project: str | None = None
    """Project it is bound to; by default it opens every project of the tenant."""

    lifetime_s: Annotated[float, Field(gt=0)] | None = None
    """Seconds until it expires; by default it does not."""

    email: str | None = None
    """The member whose key it is; by default the caller's own."""


class SnippetKeyBody(Body):
    """A key for a snippet that is being copied."""

    scopes: list[str] | None = None
    """Of `traces.write`, `scores.write`, `inference.call`; by default the first."""


def tenant_json(tenant: Tenant) -> dict[str, Any]:
    """A tenant."""
    return {
        "id": tenant.tenant_id,
        "name": tenant.name,
        "created_ns": tenant.created_ns,
        "suspended_ns": tenant.suspended_ns,
        "delete_after_ns": tenant.delete_after_ns,
    }


def plan_json(plan: Plan) -> dict[str, Any]:
    """What an application changed, or would change."""
    return {
        "changes": [asdict(change) for change in plan.changes],
        "unmanaged_projects": list(plan.unmanaged),
        "admin_key": None if plan.admin_key is None else new_key_json(plan.admin_key),
    }


def quota_json(use: QuotaUse) -> dict[str, Any]:
    """How much of a limit is used."""
    return {"resource": use.resource, "limit": use.limit, "used": use.used, "frees_ns": use.frees_ns}


def project_json(project: Project) -> dict[str, Any]:
    """A project."""
    return {
        "id": project.project_id,
        "name": project.name,
        "created_ns": project.created_ns,
        "delete_after_ns": project.delete_after_ns,
    }


def member_json(member: Member) -> dict[str, Any]:
    """A member."""
    return {"email": member.email, "name": member.name, "role": member.role, "created_ns": member.created_ns}


def key_json(key: ApiKey) -> dict[str, Any]:
    """A key, without its text."""
    return {
        "id": key.key_id,
        "kind": key.kind,
        "name": key.name,
        "owner": key.owner,
        "role": key.role,
        "scopes": None if key.scopes is None else sorted(key.scopes),
        "project": key.project_id,
        "created_ns": key.created_ns,
        "created_by": key.created_by,
        "expires_ns": key.expires_ns,
        "revoked_ns": key.revoked_ns,
        "last_used_ns": key.last_used_ns,
    }


def new_key_json(made: NewKey) -> dict[str, Any]:
    """A key just made, with its text, this once."""
    return {**key_json(made.key), "key": made.text}


def event_json(event: AuditEvent) -> dict[str, Any]:
    """An event of the audit log."""
    return {
        "id": event.event_id,
        "at_ns": event.at_ns,
        "principal": event.principal,
        "action": event.action,
        "target": event.target,
        "project": event.project_id,
        "detail": dict(event.detail),
        "request_id": event.request_id,
    }


def caller_json(caller: Caller, tenant: Tenant) -> dict[str, Any]:
    """Who calls, and what they may."""
    return {
        "tenant": tenant_json(tenant),
        "project": caller.project_id,
        "principal": caller.principal,
        "owner": caller.owner,
        "role": caller.role,
        "key": caller.key_id,
        "permissions": sorted(one for one in Permission if one is not Permission.PUBLIC and caller.may(one)),
    }
