"""What is asked of a platform before its data are packed, and again of the version that reads them."""

from __future__ import annotations

from typing import Any, Final

MLFLOW: Final = "/mlflow/api/2.0/mlflow"
PATHS: Final = (
    "/api/v1/me", "/api/v1/projects", "/api/v1/members", "/api/v1/keys", "/api/v1/audit?action=tenants",
    "/api/v1/traces", "/api/v1/traces?q=medlar", "/api/v1/traces?q=枇杷", "/api/v1/traces?session_id=basket",
    "/api/v1/traces/{trace_id}", "/api/v1/traces/{trace_id}/spans/{span_id}", "/api/v1/scores?trace_id={trace_id}",
    "/api/v1/datasets", "/api/v1/datasets/fruit/versions", "/api/v1/datasets/fruit/versions/1/rows",
    "/api/v1/datasets/fruit/versions/2/rows", "/api/v1/evaluations", "/api/v1/evaluations/{evaluation_id}",
    "/api/v1/evaluations/{evaluation_id}/rows", "/api/v1/comparisons/{comparison_id}",
    "/api/v1/comparisons/{comparison_id}/rows", "/api/v1/experiments", "/api/v1/experiments/runs/{mlflow_run_id}",
    "/api/v1/experiments/runs/{mlflow_run_id}/metrics?key=loss", "/api/v1/models", "/api/v1/models/sorter",
    "/api/v1/models/sorter/versions", "/api/v1/models/sorter/versions/champion",
    "/api/v1/lineage?kind=dataset&reference=fruit@2", "/api/v1/training-runs",
    "/api/v1/training-runs/{training_run_id}",
    "/api/v1/jobs", "/api/v1/jobs/{job_id}", "/api/v1/deployments", "/api/v1/deployments/greeter",
    f"{MLFLOW}/experiments/get-by-name?experiment_name=fruit", f"{MLFLOW}/runs/get?run_id={{mlflow_run_id}}",
    f"{MLFLOW}/artifacts/list?run_id={{mlflow_run_id}}&path=model",
    f"{MLFLOW}/model-versions/get?name=sorter&version=1",
)  # fmt: skip
FILES: Final = ("/api/v1/artifacts/notes/read me.txt", "/mlflow/api/2.0/mlflow-artifacts/artifacts/{mlflow_file}")
"""Whose bytes must be the same."""

PAGES: Final = (
    "", "/traces", "/traces/{trace_id}", "/evaluations", "/evaluations/{evaluation_id}", "/comparisons/{comparison_id}",
    "/datasets/fruit", "/experiments", "/models/sorter", "/deployments/greeter", "/members", "/keys",
)  # fmt: skip
_MOVING: Final = frozenset({"last_used_ns", "freshness", "seen_ns", "since_ns", "updated_ns", "status_message"})


def stays(value: Any) -> Any:
    """An answer without what moves by itself."""
    if isinstance(value, dict):
        return {key: stays(item) for key, item in value.items() if key not in _MOVING}
    return [stays(item) for item in value] if isinstance(value, list) else value


def missing(old: Any, new: Any, where: str = "") -> list[str]:
    """What an older answer had and a newer one has not, or has otherwise; what is new is no loss."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [one for key, item in old.items() for one in missing(item, new.get(key), f"{where}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [one for place, (before, after) in pairs for one in missing(before, after, f"{where}[{place}]")]
    if _is_words(old) and _is_words(new):
        return [f"{where}: {word!r} is gone" for word in old if word not in new]
    return [] if old == new else [f"{where}: {old!r} became {new!r}"]


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)
