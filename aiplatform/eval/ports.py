"""What evaluation needs from outside: files of row results, and jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from aiplatform.core.scope import Scope
from aiplatform.tenancy.model import Caller


class RowFiles(Protocol):
    """Where row results rest."""

    def read(self, scope: Scope, path: str) -> bytes:
        """Content of one artifact of this tenant and project.

        Raises:
            NotFoundError: There is none.
        """
        ...


class EvaluationJobs(Protocol):
    """Runs `python -m aiplatform.eval` for a tenant."""

    def submit(self, caller: Caller, *, run_id: str, spec: Mapping[str, Any]) -> str:
        """Start the evaluation as a job and return the job's id; the same run id starts it once.

        Raises:
            PermissionDeniedError: This tenant may not run code here.
        """
        ...

    def cancel(self, caller: Caller, job_id: str) -> None:
        """Stop the job; one that has ended stays as it is."""
        ...
