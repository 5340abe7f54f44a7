"""Jobs from the API to the cluster's door, on both databases, with a cluster that runs nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aiplatform.core.errors import ConflictError, NotFoundError, PermissionDeniedError
from aiplatform.jobs.keys import TenancyJobKeys
from aiplatform.jobs.model import Job, JobSpec, JobState, Resources
from aiplatform.jobs.routes import build_routes
from aiplatform.jobs.secrets import LocalSecretPlace
from aiplatform.jobs.service import LOST_AFTER_NS, JobCluster, Jobs
from aiplatform.jobs.store import JobStore
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Database
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Role
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.jobs import FakeJobRunner

URL = "http://127.0.0.1:8000"
SPEC = JobSpec(entrypoint="python train.py", name="train", submission_id="job-1")


@dataclass(frozen=True)
class Room:
    jobs: Jobs
    runner: FakeJobRunner
    platform: PlatformUnderTest
    secrets: Path
    clock: FakeClock

    def caller(self, role: Role = Role.DEVELOPER, tenant: str = "default", project: str = "default") -> Caller:
        return self.platform.caller(role, tenant=tenant, project=project)

    def key(self, job_id: str) -> str:
        return (self.secrets / job_id / "key").read_text()

    def works(self, key: str) -> bool:
        self.platform.tenancy.authenticator.forget()
        return self.platform.client(key=key).get("/api/v1/jobs").status_code == 200


@pytest.fixture
def room(database: Database, clock: FakeClock, tmp_path: Path) -> Iterator[Room]:
    runner = FakeJobRunner()
    with PlatformUnderTest(database, clock=clock) as platform:
        jobs = Jobs(
            JobStore(database),
            JobCluster(tenant_id="default", runner=runner, url=URL),
            keys=TenancyJobKeys(platform.tenancy.keys),
            secrets=LocalSecretPlace(tmp_path / "secrets"),
            files=ArtifactStore(str(tmp_path / "artifacts")),
            clock=clock,
        )
        platform.attach(build_routes(jobs))
        yield Room(jobs=jobs, runner=runner, platform=platform, secrets=tmp_path / "secrets", clock=clock)


def test_a_job_runs_with_a_key_of_its_own_that_acts_as_its_submitter(room: Room) -> None:
    caller = room.caller(project="docs")
    job = room.jobs.submit(caller, SPEC, traceparent="00-1-2-01")
    assert (job.state, job.submitted_by) == (JobState.RUNNING, caller.principal)
    env = room.runner.submissions["job-1"].env
    assert (env["AIPLATFORM_URL"], env["AIPLATFORM_PROJECT"], env["TRACEPARENT"]) == (URL, "docs", "00-1-2-01")
    key = room.key("job-1")
    assert Path(env["AIPLATFORM_KEY_FILE"]).read_text() == key
    assert not any(key in value or "sqlite" in value or "postgresql" in value for value in env.values())
    me = room.platform.tenancy.authenticator.authenticate({"authorization": f"Bearer {key}"})
    assert (me.project_id, me.role, me.owner, me.is_project_bound) == ("docs", caller.role, caller.owner, True)


def test_the_same_submission_id_starts_one_job(room: Room) -> None:
    caller = room.caller()
    first = room.jobs.submit(caller, SPEC)
    key = room.key("job-1")
    assert room.jobs.submit(caller, SPEC) == first
    assert (len(room.runner.submissions), room.key("job-1")) == (1, key)
    with pytest.raises(ConflictError, match="job-1"):
        room.jobs.submit(caller, JobSpec(entrypoint="rm -rf /", name="x", submission_id="job-1"))
    with pytest.raises(ConflictError, match="job-1"):
        room.jobs.submit(room.caller(project="other"), SPEC)


def test_a_job_that_never_reached_the_cluster_is_handed_over_by_the_next_try(room: Room) -> None:
    room.runner.refuses = "full"
    with pytest.raises(Exception, match="full"):
        room.jobs.submit(room.caller(), SPEC)
    lost = room.key("job-1")
    room.runner.refuses = None
    assert room.jobs.submit(room.caller(), SPEC).state is JobState.RUNNING
    assert (room.works(lost), room.works(room.key("job-1"))) == (False, True)


def test_another_tenants_code_is_refused_with_a_sentence(room: Room) -> None:
    with pytest.raises(PermissionDeniedError, match="until the tenant has a cluster of its own") as refused:
        room.jobs.submit(room.caller(tenant="acme"), SPEC)
    assert refused.value.full_code == "jobs.no_cluster"
    assert room.runner.submissions == {}


def test_another_tenant_sees_no_job_and_stops_none(room: Room) -> None:
    room.jobs.submit(room.caller(), SPEC)
    stranger = room.caller(tenant="acme")
    assert room.jobs.list(stranger).jobs == ()
    for act in (room.jobs.get, room.jobs.cancel, room.jobs.logs):
        with pytest.raises(NotFoundError):
            act(stranger, "job-1")
    assert room.jobs.observe(stranger, "job-1") is None
    with pytest.raises(PermissionDeniedError):
        room.jobs.stop_any(stranger, "job-1")


def test_another_project_neither_observes_nor_stops_a_job(room: Room) -> None:
    room.jobs.submit(room.caller(), SPEC)
    neighbour = room.platform.caller(project="other")
    assert room.jobs.observe(neighbour, "job-1") is None
    with pytest.raises(NotFoundError):
        room.jobs.stop_any(neighbour, "job-1")
    assert room.jobs.get(room.caller(), "job-1").state is JobState.RUNNING


def test_more_than_the_cluster_has_fails_at_once_and_leaves_nothing(room: Room) -> None:
    answer = room.platform.client().post("/api/v1/jobs", json={"entrypoint": "x", "resources": {"num_gpus": 64}})
    assert answer.status_code == 400
    assert "64 GPUs, and the whole cluster has 0" in answer.json()["error"]["message"]
    assert room.jobs.list(room.caller()).jobs == ()


def test_the_worker_renews_keys_of_living_jobs_and_takes_back_those_of_ended_ones(room: Room) -> None:
    room.jobs.submit(room.caller(), SPEC)
    first = room.key("job-1")
    room.jobs.watch()
    assert room.key("job-1") == first
    room.clock.advance(4 * 3600)
    room.jobs.watch()
    second = room.key("job-1")
    assert second != first
    assert room.works(second)
    room.runner.end("job-1", JobState.SUCCEEDED)
    room.jobs.watch()
    room.jobs.watch()
    assert not room.works(second)
    assert not (room.secrets / "job-1").exists()
    assert room.jobs.get(room.caller(), "job-1").state is JobState.SUCCEEDED


def test_a_job_of_a_cluster_that_was_started_anew_has_failed(room: Room) -> None:
    caller = room.caller()
    room.jobs.submit(caller, SPEC)
    room.runner.forget_all()
    assert not room.jobs.get(caller, "job-1").state.is_final  # it may be being handed over
    room.clock.advance(LOST_AFTER_NS / 1e9 + 1)
    job = room.jobs.get(caller, "job-1")
    assert (job.state, job.ended_ns) == (JobState.FAILED, room.clock.now_ns())
    assert "started anew" in job.message


def test_a_cluster_that_does_not_answer_leaves_jobs_as_they_were_seen(room: Room) -> None:
    caller = room.caller()
    room.jobs.submit(caller, SPEC)
    room.runner.is_away = True
    assert [job.state for job in room.jobs.list(caller).jobs] == [JobState.RUNNING]
    room.jobs.watch()
    refused = room.platform.client().post("/api/v1/jobs", json={"entrypoint": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")


def test_jobs_come_in_pages_the_newest_first(room: Room) -> None:
    caller = room.caller()
    for number in range(5):
        room.clock.advance(1)
        room.jobs.submit(caller, JobSpec(entrypoint="x", name=f"job {number}", resources=Resources()))
    seen: list[Job] = []
    token: str | None = None
    while True:
        page = room.jobs.list(caller, limit=2, token=token)
        seen += page.jobs
        token = page.next_token
        if token is None:
            break
    assert [job.name for job in seen] == ["job 4", "job 3", "job 2", "job 1", "job 0"]


def test_the_routes_say_the_same(room: Room) -> None:
    http = room.platform.client()
    made = http.post("/api/v1/jobs", json={"entrypoint": "x", "submission_id": "a", "metadata": {"k": "v"}})
    assert (made.status_code, made.json()["state"]) == (201, "running")
    room.runner.prints("a", "你好\n")
    assert http.get("/api/v1/jobs/a/logs").text == "你好\n"
    assert http.post("/api/v1/jobs/a:cancel").json()["state"] == "stopped"
    assert http.post("/api/v1/jobs/a:cancel").json()["state"] == "stopped"
    assert [job["job_id"] for job in http.get("/api/v1/jobs").json()["items"]] == ["a"]
    assert http.get("/api/v1/jobs/b").status_code == 404
    assert http.get("/api/v1/jobs/b/logs").status_code == 404
    assert http.post("/api/v1/jobs", json={"entrypoint": ""}).status_code in {400, 422}
    viewer = room.platform.client(Role.VIEWER)
    assert viewer.post("/api/v1/jobs", json={"entrypoint": "x"}).status_code == 403
    assert viewer.get("/api/v1/jobs/a").status_code == 200


def test_a_missing_working_directory_is_named_and_starts_nothing(room: Room) -> None:
    with pytest.raises(NotFoundError, match=r"code/x\.zip"):
        room.jobs.submit(room.caller(), JobSpec(entrypoint="x", name="x", working_dir="code/x.zip"))
    assert room.runner.submissions == {}
