"""Which of MLflow's routes answer, and what each needs: everything that is not here is 404.

MLflow 3.17 has about 392 routes, among them secrets of a model gateway, an assistant, webhooks and MCP servers. The
platform hosts the ones that stock clients use for runs, models, prompts, artifacts and traces.
"""

from __future__ import annotations

import re
from typing import Final

from aiplatform.tenancy.permissions import Permission

_P: Final = Permission
_V2: Final = "/api/2.0/mlflow/"
_V3: Final = "/api/3.0/mlflow/"

_EXPERIMENTS: Final = {
    _P.EXPERIMENTS_READ: (
        "GET experiments/get",
        "GET experiments/get-by-name",
        "GET experiments/search",
        "POST experiments/search",
        "GET runs/get",
        "POST runs/search",
        "GET metrics/get-history",
        "GET metrics/get-history-bulk-interval",
        "GET artifacts/list",
    ),
    _P.EXPERIMENTS_WRITE: (
        "POST experiments/create",
        "POST experiments/update",
        "POST experiments/delete",
        "POST experiments/restore",
        "POST experiments/set-experiment-tag",
        "POST experiments/delete-experiment-tag",
        "POST runs/create",
        "POST runs/update",
        "POST runs/delete",
        "POST runs/restore",
        "POST runs/log-batch",
        "POST runs/log-inputs",
        "POST runs/log-metric",
        "POST runs/log-model",
        "POST runs/log-parameter",
        "POST runs/outputs",
        "POST runs/set-tag",
        "POST runs/delete-tag",
    ),
}
# Prompts are registered models that carry a tag, so both share these routes and their permissions.
_MODELS: Final = {
    _P.MODELS_READ: (
        "GET registered-models/get",
        "GET registered-models/search",
        "GET registered-models/alias",
        "GET registered-models/get-latest-versions",
        "POST registered-models/get-latest-versions",
        "GET model-versions/get",
        "GET model-versions/search",
        "GET model-versions/get-download-uri",
        "POST logged-models/search",
    ),
    _P.MODELS_WRITE: (
        "POST registered-models/create",
        "POST registered-models/rename",
        "PATCH registered-models/update",
        "DELETE registered-models/delete",
        "POST registered-models/set-tag",
        "DELETE registered-models/delete-tag",
        "POST registered-models/alias",
        "DELETE registered-models/alias",
        "POST model-versions/create",
        "PATCH model-versions/update",
        "DELETE model-versions/delete",
        "POST model-versions/set-tag",
        "DELETE model-versions/delete-tag",
        "POST model-versions/transition-stage",
        "POST logged-models",
    ),
}
# Traces are the platform's own: `registry/mlflow_traces.py` answers these, MLflow never sees them.
_TRACES: Final = {
    _P.TRACES_READ: (
        "GET traces/get",
        "GET traces/batchGet",
        "POST traces/batchGetInfos",
        "POST traces/search",
    ),
    _P.TRACES_WRITE: (
        "POST traces",
        "POST traces/delete-traces",
        "POST traces/link-to-run",
    ),
}
_ONE_TRACE: Final = "traces/(?P<trace_id>[^/]+)"
_ASSESSMENT: Final = rf"{_V3}{_ONE_TRACE}/assessments/(?P<assessment_id>[^/]+)"
OTLP_PATH: Final = "/v1/traces"
TRACE_EXACT: Final[dict[tuple[str, str], Permission]] = {
    **{
        (method, f"{version}{path}"): permission
        for permission, routes in _TRACES.items()
        for method, _, path in (route.partition(" ") for route in routes)
        for version in (_V2, _V3)
        if version == _V3 or path in {"traces/delete-traces", "traces/link-to-run"}
    },
    ("POST", OTLP_PATH): _P.TRACES_WRITE,
}
TRACE_PATTERNS: Final[tuple[tuple[str, re.Pattern[str], Permission], ...]] = (
    ("GET", re.compile(rf"{_V3}{_ONE_TRACE}"), _P.TRACES_READ),
    ("PATCH", re.compile(rf"/api/[23]\.0/mlflow/{_ONE_TRACE}/tags"), _P.TRACES_WRITE),
    ("DELETE", re.compile(rf"/api/[23]\.0/mlflow/{_ONE_TRACE}/tags"), _P.TRACES_WRITE),
    ("POST", re.compile(rf"{_V3}{_ONE_TRACE}/assessments"), _P.SCORES_WRITE),
    ("GET", re.compile(_ASSESSMENT), _P.TRACES_READ),
    ("PATCH", re.compile(_ASSESSMENT), _P.SCORES_WRITE),
    ("DELETE", re.compile(_ASSESSMENT), _P.SCORES_WRITE),
)
EXACT: Final[dict[tuple[str, str], Permission]] = {
    **{
        (method, f"{_V2}{path}"): permission
        for group in (_EXPERIMENTS, _MODELS)
        for permission, routes in group.items()
        for method, _, path in (route.partition(" ") for route in routes)
    },
    **TRACE_EXACT,
    ("GET", "/version"): _P.SIGNED_IN,
    ("GET", "/health"): _P.SIGNED_IN,
    ("GET", f"{_V3}server-info"): _P.SIGNED_IN,
    ("GET", "/api/2.0/mlflow-artifacts/artifacts"): _P.ARTIFACTS_READ,
}
_LOGGED_MODEL: Final = f"{_V2}logged-models/[^/]+"
PATTERNS: Final[tuple[tuple[str, re.Pattern[str], Permission], ...]] = (
    ("GET", re.compile(r"/api/2\.0/mlflow-artifacts/artifacts/.+"), _P.ARTIFACTS_READ),
    ("PUT", re.compile(r"/api/2\.0/mlflow-artifacts/artifacts/.+"), _P.ARTIFACTS_WRITE),
    ("DELETE", re.compile(r"/api/2\.0/mlflow-artifacts/artifacts/.+"), _P.ARTIFACTS_WRITE),
    ("GET", re.compile(_LOGGED_MODEL), _P.MODELS_READ),
    ("PATCH", re.compile(_LOGGED_MODEL), _P.MODELS_WRITE),
    ("DELETE", re.compile(_LOGGED_MODEL), _P.MODELS_WRITE),
    ("GET", re.compile(rf"{_LOGGED_MODEL}/artifacts/directories"), _P.MODELS_READ),
    ("POST", re.compile(rf"{_LOGGED_MODEL}/params"), _P.MODELS_WRITE),
    ("PATCH", re.compile(rf"{_LOGGED_MODEL}/tags"), _P.MODELS_WRITE),
    ("DELETE", re.compile(rf"{_LOGGED_MODEL}/tags/[^/]+"), _P.MODELS_WRITE),
    *TRACE_PATTERNS,
)


def permission_for(method: str, path: str) -> Permission | None:
    """What a call of MLflow's interface needs; None where the route does not answer here.

    Args:
        method: Upper case.
        path: Decoded, without the platform's own prefix.
    """
    exact = EXACT.get((method, path))
    if exact is not None:
        return exact
    for allowed, pattern, permission in PATTERNS:
        if method == allowed and pattern.fullmatch(path):
            return permission
    return None
