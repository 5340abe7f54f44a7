"""Waiting until the deployments that are wanted run again."""

from __future__ import annotations

import time
from typing import Final

from aiplatform.core.i18n import N_
from aiplatform.gateway.installation import Installation
from aiplatform.gateway.report import Step
from aiplatform.gateway.services import Services
from aiplatform.serve.model import Deployment, Status

TIMEOUT_S: Final = 120.0
_POLL_S: Final = 0.3


def wanted_deployments(here: Installation) -> list[Deployment]:
    """Every deployment that shall run, of all tenants."""
    services = Services(here.settings)
    try:
        found = [row.deployment for row in services.deployment_store.wanted("list deployments")]
    finally:
        services.close()
    return [deployment for deployment in found if deployment.spec.replicas > 0]


def wait_restored(here: Installation, step: Step, *, since_ns: int) -> None:
    """Wait until the reconciler has brought back, or given up, each deployment; one that fails is told, not raised.

    Args:
        here: The installation.
        step: Where it is told.
        since_ns: When this Ray was started: what was seen before does not count.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        deployments = wanted_deployments(here)
        waiting = [one for one in deployments if not _is_settled(one, since_ns)]
        if not waiting or time.monotonic() > deadline:
            break
        step.tell(N_("restoring {names}"), names=_names(waiting))
        time.sleep(_POLL_S)
    ready = [one for one in deployments if one not in waiting and one.state.status is Status.READY]
    others = [one for one in deployments if one not in ready]
    if others:
        step.result(N_("{ready} restored; not yet: {others}"), ready=_names(ready) or "—", others=_names(others))
    elif ready:
        step.result(N_("{ready} restored"), ready=_names(ready))
    else:
        step.result(N_("none"))


def _is_settled(deployment: Deployment, since_ns: int) -> bool:
    state = deployment.state
    return state.seen_ns >= since_ns and state.status in {Status.READY, Status.FAILED}


def _names(deployments: list[Deployment]) -> str:
    return ", ".join(f"{one.name} v{one.current.number}" for one in deployments)
