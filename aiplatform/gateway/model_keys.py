"""Keys with which the platform's own worker calls models of a project, as judges of live traces do."""

from __future__ import annotations

import time
from typing import Final

from aiplatform.core.scope import Scope
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission, Role
from aiplatform.tenancy.service import Tenancy

PRINCIPAL: Final = "service:online-evaluation"
LIFETIME_S: Final = 3600.0
RENEWED_AFTER_S: Final = 1800.0


class ModelKeys:
    """Makes them, one a project, and makes them again long before they end. For one thread."""

    def __init__(self, tenancy: Tenancy) -> None:
        self._tenancy = tenancy
        self._known: dict[Scope, tuple[str, float]] = {}

    def key(self, scope: Scope) -> str:
        """A key that may call models of the project, and nothing else."""
        text, made_s = self._known.get(scope, ("", 0.0))
        if text and time.monotonic() - made_s < RENEWED_AFTER_S:
            return text
        caller = Caller(
            tenant_id=scope.tenant_id,
            project_id=scope.project_id or "",
            principal=PRINCIPAL,
            role=Role.DEVELOPER,
            scopes=frozenset({Permission.INFERENCE_CALL}),
        )
        lifetime_ns = int(LIFETIME_S * 1e9)
        text = self._tenancy.keys.delegate(caller, name="online evaluation", lifetime_ns=lifetime_ns).text
        self._known[scope] = (text, time.monotonic())
        return text
