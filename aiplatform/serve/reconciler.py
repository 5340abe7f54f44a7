"""Makes the cluster run what the rows want: after `up`, after `kill -9`, after a replaced cluster."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.scope import Scope
from aiplatform.serve.model import Deployment, DeploymentState, Status
from aiplatform.serve.policy import NANOSECONDS, Decision, Step, next_step, sentence_of
from aiplatform.serve.ports import ModelApplication, ModelCluster, Seen
from aiplatform.serve.store import DeploymentStore, WantedRow

logger = logging.getLogger(__name__)

PERIOD_S: Final = 3.0
"""Seconds between two passes."""

_REFRESH_NS: Final = 60 * NANOSECONDS


class Reconciler:
    """Compares wanted rows with running applications. One lives at a time, in the worker."""

    def __init__(self, store: DeploymentStore, cluster: ModelCluster, *, clock: Clock | None = None) -> None:
        self._store = store
        self._cluster = cluster
        self._clock = clock or SystemClock()
        self._attempts: dict[str, int] = {}

    def run(self) -> None:
        """One pass. A deployment that cannot be helped does not hold up the others.

        Raises:
            AIPlatformError: Database or cluster do not answer; nothing was changed.
        """
        wanted = self._store.wanted()
        seen = self._cluster.seen()
        for row in wanted:
            self._settle(row, seen)
        names = {row.deployment.application for row in wanted}
        for application in seen.keys() - names:
            if seen[application].phase != "deleting":
                logger.info("removing an application that nobody wants", extra={"application": application})
                self._cluster.remove(application)

    def _settle(self, row: WantedRow, seen: Mapping[str, Seen]) -> None:
        deployment, now_ns = row.deployment, self._clock.now_ns()
        revision_id = deployment.current.revision_id
        decision = next_step(
            deployment.spec,
            deployment.state,
            seen.get(deployment.application),
            is_deployed=row.deployed_revision_id == revision_id,
            num_attempts=self._attempts.get(revision_id, 0),
            now_ns=now_ns,
        )
        deployed_revision_id = None
        try:
            deployed_revision_id = self._act(deployment, decision)
        except Exception as error:
            # What one deployment's spec makes Ray raise is told of that deployment; the next pass tries again.
            message = sentence_of(f"{type(error).__name__}: {error}")
            if message != deployment.state.message:
                logger.exception("a deployment cannot be run", extra={"application": deployment.application})
            decision = replace(decision, status=Status.FAILED, message=message)
        self._tell(deployment, decision, deployed_revision_id, now_ns)

    def _act(self, deployment: Deployment, decision: Decision) -> str | None:
        """Do it; the revision that the cluster was given, where it was given one."""
        revision_id = deployment.current.revision_id
        if decision.status is Status.READY:
            self._attempts.pop(revision_id, None)
        if decision.step is Step.REMOVE:
            self._cluster.remove(deployment.application)
        if decision.step is not Step.DEPLOY:
            return None
        if decision.status is Status.FAILED:
            self._attempts[revision_id] = self._attempts.get(revision_id, 0) + 1
        logger.info("deploying", extra={"application": deployment.application, "revision": deployment.current.number})
        self._cluster.deploy(
            ModelApplication(
                application=deployment.application,
                scope=Scope(tenant_id=deployment.tenant_id, project_id=deployment.project_id),
                revision_id=revision_id,
                spec=deployment.spec,
            )
        )
        return revision_id

    def _tell(self, deployment: Deployment, decision: Decision, deployed_revision_id: str | None, now_ns: int) -> None:
        before = deployment.state
        # A retry begins a new wait, so that the next one comes later.
        changed = before.status is not decision.status or decision.step is Step.DEPLOY
        state = DeploymentState(
            status=decision.status,
            message=decision.message,
            ready_replicas=decision.ready_replicas,
            seen_ns=now_ns,
            since_ns=now_ns if changed else before.since_ns,
        )
        same = replace(state, seen_ns=before.seen_ns) == before and deployed_revision_id is None
        if same and now_ns - before.seen_ns < _REFRESH_NS:
            return
        self._store.tell(deployment, state, deployed_revision_id=deployed_revision_id)
