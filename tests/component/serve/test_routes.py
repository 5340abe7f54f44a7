"""Deployments over HTTP, from Python, and in the terminal."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from aiplatform.cli import deployments as command
from aiplatform.client.http import Client
from aiplatform.core.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    PermissionDeniedError,
    RemoteError,
    TransientError,
)
from aiplatform.registry.model import Lineage, ModelVersion
from aiplatform.serve import api
from aiplatform.serve.model import DeploymentState, Protocol, Status
from aiplatform.serve.ports import ResolvedVersion
from aiplatform.serve.routes import build_routes
from aiplatform.serve.service import Deployments
from aiplatform.serve.store import DeploymentStore
from aiplatform.storage.database import Database
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.models import FakeCapacity, FakeVersions


class Room:
    """Deployments behind HTTP."""

    def __init__(self, database: Database) -> None:
        self.platform = PlatformUnderTest(database)
        self.store = DeploymentStore(database)
        self.versions = FakeVersions()
        self.platform.attach(build_routes(Deployments(self.store, capacity=FakeCapacity(), versions=self.versions)))

    def tell(self, name: str, status: Status, message: str | None = None) -> None:
        deployment = next(row.deployment for row in self.store.wanted() if row.deployment.name == name)
        self.store.tell(deployment, DeploymentState(status=status, message=message))


@pytest.fixture
def room(sqlite_database: Database) -> Iterator[Room]:
    made = Room(sqlite_database)
    yield made
    made.platform.close()


@pytest.fixture
def client(room: Room) -> Client:
    return room.platform.api()


class Model:
    """A class of the user's."""


def test_a_class_is_applied_and_read_back(client: Client) -> None:
    applied = api.apply("qa", cls=Model, params={"top_k": 5}, replicas=2, client=client)
    assert applied.spec.target == f"{__name__}:Model"
    assert (applied.revision, applied.state.status) == (1, Status.PENDING)
    assert api.get("qa", client=client) == applied
    assert [one.name for one in api.list(client=client)] == ["qa"]
    assert api.apply("qa", cls=Model, params={"top_k": 5}, replicas=2, client=client).revision == 1


def test_a_registered_version_is_applied_however_it_is_named(room: Room, client: Client) -> None:
    found = ResolvedVersion(name="qa", version=3, loader="a:B")
    room.versions.known |= {"qa@3": found, "qa@champion": found}
    version = ModelVersion(
        name="qa", version=3, aliases=(), description="", source="s", loader=None, signature=None, metrics={}, tags={},
        lineage=Lineage(), created_ns=0, created_by="user:lin",
    )  # fmt: skip
    for named in (version, "qa@3", "models:/qa/3", "qa@champion"):
        assert api.apply("qa", version=named, client=client).spec.target == "models:/qa/3"
    assert [one.number for one in api.revisions("qa", client=client)] == [1]


def test_rolling_back_and_deleting(client: Client) -> None:
    api.apply("qa", cls="a:B", client=client)
    second = api.apply("qa", cls="a:C", client=client)
    assert second.rollback().spec.target == "a:B"
    assert [one.restored_from for one in api.revisions("qa", client=client)] == [1, None, None]
    second.delete()
    with pytest.raises(NotFoundError, match="no deployment 'qa'"):
        second.refresh()


def test_waiting_ends_with_what_was_seen(room: Room, client: Client) -> None:
    applied = api.apply("qa", cls="a:B", client=client)
    with pytest.raises(TransientError, match="does not answer after 0 s: it is pending"):
        applied.wait(0)
    room.tell("qa", Status.FAILED, "ValueError: no corpus")
    with pytest.raises(RemoteError, match="ValueError: no corpus"):
        applied.wait()
    room.tell("qa", Status.READY)
    assert applied.wait().state.status is Status.READY


def test_wrong_wishes_are_refused_before_anything_is_written(client: Client) -> None:
    with pytest.raises(InvalidError, match="What shall be deployed"):
        api.apply("qa", client=client)
    with pytest.raises(InvalidError, match="'replicas'"):
        api.apply("qa", cls="a:B", replicas=-1, client=client)
    with pytest.raises(ConflictError, match="No machine"):
        api.apply("qa", cls="a:B", num_cpus=99, client=client)
    with pytest.raises(NotFoundError, match="no model version"):
        api.apply("qa", version="qa@9", client=client)
    with pytest.raises(InvalidError, match="'colour'"):
        client.put("/api/v1/deployments/qa", {"target": "a:B", "colour": "red"})
    assert api.list(client=client) == ()


def test_roles_and_tenants_bound_what_may_be_done(room: Room) -> None:
    api.apply("qa", cls="a:B", client=room.platform.api())
    viewer = room.platform.api(Role.VIEWER)
    assert api.get("qa", client=viewer).name == "qa"
    with pytest.raises(PermissionDeniedError, match=r"deployments\.write"):
        api.apply("qa", cls="a:C", client=viewer)
    other = room.platform.api(tenant="acme")
    assert api.list(client=other) == ()
    with pytest.raises(PermissionDeniedError, match="no cluster of its own yet"):
        api.apply("qa", cls="a:B", client=other)
    with pytest.raises(NotFoundError):
        api.delete("qa", client=other)


@pytest.fixture
def run(client: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command on the room's client; errors come as they were raised."""
    monkeypatch.setattr(command, "_client", lambda _project: client)

    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(command.app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


def test_the_command_applies_lists_shows_and_undoes(room: Room, run: Callable[..., str]) -> None:
    assert "qa: revision 1, Pending." in run("apply", "qa", "--class", "a:B", "--params", '{"k": 1}', "--no-wait")
    assert "qa: revision 2, Pending." in run("apply", "qa", "--class", "a:C", "--no-wait")
    room.tell("qa", Status.FAILED, "ValueError: no corpus")
    assert "ValueError: no corpus" in run("list")
    shown = run("get", "qa")
    assert "a:C" in shown
    assert "key:aip_" in shown
    assert "qa: revision 3 repeats revision 1." in run("rollback", "qa")
    assert json.loads(run("get", "qa", "--json"))["current"]["spec"]["params"] == {"k": 1}
    assert [item["name"] for item in json.loads(run("list", "--json"))["items"]] == ["qa"]
    assert "qa is deleted" in run("delete", "qa")


def test_the_command_reads_a_file(room: Room, run: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "qa.yaml"
    file.write_text("name: qa\nclass: a:B\nprotocol: infer\nparams: {k: [1, 2]}\n", encoding="utf-8")
    run("apply", "--file", str(file), "--no-wait")
    [row] = room.store.wanted()
    assert (row.deployment.spec.protocol, row.deployment.spec.params) == (Protocol.INFER, {"k": [1, 2]})
    file.write_text("name: qa\ncolour: red\n", encoding="utf-8")
    with pytest.raises(InvalidError, match="unknown field 'colour'"):
        run("apply", "--file", str(file), "--no-wait")
    file.write_text("- a\n", encoding="utf-8")
    with pytest.raises(InvalidError, match="must hold named fields"):
        run("apply", "--file", str(file), "--no-wait")


@pytest.mark.parametrize("params", ["{", "[1]"])
def test_the_command_refuses_parameters_that_are_no_object(run: Callable[..., str], params: str) -> None:
    with pytest.raises(InvalidError, match="--params"):
        run("apply", "qa", "--class", "a:B", "--params", params)
