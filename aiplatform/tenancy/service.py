"""Everything about tenants behind one name, assembled once a process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.hooks import hookimpl
from aiplatform.core.settings import Settings
from aiplatform.storage.database import Database
from aiplatform.tenancy.admission import Admission
from aiplatform.tenancy.audit import AuditLog
from aiplatform.tenancy.auth import Authenticator
from aiplatform.tenancy.deletion import Deletions
from aiplatform.tenancy.directory import Directory
from aiplatform.tenancy.key_service import KeyService
from aiplatform.tenancy.leases import Leases
from aiplatform.tenancy.session_service import SessionService
from aiplatform.tenancy.tenant_service import TenantSpecs

SWEEP_EVERY_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenancy:
    """The room's use cases, by noun."""

    authenticator: Authenticator
    directory: Directory
    keys: KeyService
    sessions: SessionService
    audit: AuditLog
    admission: Admission
    specs: TenantSpecs
    deletions: Deletions

    @hookimpl
    def periodic(self) -> Iterable[tuple[str, float, Any]]:
        """The worker's part: sessions and codes that have ended are removed."""
        yield "tenancy.sweep", SWEEP_EVERY_S, self.sessions.sweep

    def close(self) -> None:
        """End the threads of this room."""
        self.admission.close()
        self.authenticator.close()


def build_tenancy(database: Database, settings: Settings, *, clock: Clock | None = None) -> Tenancy:
    """Assemble the room on a database."""
    clock = clock or SystemClock()
    authenticator = Authenticator(database, clock=clock)
    return Tenancy(
        authenticator=authenticator,
        directory=Directory(database, clock, authenticator),
        keys=KeyService(database, clock, authenticator),
        sessions=SessionService(database, clock, authenticator, lifetime_s=settings.session.lifetime_hours * 3600.0),
        audit=AuditLog(database, clock),
        admission=Admission(Leases(database, clock), clock),
        specs=TenantSpecs(database, clock, authenticator),
        deletions=Deletions(database, clock, authenticator),
    )
