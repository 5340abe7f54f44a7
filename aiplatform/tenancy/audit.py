"""The audit log: who changed what, written in the transaction of the change, so that neither stands alone."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import insert, select

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.ids import new_id
from aiplatform.storage.database import Database, Transaction
from aiplatform.storage.tables.tenancy import audit_events
from aiplatform.tenancy.model import AuditEvent, Caller
from aiplatform.tenancy.request import REQUEST_ID

PAGE_SIZE: Final = 100


def record(
    tx: Transaction, principal: str, action: str, target: str, *, now_ns: int | None = None, **detail: Any
) -> None:
    """Write one event into the transaction that makes the change.

    Args:
        tx: The transaction of the change.
        principal: Who makes it.
        action: `<noun>.<verb>`, such as `deployments.apply`.
        target: What is changed, by its id.
        now_ns: By default the machine's time.
        detail: What else a reader wants to know; never a secret.
    """
    at_ns = SystemClock().now_ns() if now_ns is None else now_ns
    row = {
        "id": new_id("evt", at_ns),
        "at_ns": at_ns,
        "principal": principal,
        "action": action,
        "target": target,
        "detail": detail,
        "request_id": REQUEST_ID.get(),
        "project_id": tx.scope.project_id,
    }
    tx.insert(insert(audit_events), row)


class AuditLog:
    """Reads the audit log of a tenant."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def page(
        self, caller: Caller, *, limit: int = PAGE_SIZE, before: str | None = None, action: str | None = None
    ) -> tuple[list[AuditEvent], str | None]:
        """The newest events first, and the token of the page after, None at the end.

        Args:
            caller: Whose tenant.
            limit: At most so many.
            before: Token of the page before.
            action: Only events of this action, or of this noun (`keys`).
        """
        query = select(audit_events).order_by(audit_events.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(audit_events.c.id < before)
        if action is not None:
            name = audit_events.c.action
            query = query.where((name == action) | name.startswith(f"{action}.", autoescape=True))
        with self._database.read(caller.tenant_scope) as tx:
            rows = tx.execute(query).all()
        events = [
            AuditEvent(
                event_id=row.id,
                at_ns=row.at_ns,
                principal=row.principal,
                action=row.action,
                target=row.target,
                project_id=row.project_id,
                detail=row.detail,
                request_id=row.request_id,
            )
            for row in rows[:limit]
        ]
        return events, events[-1].event_id if len(rows) > limit else None
