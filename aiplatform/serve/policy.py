"""Decisions about deployments: what fits, what to do next, and what a cluster's words come down to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiplatform.core.errors import AIPlatformError, ConflictError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.serve.model import DeploymentSpec, DeploymentState, Status
from aiplatform.serve.ports import Resources, Seen

NANOSECONDS: Final = 1_000_000_000
START_PATIENCE_S: Final = 300.0
"""How long replicas may take to start before that is a failure to tell of."""

FIRST_RETRY_S: Final = 20.0
LAST_RETRY_S: Final = 900.0
MAX_MESSAGE_CHARS: Final = 500
_TOLERANCE: Final = 1e-6
_RAISED: Final = re.compile(
    r"^(?:\w+\.)*(?P<kind>[A-Za-z_]\w*(?:Error|Exception|Exit|Interrupt|Warning)): (?P<text>.+)$"
)
_WRAPPERS: Final = ("RayTaskError", "RayActorError", "ActorDiedError", "TraceError")


class Step(StrEnum):
    """What the reconciler does about one deployment."""

    NOTHING = "nothing"
    DEPLOY = "deploy"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The step, and what is then to be told of the deployment."""

    step: Step
    status: Status
    message: str | None = None
    ready_replicas: int = 0


def refusal(
    spec: DeploymentSpec, others: Iterable[DeploymentSpec], nodes: Sequence[Resources] | None
) -> AIPlatformError | None:
    """Why the cluster can never hold this beside the others; None where it can.

    Args:
        spec: What is asked for.
        others: What every other deployment of the cluster wants.
        nodes: Total resources of each living node; None where nobody knows.
    """
    if spec.replicas == 0:
        return None
    if not nodes:
        return TransientError(
            N_("The cluster does not answer, so nothing can be deployed now."),
            hint=N_("`aiplatform doctor` looks at it. Try again when it is back."),
            reason="deployment.no_cluster",
            retry_after_s=5.0,
        )
    others = list(others)
    for resource in ("num_cpus", "num_gpus"):
        wanted = getattr(spec, resource)
        largest = max(getattr(node, resource) for node in nodes)
        if wanted > largest + _TOLERANCE:
            return ConflictError(
                N_("No machine of the cluster has {wanted:g} {resource} for one replica; the largest has {largest:g}."),
                hint=N_("Ask for less, or add a larger machine."),
                reason="deployment.too_large",
                resource=_RESOURCE_NAMES[resource],
                wanted=wanted,
                largest=largest,
            )
        taken = sum(other.replicas * getattr(other, resource) for other in others)
        total = sum(getattr(node, resource) for node in nodes)
        if spec.replicas * wanted > total - taken + _TOLERANCE:
            return ConflictError(
                N_("{wanted:g} {resource} are needed; the cluster has {total:g}, other deployments hold {taken:g}."),
                hint=N_("Ask for fewer replicas, delete another deployment, or add a machine."),
                reason="deployment.no_capacity",
                resource=_RESOURCE_NAMES[resource],
                wanted=spec.replicas * wanted,
                total=total,
                taken=taken,
            )
    return None


def next_step(
    spec: DeploymentSpec,
    state: DeploymentState,
    seen: Seen | None,
    *,
    is_deployed: bool,
    num_attempts: int,
    now_ns: int,
) -> Decision:
    """What to do about one deployment, and what to tell of it.

    Args:
        spec: What is wanted.
        state: What was told last.
        seen: What the cluster runs under its name; None where nothing does.
        is_deployed: Whether the cluster was given the wanted revision.
        num_attempts: How often this revision failed and was tried again.
        now_ns: The time.
    """
    if spec.replicas == 0:
        gone = seen is None or seen.phase == "deleting"
        return Decision(step=Step.NOTHING if gone else Step.REMOVE, status=Status.STOPPED)
    if seen is not None and seen.phase == "deleting":
        return Decision(step=Step.NOTHING, status=Status.PENDING, message=N_("Waiting for the former replicas to end."))
    if seen is None or not is_deployed:
        ready = 0 if seen is None else seen.ready_replicas
        return Decision(step=Step.DEPLOY, status=Status.STARTING, ready_replicas=ready)
    waited_s = (now_ns - state.since_ns) / NANOSECONDS
    if seen.phase == "running":
        return Decision(step=Step.NOTHING, status=Status.READY, ready_replicas=seen.ready_replicas)
    if seen.phase == "failed":
        due = state.status is Status.FAILED and waited_s >= retry_after_s(num_attempts)
        return Decision(
            step=Step.DEPLOY if due else Step.NOTHING,
            status=Status.FAILED,
            message=sentence_of(seen.message),
            ready_replicas=seen.ready_replicas,
        )
    late = waited_s >= START_PATIENCE_S or state.status is Status.FAILED
    message = sentence_of(seen.message)
    if late and message is None:
        message = N_("Its replicas did not start within five minutes.")
    return Decision(
        step=Step.NOTHING,
        status=Status.FAILED if late else Status.STARTING,
        message=message,
        ready_replicas=seen.ready_replicas,
    )


def retry_after_s(num_attempts: int) -> float:
    """Seconds from failure number `num_attempts` (counted from 0) to the next try: doubling, at most 15 minutes."""
    return float(min(FIRST_RETRY_S * 2 ** min(num_attempts, 10), LAST_RETRY_S))


def sentence_of(message: str) -> str | None:
    """The sentence that matters of a cluster's message: the error that was raised last, without its traceback."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    for line in reversed(lines):
        raised = _RAISED.match(line)
        if raised is not None and raised["kind"] not in _WRAPPERS:
            return _shortened(f"{raised['kind']}: {raised['text']}")
    return _shortened(lines[0]) if lines else None


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE_CHARS else f"{text[: MAX_MESSAGE_CHARS - 1]}…"


_RESOURCE_NAMES: Final = {"num_cpus": N_("CPUs"), "num_gpus": N_("GPUs")}
_ORDER: Final = {Status.FAILED: 0, Status.PENDING: 1, Status.STARTING: 2, Status.READY: 3, Status.STOPPED: 4}


def urgency(status: Status) -> int:
    """Place in a list: what needs somebody stands first."""
    return _ORDER[status]
