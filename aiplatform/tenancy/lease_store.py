"""What entry processes have leased of a tenant's limits. The tenant's row is locked first: grants come one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tenancy import quota_holds, quota_windows, tenant_specs
from aiplatform.tenancy.limits import NO_LIMITS, WINDOWS_NS, Limits, Resource

KEPT_WINDOWS: Final = 40
"""Windows that stay to be looked at after they ended: forty days, or forty minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a process got."""

    amount: int
    """0: nothing is left of what was asked for."""

    limit: int | None
    """As it is now; None where there is none any more."""


def locked_limits(tx: Transaction) -> Limits:
    """The tenant's limits as they are now. Until this transaction ends, no other one can grant anything of them."""
    row = tx.execute(select(tenant_specs.c.quotas).with_for_update()).one_or_none()
    return limits_of(row.quotas if row is not None else None)


def limits_of(quotas: dict[str, Any] | None) -> Limits:
    """Limits from what a specification stored; what this version does not know is left out."""
    known = {resource.value: (quotas or {}).get(resource.value) for resource in Resource}
    return Limits(**known) if any(limit is not None for limit in known.values()) else NO_LIMITS


def grant_in_window(tx: Transaction, resource: Resource, window_ns: int, *, need: int, wish: int, share: int) -> Grant:
    """Lease a part of a window.

    Args:
        tx: A write transaction of the tenant.
        resource: Of what.
        window_ns: When the window began.
        need: The least that is of use.
        wish: What would be good to have, so that the next request need not ask.
        share: At most one part in so many of what is left is given beyond the need, so that none is hoarded at the end.
    """
    limit = locked_limits(tx).of(resource)
    if limit is None:
        return Grant(amount=need, limit=None)
    same = _in_window(resource, window_ns)
    row = tx.execute(select(quota_windows.c.granted).where(*same)).one_or_none()
    left = limit - (row.granted if row is not None else 0)
    if left < need:
        return Grant(amount=0, limit=limit)
    amount = max(need, min(wish, left // share))
    if row is None:
        tx.insert(insert(quota_windows), {"resource": resource.value, "window_ns": window_ns, "granted": amount})
        old = window_ns - KEPT_WINDOWS * WINDOWS_NS[resource]
        tx.execute(
            delete(quota_windows).where(quota_windows.c.resource == resource.value, quota_windows.c.window_ns < old)
        )
    else:
        tx.execute(update(quota_windows).where(*same).values(granted=quota_windows.c.granted + amount))
    return Grant(amount=amount, limit=limit)


def give_back(tx: Transaction, resource: Resource, window_ns: int, amount: int) -> None:
    """Return what was leased and not used."""
    locked_limits(tx)
    same = _in_window(resource, window_ns)
    tx.execute(update(quota_windows).where(*same).values(granted=quota_windows.c.granted - amount))


def granted_in_window(tx: Transaction, resource: Resource, window_ns: int) -> int:
    """How much of a window is leased or used."""
    same = _in_window(resource, window_ns)
    return tx.execute(select(quota_windows.c.granted).where(*same)).scalar() or 0


def hold(tx: Transaction, resource: Resource, holder: str, amount: int, *, now_ns: int, expires_ns: int) -> Grant:
    """Hold an amount until it is let go or expires; it replaces what the same holder held before.

    Args:
        tx: A write transaction of the tenant.
        resource: Of what.
        holder: Which process.
        amount: How much; 0 lets go.
        now_ns: What time it is.
        expires_ns: When others may have it, unless it is held again before.
    """
    limit = locked_limits(tx).of(resource)
    this = quota_holds.c.resource == resource.value
    tx.execute(delete(quota_holds).where(this, quota_holds.c.expires_ns <= now_ns))
    others = held(tx, resource, now_ns, but=holder)
    before = tx.execute(select(quota_holds.c.amount).where(this, quota_holds.c.holder == holder)).scalar()
    if limit is not None and amount > (before or 0) and others + amount > limit:
        return Grant(amount=0, limit=limit)
    values = {"amount": amount, "expires_ns": expires_ns}
    if before is None:
        if amount:
            tx.insert(insert(quota_holds), {"resource": resource.value, "holder": holder, **values})
    elif amount:
        tx.execute(update(quota_holds).where(this, quota_holds.c.holder == holder).values(values))
    else:
        tx.execute(delete(quota_holds).where(this, quota_holds.c.holder == holder))
    return Grant(amount=amount, limit=limit)


def held(tx: Transaction, resource: Resource, now_ns: int, *, but: str = "") -> int:
    """How much is held by all processes, or by all but one."""
    amounts = select(func.coalesce(func.sum(quota_holds.c.amount), 0)).where(
        quota_holds.c.resource == resource.value, quota_holds.c.expires_ns > now_ns, quota_holds.c.holder != but
    )
    return int(tx.execute(amounts).scalar() or 0)


def _in_window(resource: Resource, window_ns: int) -> tuple[ColumnElement[bool], ...]:
    return quota_windows.c.resource == resource.value, quota_windows.c.window_ns == window_ns
