"""Decisions about training runs."""

from typing import Any

import pytest

from aiplatform.core.errors import InvalidError
from aiplatform.jobs.model import JobState, Resources
from aiplatform.train.model import TrainingState
from aiplatform.train.policy import after_job, check_fits, numbers, step_of, wanted
from aiplatform.train.spec import parse_spec


def spec(**fields: Any) -> Any:
    return parse_spec({"name": "x", "entrypoint": "m:f", **fields})


def test_workers_ask_together() -> None:
    asked = wanted(spec(num_workers=3, worker={"cpus": 0.5, "gpus": 1, "memory_gb": 2}))
    assert asked == Resources(num_cpus=1.5, num_gpus=3, memory_bytes=6 * 1024**3)


def test_impossible_resources_are_refused_with_both_numbers() -> None:
    with pytest.raises(InvalidError, match="64 workers need 64 GPUs together, and the whole cluster has 0"):
        check_fits(spec(num_workers=64, worker={"gpus": 1, "cpus": 0}), Resources(num_cpus=2))


def test_what_fits_is_let_through() -> None:
    check_fits(spec(num_workers=4), Resources(num_cpus=2))


def test_a_job_that_ended_without_its_drivers_word_has_failed() -> None:
    assert after_job(JobState.RUNNING) is None
    assert after_job(JobState.SUCCEEDED) is TrainingState.FAILED
    assert after_job(JobState.FAILED) is TrainingState.FAILED
    assert after_job(JobState.STOPPED) is TrainingState.STOPPED


class Scalar:
    def __float__(self) -> float:
        return 0.5


def test_only_numbers_become_metrics() -> None:
    report = {"loss": 1, "acc": Scalar(), "name": "x", "done": True, "none": None, "list": [1]}
    assert numbers(report) == {"loss": 1.0, "acc": 0.5}


@pytest.mark.parametrize(
    ("report", "step"), [({"step": 7, "epoch": 1}, 7), ({"epoch": 3}, 3), ({"loss": 1}, 5), ({"step": True}, 5)]
)
def test_a_report_has_its_own_step_or_counts(report: dict[str, Any], step: int) -> None:
    assert step_of(report, 5) == step
