"""Who may give what to whom: decisions about roles, scopes and life times. No clock, no storage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiplatform.core.errors import InvalidError, PermissionDeniedError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission, Role

DAY_NS: Final = 24 * 3600 * 1_000_000_000
SNIPPET_LIFETIME_NS: Final = 7 * DAY_NS
SERVICE_LIFETIME_NS: Final = DAY_NS
DELEGATED_LIFETIME_NS: Final = DAY_NS // 24
SIGN_IN_CODE_LIFETIME_NS: Final = 15 * 60 * 1_000_000_000

SNIPPET_SCOPES: Final = frozenset({Permission.TRACES_WRITE, Permission.SCORES_WRITE, Permission.INFERENCE_CALL})
"""All that a key inside a copied snippet may ever do: it sends, it does not read."""

_ORDER: Final = {role: place for place, role in enumerate(Role)}


def effective_role(key_role: Role, member_role: Role | None) -> Role:
    """The lesser of a key's role and its owner's: a key never outlives the rights of the person behind it."""
    return key_role if member_role is None else min(key_role, member_role, key=_ORDER.__getitem__)


def role_of(name: str) -> Role:
    """The role of that name.

    Raises:
        InvalidError: There is none.
    """
    try:
        return Role(name)
    except ValueError:
        raise InvalidError(
            N_("There is no role {name!r}."),
            hint=N_("Roles are {known}."),
            reason="role.unknown",
            name=name,
            known=", ".join(Role),
        ) from None


def scopes_of(names: Iterable[str] | None) -> frozenset[Permission] | None:
    """The permissions of those names; None stays None.

    Raises:
        InvalidError: One does not exist.
    """
    if names is None:
        return None
    known = {str(permission) for permission in Permission}
    wanted = set(names)
    for name in sorted(wanted - known):
        raise InvalidError(
            N_("There is no permission {name!r}."),
            hint=N_("Permissions are {known}."),
            reason="permission.unknown",
            name=name,
            known=", ".join(sorted(known - {Permission.PUBLIC})),
        )
    return frozenset(Permission(name) for name in wanted) - {Permission.PUBLIC}


def check_may_give(giver: Caller, role: Role) -> None:
    """Nothing, where the giver has at least that role.

    Raises:
        PermissionDeniedError: Nobody gives more than they have.
    """
    if _ORDER[role] > _ORDER[giver.role]:
        raise PermissionDeniedError(
            N_("{principal} is {own} and cannot give the role {role!r}."),
            hint=N_("Ask somebody who has that role."),
            reason="role.too_high",
            principal=giver.principal,
            own=str(giver.role),
            role=str(role),
        )


def narrowed(giver: Caller, scopes: frozenset[Permission] | None) -> frozenset[Permission] | None:
    """The scopes of a key that the giver makes: what was asked for, within what the giver's own key may.

    Raises:
        PermissionDeniedError: Something is asked for that the giver's own key may not.
    """
    if giver.scopes is None:
        return scopes
    if scopes is None:
        return giver.scopes
    for permission in sorted(scopes - giver.scopes):
        giver.require(permission)
    return scopes


def check_lifetime(seconds: float | None) -> int | None:
    """A life time in nanoseconds; None for a key that does not expire.

    Raises:
        InvalidError: It is not positive, or longer than ten years.
    """
    if seconds is None:
        return None
    if not 0 < seconds <= 10 * 365 * 86_400:
        raise InvalidError(
            N_("A key cannot live for {seconds} seconds."),
            hint=N_("Give a positive number of at most ten years."),
            reason="key.lifetime",
            seconds=seconds,
        )
    return round(seconds * 1_000_000_000)
