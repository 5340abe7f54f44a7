import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import ConflictError, TransientError
from aiplatform.serve.model import DeploymentSpec, DeploymentState, Status
from aiplatform.serve.policy import (
    START_PATIENCE_S,
    Decision,
    Step,
    next_step,
    refusal,
    retry_after_s,
    sentence_of,
)
from aiplatform.serve.ports import Resources, Seen

TWO_CORES = [Resources(num_cpus=2.0, num_gpus=0.0)]
SECOND_NS = 1_000_000_000


def spec(**changes: object) -> DeploymentSpec:
    return DeploymentSpec(**{"name": "qa", "target": "a:B", **changes})  # type: ignore[arg-type]


def step(
    seen: Seen | None,
    *,
    status: Status = Status.STARTING,
    is_deployed: bool = True,
    waited_s: float = 1.0,
    attempts: int = 0,
    replicas: int = 1,
) -> Decision:
    return next_step(
        spec(replicas=replicas),
        DeploymentState(status=status, since_ns=0),
        seen,
        is_deployed=is_deployed,
        num_attempts=attempts,
        now_ns=round(waited_s * SECOND_NS),
    )


def test_what_fits_is_not_refused() -> None:
    assert refusal(spec(replicas=2), [spec(name="other")], TWO_CORES) is None


def test_a_replica_larger_than_every_machine_is_refused_with_both_figures() -> None:
    problem = refusal(spec(num_cpus=3), [], TWO_CORES)
    assert isinstance(problem, ConflictError)
    assert str(problem) == "No machine of the cluster has 3 CPUs for one replica; the largest has 2."


def test_a_gpu_that_nobody_has_is_refused() -> None:
    problem = refusal(spec(num_gpus=1), [], TWO_CORES)
    assert problem is not None
    assert "1 GPUs" in str(problem)


def test_replicas_that_do_not_fit_beside_the_others_are_refused() -> None:
    problem = refusal(spec(replicas=3, num_cpus=0.5), [spec(name="other", replicas=2, num_cpus=0.5)], TWO_CORES)
    assert str(problem) == "1.5 CPUs are needed; the cluster has 2, other deployments hold 1."


def test_tenths_of_a_cpu_add_up_to_the_whole() -> None:
    others = [spec(name=f"m{index}", num_cpus=0.1) for index in range(19)]
    assert refusal(spec(), others, TWO_CORES) is None
    assert refusal(spec(replicas=2), others, TWO_CORES) is not None


def test_stopping_needs_no_room() -> None:
    assert refusal(spec(replicas=0, num_cpus=99), [], None) is None


def test_a_cluster_that_does_not_answer_refuses_for_now() -> None:
    assert isinstance(refusal(spec(), [], None), TransientError)


def test_what_is_wanted_and_not_there_is_deployed() -> None:
    assert step(None) == Decision(step=Step.DEPLOY, status=Status.STARTING)


def test_a_new_revision_rolls_while_the_old_replicas_answer() -> None:
    seen = Seen(phase="running", ready_replicas=2)
    assert step(seen, is_deployed=False) == Decision(step=Step.DEPLOY, status=Status.STARTING, ready_replicas=2)


def test_what_runs_is_ready() -> None:
    seen = Seen(phase="running", ready_replicas=1)
    assert step(seen) == Decision(step=Step.NOTHING, status=Status.READY, ready_replicas=1)


def test_a_lost_application_is_restored_whatever_was_told_of_it() -> None:
    for status in (Status.READY, Status.FAILED, Status.PENDING):
        assert step(None, status=status).step is Step.DEPLOY


def test_no_replicas_means_stopped() -> None:
    assert step(Seen(phase="running"), replicas=0).step is Step.REMOVE
    assert step(Seen(phase="deleting"), replicas=0) == Decision(step=Step.NOTHING, status=Status.STOPPED)
    assert step(None, replicas=0) == Decision(step=Step.NOTHING, status=Status.STOPPED)


def test_nothing_is_deployed_while_the_former_one_ends() -> None:
    decision = step(Seen(phase="deleting"))
    assert (decision.step, decision.status) == (Step.NOTHING, Status.PENDING)


def test_a_failure_is_told_with_its_sentence_and_tried_again_later() -> None:
    seen = Seen(phase="failed", message="Traceback…\nValueError: no such corpus")
    first = step(seen, status=Status.STARTING)
    assert first == Decision(step=Step.NOTHING, status=Status.FAILED, message="ValueError: no such corpus")
    assert step(seen, status=Status.FAILED, waited_s=retry_after_s(0) - 1).step is Step.NOTHING
    assert step(seen, status=Status.FAILED, waited_s=retry_after_s(0)).step is Step.DEPLOY
    assert step(seen, status=Status.FAILED, waited_s=retry_after_s(0), attempts=1).step is Step.NOTHING


def test_replicas_that_never_start_become_a_failure() -> None:
    assert step(Seen(phase="starting")).status is Status.STARTING
    late = step(Seen(phase="starting"), waited_s=START_PATIENCE_S)
    assert late.status is Status.FAILED
    assert late.message


def test_a_retry_does_not_look_like_a_recovery() -> None:
    assert step(Seen(phase="starting"), status=Status.FAILED).status is Status.FAILED


@given(st.integers(min_value=0, max_value=10_000))
def test_retries_come_later_and_later_up_to_a_limit(attempts: int) -> None:
    assert 0 < retry_after_s(attempts) <= retry_after_s(attempts + 1) <= 900


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("", None),
        ("Waiting for resources", "Waiting for resources"),
        (
            "The deployment failed to start 3 times in a row.\n"
            '  File "x.py", line 1\nray.exceptions.RayTaskError: remote\n'
            "aiplatform.core.errors.ConfigError: The class 'a:B' cannot be imported: No module named 'a'.\n",
            "ConfigError: The class 'a:B' cannot be imported: No module named 'a'.",
        ),
    ],
)
def test_the_sentence_that_matters_is_found(message: str, sentence: str | None) -> None:
    assert sentence_of(message) == sentence


def test_a_long_sentence_is_shortened() -> None:
    assert len(sentence_of("ValueError: " + "x" * 2000) or "") == 500
