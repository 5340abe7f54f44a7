"""Who calls, and for whom: the frozen types that every room above knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiplatform.core.errors import PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.tenancy.limits import NO_LIMITS, Limits
from aiplatform.tenancy.permissions import ROLE_PERMISSIONS, Permission, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A known caller: a key, a browser session, or one of the platform's own processes."""

    tenant_id: str
    project_id: str
    principal: str
    """`user:lin@example.com`, `key:aip_1a2b3c4d`, `service:worker`."""

    role: Role
    scopes: frozenset[Permission] | None = None
    """What the key is limited to; None means all that the role may."""

    key_id: str | None = None
    owner: str | None = None
    """Whose key it is (`user:lin@example.com`, `service:cluster`); None for the platform's own processes."""

    is_project_bound: bool = False
    """Whether the key belongs to this one project, so that the caller cannot choose another."""

    project_ids: tuple[str, ...] = ()
    """Projects that the caller can work in, as they were when the key was looked up; empty where nobody looked."""

    limits: Limits = NO_LIMITS
    """The tenant's, as they were when the key was looked up."""

    @property
    def scope(self) -> Scope:
        """The tenant and project that this call works in."""
        return Scope(tenant_id=self.tenant_id, project_id=self.project_id)

    @property
    def tenant_scope(self) -> Scope:
        """The whole tenant."""
        return Scope(tenant_id=self.tenant_id)

    def may(self, permission: Permission) -> bool:
        """Whether role and key allow it."""
        allowed = permission in ROLE_PERMISSIONS[self.role]
        return allowed and (self.scopes is None or permission in self.scopes or permission is Permission.SIGNED_IN)

    def require(self, permission: Permission) -> None:
        """Nothing, where it is allowed.

        Raises:
            PermissionDeniedError: It is not; the error names the permission and who can give it.
        """
        if not self.may(permission):
            raise PermissionDeniedError(
                N_("{principal} may not do this: {permission!r} is needed."),
                hint=N_("An admin of the tenant can give a role or a key that has it."),
                principal=self.principal,
                permission=str(permission),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A team, and everything that is its own."""

    tenant_id: str
    name: str
    created_ns: int
    suspended_ns: int | None = None
    """Since when nobody of it is let in."""

    delete_after_ns: int | None = None
    """When it goes for good; until then its deletion can be taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A part of a tenant's work: it has traces, experiments, models of its own."""

    project_id: str
    name: str
    created_ns: int
    delete_after_ns: int | None = None
    """When it goes for good; until then its deletion can be taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person of a tenant, known by their e-mail address."""

    email: str
    name: str
    role: Role
    created_ns: int


class KeyKind(StrEnum):
    """How a key came to be."""

    API = "api"
    """Made by an admin, for a person or a program."""

    SNIPPET = "snippet"
    """Made when a page's snippet was copied: writes only, one project, expires."""

    SERVICE = "service"
    """Of a cluster's own principal: short-lived, renewed by its holder."""

    DELEGATED = "delegated"
    """Of a job that acts as its submitter: short-lived, renewed while the job lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is known of a key, which is never the key itself."""

    key_id: str
    """The visible prefix, `aip_1a2b3c4d`."""

    kind: KeyKind
    name: str
    owner: str
    role: Role
    scopes: frozenset[Permission] | None
    project_id: str | None
    """The project it is bound to; None where it opens every project of the tenant."""

    created_ns: int
    created_by: str
    lifetime_ns: int | None = None
    expires_ns: int | None = None
    revoked_ns: int | None = None
    last_used_ns: int | None = None
    """Exact to a minute."""

    def is_active(self, now_ns: int) -> bool:
        """Whether it opens anything now."""
        return self.revoked_ns is None and (self.expires_ns is None or now_ns < self.expires_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made: the one moment in which its text is known."""

    key: ApiKey
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A browser session just begun; `token` goes into the cookie and nowhere else."""

    token: str = field(repr=False)
    tenant_id: str
    expires_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTenant:
    """A tenant just made, with its first admin's key."""

    tenant: Tenant
    admin_key: NewKey


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Somebody changed something."""

    event_id: str
    at_ns: int
    principal: str
    action: str
    """`<noun>.<verb>`, such as `keys.create`."""

    target: str
    project_id: str | None
    detail: Mapping[str, Any]
    request_id: str | None
