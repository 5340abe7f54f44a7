"""The keys of jobs, made by tenancy: they act as the submitter, in one project, for hours."""

from __future__ import annotations

from typing import Final

from aiplatform.core.errors import NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.jobs.ports import JobKey
from aiplatform.tenancy.key_service import KeyService
from aiplatform.tenancy.model import Caller, NewKey
from aiplatform.tenancy.permissions import Role

LIFETIME_NS: Final = 6 * 3600 * 1_000_000_000


class TenancyJobKeys:
    """Delegated keys."""

    def __init__(self, keys: KeyService) -> None:
        self._keys = keys

    def make(self, caller: Caller, *, job_id: str) -> JobKey:
        """A key that may what `caller` may, in the caller's project."""
        return _job_key(self._keys.delegate(caller, name=f"job {job_id}", lifetime_ns=LIFETIME_NS))

    def renew(self, scope: Scope, key_id: str) -> JobKey:
        """The successor of a job's key; the old one stays good until it expires.

        Raises:
            NotFoundError: The tenant has no such key.
            PermissionDeniedError: It has expired or was revoked.
        """
        key = next((key for key in self._keys.list(_platform(scope)) if key.key_id == key_id), None)
        if key is None:
            raise NotFoundError(N_("There is no key {name!r}."), name=key_id)
        holder = Caller(
            tenant_id=scope.tenant_id,
            project_id=key.project_id or scope.project_id or "",
            principal=f"key:{key_id}",
            role=key.role,
            scopes=key.scopes,
            key_id=key_id,
            owner=key.owner,
            is_project_bound=True,
        )
        return _job_key(self._keys.renew(holder))

    def revoke(self, scope: Scope, key_id: str) -> None:
        """End a key; repeating it changes nothing."""
        try:
            self._keys.revoke(_platform(scope), key_id)
        except NotFoundError:
            return


def _job_key(new: NewKey) -> JobKey:
    return JobKey(key_id=new.key.key_id, secret=new.text, expires_ns=new.key.expires_ns or 0)


def _platform(scope: Scope) -> Caller:
    """The platform itself, minding its jobs' keys."""
    return Caller(
        tenant_id=scope.tenant_id,
        project_id=scope.project_id or "",
        principal="service:jobs",
        role=Role.PLATFORM_ADMIN,
    )
