"""The caller behind a request's headers: from memory where the key was seen a moment ago, else from the database.

A key's standing is remembered for `CACHE_TTL_S`: so long at most, and the moment that a lookup takes, does a revoked
key, a changed role or a removed member live on in a process that is not the one where the change was made.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from anyio import CapacityLimiter, to_thread

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import AIPlatformError, NotFoundError, PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.storage.database import Database
from aiplatform.tenancy.credentials import Credential, credential_of, refused
from aiplatform.tenancy.keys import KEY_PURPOSE, digest
from aiplatform.tenancy.limits import NO_LIMITS, Limits
from aiplatform.tenancy.lookup import Standing, find_standing, touch_key
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.policy import effective_role
from aiplatform.tenancy.routing import unauthenticated

logger = logging.getLogger(__name__)

CACHE_TTL_S: Final = 5.0
CACHE_SIZE: Final = 4096
LOOKUP_THREADS: Final = 4
_GRACE_S: Final = 1.0
LAST_USE_EVERY_NS: Final = 60 * 1_000_000_000

Monotonic = Callable[[], float]


class Authenticator:
    """Keys and browser sessions to callers. Thread safe.

    Args:
        database: Where keys are kept.
        clock: What time it is, for expiry.
        monotonic: Seconds that only grow, for the age of what is remembered.
        cache_ttl_s: How long a caller is remembered.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        monotonic: Monotonic = time.monotonic,
        cache_ttl_s: float = CACHE_TTL_S,
    ) -> None:
        self._database = database
        self._clock: Clock = clock or SystemClock()
        self._monotonic = monotonic
        self._ttl_s = cache_ttl_s
        self._known: dict[Credential, tuple[Caller, float]] = {}
        self._refreshing: set[Credential] = set()
        self._generation = 0
        self._lock = threading.Lock()  # protects writes of the three above; a lookup in a dict is safe without
        self._limiter: CapacityLimiter | None = None
        self._touching = ThreadPoolExecutor(max_workers=1, thread_name_prefix="key-last-use")

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """The caller that the headers (names in lower case) speak for; it may ask the database.

        Raises:
            UnauthenticatedError: They carry no key, or one that opens nothing.
            NotFoundError: They ask for a project that the caller's tenant does not have.
        """
        credential = credential_of(headers)
        if credential is None:
            raise unauthenticated()
        return self.remembered(credential) or self.look_up(credential)

    async def authenticate_aside(self, headers: Mapping[str, str]) -> Caller:
        """As `authenticate`, for an event loop: only who is not remembered costs a thread.

        Raises:
            UnauthenticatedError: They carry no key, or one that opens nothing.
            NotFoundError: They ask for a project that the caller's tenant does not have.
        """
        credential = credential_of(headers)
        if credential is None:
            raise unauthenticated()
        return self.remembered(credential) or await self.look_up_aside(credential)

    def remembered(self, credential: Credential) -> Caller | None:
        """The caller, where this credential was looked up a moment ago; it never blocks.

        While one request looks a caller up again, those beside it go on with what is remembered: a busy key costs one
        lookup each time it grows old, not one for every request of that moment.
        """
        entry = self._known.get(credential)
        if entry is None:
            return None
        age_s = self._monotonic() - entry[1]
        return entry[0] if age_s < 0 or (age_s < _GRACE_S and credential in self._refreshing) else None

    async def look_up_aside(self, credential: Credential) -> Caller:
        """As `look_up`, for an event loop: in threads of its own, so that slow handlers never keep callers waiting."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(LOOKUP_THREADS)
        return await to_thread.run_sync(self.look_up, credential, limiter=self._limiter)

    def look_up(self, credential: Credential) -> Caller:
        """The caller, from the database.

        Raises:
            UnauthenticatedError: The credential opens nothing.
            PermissionDeniedError: Its tenant is suspended.
            NotFoundError: There is no such project for it.
        """
        now_ns = self._clock.now_ns()
        with self._lock:
            self._refreshing.add(credential)
            generation = self._generation
        try:
            standing = find_standing(self._database, credential, now_ns)
            if standing is None:
                self._drop(credential)
                raise refused()
            if standing.is_suspended:
                self._drop(credential)
                raise suspended(standing.tenant_id)
            caller = _caller(standing, credential)
            self._remember(credential, caller, standing, now_ns, generation)
        finally:
            with self._lock:
                self._refreshing.discard(credential)
        if standing.last_used_ns is None or now_ns - standing.last_used_ns >= LAST_USE_EVERY_NS:
            self._touching.submit(self._touch, standing, now_ns)
        return caller

    def is_valid(self, key: str, tenant_id: str) -> bool:
        """Whether a key opens that tenant now; memory is not asked."""
        credential = Credential(digest=digest(key, KEY_PURPOSE), is_session=False, project_id=None)
        standing = find_standing(self._database, credential, self._clock.now_ns())
        return standing is not None and standing.tenant_id == tenant_id

    def forget(self) -> None:
        """Ask the database again for everybody: called where keys, roles or members were changed."""
        with self._lock:
            self._known.clear()
            self._generation += 1

    def close(self) -> None:
        """Write the last uses that wait, and end."""
        self._touching.shutdown(wait=True)

    def _drop(self, credential: Credential) -> None:
        with self._lock:
            self._known.pop(credential, None)

    def _remember(
        self, credential: Credential, caller: Caller, standing: Standing, now_ns: int, generation: int
    ) -> None:
        seconds = self._ttl_s
        if standing.expires_ns is not None:
            seconds = min(seconds, (standing.expires_ns - now_ns) / 1_000_000_000)
        now = self._monotonic()
        with self._lock:
            if generation != self._generation:
                return  # something was changed while this was read: what was read may be from before
            if len(self._known) >= CACHE_SIZE:
                fresh = [(kept, entry) for kept, entry in self._known.items() if now < entry[1]]
                self._known = dict(fresh[-CACHE_SIZE // 2 :])
            self._known.pop(credential, None)
            self._known[credential] = (caller, now + seconds)

    def _touch(self, standing: Standing, now_ns: int) -> None:
        try:
            touch_key(self._database, standing, now_ns, at_most_every_ns=LAST_USE_EVERY_NS)
        except AIPlatformError:
            logger.warning("the last use of a key was not recorded", extra={"key_id": standing.key_id})


def suspended(tenant_id: str) -> PermissionDeniedError:
    """The error of everybody in a tenant that is suspended."""
    return PermissionDeniedError(
        N_("The tenant {name!r} is suspended."),
        hint=N_("Its data stay as they are. A platform admin can resume it: aiplatform tenants resume {name}"),
        reason="tenant.suspended",
        name=tenant_id,
    )


def unknown_project(name: str) -> NotFoundError:
    """The one error for every project that a key cannot reach: whether another tenant has it is not told."""
    return NotFoundError(
        N_("There is no project {name!r} for this key."),
        hint=N_("`aiplatform projects list` shows those there are."),
        reason="project.unknown",
        name=name,
    )


def _caller(standing: Standing, credential: Credential) -> Caller:
    allowed = (standing.bound_project_id,) if standing.bound_project_id else standing.project_ids
    project_id = _project(allowed, credential)
    return Caller(
        tenant_id=standing.tenant_id,
        project_id=project_id,
        principal=standing.owner if credential.is_session or standing.is_service else f"key:{standing.key_id}",
        role=effective_role(standing.role, standing.member_role),
        scopes=standing.scopes,
        key_id=standing.key_id,
        owner=standing.owner,
        is_project_bound=standing.bound_project_id is not None,
        project_ids=allowed,
        limits=_limits(standing, credential),
    )


def _limits(standing: Standing, credential: Credential) -> Limits:
    # Whoever looks at pages takes nothing away from the tenant's programs.
    if credential.is_session and standing.limits is not NO_LIMITS:
        return replace(standing.limits, requests_per_minute=None, concurrent_requests=None)
    return standing.limits


def _project(allowed: tuple[str, ...], credential: Credential) -> str:
    asked = credential.project_id
    if asked is not None and asked in allowed:
        return asked
    if asked is not None and credential.is_project_required:
        raise unknown_project(asked)
    return "default" if "default" in allowed else allowed[0]
