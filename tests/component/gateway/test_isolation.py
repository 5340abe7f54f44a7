"""A second tenant gets nothing of the first one's through any route of any application.

Every route is asked with the first tenant's ids by an admin of the second, by a key that is bound to another project of
the first, by nobody, by members of every role, and at the end by their owner, who shows that the samples name
something. A stranger's answer must be the one for an id that names nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import select

from aiplatform.serve.openai import OpenAIDoor
from aiplatform.storage.tables import metadata
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import ROLE_PERMISSIONS, Permission, Role
from aiplatform.tenancy.routing import declared_routes
from aiplatform.testing.models import LocalModelHost
from aiplatform.tracing.signals import SIGNALS
from tests.component.gateway.house import MARK, OWNER, PROJECT, STRANGER, House, absent, furnish, open_house, owner_key
from tests.component.gateway.reaching import reach_across
from tests.component.gateway.samples import PUBLIC, SAMPLES, Sample, mlflow_routes

STRANGERS_PROJECT: Final = "default"
WHO: Final = ("another tenant", "another project")
WAYS: Final = ("plain", "named")
TENANT_WIDE: Final = {"GET /api/v1/members", "GET /{tenant:tenant}/{project}/members", "GET /{tenant:tenant}"}
"""What every project of a tenant shows: that it is there, and who belongs to it."""

ROLES: Final = (Role.VIEWER, Role.DEVELOPER, Role.ADMIN)
_FRESH: Final = count()
_REQUEST_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|req-[0-9a-f]+|fresh-\d+")
OWNER_STATUS: Final = {
    "DELETE /api/v1/prices": 404,  # none of this name was set
    "POST /api/v1/keys:renew": 403,  # for keys of jobs
    "GET /{tenant:tenant}/{project}/traces/{trace_id}/spans/{span_id}/attachments/{key}": 404,  # no file in its span
    "DELETE /api/v1/tenants/{tenant_id}": 403,  # nor deletes it
    "DELETE /api/v1/projects/{project_id}": 409,  # the project `default` stays
    "POST /api/v1/tenants/{tenant_id}:suspend": 403,  # nobody suspends their own
    "GET /sign-in/tenants/{tenant_id}": 404,  # for a browser with several sessions
    "POST /v2/models/{name}/infer": 400,  # it is there, and speaks the other protocol
}
"""What the owner is answered where it is not granted."""

AS_FOR_NOTHING: Final = {
    "GET /api/v1/experiments/{experiment_id}/runs",  # a search: nothing found
    "DELETE /mlflow/api/2.0/mlflow-artifacts/artifacts/.+",  # MLflow deletes what is not there without a word
    "POST /api/v1/models/{name}/versions",  # refused for its source
}
"""Routes whose answer for what is not there is neither 403 nor 404."""

_MOVING: Final = {"api_keys": {"last_used_ns"}}
"""Columns that reading changes."""


@dataclass(frozen=True)
class Told:
    """An answer as it is compared: without what differs from one request to the next."""

    status: int
    text: str
    location: str


@dataclass
class Walk:
    """What everybody was answered."""

    house: House
    ids: Mapping[str, str]
    nothing: Mapping[str, str]
    permissions: Mapping[tuple[str, str], Permission | None]
    stranger: dict[tuple[str, str, str], tuple[Told, Told]] = field(default_factory=dict)
    """By sample, who asks and how: with the first tenant's ids, and with ids that name nothing."""

    nobody: dict[str, Told] = field(default_factory=dict)
    roles: dict[tuple[str, Role], Told] = field(default_factory=dict)
    owner: dict[str, Told] = field(default_factory=dict)
    reached: dict[str, httpx.Response] = field(default_factory=dict)
    """What came of everything in `reaching`."""

    before: list[Any] = field(default_factory=list)
    after: list[Any] = field(default_factory=list)
    """Everything of the owner before and after each of those who ask."""


@pytest.fixture(scope="module")
def house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(sqlite_template, tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.fixture(scope="module")
def walk(house: House) -> Walk:
    key = owner_key(house)
    ids = furnish(house, key)
    permissions = {(method, route.path): route.permission for route in declared_routes(house.platform)
                   for method in route.methods}  # fmt: skip
    walked = Walk(house=house, ids=ids, nothing=absent(ids), permissions=permissions)
    stranger_key = house.keys.key(Role.ADMIN, tenant=STRANGER, project=STRANGERS_PROJECT)
    admin = house.keys.caller(Role.ADMIN, project=STRANGERS_PROJECT)
    neighbour_key = house.keys.tenancy.keys.create(
        admin, name="neighbour", role=Role.DEVELOPER, project_id=STRANGERS_PROJECT
    ).text
    role_keys = {role: house.keys.key(role, tenant=OWNER, project=PROJECT) for role in ROLES}
    watcher = house.keys.caller(Role.DEVELOPER, project=PROJECT)
    walked.before.append(_everything_of_the_owner(walked, watcher))
    _ask_as_stranger(walked, WHO[0], stranger_key, STRANGER)
    walked.reached = reach_across(house, stranger_key, ids)
    with house.client(None) as http:
        walked.nobody = {sample.id: _asked(walked, http, sample, ids) for sample in SAMPLES}
    walked.after.append(_everything_of_the_owner(walked, watcher))
    walked.before.append(_everything_of_the_owner(walked, watcher, PROJECT))
    _ask_as_stranger(walked, WHO[1], neighbour_key, OWNER)
    walked.after.append(_everything_of_the_owner(walked, watcher, PROJECT))
    for role, role_key in role_keys.items():
        with house.client(role_key, project=PROJECT) as http:
            for sample in SAMPLES:
                permission = _permission(walked, sample)
                if permission not in ROLE_PERMISSIONS[role]:
                    walked.roles[sample.id, role] = _asked(walked, http, sample, ids)
    with house.client(key, project=PROJECT) as http:
        walked.owner = {sample.id: _asked(walked, http, sample, ids) for sample in SAMPLES}
    return walked


def _ask_as_stranger(walk: Walk, who: str, key: str, tenant: str) -> None:
    """By each sample as it is, and once more naming the first tenant's project: in the header, or in a page's path."""
    own = {"tenant": tenant, "project": STRANGERS_PROJECT}
    nothing = {**walk.nothing, **({"tenant": OWNER} if tenant == OWNER else {})}
    with (
        walk.house.client(key) as plain,
        walk.house.client(key, project=PROJECT) as named,
        walk.house.client(key, project=walk.nothing["project"]) as unnamed,
    ):
        for sample in SAMPLES:
            mine = own if sample.is_page else {}
            walk.stranger[sample.id, who, "plain"] = (
                _asked(walk, plain, sample, {**walk.ids, **mine}), _asked(walk, plain, sample, {**nothing, **mine})
            )  # fmt: skip
            there, nowhere = (plain, plain) if sample.is_page else (named, unnamed)
            walk.stranger[sample.id, who, "named"] = (
                _asked(walk, there, sample, walk.ids), _asked(walk, nowhere, sample, nothing)
            )  # fmt: skip


def _asked(walk: Walk, http: httpx.Client, sample: Sample, ids: Mapping[str, str]) -> Told:
    filled = sample.filled({**ids, "fresh": f"fresh-{next(_FRESH)}"})
    filled["url"] = walk.house.url(filled["url"])
    http.cookies.clear()
    answer = http.request(**filled)
    text = _REQUEST_ID.sub("…", f"{answer.text}")
    sent = {kind: value for kind, value in ids.items() if kind in {*sample.names, "project"}}
    for kind, value in sorted(sent.items(), key=lambda pair: -len(pair[1])):
        text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", f"<{kind}>", text)
    return Told(status=answer.status_code, text=text, location=answer.headers.get("location", ""))


def _permission(walk: Walk, sample: Sample) -> Permission:
    found = sample.permission or walk.permissions[sample.method, sample.route]
    assert found is not None
    return found


def _everything_of_the_owner(walk: Walk, caller: Caller, project: str | None = None) -> Any:
    """Every row and file of the first tenant, or of one project of it, and what MLflow tells its owner."""
    rows: dict[str, list[Any]] = {}
    with walk.house.rooms.database.system("test") as tx:
        for table in metadata.sorted_tables:
            kept = [column for column in table.c if column.name not in _MOVING.get(table.name, set())]
            wanted = select(*kept).where(table.c.tenant_id == OWNER)
            found = tx.execute(wanted if project is None else wanted.where(table.c.project_id == project)).all()
            rows[table.name] = sorted((tuple(row) for row in found), key=repr)
    rooms = walk.house.rooms
    mlflow = [
        rooms.experiments.list(caller),
        rooms.experiments.run(caller, walk.ids["mlflow_run_id"]),
        rooms.models.list(caller),
        rooms.models.versions(caller, walk.ids["model"]),
    ]
    folder = rooms.settings.data_dir
    theirs = re.compile(rf"^(artifacts|files/workspaces)/{OWNER}[/-]{project or ''}")
    files = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and theirs.search(path.relative_to(folder).as_posix())
    }
    assert len(files) > 1
    return {**rows, "mlflow": mlflow, "files": files}


@pytest.fixture(params=[pytest.param(sample, id=sample.id) for sample in SAMPLES])
def sample(request: pytest.FixtureRequest) -> Sample:
    found: Sample = request.param
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("who", WHO)
def test_a_stranger_is_answered_as_if_it_were_not_there(walk: Walk, sample: Sample, who: str, way: str) -> None:
    known, unknown = walk.stranger[sample.id, who, way]
    assert known.status == unknown.status, (known, unknown)
    assert known.status != 500
    if known.status >= 400:
        assert known.text == unknown.text
        assert known.location == unknown.location


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("who", WHO)
def test_no_answer_to_a_stranger_holds_anything_of_the_first_tenant(
    walk: Walk, sample: Sample, who: str, way: str
) -> None:
    known, _ = walk.stranger[sample.id, who, way]
    if who == WHO[1] and sample.id in TENANT_WIDE and way == "plain":
        return
    assert MARK not in known.text.lower()
    # What the request itself named may be said back; everything else would be news.
    news = {kind: value for kind, value in walk.ids.items() if kind not in sample.names and len(value) > 8}
    assert {kind for kind, value in news.items() if value in known.text} == set()


@pytest.mark.parametrize("who", WHO)
def test_whatever_a_stranger_asks_for_is_refused_or_not_found(walk: Walk, sample: Sample, who: str) -> None:
    """Of routes that name a thing; that one exists at all is not told apart."""
    known, _ = walk.stranger[sample.id, who, "named"]
    if who == WHO[1] and sample.is_page and sample.id in TENANT_WIDE and "project" not in sample.names:
        return
    assert known.status in {403, 404}, known
    in_path = set(re.findall(r"\{(\w+)\}", sample.template)) - {"fresh", "tenant", "project"}
    if sample.route.endswith("{rest:path}"):  # it leads to the page in the stranger's own tenant
        assert walk.stranger[sample.id, who, "plain"][0].location.startswith(f"/{(STRANGER, OWNER)[who == WHO[1]]}/")
    elif in_path and sample.id not in AS_FOR_NOTHING:
        assert walk.stranger[sample.id, who, "plain"][0].status in {403, 404}


def test_nothing_that_a_stranger_or_nobody_sent_changed_a_thing(walk: Walk) -> None:
    assert len(walk.before) == 2
    for before, after in zip(walk.before, walk.after, strict=True):
        assert {kind for kind in before if before[kind] != after[kind]} == set()


def test_things_of_ones_own_that_point_across_reach_nothing(walk: Walk) -> None:
    assert [name for name, answer in walk.reached.items() if MARK in answer.text.lower()] == []
    assert [name for name, answer in walk.reached.items() if answer.status_code >= 500] == []
    assert walk.reached["read evaluations"].status_code == walk.reached["read training-runs"].status_code == 200
    assert walk.reached["cancel evaluations"].status_code == 404
    assert walk.reached["cancel training-runs"].status_code == 403
    folder = str(walk.house.rooms.settings.data_dir)
    assert [name for name, answer in walk.reached.items() if folder in answer.text and "by file" not in name] == []


def test_nobody_is_told_anything(walk: Walk, sample: Sample) -> None:
    assert walk.nobody[sample.id].status == 401
    assert MARK not in walk.nobody[sample.id].text.lower()


@pytest.mark.parametrize("role", ROLES)
def test_a_member_may_what_the_table_says_and_no_more(walk: Walk, sample: Sample, role: Role) -> None:
    if _permission(walk, sample) in ROLE_PERMISSIONS[role]:
        return
    assert walk.roles[sample.id, role].status == 403


def test_the_owner_finds_it(walk: Walk, sample: Sample) -> None:
    """Else the samples would prove nothing."""
    told = walk.owner[sample.id]
    assert told.status < 400 or told.status == OWNER_STATUS.get(sample.id), told


def test_every_route_has_a_sample(house: House) -> None:
    sampled = {(sample.method, sample.route) for sample in SAMPLES}
    declared = declared_routes(house.platform)
    public = {(method, route.path) for route in declared if route.permission is Permission.PUBLIC
              for method in route.methods or {"*"}}  # fmt: skip
    assert public == PUBLIC
    assert [route for route in declared if route.permission is None] == []
    private = {(method, route.path) for route in declared for method in route.methods} - public
    assert private - sampled == set()
    assert mlflow_routes() - sampled == set()
    door = OpenAIDoor(house.rooms.model_directory(), LocalModelHost())
    models = {(method, f"/v1/{path}{'{name}' if path.endswith('/') else ''}") for method, path in door._routes}
    assert models - sampled == set()
    assert {("POST", signal.path) for signal in SIGNALS} - sampled == set()
