"""Evaluations from Python: run, read, compare, gate.

    base = aip.evaluations.run("python-faq@3", answer, scorers=["hit@1", "citation"], name="v2")
    other = aip.evaluations.run("python-faq@3", better, scorers=["hit@1", "citation"], name="v3")
    print(aip.evaluations.compare(base, other, on="hit@1"))

Importing this loads nothing heavy: Ray and what computes come with the first `run`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aiplatform.client.http import Client
from aiplatform.eval.model import (
    Comparison,
    EvaluationRun,
    Leaderboard,
    RunStatus,
    from_json,
)

if TYPE_CHECKING:
    from aiplatform.eval.judging.api import CalibrationHandle

from aiplatform.eval.choosing import endpoint, hf_metric, inference_endpoint, measure, metric, scorer, to_hf, traces
from aiplatform.eval.handles import PAGE, ComparisonHandle, EvaluationHandle, LeaderboardHandle, id_of
from aiplatform.eval.running import estimate, resume, run

__all__ = [
    "ComparisonHandle",
    "EvaluationHandle",
    "LeaderboardHandle",
    "calibrate",
    "cancel",
    "compare",
    "comparison",
    "comparisons",
    "endpoint",
    "estimate",
    "find",
    "get",
    "hf_metric",
    "inference_endpoint",
    "leaderboard",
    "list",
    "measure",
    "metric",
    "resume",
    "run",
    "scorer",
    "to_hf",
    "traces",
]


def get(run_id: str, *, client: Client | None = None) -> EvaluationHandle:
    """The run of that id.

    Raises:
        NotFoundError: The project has none of that id.
    """
    client = client or Client()
    return EvaluationHandle(from_json(EvaluationRun, client.get(f"/api/v1/evaluations/{run_id}")), client)


def find(name: str, *, client: Client | None = None) -> EvaluationHandle:
    """The run of an id, or the newest completed run of a name.

    Raises:
        NotFoundError: The project has no such run.
    """
    client = client or Client()
    after: str | None = None
    while not name.startswith("eval-"):
        page = client.get("/api/v1/evaluations", status=str(RunStatus.COMPLETED), limit=PAGE, after=after)
        found = next((item for item in page["items"] if item["name"] == name), None)
        if found is not None:
            return EvaluationHandle(from_json(EvaluationRun, found), client)
        after = page["next"]
        if after is None:
            break
    return get(name, client=client)


def list(  # noqa: A001 - a verb on a noun
    *, data: str | None = None, status: RunStatus | str | None = None, limit: int = 50, client: Client | None = None
) -> tuple[EvaluationHandle, ...]:
    """Runs of the project, newest first; `data` is a label such as `python-faq@3`."""
    client = client or Client()
    wanted = str(status) if status is not None else None
    items = client.get("/api/v1/evaluations", limit=limit, data=data, status=wanted)["items"]
    return tuple(EvaluationHandle(from_json(EvaluationRun, item), client) for item in items)


def cancel(evaluation: EvaluationHandle | str, *, client: Client | None = None) -> EvaluationHandle:
    """Stop a run; one that has ended stays as it is."""
    client = client or Client()
    answer = client.post(f"/api/v1/evaluations/{id_of(evaluation)}:cancel", idempotent=True)
    return EvaluationHandle(from_json(EvaluationRun, answer), client)


def compare(
    baseline: EvaluationHandle | str,
    *candidates: EvaluationHandle | str,
    on: str = "",
    metrics: Sequence[str] = (),
    gate: str = "",
    name: str = "",
    client: Client | None = None,
    **options: Any,
) -> ComparisonHandle:
    """Compare runs with a baseline, row by row, and keep the result.

    Args:
        baseline: What the others are compared with.
        candidates: 1 to 10 runs on the same rows.
        on: Primary metric; by default the baseline's own.
        metrics: Further metrics.
        gate: Conditions such as `hit@1 >= 0.5 and not worse_than(baseline, "hit@1", 0.01)`.
        name: What people call the comparison.
        client: By default one made from the environment.
        options: `level`, `seed`, `draws`, `test`, `cluster`, `slices`, `force`, as in the HTTP API.

    Raises:
        InvalidError: The gate cannot be understood.
        ConflictError: The runs rest on different data or scorers, and `force` is off.
    """
    client = client or Client()
    body = {
        "baseline": id_of(baseline),
        "candidates": [id_of(each) for each in candidates],
        "on": on,
        "metrics": [*metrics],
        "gate": gate,
        "name": name,
        **options,
    }
    return ComparisonHandle(from_json(Comparison, client.post("/api/v1/comparisons", body)), client)


def leaderboard(
    *runs: EvaluationHandle | str,
    data: str = "",
    on: str = "",
    metrics: Sequence[str] = (),
    force: bool = False,
    client: Client | None = None,
) -> LeaderboardHandle:
    """Runs in the order of a metric, with intervals and the ranks that each keeps when the rows are drawn anew.

    Args:
        runs: Which; with none, the newest run of every name on `data`.
        data: Data set version, `python-faq@3`.
        on: Metric that ranks; by default the first run's own.
        metrics: Metrics beside it; by default all.
        force: Rank runs of different rows, scorers or judges too; the leaderboard is then marked.
        client: By default one made from the environment.

    Raises:
        InvalidError: There are too few or too many runs.
        ConflictError: The runs cannot be ranked together, and `force` is off.
    """
    client = client or Client()
    answer = client.get(
        "/api/v1/leaderboard",
        run=[id_of(each) for each in runs] or None,
        data=data or None,
        on=on or None,
        metric=[*metrics] or None,
        force=force or None,
    )
    return LeaderboardHandle(from_json(Leaderboard, answer))


def calibrate(run: EvaluationHandle | str, **options: Any) -> CalibrationHandle:
    """Compare a judge's scores of a run with people: see `aiplatform.judges.calibrate`."""
    from aiplatform.eval.judging import api as judges  # noqa: PLC0415 - judges build on this module

    return judges.calibrate(run, **options)


def comparison(comparison_id: str, *, client: Client | None = None) -> ComparisonHandle:
    """The comparison of that id.

    Raises:
        NotFoundError: The project has none of that id.
    """
    client = client or Client()
    return ComparisonHandle(from_json(Comparison, client.get(f"/api/v1/comparisons/{comparison_id}")), client)


def comparisons(*, limit: int = 50, client: Client | None = None) -> tuple[ComparisonHandle, ...]:
    """Comparisons of the project, newest first."""
    client = client or Client()
    items = client.get("/api/v1/comparisons", limit=limit)["items"]
    return tuple(ComparisonHandle(from_json(Comparison, item), client) for item in items)
