"""Evaluation behind its real routes, with real artifacts; jobs are the one thing that stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aiplatform.client.http import Client
from aiplatform.core.errors import NotFoundError, PermissionDeniedError
from aiplatform.eval.api import EvaluationHandle
from aiplatform.eval.blocks import BlockEvaluator, Plan
from aiplatform.eval.calling.routes import build_call_routes
from aiplatform.eval.calling.service import CallService
from aiplatform.eval.calling.store import CallStore
from aiplatform.eval.calls import StoredAnswers
from aiplatform.eval.judging.routes import build_routes as build_judge_routes
from aiplatform.eval.judging.service import JudgeService
from aiplatform.eval.judging.store import CalibrationStore
from aiplatform.eval.measures.registry import resolve as resolve_metrics
from aiplatform.eval.model import EvaluationRun, from_json, to_json
from aiplatform.eval.reviewing.routes import build_routes as build_review_routes
from aiplatform.eval.reviewing.service import Reviews
from aiplatform.eval.reviewing.store import ReviewStore
from aiplatform.eval.routes import build_routes
from aiplatform.eval.scorers import resolve
from aiplatform.eval.service import EvaluationService
from aiplatform.eval.store import EvaluationStore
from aiplatform.jobs.model import Job, JobSpec, JobState
from aiplatform.registry.artifact_routes import build_artifact_routes
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Database
from aiplatform.tenancy import routes as tenancy_routes
from aiplatform.tenancy.model import Caller
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.clock import FakeClock
from aiplatform.tracing.price_routes import build_price_routes
from aiplatform.tracing.prices import Prices
from aiplatform.tracing.service import Traces

SCORERS = ("hit@1", "mrr", "abstention")


class FakeJobs:
    """Jobs of the tenant `default`, which do nothing but stand where a test puts them."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.specs: list[JobSpec] = []

    def require_cluster(self, caller: Caller) -> None:
        if caller.tenant_id != "default":
            raise PermissionDeniedError("Code of tenant {tenant!r} cannot run here.", tenant=caller.tenant_id)

    def submit(self, caller: Caller, spec: JobSpec) -> Job:
        self.require_cluster(caller)
        self.specs.append(spec)
        self.put(spec.submission_id or "job", JobState.PENDING)
        return self.jobs[spec.submission_id or "job"]

    def get(self, caller: Caller, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise NotFoundError("There is no job {job_id!r}.", job_id=job_id)
        return self.jobs[job_id]

    def cancel(self, caller: Caller, job_id: str) -> Job:
        self.put(job_id, JobState.STOPPED)
        return self.jobs[job_id]

    def put(self, job_id: str, state: JobState, message: str = "") -> None:
        self.jobs[job_id] = Job(
            job_id=job_id,
            name="evaluation",
            entrypoint="python",
            state=state,
            message=message,
            metadata={},
            submitted_by="user:test",
            created_ns=1,
            started_ns=None,
            ended_ns=None,
        )


@dataclass(frozen=True)
class House:
    """Evaluation in a platform under test."""

    platform: PlatformUnderTest
    service: EvaluationService
    jobs: FakeJobs
    artifacts: ArtifactStore
    clock: FakeClock
    judges: JudgeService
    calls: CallService
    reviews: Reviews
    traces: Traces


@dataclass(frozen=True)
class ApiSink:
    api: Client = field(repr=False)

    def put(self, path: str, content: bytes) -> None:
        self.api.request("PUT", f"/api/v1/artifacts/{path}", content=content)

    def get(self, path: str) -> bytes | None:
        try:
            return self.api.request("GET", f"/api/v1/artifacts/{path}").content
        except NotFoundError:
            return None


@pytest.fixture
def house(
    database: Database, make_platform: Callable[..., PlatformUnderTest], tmp_path: Path, clock: FakeClock
) -> Iterator[House]:
    artifacts, jobs = ArtifactStore(str(tmp_path / "artifacts")), FakeJobs()
    service = EvaluationService(
        EvaluationStore(database), artifacts, jobs, clock=clock, calibrations=CalibrationStore(database)
    )
    platform = make_platform()
    traces = Traces(database, index_path=tmp_path / "text.db", clock=clock)
    reviews = Reviews(ReviewStore(database), service, artifacts, traces, clock=clock)
    judges = JudgeService(CalibrationStore(database), service, artifacts, reviews, clock=clock)
    calls = CallService(CallStore(database), clock=clock)
    platform.attach(build_routes(service), build_call_routes(calls), build_artifact_routes(artifacts))
    platform.attach(build_judge_routes(judges), build_review_routes(reviews))
    platform.attach(build_price_routes(Prices(database, clock)), tenancy_routes.build_routes(platform.tenancy))
    yield House(
        platform=platform,
        service=service,
        jobs=jobs,
        artifacts=artifacts,
        clock=clock,
        judges=judges,
        calls=calls,
        reviews=reviews,
        traces=traces,
    )
    traces.close()


def records(hits: dict[int, bool], num_rows: int = 60) -> list[dict[str, Any]]:
    """Stored answers: row n finds its page first unless `hits` says otherwise; the last third has no answer."""
    return [
        {
            "id": f"q{n:03}",
            "input": f"question {n}",
            "expected": {"ids": ["p"]} if n < 2 * num_rows // 3 else None,
            "output": {
                "answer": f"answer {n}",
                "retrieved": ["p", "x"] if hits.get(n, n % 2 == 0) else ["x", "p"],
                "confidence": 0.9 if n < num_rows // 2 else 0.1,
            },
            "language": "zh" if n % 3 == 0 else "en",
            "latency_ms": 100.0 + n,
            "trace_id": f"{n:032x}",
        }
        for n in range(num_rows)
    ]


def evaluated(
    api: Client,
    name: str,
    rows: list[dict[str, Any]],
    *,
    blocks: int = 3,
    by: Sequence[str] = SCORERS,
    metrics: Sequence[str] = (),
    **fields: Any,
) -> EvaluationHandle:
    """A completed run of stored answers, recorded as a driver does it."""
    scorers, measures = resolve(by), resolve_metrics(metrics)
    refs = [*(each.ref for each in scorers), *(each.ref for each in measures)]
    body = {"name": name, "scorers": [to_json(ref) for ref in refs], "slices": ["language"], **fields}
    run = from_json(EvaluationRun, api.post("/api/v1/evaluations", body))
    plan = Plan(run_id=run.run_id, model=StoredAnswers(), scorers=scorers, measures=measures, slices=("language",))
    worker = BlockEvaluator(plan, ApiSink(api))
    found = [worker.evaluate(rows[start::blocks]) for start in range(blocks)]
    state = found[0].state
    for block in found[1:]:
        state.merge(block.state)
    change = {
        "status": "completed",
        "done_rows": len(rows),
        "total_rows": len(rows),
        "data": {"name": "faq", "version": "3", "rows_hash": state.rows_digest, "num_rows": len(rows)},
        "metrics": [to_json(metric) for metric in state.metrics(refs, measures=measures)],
        "slice_metrics": [to_json(part) for part in state.slice_metrics(refs, measures=measures)],
        "files": [to_json(block.file) for block in found],
        "primary": (*by, *metrics)[0],
    }
    answer = api.request("PATCH", f"/api/v1/evaluations/{run.run_id}", json=change).json()
    return EvaluationHandle(from_json(EvaluationRun, answer), api)
