"""The desk as one named Ray actor, which workers of all runs of a project share and make anew where it was lost."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

import ray
from ray.exceptions import RayActorError

from aiplatform.eval.calling.desk import Desk, Reply, Report

logger = logging.getLogger(__name__)

NAMESPACE: Final = "aiplatform-evaluation"
MAX_CALLS: Final = 10_000
"""Reports that may wait at a time: one or two a worker."""

_TRIES: Final = 20
_AGAIN_S: Final = 0.25


class RayDesk:
    """The desk of one project, wherever in the cluster it lives.

    Args:
        project: Tenant and project, `acme/default`: others have desks of their own.
    """

    def __init__(self, project: str) -> None:
        self._name = f"calls/{project}"
        self._actor: Any = None

    async def sync(self, report: Report) -> Reply:
        """Take in a report and answer it; a desk that was lost is made anew and asked again."""
        for attempt in range(1, _TRIES + 1):
            try:
                reply: Reply = await self._handle().sync.remote(report)
                return reply
            except RayActorError:
                logger.warning("the desk of calls was lost; it is made anew", extra={"desk": self._name})
                self._actor = None
                if attempt == _TRIES:
                    raise
                await asyncio.sleep(_AGAIN_S)
        raise AssertionError("unreachable")

    async def leave(self, worker_id: str, run_id: str) -> None:
        """Forget a worker; where the desk is gone, it has forgotten everybody."""
        try:
            await self._handle().leave.remote(worker_id, run_id)
        except RayActorError:
            self._actor = None

    def _handle(self) -> Any:
        if self._actor is None:
            # Detached: it outlives the job that made it, because other jobs' workers count on the same limits.
            self._actor = (
                ray.remote(Desk)
                .options(
                    name=self._name,
                    namespace=NAMESPACE,
                    lifetime="detached",
                    get_if_exists=True,
                    num_cpus=0,
                    max_restarts=-1,
                    max_concurrency=MAX_CALLS,
                )
                .remote()
            )
        return self._actor
