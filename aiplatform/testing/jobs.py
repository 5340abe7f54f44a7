"""A cluster that runs nothing, for tests of what stands in front of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from aiplatform.core.errors import AIPlatformError, RemoteError, TransientError
from aiplatform.jobs.model import JobState, Resources
from aiplatform.jobs.ports import Observation, Submission


class FakeJobRunner:
    """Keeps what it is told to run; a test says how that ends."""

    def __init__(self, capacity: Resources | None = None) -> None:
        self.submissions: dict[str, Submission] = {}
        self.packages: dict[str, bytes] = {}
        self.is_away = False
        self.refuses: str | None = None
        self._capacity = capacity or Resources(num_cpus=2.0, memory_bytes=8 * 1024**3)
        self._seen: dict[str, Observation] = {}
        self._logs: dict[str, str] = {}

    def submit(self, submission: Submission) -> None:
        """Note a job; a job id that is known changes nothing."""
        self._answer()
        if self.refuses is not None:
            raise RemoteError("Ray refused: {problem}", problem=self.refuses)
        if submission.job_id not in self.submissions:
            self.submissions[submission.job_id] = submission
            self._seen[submission.job_id] = Observation(state=JobState.RUNNING, message="", started_ns=1, ended_ns=None)

    def observe(self, job_id: str) -> Observation | None:
        """What the test has said of a job."""
        self._answer()
        return self._seen.get(job_id)

    def logs(self, job_id: str, *, follow: bool) -> Iterator[str]:
        """What the test has let the job print."""
        self._answer()
        yield self._logs.get(job_id, "")

    def stop(self, job_id: str) -> None:
        """End a job that has not ended."""
        self._answer()
        seen = self._seen.get(job_id)
        if seen is not None and not seen.state.is_final:
            self.end(job_id, JobState.STOPPED)

    def capacity(self) -> Resources:
        """What the test gave the cluster."""
        self._answer()
        return self._capacity

    def upload(self, name: str, content: bytes) -> str:
        """Keep a zip."""
        self._answer()
        self.packages[name] = content
        return f"gcs://{name}"

    def end(self, job_id: str, state: JobState, message: str = "", *, ended_ns: int = 2) -> None:
        """Let a job end."""
        self._seen[job_id] = replace(self._seen[job_id], state=state, message=message, ended_ns=ended_ns)

    def prints(self, job_id: str, text: str) -> None:
        """Let a job print."""
        self._logs[job_id] = self._logs.get(job_id, "") + text

    def forget_all(self) -> None:
        """Become a cluster that was started anew."""
        self._seen.clear()
        self.submissions.clear()

    def _answer(self) -> None:
        if self.is_away:
            raise _away()


def _away() -> AIPlatformError:
    return TransientError("The Ray cluster cannot be reached: {problem}.", problem="the test says so")
