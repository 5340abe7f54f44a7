"""What a job is and which states it goes through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

_SUBMISSION_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class JobState(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED}


STATE_NAMES: Final = {
    JobState.PENDING: N_("Pending"),
    JobState.RUNNING: N_("Running"),
    JobState.SUCCEEDED: N_("Succeeded"),
    JobState.FAILED: N_("Failed"),
    JobState.STOPPED: N_("Stopped"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a job's driver and its work ask of the cluster."""

    num_cpus: float = 0.0
    num_gpus: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What shall run."""

    entrypoint: str
    """Shell command, `python train.py`."""

    name: str
    submission_id: str | None = None
    """The caller's own id: submitting it again answers with the first job."""

    working_dir: str | None = None
    """Artifact path of a zip that becomes the working directory."""

    env: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = Resources()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job and where it stands."""

    job_id: str
    """Ray's submission id too."""

    name: str
    entrypoint: str
    state: JobState
    message: str
    """Ray's own words about the state, the reason of a failure among them."""

    metadata: Mapping[str, str]
    submitted_by: str
    created_ns: int
    started_ns: int | None
    ended_ns: int | None


def check_submission_id(value: str) -> str:
    """`value` where it can name a job.

    Raises:
        InvalidError: It cannot.
    """
    if not _SUBMISSION_ID.fullmatch(value):
        raise InvalidError(
            N_("{value!r} cannot name a job."),
            hint=N_("Use 1 to 128 letters, digits, dots, hyphens and underscores; begin with a letter or a digit."),
            reason="jobs.submission_id",
            value=value,
        )
    return value
