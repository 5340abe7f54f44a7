"""Who calls, and for whom: the frozen types that every room above knows."""

from __future__ import annotations

from dataclasses import dataclass

from aiplatform.core.errors import PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
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
