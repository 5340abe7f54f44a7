"""Jobs over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Header, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.jobs.model import Job, JobSpec, Resources
from aiplatform.jobs.service import Jobs
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class ResourcesBody(_Body):
    """What a job asks of the cluster."""

    num_cpus: Annotated[float, Field(ge=0)] = 0.0
    """CPUs of the driver; the work inside asks for its own."""

    num_gpus: Annotated[float, Field(ge=0)] = 0.0
    """GPUs of the driver."""

    memory_bytes: Annotated[int, Field(ge=0)] = 0
    """Memory of the driver."""


class JobBody(_Body):
    """A job to start."""

    entrypoint: Annotated[str, Field(min_length=1, max_length=10_000)]
    """Shell command, `python train.py`."""

    name: Annotated[str, Field(min_length=1, max_length=128)] = "job"
    """What people call it."""

    submission_id: str | None = None
    """The caller's own id: sending it again answers with the first job."""

    working_dir: str | None = None
    """Artifact path of a zip with the code."""

    env: dict[str, str] = {}
    """Further environment variables; no secrets, for Ray's interface shows them."""

    resources: ResourcesBody = ResourcesBody()
    metadata: dict[str, str] = {}


class JobView(BaseModel):
    """A job as it is answered."""

    job_id: str
    name: str
    entrypoint: str
    state: str
    message: str
    metadata: dict[str, str]
    submitted_by: str
    created_ns: int
    started_ns: int | None
    ended_ns: int | None


def build_routes(jobs: Jobs) -> Routes:
    """The routes of jobs."""
    routes = Routes(tags=["jobs"])

    @routes.post("/api/v1/jobs", permission=Permission.JOBS_WRITE, status_code=201)
    def submit_job(body: JobBody, caller: CallerDep, traceparent: Annotated[str | None, Header()] = None) -> JobView:
        """Start a job on the tenant's Ray cluster."""
        spec = JobSpec(
            entrypoint=body.entrypoint,
            name=body.name,
            submission_id=body.submission_id,
            working_dir=body.working_dir,
            env=body.env,
            resources=Resources(**body.resources.model_dump()),
            metadata=body.metadata,
        )
        return view(jobs.submit(caller, spec, traceparent=traceparent))

    @routes.get("/api/v1/jobs", permission=Permission.JOBS_READ)
    def list_jobs(
        caller: CallerDep, limit: Annotated[int, Query(ge=1, le=200)] = 50, token: str | None = None
    ) -> dict[str, Any]:
        """Jobs of the project, the newest first."""
        page = jobs.list(caller, limit=limit, token=token)
        return {"items": [view(job) for job in page.jobs], "next": page.next_token}

    @routes.get("/api/v1/jobs/{job_id}", permission=Permission.JOBS_READ)
    def get_job(job_id: str, caller: CallerDep) -> JobView:
        """One job."""
        return view(jobs.get(caller, job_id))

    @routes.get("/api/v1/jobs/{job_id}/logs", permission=Permission.JOBS_READ, response_class=StreamingResponse)
    def job_logs(job_id: str, caller: CallerDep, follow: bool = False) -> StreamingResponse:
        """What the job printed; with `follow` the answer goes on until the job ends."""
        return StreamingResponse(
            _encoded(jobs.logs(caller, job_id, follow=follow)), media_type="text/plain; charset=utf-8"
        )

    @routes.post("/api/v1/jobs/{job_id}:cancel", permission=Permission.JOBS_WRITE)
    def cancel_job(job_id: str, caller: CallerDep) -> JobView:
        """Stop a job; nothing happens where it has ended."""
        return view(jobs.cancel(caller, job_id))

    return routes


def view(job: Job) -> JobView:
    """The job as it is answered."""
    return JobView(
        job_id=job.job_id,
        name=job.name,
        entrypoint=job.entrypoint,
        state=str(job.state),
        message=job.message,
        metadata=dict(job.metadata),
        submitted_by=job.submitted_by,
        created_ns=job.created_ns,
        started_ns=job.started_ns,
        ended_ns=job.ended_ns,
    )


def _encoded(pieces: Iterator[str]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece.encode()
