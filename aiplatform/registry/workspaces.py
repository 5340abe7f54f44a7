"""One MLflow workspace per project: its name."""

from __future__ import annotations

import hashlib
from typing import Final

from aiplatform.core.scope import Scope

WORKSPACE_HEADER: Final = "x-mlflow-workspace"
_SHOWN: Final = 20


def workspace_name(scope: Scope) -> str:
    """The workspace of a project: readable, unique, and at most 63 characters of a DNS label.

    Tenant and project are shortened for the eye; a hash of both, with a separator that neither may hold, keeps two
    projects apart whatever hyphens their ids have.
    """
    digest = hashlib.sha256(f"{scope.tenant_id}/{scope.project_id}".encode()).hexdigest()[:16]
    return f"{scope.tenant_id[:_SHOWN]}-{(scope.project_id or '')[:_SHOWN]}-{digest}"
