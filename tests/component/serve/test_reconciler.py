"""Wanted rows and a cluster that behaves as Serve does."""

from dataclasses import replace

import pytest

from aiplatform.core.scope import Scope
from aiplatform.serve.model import Deployment, DeploymentSpec, Status
from aiplatform.serve.policy import FIRST_RETRY_S
from aiplatform.serve.ports import Seen
from aiplatform.serve.reconciler import Reconciler
from aiplatform.serve.store import DeploymentStore
from aiplatform.storage.database import Database
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.models import FakeModelCluster

SCOPE = Scope(tenant_id="default", project_id="default")
SPEC = DeploymentSpec(name="qa", target="my.module:Model")
APPLICATION = "model-default.default.qa"


class Room:
    """Store, cluster and reconciler, as the worker has them."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.store = DeploymentStore(database)
        self.clock = clock
        self.cluster = FakeModelCluster()
        self.reconciler = Reconciler(self.store, self.cluster, clock=clock)

    def want(self, spec: DeploymentSpec = SPEC) -> None:
        self.store.save(SCOPE, spec, author="user:lin", now_ns=self.clock.now_ns())

    def forget(self) -> None:
        assert self.store.remove(SCOPE, "qa", author="user:lin", now_ns=self.clock.now_ns())

    def get(self, name: str = "qa") -> Deployment:
        found = self.store.get(SCOPE, name)
        assert found is not None
        return found

    def status(self, name: str = "qa") -> Status:
        return self.get(name).state.status

    def until_ready(self) -> None:
        self.reconciler.run()
        self.cluster.settle()
        self.reconciler.run()


@pytest.fixture
def room(database: Database, clock: FakeClock) -> Room:
    return Room(database, clock)


def test_what_is_wanted_starts_and_is_ready_when_it_runs(room: Room) -> None:
    room.want(replace(SPEC, replicas=2))
    room.reconciler.run()
    assert room.status() is Status.STARTING
    room.reconciler.run()
    assert len(room.cluster.deployed) == 1
    room.cluster.settle()
    room.reconciler.run()
    assert room.status() is Status.READY
    assert room.get().state.ready_replicas == 2


def test_everything_is_restored_after_the_cluster_was_lost(room: Room, database: Database, clock: FakeClock) -> None:
    room.want()
    room.want(replace(SPEC, name="other"))
    room.until_ready()
    again = Room(database, clock)
    again.until_ready()
    assert {app.application for app in again.cluster.deployed} == {APPLICATION, "model-default.default.other"}
    assert again.status() is Status.READY


def test_a_worker_that_starts_anew_leaves_alone_what_runs(room: Room, clock: FakeClock) -> None:
    room.want()
    room.until_ready()
    Reconciler(room.store, room.cluster, clock=clock).run()
    assert len(room.cluster.deployed) == 1


def test_a_new_revision_rolls(room: Room) -> None:
    room.want()
    room.until_ready()
    room.want(replace(SPEC, params={"a": 1}))
    assert room.get().state.ready_replicas == 1, "the former replicas go on answering"
    room.until_ready()
    assert [app.spec.params for app in room.cluster.deployed] == [{}, {"a": 1}]
    assert room.status() is Status.READY


def test_what_nobody_wants_ends(room: Room) -> None:
    room.want()
    room.until_ready()
    room.forget()
    room.cluster.applications["model-acme.default.old"] = Seen(phase="running", ready_replicas=1)
    for _ in range(2):
        room.reconciler.run()
    assert sorted(room.cluster.removed) == ["model-acme.default.old", APPLICATION]


def test_a_deployment_made_anew_waits_for_the_former_to_end(room: Room) -> None:
    room.want()
    room.until_ready()
    room.forget()
    room.reconciler.run()
    room.want()
    room.reconciler.run()
    assert room.status() is Status.PENDING
    room.cluster.settle()
    room.until_ready()
    assert room.status() is Status.READY
    assert len(room.cluster.deployed) == 2


def test_no_replicas_end_the_application_and_keep_the_row(room: Room) -> None:
    room.want()
    room.until_ready()
    room.want(replace(SPEC, replicas=0))
    room.until_ready()
    assert room.status() is Status.STOPPED
    assert room.cluster.applications == {}
    room.want()
    room.until_ready()
    assert room.status() is Status.READY


def test_a_failure_is_told_with_its_sentence_and_tried_again_later_and_later(room: Room) -> None:
    room.want()
    room.reconciler.run()
    for attempt in range(3):
        room.cluster.fail(APPLICATION, "Traceback\nValueError: no corpus")
        room.reconciler.run()
        assert room.status() is Status.FAILED
        assert room.get().state.message == "ValueError: no corpus"
        room.clock.advance(FIRST_RETRY_S * 2**attempt - 1)
        room.reconciler.run()
        assert len(room.cluster.deployed) == attempt + 1
        room.clock.advance(1)
        room.reconciler.run()
        assert len(room.cluster.deployed) == attempt + 2
    room.cluster.settle()
    room.reconciler.run()
    assert room.status() is Status.READY
    assert room.get().state.message is None


def test_one_that_ray_refuses_does_not_hold_up_the_others(room: Room) -> None:
    room.want()
    room.cluster.refusal = ValueError("bad runtime_env")
    room.reconciler.run()
    assert (room.status(), room.get().state.message) == (Status.FAILED, "ValueError: bad runtime_env")
    room.cluster.refusal = None
    room.until_ready()
    assert room.status() is Status.READY


def test_a_quiet_pass_writes_nothing_but_a_sign_of_life_each_minute(room: Room) -> None:
    room.want()
    room.until_ready()
    before = room.get().state
    room.clock.advance(30)
    room.reconciler.run()
    assert room.get().state == before
    room.clock.advance(31)
    room.reconciler.run()
    assert room.get().state == replace(before, seen_ns=room.clock.now_ns())


def test_applying_what_failed_again_tries_at_once(room: Room) -> None:
    room.want()
    room.reconciler.run()
    room.cluster.fail(APPLICATION, "ValueError: no corpus")
    room.reconciler.run()
    room.want()
    assert room.status() is Status.PENDING
    room.until_ready()
    assert (room.status(), room.get().current.number) == (Status.READY, 1)
