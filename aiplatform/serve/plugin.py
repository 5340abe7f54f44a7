"""What serving contributes to the platform's hooks: deleting a tenant's deployments, and the reconciler's passes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiplatform.core.hooks import hookimpl
from aiplatform.core.scope import Scope
from aiplatform.serve.reconciler import PERIOD_S, Reconciler
from aiplatform.serve.store import DeploymentStore


class ServePlugin:
    """Serving's hooks. The reconciler is there in the worker alone."""

    def __init__(self, store: DeploymentStore, reconciler: Reconciler | None = None) -> None:
        self._store = store
        self._reconciler = reconciler

    @hookimpl
    def delete_scope(self, scope: Scope) -> None:
        """Forget the deployments; the reconciler then ends what runs."""
        self._store.remove_all(scope)

    @hookimpl
    def periodic(self) -> Iterable[tuple[str, float, Any]]:
        """The reconciler's passes."""
        return [] if self._reconciler is None else [("deployments", PERIOD_S, self._reconciler.run)]
