"""Jobs from Python: `aip.jobs.submit("python train.py", working_dir=".")`."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiplatform.client.http import Client
from aiplatform.client.polling import poll
from aiplatform.core.clock import Clock
from aiplatform.core.errors import RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.jobs.archive import zip_folder
from aiplatform.jobs.model import Job, JobState, Resources

__all__ = ["JobHandle", "cancel", "command", "get", "list", "logs", "submit", "upload_folder"]

POLL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class JobHandle:
    """A job as it was last seen, and what can be done with it."""

    job: Job
    _client: Client = field(repr=False)

    @property
    def job_id(self) -> str:
        """Its id."""
        return self.job.job_id

    @property
    def state(self) -> JobState:
        """Where it stood when it was last seen."""
        return self.job.state

    def refresh(self) -> JobHandle:
        """The job as it is now."""
        return get(self.job_id, client=self._client)

    def logs(self, *, follow: bool = False) -> Iterator[str]:
        """What it printed, in pieces; with `follow` until it ends."""
        return logs(self.job_id, follow=follow, client=self._client)

    def cancel(self) -> JobHandle:
        """Stop it."""
        return cancel(self.job_id, client=self._client)

    def wait(self, timeout_s: float | None = None, *, clock: Clock | None = None) -> JobHandle:
        """Wait until it ends.

        Raises:
            RemoteError: It failed or was stopped; the error carries Ray's words.
            TransientError: It has not ended in time; it goes on.
        """
        seen = poll(
            self.refresh, until=lambda job: job.state.is_final, every_s=POLL_S, timeout_s=timeout_s, clock=clock
        )
        if not seen.state.is_final:
            raise TransientError(
                N_("Job {job_id!r} has not ended in {timeout_s:g} s."),
                hint=N_("It goes on: `aiplatform jobs logs {job_id} --follow` shows it."),
                reason="jobs.timeout",
                job_id=self.job_id,
                timeout_s=timeout_s,
            )
        if seen.state is not JobState.SUCCEEDED:
            raise RemoteError(
                N_("Job {job_id!r} ended as {state}: {problem}"),
                hint=N_("`aiplatform jobs logs {job_id}` shows what it printed."),
                reason="jobs.failed",
                job_id=self.job_id,
                state=str(seen.state),
                problem=seen.job.message,
            )
        return seen


def submit(
    entrypoint: str,
    *,
    name: str = "job",
    working_dir: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    resources: Resources | None = None,
    metadata: Mapping[str, str] | None = None,
    submission_id: str | None = None,
    client: Client | None = None,
) -> JobHandle:
    """Start a shell command on the tenant's Ray cluster, acting as you.

    Args:
        entrypoint: `python train.py`.
        name: What people call it.
        working_dir: Folder whose files the command finds; environments and caches are left out.
        env: Further variables; no secrets, for Ray's interface shows them.
        resources: What the driver itself asks for; the work inside asks for its own.
        metadata: Free-form texts that stay with the job.
        submission_id: Your own id: submitting it again answers with the first job.
        client: By default one made from the environment.
    """
    client = client or Client()
    asked = resources or Resources()
    body = {
        "entrypoint": entrypoint,
        "name": name,
        "submission_id": submission_id,
        "working_dir": upload_folder(working_dir, client=client) if working_dir is not None else None,
        "env": dict(env or {}),
        "metadata": dict(metadata or {}),
        "resources": {
            "num_cpus": asked.num_cpus,
            "num_gpus": asked.num_gpus,
            "memory_bytes": asked.memory_bytes,
        },
    }
    return _handle(client.post("/api/v1/jobs", body, idempotent=submission_id is not None), client)


def get(job_id: str, *, client: Client | None = None) -> JobHandle:
    """One job."""
    client = client or Client()
    return _handle(client.get(f"/api/v1/jobs/{job_id}"), client)


def list(*, limit: int = 50, client: Client | None = None) -> tuple[JobHandle, ...]:  # noqa: A001 - a verb on a noun
    """The newest jobs of the project."""
    client = client or Client()
    return tuple(_handle(item, client) for item in client.get("/api/v1/jobs", limit=limit)["items"])


def logs(job_id: str, *, follow: bool = False, client: Client | None = None) -> Iterator[str]:
    """What a job printed, in pieces; with `follow` until it ends."""
    client = client or Client()
    options: dict[str, Any] = {"timeout": None} if follow else {}
    with client.stream("GET", f"/api/v1/jobs/{job_id}/logs", params={"follow": follow}, **options) as response:
        yield from response.iter_text()


def cancel(job_id: str, *, client: Client | None = None) -> JobHandle:
    """Stop a job; nothing happens where it has ended."""
    client = client or Client()
    return _handle(client.post(f"/api/v1/jobs/{job_id}:cancel", idempotent=True), client)


def command(words: Sequence[str]) -> str:
    """One shell command of the words that a terminal split it into; a single word is a command already."""
    return words[0] if len(words) == 1 else shlex.join(words)


def upload_folder(folder: str | Path, *, client: Client) -> str:
    """Put a folder's files among the artifacts as one zip, named by its content; returns the artifact's path."""
    content = zip_folder(Path(folder).resolve())
    path = f"code/{hashlib.sha256(content).hexdigest()}.zip"
    client.request("PUT", f"/api/v1/artifacts/{path}", content=content)
    return path


def _handle(item: Mapping[str, Any], client: Client) -> JobHandle:
    return JobHandle(Job(**{**item, "state": JobState(item["state"])}), client)
