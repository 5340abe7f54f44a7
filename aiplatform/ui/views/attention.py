"""What needs somebody, the gravest first: deployments that do not answer, runs that failed, traces with errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from aiplatform.core.i18n import N_
from aiplatform.eval.model import EvaluationRun, RunStatus
from aiplatform.serve.model import Deployment
from aiplatform.serve.model import Status as DeploymentStatus
from aiplatform.ui import formatting

MOST: Final = 6
MOST_RUNS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One line: what is wrong, since when, and where to look."""

    tone: str
    icon: str
    text: str
    detail: str
    path: str
    """Below `/tenant/project`."""

    since_ns: int | None


def needs(
    *,
    deployments: Sequence[Deployment],
    runs: Sequence[EvaluationRun],
    failed_traces: int,
    num_traces: int,
    share: str,
    last: str,
    text: Callable[[str], str],
) -> list[Need]:
    """What needs somebody.

    Args:
        deployments: All of the project.
        runs: The newest evaluation runs.
        failed_traces: Traces of the time range with errors.
        num_traces: All traces of the time range.
        share: The one by the other, as it is shown.
        last: Key of the time range.
        text: Translates a marked text.
    """
    found = [_deployment(one, text) for one in deployments if one.state.status is DeploymentStatus.FAILED]
    found += [_short(one, text) for one in deployments if _is_short(one)]
    found += [_run(run, text) for run in runs if run.status is RunStatus.FAILED][:MOST_RUNS]
    if failed_traces:
        found.append(
            Need(
                tone="worse",
                icon="circle-x",
                text=text(N_("{failed} of {total} traces have errors")).format(
                    failed=formatting.number(failed_traces), total=formatting.number(num_traces)
                ),
                detail=share,
                path="/traces?" + urlencode({"q": "errors:yes", "last": last}),
                since_ns=None,
            )
        )
    return found[:MOST]


def _deployment(one: Deployment, text: Callable[[str], str]) -> Need:
    return Need(
        tone="worse",
        icon="circle-x",
        text=text(N_("{name} does not answer")).format(name=one.name),
        detail=one.state.message or "",
        path=f"/deployments/{one.name}",
        since_ns=one.state.since_ns or None,
    )


def _is_short(one: Deployment) -> bool:
    return one.state.status is DeploymentStatus.READY and one.state.ready_replicas < one.spec.replicas


def _short(one: Deployment, text: Callable[[str], str]) -> Need:
    return Need(
        tone="unsure",
        icon="triangle-alert",
        text=text(N_("{name} has {ready} of {wanted} replicas")).format(
            name=one.name, ready=one.state.ready_replicas, wanted=one.spec.replicas
        ),
        detail=one.state.message or "",
        path=f"/deployments/{one.name}",
        since_ns=one.state.since_ns or None,
    )


def _run(run: EvaluationRun, text: Callable[[str], str]) -> Need:
    return Need(
        tone="worse",
        icon="circle-x",
        text=text(N_("The evaluation {name} failed")).format(name=run.name),
        detail=run.error or "",
        path=f"/evaluations/{run.run_id}",
        since_ns=run.ended_ns or run.created_ns,
    )
