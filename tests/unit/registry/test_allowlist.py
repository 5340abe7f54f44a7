"""Which of MLflow's routes answer."""

import pytest

from aiplatform.registry.allowlist import EXACT, PATTERNS, permission_for
from aiplatform.tenancy.permissions import Permission


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("POST", "/api/2.0/mlflow/runs/create", Permission.EXPERIMENTS_WRITE),
        ("POST", "/api/2.0/mlflow/runs/search", Permission.EXPERIMENTS_READ),
        ("GET", "/api/2.0/mlflow/metrics/get-history", Permission.EXPERIMENTS_READ),
        ("POST", "/api/2.0/mlflow/registered-models/alias", Permission.MODELS_WRITE),
        ("GET", "/api/2.0/mlflow/registered-models/alias", Permission.MODELS_READ),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts/x.txt", Permission.ARTIFACTS_WRITE),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts", Permission.ARTIFACTS_READ),
        ("PATCH", "/api/2.0/mlflow/logged-models/m-1", Permission.MODELS_WRITE),
        ("GET", "/version", Permission.SIGNED_IN),
        ("POST", "/v1/traces", Permission.TRACES_WRITE),
        ("POST", "/api/3.0/mlflow/traces/search", Permission.TRACES_READ),
        ("GET", "/api/3.0/mlflow/traces/tr-1", Permission.TRACES_READ),
        ("PATCH", "/api/2.0/mlflow/traces/tr-1/tags", Permission.TRACES_WRITE),
        ("POST", "/api/3.0/mlflow/traces/tr-1/assessments", Permission.SCORES_WRITE),
    ],
)
def test_what_stock_clients_use_is_offered_for_a_permission(method: str, path: str, permission: Permission) -> None:
    assert permission_for(method, path) is permission


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/graphql"),
        ("POST", "/graphql"),
        ("GET", "/get-artifact"),
        ("GET", "/model-versions/get-artifact"),
        ("GET", "/api/3.0/mlflow/gateway/secrets/list"),
        ("POST", "/api/3.0/mlflow/workspaces"),
        ("GET", "/api/3.0/mlflow/workspaces"),
        ("DELETE", "/api/3.0/mlflow/workspaces/other"),
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("GET", "/api/3.0/mlflow/mcp-servers"),
        ("POST", "/api/2.0/mlflow/artifacts/presigned-upload-url"),
        ("POST", "/ajax-api/2.0/mlflow/runs/create"),
        ("GET", "/static-files/x.js"),
        ("GET", "/v1/traces"),
        ("POST", "/api/2.0/mlflow/traces"),
        ("POST", "/api/3.0/mlflow/traces/metrics"),
        ("GET", "/api/3.0/mlflow/traces/tr-1/tags"),
        ("DELETE", "/api/2.0/mlflow/runs/create"),
        ("GET", "/api/2.0/mlflow/runs/get/"),
        ("GET", "/api/2.0/mlflow/logged-models/a/b"),
    ],
)
def test_everything_else_is_not_offered(method: str, path: str) -> None:
    assert permission_for(method, path) is None


def test_reading_routes_need_no_more_than_reading() -> None:
    for (method, _), permission in EXACT.items():
        if method == "GET":
            assert permission is Permission.SIGNED_IN or permission.endswith(".read")
    for method, _, permission in PATTERNS:
        assert (method == "GET") == permission.endswith(".read")
