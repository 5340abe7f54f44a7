"""Wanting, looking and undoing, on both databases."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.core.scope import Scope
from aiplatform.serve.model import DeploymentSpec, DeploymentState, Protocol, Status
from aiplatform.serve.plugin import ServePlugin
from aiplatform.serve.ports import ResolvedVersion, Resources
from aiplatform.serve.service import MLFLOW_ENGINE, Deployments
from aiplatform.serve.store import DeploymentStore
from aiplatform.storage.database import Database
from aiplatform.tenancy.audit import AuditLog
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.models import FakeCapacity, FakeVersions

SPEC = DeploymentSpec(name="qa", target="my.module:Model", params={"top_k": 5})
LIN = Caller(tenant_id="default", project_id="default", principal="user:lin", role=Role.DEVELOPER)


@pytest.fixture
def store(database: Database) -> DeploymentStore:
    return DeploymentStore(database)


@pytest.fixture
def versions() -> FakeVersions:
    return FakeVersions()


@pytest.fixture
def capacity() -> FakeCapacity:
    return FakeCapacity()


@pytest.fixture
def service(store: DeploymentStore, versions: FakeVersions, capacity: FakeCapacity, clock: FakeClock) -> Deployments:
    return Deployments(store, capacity=capacity, versions=versions, clock=clock)


def test_applying_makes_a_first_revision_that_waits(service: Deployments, clock: FakeClock) -> None:
    applied = service.apply(LIN, SPEC)
    assert applied.current.number == 1
    assert (applied.spec, applied.current.author) == (SPEC, "user:lin")
    assert applied.state == DeploymentState(status=Status.PENDING, since_ns=clock.now_ns())
    assert service.get(LIN.scope, "qa") == applied
    assert service.list(LIN.scope) == [applied]


def test_applying_the_same_again_changes_nothing(service: Deployments, clock: FakeClock) -> None:
    first = service.apply(LIN, SPEC)
    clock.advance(10)
    assert service.apply(LIN, SPEC) == first
    assert len(service.revisions(LIN.scope, "qa")) == 1


def test_applying_something_else_is_a_new_revision_and_keeps_the_old(service: Deployments) -> None:
    service.apply(LIN, SPEC)
    changed = replace(SPEC, replicas=2)
    assert service.apply(LIN, changed).current.number == 2
    assert [revision.spec for revision in service.revisions(LIN.scope, "qa")] == [changed, SPEC]


def test_rolling_back_wants_the_former_spec_as_a_new_revision(service: Deployments) -> None:
    service.apply(LIN, SPEC)
    service.apply(LIN, replace(SPEC, replicas=2))
    rolled = service.rollback(LIN, "qa")
    assert (rolled.current.number, rolled.current.restored_from, rolled.spec) == (3, 1, SPEC)
    again = service.rollback(LIN, "qa", to=2)
    assert (again.current.number, again.spec.replicas) == (4, 2)


def test_there_is_nothing_before_the_first_revision(service: Deployments) -> None:
    service.apply(LIN, SPEC)
    with pytest.raises(ConflictError, match="no earlier revision"):
        service.rollback(LIN, "qa")
    with pytest.raises(NotFoundError, match="no revision 7"):
        service.rollback(LIN, "qa", to=7)


def test_deleting_forgets_and_the_name_can_be_used_again(service: Deployments) -> None:
    service.apply(LIN, SPEC)
    service.delete(LIN, "qa")
    for use in (service.get, service.revisions):
        with pytest.raises(NotFoundError, match="no deployment 'qa'"):
            use(LIN.scope, "qa")
    with pytest.raises(NotFoundError):
        service.delete(LIN, "qa")
    assert service.apply(LIN, SPEC).current.number == 1


def test_projects_and_tenants_see_only_their_own(service: Deployments, store: DeploymentStore) -> None:
    other = replace(LIN, project_id="other")
    service.apply(LIN, SPEC)
    service.apply(other, replace(SPEC, replicas=3))
    assert [found.spec.replicas for found in service.list(LIN.scope)] == [1]
    assert [found.spec.replicas for found in service.list(other.scope)] == [3]
    assert service.list(Scope(tenant_id="acme", project_id="default")) == []
    assert {row.deployment.application for row in store.wanted()} == {
        "model-default.default.qa",
        "model-default.other.qa",
    }


def test_a_tenant_without_a_cluster_is_refused(service: Deployments) -> None:
    with pytest.raises(PermissionDeniedError, match="'acme' has no cluster of its own yet"):
        service.apply(replace(LIN, tenant_id="acme"), SPEC)


def test_what_can_never_run_is_refused_at_once_and_nothing_is_written(
    service: Deployments, capacity: FakeCapacity
) -> None:
    with pytest.raises(ConflictError, match="No machine of the cluster has 8 CPUs"):
        service.apply(LIN, replace(SPEC, num_cpus=8))
    service.apply(LIN, replace(SPEC, num_cpus=2))
    with pytest.raises(ConflictError, match="other deployments hold 2"):
        service.apply(LIN, replace(SPEC, name="second", num_cpus=3))
    assert len(service.list(LIN.scope)) == 1
    # Its own former revision is not in its way.
    assert service.apply(LIN, replace(SPEC, num_cpus=4)).current.number == 2
    capacity.machines = [Resources(num_cpus=1, num_gpus=0)]
    with pytest.raises(ConflictError):
        service.rollback(LIN, "qa")


def test_an_alias_is_pinned_to_the_version_it_names_now(service: Deployments, versions: FakeVersions) -> None:
    versions.known["qa@champion"] = ResolvedVersion(name="qa", version=3, loader="pkg.mod:Loader")
    applied = service.apply(LIN, replace(SPEC, target="models:/qa@champion"))
    assert (applied.spec.target, applied.spec.import_path) == ("models:/qa/3", "pkg.mod:Loader")
    versions.known["qa@champion"] = ResolvedVersion(name="qa", version=4, loader="pkg.mod:Loader")
    assert service.apply(LIN, replace(SPEC, target="models:/qa@champion")).spec.target == "models:/qa/4"


def test_a_version_without_a_class_needs_one(service: Deployments, versions: FakeVersions) -> None:
    versions.known["qa@1"] = ResolvedVersion(name="qa", version=1, loader=None)
    with pytest.raises(InvalidError, match="does not say which class"):
        service.apply(LIN, replace(SPEC, target="models:/qa/1"))
    infer = service.apply(LIN, replace(SPEC, target="models:/qa/1", protocol=Protocol.INFER))
    assert infer.spec.engine == MLFLOW_ENGINE
    assert service.apply(LIN, replace(SPEC, target="models:/qa/1", engine="a:B")).spec.engine == "a:B"


def test_a_version_that_does_not_exist_is_refused(service: Deployments) -> None:
    with pytest.raises(NotFoundError):
        service.apply(LIN, replace(SPEC, target="models:/nothing/1"))


def test_what_needs_somebody_stands_first(service: Deployments, store: DeploymentStore) -> None:
    for name, status in [("a", Status.READY), ("b", Status.STOPPED), ("c", Status.FAILED), ("d", Status.STARTING)]:
        deployment = service.apply(LIN, replace(SPEC, name=name))
        store.tell(deployment, DeploymentState(status=status))
    assert [found.name for found in service.list(LIN.scope)] == ["c", "d", "a", "b"]


def test_what_was_seen_of_an_old_revision_is_not_told_of_the_new(service: Deployments, store: DeploymentStore) -> None:
    old = service.apply(LIN, SPEC)
    service.apply(LIN, replace(SPEC, replicas=2))
    store.tell(old, DeploymentState(status=Status.READY))
    assert service.get(LIN.scope, "qa").state.status is Status.PENDING


def test_deleting_a_project_takes_its_deployments_and_no_others(service: Deployments, store: DeploymentStore) -> None:
    other = replace(LIN, project_id="other")
    for caller in (LIN, other):
        service.apply(caller, SPEC)
    plugin = ServePlugin(store)
    for _ in range(2):
        plugin.delete_scope(other.scope)
    assert [row.deployment.project_id for row in store.wanted()] == ["default"]
    plugin.delete_scope(Scope(tenant_id="default"))
    assert store.wanted() == []


def test_every_change_is_in_the_audit_log_and_nothing_else(
    service: Deployments, database: Database, clock: FakeClock
) -> None:
    for spec in (SPEC, SPEC, replace(SPEC, replicas=2)):
        service.apply(LIN, spec)
        clock.advance(1)
    service.rollback(LIN, "qa")
    clock.advance(1)
    service.delete(LIN, "qa")
    events, _ = AuditLog(database, clock).page(LIN, action="deployments")
    assert [(event.action, event.principal, event.target) for event in events] == [
        ("deployments.delete", "user:lin", "qa"),
        ("deployments.rollback", "user:lin", "qa"),
        ("deployments.apply", "user:lin", "qa"),
        ("deployments.apply", "user:lin", "qa"),
    ]


def test_two_who_apply_at_once_make_two_revisions(service: Deployments, run_together: Callable[..., None]) -> None:
    run_together(*[lambda n=n: service.apply(LIN, replace(SPEC, params={"n": n})) for n in range(4)])
    assert [revision.number for revision in service.revisions(LIN.scope, "qa")] == [4, 3, 2, 1]
