"""Decisions about jobs."""

import pytest

from aiplatform.core.errors import InvalidError
from aiplatform.jobs.model import JobState, Resources, check_submission_id
from aiplatform.jobs.policy import check_fits, job_environment

CAPACITY = Resources(num_cpus=2, num_gpus=0, memory_bytes=1000)


def test_what_the_cluster_has_is_enough() -> None:
    check_fits(CAPACITY, CAPACITY)
    check_fits(Resources(), Resources())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Resources(num_cpus=2.5), "2.5 CPUs"),
        (Resources(num_gpus=64), "64 GPUs"),
        (Resources(memory_bytes=2000), "2000 bytes of memory"),
    ],
)
def test_more_than_the_whole_cluster_is_refused_with_both_numbers(asked: Resources, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        check_fits(asked, CAPACITY)


def test_a_job_finds_the_platform_and_its_key_file_but_no_secret() -> None:
    own = {"LR": "0.1", "AIPLATFORM_SETTINGS": "/etc/x", "MLFLOW_TRACKING_TOKEN": "aip_x", "OTEL_SERVICE_NAME": "mine"}
    env = job_environment(
        own,
        job_id="job-1",
        url="http://127.0.0.1:8000",
        project_id="docs",
        key_file="/keys/job-1/key",
        traceparent="00-aa-bb-01",
    )
    assert env == {
        "LR": "0.1",
        "OTEL_SERVICE_NAME": "mine",
        "AIPLATFORM_URL": "http://127.0.0.1:8000",
        "AIPLATFORM_KEY_FILE": "/keys/job-1/key",
        "AIPLATFORM_PROJECT": "docs",
        "AIPLATFORM_JOB_ID": "job-1",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:8000/mlflow",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:8000",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "PYTHONUNBUFFERED": "1",
        "RAY_COLOR_PREFIX": "0",
        "TRACEPARENT": "00-aa-bb-01",
    }


def test_only_ended_states_are_final() -> None:
    assert [state for state in JobState if not state.is_final] == [JobState.PENDING, JobState.RUNNING]


@pytest.mark.parametrize("value", ["", "a/b", "../x", "-x", "a" * 129, "a b", "a;b"])
def test_a_submission_id_can_be_a_file_name_and_nothing_more(value: str) -> None:
    with pytest.raises(InvalidError):
        check_submission_id(value)
