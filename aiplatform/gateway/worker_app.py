"""What the worker does: the rooms' own periodic work, found through hooks, and the platform's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from aiplatform.client.credentials import KEY_FILE_VARIABLE
from aiplatform.core.hooks import hookimpl, load_installed, plugin_manager
from aiplatform.gateway.deletion import DeletionPlugin
from aiplatform.gateway.leases import Lease
from aiplatform.gateway.rooms import Rooms
from aiplatform.gateway.service_key import refresh_service_key
from aiplatform.gateway.worker import LEASE_LIFETIME_S, LEASE_NAME, Task, Worker
from aiplatform.serve.compute import RayModelCluster
from aiplatform.serve.plugin import ServePlugin
from aiplatform.serve.reconciler import Reconciler

KEY_PERIOD_S: Final = 600.0
SWEEP_PERIOD_S: Final = 3600.0


class PlatformPlugin:
    """The platform's own periodic work."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    @hookimpl
    def periodic(self) -> Iterable[tuple[str, float, Any]]:
        """The cluster's key is renewed long before it ends; what writers that died have left is removed."""
        return [
            ("service-key", KEY_PERIOD_S, self._renew),
            ("artifacts.sweep", SWEEP_PERIOD_S, self._rooms.artifacts.sweep),
        ]

    def _renew(self) -> None:
        refresh_service_key(self._rooms.tenancy, Path(os.environ[KEY_FILE_VARIABLE]))


def build_worker(rooms: Rooms, *, holder: str) -> Worker:
    """The worker with everything that rooms and installed plug-ins want done.

    Args:
        rooms: The rooms.
        holder: This process's name in the lease.
    """
    plugins = plugin_manager()
    reconciler = Reconciler(rooms.deployment_store, RayModelCluster(rooms.door_keys))
    for plugin in (
        PlatformPlugin(rooms),
        DeletionPlugin(rooms),
        rooms.tenancy,
        rooms.traces,
        ServePlugin(rooms.deployment_store, reconciler),
    ):
        plugins.register(plugin)
    load_installed(plugins)
    own = (rooms.jobs, rooms.evaluations, rooms.evaluation_calls, rooms.online_worker())
    contributed = [*plugins.hook.periodic(), *(room.periodic() for room in own)]
    tasks = [Task(name=name, period_s=period_s, run=run) for part in contributed for name, period_s, run in part]
    lease = Lease(rooms.database, LEASE_NAME, holder=holder, lifetime_s=LEASE_LIFETIME_S)
    return Worker(tasks, lease)
