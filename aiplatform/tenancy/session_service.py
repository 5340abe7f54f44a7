"""Browsers sign in with a key or a one-time code, and get a session that ends with its key."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update

from aiplatform.core.clock import Clock
from aiplatform.core.errors import UnauthenticatedError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.tables.tenancy import browser_sessions, sign_in_codes, tenants
from aiplatform.tenancy import store
from aiplatform.tenancy.audit import record
from aiplatform.tenancy.auth import Authenticator
from aiplatform.tenancy.credentials import Credential, refused
from aiplatform.tenancy.keys import CODE_PURPOSE, KEY_PURPOSE, SESSION_PURPOSE, digest, looks_like_key, new_token
from aiplatform.tenancy.lookup import Standing, find_standing
from aiplatform.tenancy.model import Caller, NewSession, Tenant
from aiplatform.tenancy.policy import SIGN_IN_CODE_LIFETIME_NS


class SessionService:
    """Sign-in and sign-out."""

    def __init__(
        self, database: Database, clock: Clock, authenticator: Authenticator, *, lifetime_s: float = 12 * 3600.0
    ) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator
        self._lifetime_ns = round(lifetime_s * 1_000_000_000)

    def sign_in(self, key: str) -> NewSession:
        """Begin a session with a key.

        Raises:
            UnauthenticatedError: The key opens nothing.
        """
        standing = self._standing(key.strip())
        with self._database.transaction(Scope(tenant_id=standing.tenant_id)) as tx:
            return self._begin(tx, standing.key_id, standing.owner, "key")

    def new_code(self, key: str) -> str:
        """A one-time sign-in code for the holder of a key, good for a quarter of an hour.

        Raises:
            UnauthenticatedError: The key opens nothing.
        """
        standing = self._standing(key)
        return self._new_code(standing.tenant_id, standing.key_id)

    def new_code_for(self, caller: Caller) -> str:
        """A one-time sign-in code for a caller who came with a key.

        Raises:
            UnauthenticatedError: The caller has no key.
        """
        if caller.key_id is None:
            raise refused()
        return self._new_code(caller.tenant_id, caller.key_id)

    def redeem(self, code: str) -> NewSession:
        """Begin a session with a one-time code; a second use of the same code fails.

        Raises:
            UnauthenticatedError: The code is unknown, used or too old, or its key opens nothing any more.
        """
        now_ns = self._clock.now_ns()
        used = (
            update(sign_in_codes)
            .where(
                sign_in_codes.c.code_hash == digest(code, CODE_PURPOSE),
                sign_in_codes.c.used_ns.is_(None),
                sign_in_codes.c.expires_ns > now_ns,
            )
            .values(used_ns=now_ns)
            .returning(sign_in_codes.c.tenant_id, sign_in_codes.c.key_id)
        )
        with self._database.system("redeem sign-in code") as system:
            row = system.execute(used).one_or_none()
        if row is None:
            raise UnauthenticatedError(
                N_("This sign-in link was used before, or it is too old."),
                hint=N_("`aiplatform up` prints a fresh one; or sign in with a key."),
                reason="auth.code",
            )
        with self._database.transaction(Scope(tenant_id=row.tenant_id)) as tx:
            key = store.key_of(tx, row.key_id)
            if key is None or not key.is_active(now_ns):
                raise refused()
            return self._begin(tx, key.key_id, key.owner, "code")

    def sign_out(self, tokens: Sequence[str]) -> None:
        """End a browser's sessions. Doing so again changes nothing."""
        digests = [digest(token, SESSION_PURPOSE) for token in tokens]
        query = select(browser_sessions).where(browser_sessions.c.token_hash.in_(digests))
        with self._database.system("find sessions", write=False) as system:
            rows = system.execute(query).all()
        for row in rows:
            with self._database.transaction(Scope(tenant_id=row.tenant_id)) as tx:
                key = store.key_of(tx, row.key_id)
                tx.execute(delete(browser_sessions).where(browser_sessions.c.token_hash == row.token_hash))
                who = key.owner if key else row.key_id
                record(tx, who, "sessions.end", row.key_id, now_ns=self._clock.now_ns())
        self._authenticator.forget()

    def tenants_of(self, tokens: Sequence[str]) -> list[tuple[Tenant, str]]:
        """The tenants in which a browser is signed in, by its sessions' tokens; each with the token that opens it.

        A person is known by an address within one tenant only, because a tenant's admin writes the addresses of its
        members: so a browser reaches another tenant by the session that it has there, never by its person's name.
        """
        digests = {digest(token, SESSION_PURPOSE): token for token in tokens}
        query = (
            select(tenants, browser_sessions.c.token_hash)
            .join(browser_sessions, browser_sessions.c.tenant_id == tenants.c.tenant_id)
            .where(browser_sessions.c.token_hash.in_(digests), browser_sessions.c.expires_ns > self._clock.now_ns())
            .order_by(tenants.c.tenant_id, browser_sessions.c.created_ns.desc())
        )
        with self._database.system("list a browser's tenants", write=False) as tx:
            rows = tx.execute(query).all()
        found: dict[str, tuple[Tenant, str]] = {}
        for row in rows:
            found.setdefault(row.tenant_id, (store.as_tenant(row), digests[row.token_hash]))
        return list(found.values())

    def sweep(self) -> int:
        """Remove sessions and codes that have ended; returns how many."""
        now_ns = self._clock.now_ns()
        with self._database.system("sweep sessions") as tx:
            ended = tx.execute(delete(browser_sessions).where(browser_sessions.c.expires_ns <= now_ns)).rowcount
            return ended + tx.execute(delete(sign_in_codes).where(sign_in_codes.c.expires_ns <= now_ns)).rowcount

    def _standing(self, key: str) -> Standing:
        if not looks_like_key(key):
            raise refused()
        credential = Credential(digest=digest(key, KEY_PURPOSE), is_session=False, project_id=None)
        standing = find_standing(self._database, credential, self._clock.now_ns())
        if standing is None:
            raise refused()
        return standing

    def _new_code(self, tenant_id: str, key_id: str) -> str:
        now_ns = self._clock.now_ns()
        secret = new_token(CODE_PURPOSE)
        row = {
            "code_hash": secret.digest,
            "key_id": key_id,
            "created_ns": now_ns,
            "expires_ns": now_ns + SIGN_IN_CODE_LIFETIME_NS,
        }
        with self._database.transaction(Scope(tenant_id=tenant_id)) as tx:
            tx.insert(insert(sign_in_codes), row)
        return secret.text

    def _begin(self, tx: Transaction, key_id: str, owner: str, by: str) -> NewSession:
        now_ns = self._clock.now_ns()
        secret = new_token(SESSION_PURPOSE)
        expires_ns = now_ns + self._lifetime_ns
        row = {"token_hash": secret.digest, "key_id": key_id, "created_ns": now_ns, "expires_ns": expires_ns}
        tx.insert(insert(browser_sessions), row)
        record(tx, owner, "sessions.begin", key_id, now_ns=now_ns, by=by)
        return NewSession(token=secret.text, tenant_id=tx.scope.tenant_id, expires_ns=expires_ns)
