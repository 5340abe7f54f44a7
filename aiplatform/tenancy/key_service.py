"""API keys: made and shown once, listed, renewed, revoked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiplatform.core.clock import Clock
from aiplatform.core.errors import InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database, Transaction
from aiplatform.tenancy import policy, store
from aiplatform.tenancy.audit import record
from aiplatform.tenancy.auth import Authenticator
from aiplatform.tenancy.keys import new_key
from aiplatform.tenancy.model import ApiKey, Caller, KeyKind, NewKey
from aiplatform.tenancy.permissions import Permission, Role

MAX_NAME_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOrder:
    """What a new key shall be."""

    kind: KeyKind
    name: str
    owner: str
    role: Role
    created_by: str
    scopes: frozenset[Permission] | None = None
    project_id: str | None = None
    lifetime_ns: int | None = None


def make_key(tx: Transaction, order: KeyOrder, now_ns: int) -> NewKey:
    """Make a key in an open transaction, with its audit row. Its text is in the answer and nowhere else."""
    key_id, secret = new_key()
    key = ApiKey(
        key_id=key_id,
        kind=order.kind,
        name=order.name,
        owner=order.owner,
        role=order.role,
        scopes=order.scopes,
        project_id=order.project_id,
        created_ns=now_ns,
        created_by=order.created_by,
        lifetime_ns=order.lifetime_ns,
        expires_ns=None if order.lifetime_ns is None else now_ns + order.lifetime_ns,
    )
    store.insert_key(tx, key, secret.digest)
    record(
        tx,
        order.created_by,
        "keys.create",
        key_id,
        now_ns=now_ns,
        name=order.name,
        kind=str(order.kind),
        role=str(order.role),
        project=order.project_id,
    )
    return NewKey(key=key, text=secret.text)


class KeyService:
    """What can be done with keys."""

    def __init__(self, database: Database, clock: Clock, authenticator: Authenticator) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator

    def list(self, caller: Caller) -> list[ApiKey]:
        """Every key of the caller's tenant, newest first."""
        with self._database.read(caller.tenant_scope) as tx:
            return store.keys_of(tx)

    def create(
        self,
        caller: Caller,
        *,
        name: str,
        role: Role,
        scopes: Iterable[str] | None = None,
        project_id: str | None = None,
        lifetime_s: float | None = None,
        email: str | None = None,
    ) -> NewKey:
        """Make a key with at most the caller's own rights.

        Args:
            caller: Who makes it.
            name: What it is for.
            role: At most the caller's own.
            scopes: Permissions it is limited to; None for all that its role may.
            project_id: The project it is bound to; None for every project of the tenant.
            lifetime_s: Seconds until it expires; None for a key that does not.
            email: The member whose key it is; by default the caller's own owner.

        Raises:
            PermissionDeniedError: More is asked for than the caller has.
            NotFoundError: There is no such project, or no such member.
        """
        policy.check_may_give(caller, role)
        if caller.is_project_bound:
            project_id = caller.project_id
        order = KeyOrder(
            kind=KeyKind.API,
            name=_checked_name(name),
            owner=f"user:{email}" if email else caller.owner or caller.principal,
            role=role,
            created_by=caller.principal,
            scopes=policy.narrowed(caller, policy.scopes_of(scopes)),
            project_id=project_id,
            lifetime_ns=policy.check_lifetime(lifetime_s),
        )
        return self._make(caller.tenant_scope, order)

    def create_for_snippet(self, caller: Caller, *, scopes: Iterable[str] | None = None) -> NewKey:
        """Make the key of a snippet that is copied from a page: it writes to the page's project, and expires.

        Raises:
            PermissionDeniedError: The caller may not write either, or a scope that reads is asked for.
        """
        wanted = policy.scopes_of(scopes) or frozenset({Permission.TRACES_WRITE})
        for permission in sorted(wanted):
            caller.require(permission)
            if permission not in policy.SNIPPET_SCOPES:
                raise PermissionDeniedError(
                    N_("A snippet's key cannot have {permission!r}."),
                    hint=N_("It may {known}."),
                    reason="key.snippet_scope",
                    permission=str(permission),
                    known=", ".join(sorted(policy.SNIPPET_SCOPES)),
                )
        order = KeyOrder(
            kind=KeyKind.SNIPPET,
            name="snippet",
            owner=caller.owner or caller.principal,
            role=min(caller.role, Role.DEVELOPER, key=list(Role).index),
            created_by=caller.principal,
            scopes=wanted,
            project_id=caller.project_id,
            lifetime_ns=policy.SNIPPET_LIFETIME_NS,
        )
        return self._make(caller.scope, order)

    def delegate(self, caller: Caller, *, name: str, lifetime_ns: int = policy.DELEGATED_LIFETIME_NS) -> NewKey:
        """Make the key of a job that acts as the caller in the caller's project; the job renews it while it lives."""
        order = KeyOrder(
            kind=KeyKind.DELEGATED,
            name=_checked_name(name),
            owner=caller.owner or caller.principal,
            role=caller.role,
            created_by=caller.principal,
            scopes=caller.scopes,
            project_id=caller.project_id,
            lifetime_ns=lifetime_ns,
        )
        return self._make(caller.scope, order)

    def create_for_service(
        self,
        tenant_id: str,
        name: str,
        *,
        role: Role = Role.DEVELOPER,
        lifetime_ns: int = policy.SERVICE_LIFETIME_NS,
    ) -> NewKey:
        """Make a key of a tenant's principal `service:<name>`, such as its cluster's. For control-plane processes."""
        order = KeyOrder(
            kind=KeyKind.SERVICE,
            name=name,
            owner=f"service:{name}",
            role=role,
            created_by="service:platform",
            lifetime_ns=lifetime_ns,
        )
        return self._make(Scope(tenant_id=tenant_id), order)

    def renew(self, caller: Caller) -> NewKey:
        """Make the successor of the caller's own short-lived key; the old one stays good until it expires.

        Raises:
            PermissionDeniedError: The caller's key is not one of those that are renewed.
        """
        with self._database.transaction(caller.tenant_scope) as tx:
            key = store.key_of(tx, caller.key_id or "")
            if key is None or key.kind not in {KeyKind.SERVICE, KeyKind.DELEGATED} or not self._is_own(caller, key):
                raise PermissionDeniedError(
                    N_("{principal} cannot be renewed."),
                    hint=N_("Keys of clusters and jobs are; make others with `aiplatform keys create`."),
                    reason="key.not_renewable",
                    principal=caller.principal,
                )
            order = KeyOrder(
                kind=key.kind,
                name=key.name,
                owner=key.owner,
                role=key.role,
                created_by=caller.principal,
                scopes=key.scopes,
                project_id=key.project_id,
                lifetime_ns=key.lifetime_ns,
            )
            return make_key(tx, order, self._clock.now_ns())

    def end_delegation(self, tenant_id: str, name: str) -> None:
        """Revoke the keys of a job that has ended. Doing so again changes nothing."""
        with self._database.transaction(Scope(tenant_id=tenant_id)) as tx:
            now_ns = self._clock.now_ns()
            for key_id in store.revoke_delegated(tx, name, now_ns):
                record(tx, "service:platform", "keys.revoke", key_id, now_ns=now_ns, name=name)
        self._authenticator.forget()

    def revoke(self, caller: Caller, key_id: str) -> ApiKey:
        """End a key, and with it the browser sessions that it began. Doing so again changes nothing.

        Raises:
            NotFoundError: The tenant has no such key.
            PermissionDeniedError: The key has a role above the caller's.
        """
        with self._database.transaction(caller.tenant_scope) as tx:
            key = store.key_of(tx, key_id)
            if key is None or (caller.is_project_bound and key.project_id != caller.project_id):
                raise unknown_key(key_id)
            policy.check_may_give(caller, key.role)
            if key.revoked_ns is None:
                now_ns = self._clock.now_ns()
                store.revoke_key(tx, key_id, now_ns)
                record(tx, caller.principal, "keys.revoke", key_id, now_ns=now_ns, name=key.name)
            revoked = store.key_of(tx, key_id)
        self._authenticator.forget()
        return revoked or key

    def _make(self, scope: Scope, order: KeyOrder) -> NewKey:
        with self._database.transaction(Scope(tenant_id=scope.tenant_id)) as tx:
            if order.project_id is not None and not store.project_exists(tx, order.project_id):
                raise NotFoundError(
                    N_("There is no project {name!r}."),
                    hint=N_("`aiplatform projects list` shows those there are."),
                    reason="project.unknown",
                    name=order.project_id,
                )
            email = order.owner.removeprefix("user:")
            if email != order.owner and store.member_of(tx, email) is None:
                raise unknown_member(email)
            return make_key(tx, order, self._clock.now_ns())

    def _is_own(self, caller: Caller, key: ApiKey) -> bool:
        return caller.owner == key.owner and key.is_active(self._clock.now_ns())


def unknown_key(key_id: str) -> NotFoundError:
    """The error of a key that the tenant does not have."""
    # A whole key given by mistake must not come back in an error, and from there into a log.
    return NotFoundError(
        N_("There is no key {name!r}."),
        hint=N_("`aiplatform keys list` shows those there are, by their visible prefix."),
        reason="key.unknown",
        name=key_id if len(key_id) <= len("aip_12345678") else f"{key_id[:12]}…",
    )


def unknown_member(email: str) -> NotFoundError:
    """The error of a person whom the tenant does not know."""
    return NotFoundError(
        N_("{name!r} is not a member."),
        hint=N_("`aiplatform members list` shows who is."),
        reason="member.unknown",
        name=email,
    )


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise InvalidError(
            N_("{name!r} cannot name a key."),
            hint=N_("Use 1 to 200 printable characters that say what the key is for."),
            reason="key.name",
            name=name[:MAX_NAME_CHARACTERS],
        )
    return name
