"""What needs somebody: the gravest first, and nothing that is well."""

from __future__ import annotations

from aiplatform.eval.model import EvaluationRun, RunStatus
from aiplatform.serve.model import Deployment, DeploymentSpec, DeploymentState, Revision, Status
from aiplatform.ui.views.attention import MOST, Need, needs


def deployment(name: str, status: Status, *, ready: int = 1, wanted: int = 1, message: str | None = None) -> Deployment:
    return Deployment(
        tenant_id="default",
        project_id="default",
        current=Revision(
            number=1,
            revision_id=f"{name}-1",
            spec=DeploymentSpec(name=name, target="app:Model", replicas=wanted),
            author="user:lin",
            created_ns=1,
        ),
        state=DeploymentState(status=status, ready_replicas=ready, message=message, since_ns=7),
        created_ns=1,
    )


def run(name: str, status: RunStatus, error: str = "") -> EvaluationRun:
    return EvaluationRun(run_id=f"eval-{name}", project_id="default", name=name, status=status, error=error)


def found(**given: object) -> list[Need]:
    whole = {"deployments": [], "runs": [], "failed_traces": 0, "num_traces": 0, "share": "—", "last": "7d", **given}
    return needs(**whole, text=str)  # type: ignore[arg-type]


def test_nothing_is_listed_where_all_is_well() -> None:
    assert found(
        deployments=[deployment("a", Status.READY), deployment("b", Status.STOPPED, ready=0)],
        runs=[run("v1", RunStatus.COMPLETED), run("v2", RunStatus.RUNNING), run("v3", RunStatus.CANCELLED)],
        num_traces=60,
    ) == []  # fmt: skip


def test_what_does_not_answer_comes_before_what_answers_less_and_what_failed() -> None:
    listed = found(
        deployments=[
            deployment("short", Status.READY, ready=1, wanted=3),
            deployment("broken", Status.FAILED, ready=0, message="No module named 'app'"),
        ],
        runs=[run("v1", RunStatus.FAILED, "no rows")],
        failed_traces=7,
        num_traces=60,
        share="12 %",
    )
    assert [need.text for need in listed] == [
        "broken does not answer",
        "short has 1 of 3 replicas",
        "The evaluation v1 failed",
        "7 of 60 traces have errors",
    ]
    assert [need.detail for need in listed] == ["No module named 'app'", "", "no rows", "12 %"]
    assert [need.path for need in listed] == [
        "/deployments/broken",
        "/deployments/short",
        "/evaluations/eval-v1",
        "/traces?q=errors%3Ayes&last=7d",
    ]


def test_the_list_stays_short() -> None:
    broken = [deployment(f"d{index}", Status.FAILED) for index in range(20)]
    assert len(found(deployments=broken)) == MOST
    assert len(found(runs=[run(f"v{index}", RunStatus.FAILED) for index in range(20)])) == 2
