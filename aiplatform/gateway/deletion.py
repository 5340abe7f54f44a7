"""Deleted tenants and projects go for good: each room removes what it keeps, rows of the platform's tables go last."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from aiplatform.core.hooks import hookimpl, load_installed, plugin_manager
from aiplatform.core.scope import Scope
from aiplatform.gateway.rooms import Rooms
from aiplatform.registry.erasure import MlflowErasure
from aiplatform.registry.mlflow_app import mlflow_artifacts_url, mlflow_database_url
from aiplatform.serve.plugin import ServePlugin
from aiplatform.storage.artifacts import ArtifactStore

PERIOD_S: Final = 5.0


class FilesPlugin:
    """The artifact store's part."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    @hookimpl
    def delete_scope(self, scope: Scope) -> None:
        """Remove every file of a tenant, or of one project of it."""
        self._artifacts.delete_scope(scope)


class DeletionPlugin:
    """The worker's part: whose time has come is removed."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._delete_scope: Callable[[Scope], None] | None = None

    @hookimpl
    def periodic(self) -> Iterable[tuple[str, float, Any]]:
        """Looks every few seconds; it is one small query where nothing was deleted."""
        return [("tenancy.delete", PERIOD_S, self.run)]

    def run(self) -> int:
        """Remove what is due; returns how many tenants and projects."""
        deletions = self._rooms.tenancy.deletions
        if not deletions.due():
            return 0
        if self._delete_scope is None:
            self._delete_scope = erasing(self._rooms)
        return deletions.carry_out(self._delete_scope)


def erasing(rooms: Rooms) -> Callable[[Scope], None]:
    """What removes all that rooms and installed plug-ins keep of a scope beside rows of the platform's tables."""
    settings = rooms.settings
    files = ArtifactStore(f"{mlflow_artifacts_url(settings.artifacts_url)}/workspaces")
    plugins = plugin_manager()
    for plugin in (
        FilesPlugin(rooms.artifacts),
        MlflowErasure(rooms.database, mlflow_database_url(settings.database_url), files),
        rooms.traces,
        ServePlugin(rooms.deployment_store),
        rooms.jobs,
    ):
        plugins.register(plugin)
    load_installed(plugins)

    def delete_scope(scope: Scope) -> None:
        plugins.hook.delete_scope(scope=scope)

    return delete_scope
