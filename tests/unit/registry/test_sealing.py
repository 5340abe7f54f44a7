"""Callers under the platform's own seal."""

import pytest

from aiplatform.core.errors import UnauthenticatedError
from aiplatform.registry.sealing import LIFETIME_S, CallerSeal
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.testing.clock import FakeClock

CALLER = Caller(
    tenant_id="acme",
    project_id="default",
    principal="key:aip_1",
    role=Role.DEVELOPER,
    scopes=frozenset({Permission.MODELS_READ}),
    key_id="aip_1",
    owner="user:lin@example.com",
    is_project_bound=True,
)


def test_a_sealed_caller_comes_out_as_it_went_in(clock: FakeClock) -> None:
    assert CallerSeal("secret", clock).open(CallerSeal("secret", clock).seal(CALLER)) == CALLER


def test_another_secret_opens_nothing(clock: FakeClock) -> None:
    with pytest.raises(UnauthenticatedError):
        CallerSeal("other", clock).open(CallerSeal("secret", clock).seal(CALLER))


def test_a_changed_caller_is_refused(clock: FakeClock) -> None:
    seal = CallerSeal("secret", clock)
    payload, _, signature = seal.seal(CALLER).partition(".")
    for broken in (f"{payload}A.{signature}", f"{payload}.", payload, "", "é.é"):
        with pytest.raises(UnauthenticatedError):
            seal.open(broken)


def test_a_seal_is_good_for_a_minute(clock: FakeClock) -> None:
    seal = CallerSeal("secret", clock)
    sealed = seal.seal(CALLER)
    clock.advance(LIFETIME_S - 1)
    assert seal.open(sealed) == CALLER
    clock.advance(2)
    with pytest.raises(UnauthenticatedError):
        seal.open(sealed)
