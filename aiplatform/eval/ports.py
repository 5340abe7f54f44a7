"""What evaluation needs from outside: files of row results, and jobs."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from aiplatform.core.scope import Scope
from aiplatform.eval.model import Calibration, ScorerRef
from aiplatform.jobs.model import Job, JobSpec
from aiplatform.tenancy.model import Caller


class RowFiles(Protocol):
    """Where row results rest."""

    def open(self, scope: Scope, path: str) -> BinaryIO:
        """One artifact of this tenant and project, to be read.

        Raises:
            NotFoundError: There is none.
        """
        ...


class JudgeCalibrations(Protocol):
    """What is known of how well judges agree with people."""

    def calibration(self, scope: Scope, scorer: ScorerRef) -> Calibration | None:
        """Of the judge that gave these scores, in this very version; None where people have not scored beside it."""
        ...


class EvaluationJobs(Protocol):
    """Runs jobs for a tenant; `aiplatform.jobs.service.Jobs` does."""

    def require_cluster(self, caller: Caller) -> None:
        """Nothing, where this tenant's code may run here.

        Raises:
            PermissionDeniedError: It may not.
        """

    def submit(self, caller: Caller, spec: JobSpec) -> Job:
        """Start a job; the same submission id again answers with the job that it started.

        Raises:
            PermissionDeniedError: This tenant's code may not run here.
        """
        ...

    def get(self, caller: Caller, job_id: str) -> Job:
        """Where a job stands.

        Raises:
            NotFoundError: There is none of that id.
        """
        ...

    def cancel(self, caller: Caller, job_id: str) -> Job:
        """Stop a job; one that has ended stays as it is."""
        ...
