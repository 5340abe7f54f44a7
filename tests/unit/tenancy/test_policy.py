import itertools

import pytest

from aiplatform.core.errors import InvalidError, PermissionDeniedError
from aiplatform.tenancy import policy
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import ROLE_PERMISSIONS, Permission, Role


def caller(role: Role, scopes: frozenset[Permission] | None = None) -> Caller:
    return Caller(tenant_id="t", project_id="p", principal="user:a", role=role, scopes=scopes)


def test_each_role_may_all_that_the_one_before_it_may() -> None:
    roles = list(Role)
    for lower, higher in itertools.pairwise(roles):
        assert ROLE_PERMISSIONS[lower] < ROLE_PERMISSIONS[higher]


def test_nobody_is_allowed_what_is_public_by_role_and_everybody_may_ask_who_they_are() -> None:
    for role in Role:
        assert Permission.PUBLIC not in ROLE_PERMISSIONS[role]
        assert caller(role, frozenset()).may(Permission.SIGNED_IN)


def test_a_key_is_no_more_than_its_owner() -> None:
    assert policy.effective_role(Role.ADMIN, Role.VIEWER) is Role.VIEWER
    assert policy.effective_role(Role.VIEWER, Role.ADMIN) is Role.VIEWER
    assert policy.effective_role(Role.ADMIN, None) is Role.ADMIN


@pytest.mark.parametrize("giver", list(Role))
@pytest.mark.parametrize("given", list(Role))
def test_nobody_gives_more_than_they_have(giver: Role, given: Role) -> None:
    roles = list(Role)
    if roles.index(given) <= roles.index(giver):
        policy.check_may_give(caller(giver), given)
    else:
        with pytest.raises(PermissionDeniedError):
            policy.check_may_give(caller(giver), given)


def test_a_limited_key_makes_keys_limited_to_the_same() -> None:
    limited = caller(Role.ADMIN, frozenset({Permission.KEYS_WRITE, Permission.TRACES_READ}))
    assert policy.narrowed(limited, None) == limited.scopes
    assert policy.narrowed(limited, frozenset({Permission.TRACES_READ})) == frozenset({Permission.TRACES_READ})
    with pytest.raises(PermissionDeniedError):
        policy.narrowed(limited, frozenset({Permission.TRACES_WRITE}))
    assert policy.narrowed(caller(Role.ADMIN), None) is None


def test_unknown_roles_and_permissions_are_named() -> None:
    with pytest.raises(InvalidError, match="'boss'"):
        policy.role_of("boss")
    with pytest.raises(InvalidError, match=r"'traces\.fly'"):
        policy.scopes_of(["traces.read", "traces.fly"])
    assert policy.scopes_of(["traces.read", "public"]) == frozenset({Permission.TRACES_READ})


@pytest.mark.parametrize("seconds", [0, -1, 1e12, float("nan")])
def test_an_impossible_life_time_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidError):
        policy.check_lifetime(seconds)
