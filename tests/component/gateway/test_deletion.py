"""What is deleted leaves nothing: no row of any table, no file, no word of an index; and a neighbour loses nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from aiplatform.core.scope import Scope
from aiplatform.gateway.deletion import erasing
from aiplatform.jobs.model import JobState
from aiplatform.registry.workspaces import workspace_name
from aiplatform.tenancy.permissions import Role
from tests.component.gateway.house import MARK, OWNER, PROJECT, House, furnish, open_house, owner_key

TOLD = ("platform.db:audit_events",)
"""What a tenant did stays told."""

USED = (*TOLD, "platform.db:api_keys")
"""A key's last use is written when it is used."""

FILES = ("platform.db", "platform-text.db", "mlflow.db")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def house(sqlite_template: Path, folder: Path) -> Iterator[House]:
    with open_house(sqlite_template, folder) as opened:
        yield opened


def rows(folder: Path) -> dict[str, list[str]]:
    """Every row of every table of the three databases, as text."""
    found: dict[str, list[str]] = {}
    for file in FILES:
        with closing(sqlite3.connect(folder / file)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                if not table.startswith(("sqlite_", "alembic_", "words")):  # what FTS5 keeps is asked for its words
                    read = connection.execute(f'SELECT * FROM "{table}"').fetchall()
                    found[f"{file}:{table}"] = sorted(map(_text, read))
    return found


def _text(row: tuple[Any, ...]) -> str:
    return " ".join(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row)


def words(folder: Path, word: str) -> int:
    with closing(sqlite3.connect(folder / "platform-text.db")) as connection:
        found: int = connection.execute("SELECT count(*) FROM words WHERE words MATCH ?", (word,)).fetchone()[0]
    return found


def of(name: str, found: dict[str, list[str]], *, but: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The rows in which a name stands."""
    kept = {table: [row for row in texts if name in row] for table, texts in found.items() if table not in but}
    return {table: texts for table, texts in kept.items() if texts}


def files(folder: Path, name: str) -> list[str]:
    below = folder / "artifacts"
    return sorted(
        str(path.relative_to(folder))
        for path in below.rglob("*")
        if name in str(path.relative_to(below)) or (path.is_file() and name.encode() in path.read_bytes())
    )


def delete(house: House, key: str, path: str) -> dict[str, Any]:
    with house.client(key) as http:
        answer = http.delete(path, params={"grace_s": 0})
    assert answer.status_code == 200, answer.text
    gone: dict[str, Any] = answer.json()
    return gone


def carry_out(house: House) -> int:
    """What the worker does, once the shortest grace has ended."""
    tenancy = house.rooms.tenancy
    with house.rooms.database.system("make time pass") as tx:
        for table in ("tenants", "projects"):
            tx.execute(text(f"UPDATE {table} SET delete_after_ns = 1 WHERE delete_after_ns IS NOT NULL"))
    return tenancy.deletions.carry_out(erasing(house.rooms))


def furnish_neighbour(house: House, tenant: str) -> str:
    """A tenant beside, with files, MLflow rows and traces of its own; its name stands in all of them."""
    key = house.keys.key(Role.ADMIN, tenant=tenant, project="default")
    with house.client(key) as http:
        http.put(f"/api/v1/artifacts/{tenant}/one.txt", content=b"apples").raise_for_status()
        api = house.url("/mlflow/api/2.0/mlflow")
        made = http.post(f"{api}/experiments/create", json={"name": f"{tenant} experiment"}).json()
        run = {"experiment_id": made["experiment_id"], "start_time": 1, "tags": [{"key": "a", "value": tenant}]}
        http.post(f"{api}/runs/create", json=run).raise_for_status()
        http.post(f"{api}/registered-models/create", json={"name": f"{tenant}-model"}).raise_for_status()
    return key


def test_a_deleted_project_leaves_nothing_and_its_neighbours_lose_nothing(house: House, folder: Path) -> None:
    key = owner_key(house)
    ids = furnish(house, key)
    neighbour = furnish_neighbour(house, "apples")
    house.rooms.traces.update_index()
    before = rows(folder)
    workspace = workspace_name(Scope(tenant_id=OWNER, project_id=PROJECT))
    assert len(of(PROJECT, before)) > 15
    assert words(folder, MARK) > 0
    assert len(files(folder, MARK)) > 3
    assert of(workspace, before)

    assert delete(house, key, f"/api/v1/projects/{PROJECT}")["delete_after_ns"] > 0
    with house.client(key, project=PROJECT) as http:
        assert http.get("/api/v1/traces").status_code == 404, "hidden at once"
    assert carry_out(house) >= 1  # what other tests have deleted goes too
    assert carry_out(house) == 0

    after = rows(folder)
    people = ("platform.db:members", "platform.db:api_keys")  # of the tenant, not of the project
    assert of(PROJECT, after, but=TOLD) == {}
    assert of(MARK, after, but=(*TOLD, *people)) == {}
    assert of(workspace, after) == {}
    assert of(str(ids["mlflow_run_id"]), after, but=TOLD) == {}
    assert words(folder, MARK) == 0
    assert (files(folder, MARK), files(folder, PROJECT), files(folder, workspace)) == ([], [], [])
    stopped = house.rooms.runner.observe("pear-job")
    assert stopped is not None
    assert stopped.state is JobState.STOPPED
    assert of("apples", after, but=USED) == of("apples", before, but=USED)
    with house.client(neighbour) as http:
        assert http.get("/api/v1/artifacts/apples/one.txt").content == b"apples"
        found: httpx.Response = http.get(house.url("/mlflow/api/2.0/mlflow/registered-models/search"))
        assert "apples-model" in found.text


def test_a_deleted_tenant_leaves_nothing_and_all_others_lose_nothing(house: House, folder: Path) -> None:
    neighbour = furnish_neighbour(house, "cherries")
    furnish_neighbour(house, "dates")
    before = rows(folder)
    workspace = workspace_name(Scope(tenant_id="cherries", project_id="default"))
    assert of(workspace, before)
    assert files(folder, "cherries")

    delete(house, owner_key(house), "/api/v1/tenants/cherries")
    with house.client(neighbour) as http:
        assert http.get("/api/v1/me").status_code == 403
    assert carry_out(house) >= 1

    after = rows(folder)
    assert of("cherries", after, but=TOLD) == {}
    assert all(row.startswith(OWNER) for row in of("cherries", after)[TOLD[0]]), "that it was deleted stays told"
    assert of(workspace, after) == {}
    assert (files(folder, "cherries"), files(folder, workspace)) == ([], [])
    with house.client(neighbour) as http:
        assert http.get("/api/v1/me").status_code == 401
    assert of("dates", after, but=USED) == of("dates", before, but=USED)


def test_a_deletion_can_be_taken_back(house: House) -> None:
    key, neighbour = owner_key(house), furnish_neighbour(house, "elder")
    with house.client(key) as http:
        http.post("/api/v1/projects", json={"id": "grove"}).raise_for_status()
        assert http.delete("/api/v1/projects/grove").json()["delete_after_ns"] > 0
        assert http.delete("/api/v1/tenants/elder").status_code == 200
        assert "grove" not in http.get("/api/v1/projects").text
        assert "grove" in http.get("/api/v1/projects", params={"deleted": True}).text
        due = house.rooms.tenancy.deletions.due()
        assert not [scope for scope in due if scope.tenant_id == "elder" or scope.project_id == "grove"]
        assert http.post("/api/v1/projects/grove:restore").json()["delete_after_ns"] is None
        assert http.post("/api/v1/tenants/elder:resume").json()["delete_after_ns"] is None
        assert http.patch("/api/v1/projects/grove", json={"name": "果园"}).json()["name"] == "果园"
    carry_out(house)
    with house.client(neighbour) as again:
        assert again.get("/api/v1/artifacts/elder/one.txt").content == b"apples"
    with house.client(key, project="grove") as there:
        assert there.get("/api/v1/traces").status_code == 200


def test_a_key_of_one_project_deletes_no_other_one(house: House) -> None:
    admin = house.keys.caller(Role.ADMIN, tenant="figs", project="bound")
    house.keys.key(Role.ADMIN, tenant="figs", project="other")
    bound = house.keys.tenancy.keys.create(admin, name="bound", role=Role.ADMIN, project_id="bound").text
    with house.client(bound) as http:
        for answer in (
            http.delete("/api/v1/projects/other"),
            http.post("/api/v1/projects/other:restore"),
            http.patch("/api/v1/projects/other", json={"name": "x"}),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "project.unknown")
        assert http.delete("/api/v1/projects/bound", params={"grace_s": -1}).status_code == 400
        assert http.delete("/api/v1/projects/bound").status_code == 200
        assert http.get("/api/v1/me").status_code == 401, "its project is not there"
