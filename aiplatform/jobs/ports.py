"""What jobs need from outside: a cluster that runs them, keys to give them, a place to leave secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aiplatform.jobs.model import JobState, Resources

if TYPE_CHECKING:
    from aiplatform.core.scope import Scope
    from aiplatform.tenancy.model import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a cluster is told to run."""

    job_id: str
    entrypoint: str
    env: Mapping[str, str]
    working_dir_uri: str | None
    resources: Resources
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a cluster says about a job."""

    state: JobState
    message: str
    started_ns: int | None
    ended_ns: int | None


class JobRunner(Protocol):
    """A cluster that runs jobs."""

    def submit(self, submission: Submission) -> None:
        """Start a job; a job id that the cluster knows already changes nothing."""

    def observe(self, job_id: str) -> Observation | None:
        """Where a job stands; None where the cluster does not know it."""
        ...

    def logs(self, job_id: str, *, follow: bool) -> Iterator[str]:
        """What the job printed, in pieces; with `follow` until it ends."""
        ...

    def stop(self, job_id: str) -> None:
        """End a job; nothing happens where it has ended or is not known."""

    def capacity(self) -> Resources:
        """All that the cluster has, used or free."""
        ...

    def upload(self, name: str, content: bytes) -> str:
        """Keep a zip as `name` on the cluster; returns the address that becomes a working directory."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKey:
    """A key made for one job."""

    key_id: str
    secret: str
    expires_ns: int


class JobKeys(Protocol):
    """Makes and takes back the short-lived keys of jobs."""

    def make(self, caller: Caller, *, job_id: str) -> JobKey:
        """A key that may what `caller` may, in the caller's project."""
        ...

    def renew(self, scope: Scope, key_id: str) -> JobKey:
        """The successor of a living key; the old one stays good until it expires."""
        ...

    def revoke(self, scope: Scope, key_id: str) -> None:
        """End a key; repeating it changes nothing."""


class SecretPlace(Protocol):
    """Where a job finds its key as a file: never in its environment, which Ray's interface shows."""

    def put(self, job_id: str, secret: str) -> Path:
        """Leave a secret, over an older one, where only this job's user can read it; returns the path."""
        ...

    def remove(self, job_id: str) -> None:
        """Take it away; nothing happens where there is none."""
