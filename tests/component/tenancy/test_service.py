"""Tenants, projects, members, keys and sessions on both databases, without HTTP."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from aiplatform.core.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from aiplatform.core.settings import Settings
from aiplatform.storage.database import Database
from aiplatform.tenancy.auth import CACHE_TTL_S, Authenticator
from aiplatform.tenancy.model import Caller, KeyKind
from aiplatform.tenancy.names import RESERVED
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.tenancy.service import Tenancy, build_tenancy
from aiplatform.testing.clock import FakeClock

HOUR_S = 3600.0


@pytest.fixture
def tenancy(database: Database, clock: FakeClock) -> Iterator[Tenancy]:
    room = build_tenancy(database, Settings(), clock=clock)
    yield room
    room.close()


@pytest.fixture
def owner_key(tenancy: Tenancy) -> str:
    made = tenancy.directory.ensure_default(None)
    assert made is not None
    return made.text


@pytest.fixture
def owner(tenancy: Tenancy, owner_key: str) -> Caller:
    return as_caller(tenancy, owner_key)


def as_caller(tenancy: Tenancy, key: str, project: str | None = None) -> Caller:
    headers = {"authorization": f"Bearer {key}"} | ({"x-aiplatform-project": project} if project else {})
    return tenancy.authenticator.authenticate(headers)


def test_a_fresh_platform_has_a_tenant_a_project_and_an_owner(tenancy: Tenancy, owner: Caller) -> None:
    assert (owner.tenant_id, owner.project_id, owner.role) == ("default", "default", Role.PLATFORM_ADMIN)
    assert owner.owner == "user:owner@localhost"


def test_starting_again_changes_nothing_while_the_key_is_good(tenancy: Tenancy, owner_key: str, owner: Caller) -> None:
    assert tenancy.directory.ensure_default(owner_key) is None
    assert len(tenancy.keys.list(owner)) == 1
    tenancy.keys.revoke(owner, owner_key[:12])
    again = tenancy.directory.ensure_default(owner_key)
    assert again is not None
    assert as_caller(tenancy, again.text).role is Role.PLATFORM_ADMIN


def test_what_is_stored_is_not_the_key(tenancy: Tenancy, database: Database, owner_key: str) -> None:
    secret = owner_key.rpartition("_")[2]
    with database.system("test", write=False) as tx:
        for table in ("api_keys", "audit_events"):
            for row in tx.execute(text(f"SELECT * FROM {table}")).all():
                assert secret not in str(row)


def test_a_tenant_sees_nothing_of_another(tenancy: Tenancy, owner: Caller) -> None:
    made = tenancy.directory.create_tenant(owner, "acme", name="Acme 有限公司")
    admin = as_caller(tenancy, made.admin_key.text)
    assert (admin.tenant_id, admin.role) == ("acme", Role.ADMIN)
    tenancy.directory.create_project(owner, "secret")
    assert [one.project_id for one in tenancy.directory.projects(admin)] == ["default"]
    assert [one.email for one in tenancy.directory.members(admin)] == ["admin@acme"]
    assert [one.key_id for one in tenancy.keys.list(admin)] == [made.admin_key.key.key_id]
    assert {event.target for event in tenancy.audit.page(admin)[0]} == {"acme", made.admin_key.key.key_id}
    with pytest.raises(NotFoundError):
        as_caller(tenancy, made.admin_key.text, "secret")
    with pytest.raises(NotFoundError):
        tenancy.keys.revoke(admin, owner.key_id or "")
    assert tenancy.directory.tenant(admin).name == "Acme 有限公司"


def test_a_tenant_is_made_once(tenancy: Tenancy, owner: Caller) -> None:
    tenancy.directory.create_tenant(owner, "acme")
    with pytest.raises(ConflictError):
        tenancy.directory.create_tenant(owner, "acme")
    with pytest.raises(InvalidError):
        tenancy.directory.create_tenant(owner, "Acme!")
    with pytest.raises(InvalidError):
        tenancy.directory.create_tenant(owner, "other", admin_email="nobody")
    assert [one.tenant_id for one in tenancy.directory.tenants()] == ["acme", "default"]


@pytest.mark.parametrize("name", RESERVED)
def test_a_name_that_begins_an_address_of_the_platforms_own_is_refused(
    tenancy: Tenancy, owner: Caller, name: str
) -> None:
    for make in (tenancy.directory.create_tenant, tenancy.directory.create_project):
        with pytest.raises(InvalidError, match=f"'{name}'.*addresses of the platform's own") as caught:
            make(owner, name)
        assert caught.value.full_code == "name.reserved"


def test_an_unknown_project_reads_like_one_of_another_tenant(tenancy: Tenancy, owner: Caller, owner_key: str) -> None:
    made = tenancy.directory.create_tenant(owner, "acme")
    tenancy.directory.create_project(as_caller(tenancy, made.admin_key.text), "theirs")
    errors = []
    for project in ("theirs", "nowhere"):
        with pytest.raises(NotFoundError) as caught:
            as_caller(tenancy, owner_key, project)
        errors.append(str(caught.value).replace(project, "X"))
    assert errors[0] == errors[1]


def test_a_key_ends_by_revocation_expiry_and_the_loss_of_its_owner(
    tenancy: Tenancy, owner: Caller, clock: FakeClock
) -> None:
    directory, keys = tenancy.directory, tenancy.keys
    directory.put_member(owner, "lin@example.com", Role.ADMIN)
    revoked = keys.create(owner, name="a", role=Role.VIEWER)
    expiring = keys.create(owner, name="b", role=Role.VIEWER, lifetime_s=HOUR_S)
    lost = keys.create(owner, name="c", role=Role.ADMIN, email="lin@example.com")
    for made in (revoked, expiring, lost):
        as_caller(tenancy, made.text)
    keys.revoke(owner, revoked.key.key_id)
    keys.revoke(owner, revoked.key.key_id)
    clock.advance(HOUR_S)
    tenancy.authenticator.forget()
    directory.put_member(owner, "lin@example.com", Role.VIEWER)
    assert as_caller(tenancy, lost.text).role is Role.VIEWER
    directory.remove_member(owner, "lin@example.com")
    for made in (revoked, expiring, lost):
        with pytest.raises(UnauthenticatedError) as caught:
            as_caller(tenancy, made.text)
        assert caught.value.full_code == "auth.refused"
        assert made.text not in str(caught.value)


def test_a_key_of_one_project_stays_in_it(tenancy: Tenancy, owner: Caller) -> None:
    tenancy.directory.create_project(owner, "docs")
    made = tenancy.keys.create(owner, name="ci", role=Role.ADMIN, project_id="docs")
    bound = as_caller(tenancy, made.text)
    assert (bound.project_id, bound.is_project_bound) == ("docs", True)
    with pytest.raises(NotFoundError):
        as_caller(tenancy, made.text, "default")
    child = tenancy.keys.create(bound, name="child", role=Role.VIEWER, project_id="default")
    assert child.key.project_id == "docs"
    with pytest.raises(NotFoundError):
        tenancy.keys.revoke(bound, owner.key_id or "")
    with pytest.raises(NotFoundError):
        tenancy.keys.create(owner, name="x", role=Role.VIEWER, project_id="nowhere")
    with pytest.raises(NotFoundError):
        tenancy.keys.create(owner, name="x", role=Role.VIEWER, email="nobody@example.com")


def test_a_snippets_key_only_writes_and_expires(tenancy: Tenancy, owner: Caller, clock: FakeClock) -> None:
    made = tenancy.keys.create_for_snippet(owner)
    sender = as_caller(tenancy, made.text)
    assert sender.may(Permission.TRACES_WRITE)
    assert not any(sender.may(one) for one in Permission if one.endswith(".read"))
    with pytest.raises(PermissionDeniedError):
        tenancy.keys.create_for_snippet(owner, scopes=["traces.read"])
    viewer = Caller(tenant_id="default", project_id="default", principal="user:v", role=Role.VIEWER)
    with pytest.raises(PermissionDeniedError):
        tenancy.keys.create_for_snippet(viewer)
    clock.advance(8 * 24 * HOUR_S)
    tenancy.authenticator.forget()
    with pytest.raises(UnauthenticatedError):
        as_caller(tenancy, made.text)


def test_short_lived_keys_are_renewed_by_their_holder_until_the_job_ends(
    tenancy: Tenancy, owner: Caller, clock: FakeClock
) -> None:
    first = tenancy.keys.delegate(owner, name="job-1")
    clock.advance(0.9 * HOUR_S)
    second = tenancy.keys.renew(as_caller(tenancy, first.text))
    clock.advance(0.9 * HOUR_S)
    tenancy.authenticator.forget()
    with pytest.raises(UnauthenticatedError):
        as_caller(tenancy, first.text)
    acting = as_caller(tenancy, second.text)
    assert (acting.owner, second.key.kind) == (owner.owner, KeyKind.DELEGATED)
    tenancy.keys.end_delegation("default", "job-1")
    with pytest.raises(UnauthenticatedError):
        as_caller(tenancy, second.text)
    with pytest.raises(PermissionDeniedError):
        tenancy.keys.renew(owner)


def test_a_clusters_own_principal_has_a_short_lived_key(tenancy: Tenancy, owner: Caller) -> None:
    made = tenancy.keys.create_for_service("default", "cluster")
    cluster = as_caller(tenancy, made.text)
    assert (cluster.principal, cluster.role) == ("service:cluster", Role.DEVELOPER)
    assert made.key.expires_ns is not None
    assert as_caller(tenancy, tenancy.keys.renew(cluster).text).principal == "service:cluster"


def test_nobody_gives_a_role_above_their_own_or_takes_the_last_admin(tenancy: Tenancy, owner: Caller) -> None:
    made = tenancy.directory.create_tenant(owner, "acme")
    admin = as_caller(tenancy, made.admin_key.text)
    with pytest.raises(PermissionDeniedError):
        tenancy.directory.put_member(admin, "x@acme", Role.PLATFORM_ADMIN)
    with pytest.raises(PermissionDeniedError):
        tenancy.keys.create(admin, name="x", role=Role.PLATFORM_ADMIN)
    with pytest.raises(ConflictError):
        tenancy.directory.remove_member(admin, "admin@acme")
    with pytest.raises(ConflictError):
        tenancy.directory.put_member(admin, "admin@acme", Role.VIEWER)
    with pytest.raises(NotFoundError):
        tenancy.directory.remove_member(admin, "nobody@acme")
    tenancy.directory.put_member(admin, "lin@acme", Role.ADMIN)
    tenancy.directory.remove_member(admin, "admin@acme")


def test_a_revoked_key_is_remembered_for_seconds_at_most(database: Database, owner: Caller, owner_key: str) -> None:
    seconds = [0.0]
    elsewhere = Authenticator(database, monotonic=lambda: seconds[0])
    headers = {"x-api-key": owner_key}
    assert elsewhere.authenticate(headers).principal == owner.principal
    with database.system("test") as tx:
        tx.execute(text("UPDATE api_keys SET revoked_ns = 1"))
    assert elsewhere.authenticate(headers).principal == owner.principal
    seconds[0] = CACHE_TTL_S
    with pytest.raises(UnauthenticatedError):
        elsewhere.authenticate(headers)
    elsewhere.close()


def test_the_last_use_of_a_key_is_kept_to_the_minute(
    database: Database, tenancy: Tenancy, owner_key: str, clock: FakeClock
) -> None:
    def used_at(seconds: float) -> int | None:
        clock.advance(seconds)
        one = Authenticator(database, clock=clock)
        caller = one.authenticate({"x-api-key": owner_key})
        one.close()
        return tenancy.keys.list(caller)[0].last_used_ns

    first = used_at(0)
    assert first == clock.now_ns()
    assert used_at(30) == first
    assert used_at(31) == clock.now_ns()


def test_a_browser_signs_in_with_a_key_and_out_again(
    tenancy: Tenancy, owner_key: str, owner: Caller, clock: FakeClock
) -> None:
    begun = tenancy.sessions.sign_in(f" {owner_key}\n")
    cookie = {"cookie": f"aip_session={begun.token}"}
    signed_in = tenancy.authenticator.authenticate(cookie)
    assert (signed_in.principal, signed_in.key_id) == ("user:owner@localhost", owner.key_id)
    tenancy.sessions.sign_out([begun.token])
    tenancy.sessions.sign_out([begun.token])
    with pytest.raises(UnauthenticatedError):
        tenancy.authenticator.authenticate(cookie)
    late = tenancy.sessions.sign_in(owner_key)
    clock.advance(13 * HOUR_S)
    with pytest.raises(UnauthenticatedError):
        tenancy.authenticator.authenticate({"cookie": f"aip_session={late.token}"})
    assert tenancy.sessions.sweep() == 1


def test_a_session_ends_with_its_key(tenancy: Tenancy, owner: Caller) -> None:
    made = tenancy.keys.create(owner, name="laptop", role=Role.VIEWER)
    begun = tenancy.sessions.sign_in(made.text)
    tenancy.keys.revoke(owner, made.key.key_id)
    with pytest.raises(UnauthenticatedError):
        tenancy.authenticator.authenticate({"cookie": f"aip_session={begun.token}"})
    for wrong in (made.text, "", "aip_x", "x" * 100):
        with pytest.raises(UnauthenticatedError):
            tenancy.sessions.sign_in(wrong)


def test_a_sign_in_code_works_once_and_not_for_long(
    tenancy: Tenancy, owner_key: str, owner: Caller, clock: FakeClock
) -> None:
    code = tenancy.sessions.new_code(owner_key)
    assert tenancy.sessions.redeem(code).tenant_id == "default"
    with pytest.raises(UnauthenticatedError):
        tenancy.sessions.redeem(code)
    late = tenancy.sessions.new_code_for(owner)
    clock.advance(16 * 60)
    with pytest.raises(UnauthenticatedError):
        tenancy.sessions.redeem(late)


def test_a_browser_knows_the_tenants_in_which_it_is_signed_in(tenancy: Tenancy, owner: Caller, owner_key: str) -> None:
    made = tenancy.directory.create_tenant(owner, "acme")
    tokens = [tenancy.sessions.sign_in(key).token for key in (owner_key, made.admin_key.text, owner_key)]
    found = tenancy.sessions.tenants_of(tokens)
    assert [tenant.tenant_id for tenant, _ in found] == ["acme", "default"]
    assert tenancy.sessions.tenants_of(["unknown"]) == []


def test_every_change_leaves_a_row_in_the_audit_log(tenancy: Tenancy, owner: Caller) -> None:
    tenancy.directory.create_project(owner, "docs")
    tenancy.directory.put_member(owner, "lin@example.com", Role.VIEWER)
    made = tenancy.keys.create(owner, name="ci", role=Role.VIEWER)
    tenancy.keys.revoke(owner, made.key.key_id)
    tenancy.directory.remove_member(owner, "lin@example.com")
    events, following = tenancy.audit.page(owner, limit=3)
    assert following is not None
    older, end = tenancy.audit.page(owner, before=following)
    actions = {event.action for event in events + older}
    assert actions >= {"projects.create", "members.put", "keys.create", "keys.revoke", "members.remove"}
    assert end is None
    assert {event.action for event in tenancy.audit.page(owner, action="keys")[0]} == {"keys.create", "keys.revoke"}


def test_a_change_that_fails_leaves_none(tenancy: Tenancy, owner: Caller) -> None:
    before = tenancy.audit.page(owner)[0]
    with pytest.raises(ConflictError):
        tenancy.directory.create_project(owner, "default")
    assert tenancy.audit.page(owner)[0] == before


def test_more_callers_than_are_remembered_still_get_in(
    tenancy: Tenancy, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiplatform.tenancy.auth.CACHE_SIZE", 4)
    texts = [tenancy.keys.create(owner, name=f"k{n}", role=Role.VIEWER).text for n in range(10)]
    for text_of_key in texts * 2:
        assert as_caller(tenancy, text_of_key).role is Role.VIEWER
