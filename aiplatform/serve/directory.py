"""What the doors know of deployments without asking the database for every request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from aiplatform.core.errors import AIPlatformError, NotFoundError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.serve.model import Deployment, Status

TTL_S: Final = 1.0
MISS_TTL_S: Final = 0.25
"""An unknown name is looked up again after this long, so that a new deployment answers at once."""

_MAX_SCOPES: Final = 1024


class DeploymentList(Protocol):
    """Where deployments are read: the store, or a list in tests."""

    def list(self, scope: Scope) -> Sequence[Deployment]:
        """Every deployment of the project."""
        ...


class Directory:
    """Deployments by scope and name, at most `TTL_S` old. Belongs to one event loop."""

    def __init__(self, store: DeploymentList, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._known: dict[Scope, tuple[float, Mapping[str, Deployment]]] = {}
        self._reading: dict[Scope, asyncio.Task[Mapping[str, Deployment]]] = {}

    async def all(self, scope: Scope) -> Mapping[str, Deployment]:
        """Every deployment of the project by name."""
        known = self._known.get(scope)
        if known is not None and self._monotonic() - known[0] < TTL_S:
            return known[1]
        return await self._refresh(scope)

    async def find(self, scope: Scope, name: str) -> Deployment:
        """The deployment, where it can be called.

        Raises:
            NotFoundError: The project has none of this name.
            TransientError: It is there, and does not answer now; the message says why.
        """
        found = (await self.all(scope)).get(name)
        if found is None and self._monotonic() - self._known[scope][0] >= MISS_TTL_S:
            found = (await self._refresh(scope)).get(name)
        if found is None:
            raise unknown_model(name)
        if found.state.status is not Status.READY and found.state.ready_replicas == 0:
            raise not_answering(found)
        return found

    async def _refresh(self, scope: Scope) -> Mapping[str, Deployment]:
        """Read once for all who ask meanwhile: what grows too old does so for every request at the same moment."""
        task = self._reading.get(scope)
        if task is None:
            task = self._reading[scope] = asyncio.create_task(self._read(scope))
            task.add_done_callback(lambda _: self._reading.pop(scope, None))
        return await asyncio.shield(task)  # one who leaves takes nothing from those who wait

    async def _read(self, scope: Scope) -> Mapping[str, Deployment]:
        deployments = {found.name: found for found in await asyncio.to_thread(self._store.list, scope)}
        if len(self._known) >= _MAX_SCOPES:
            self._known.clear()
        self._known[scope] = (self._monotonic(), deployments)
        return deployments


def unknown_model(name: str) -> NotFoundError:
    """The error of a name that nothing is deployed under."""
    return NotFoundError(
        N_("There is no model {name!r} in this project."),
        hint=N_("GET /v1/models lists those there are; `aiplatform deployments apply` makes one."),
        reason="model_not_found",
        name=name,
    )


def not_answering(deployment: Deployment) -> AIPlatformError:
    """Why a deployment that exists does not answer now."""
    status, name = deployment.state.status, deployment.name
    if status is Status.STOPPED:
        return TransientError(
            N_("The model {name!r} is stopped: no replicas are wanted."),
            hint=N_("Apply it with at least one replica."),
            reason="model.stopped",
            name=name,
        )
    if status is Status.FAILED:
        return TransientError(
            N_("The model {name!r} does not run: {problem}"),
            hint=N_("`aiplatform deployments get` shows its state and revisions."),
            reason="model.down",
            retry_after_s=10.0,
            name=name,
            problem=deployment.state.message or "",
        )
    return TransientError(
        N_("The model {name!r} is starting."),
        hint=N_("Try again in a moment."),
        reason="model.starting",
        retry_after_s=2.0,
        name=name,
    )
