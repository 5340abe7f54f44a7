"""One request for every route of the platform, with the first tenant's ids in it.

A placeholder (`{trace_id}`) stands for an id of the first tenant or, for comparison, for one that names nothing.
`{fresh}` is a new name each time. A route without a sample makes `test_isolation` fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiplatform.registry.allowlist import EXACT, PATTERNS, TRACE_PATTERNS
from aiplatform.tenancy.permissions import Permission
from aiplatform.testing.otlp import export_request, logs_request, make_record, make_span

_P: Final = Permission
_API: Final = "/api/v1"
_PAGES: Final = "/{tenant:tenant}/{project}"
_MLFLOW: Final = "/mlflow/api/2.0/mlflow"
_FILES: Final = "/mlflow/api/2.0/mlflow-artifacts/artifacts"
_LOGGED: Final = f"{_MLFLOW}/logged-models/{{logged_model_id}}"
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
_OTLP: Final = {"content-type": "application/x-protobuf"}
_LOGS: Final = logs_request([make_record("gen_ai.user.message", {"content": "x"}, trace=7, span=7)]).SerializeToString()
_SPANS: Final = export_request([make_span(7, trace=7, name="a span of the caller's own")]).SerializeToString()

PUBLIC: Final = frozenset({
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-out"),
    ("GET", "/static/{version}/{name:path}"), ("GET", "/favicon.ico"), ("POST", "/preferences"), ("*", "/v2"),
})  # fmt: skip
"""Routes that ask for nobody, all of them; what lies below `/v2` is asked by the door behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request."""

    method: str
    route: str
    """The path as the route declares it."""

    path: str = ""
    """The path to ask, where it differs from the route's."""

    query: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    permission: Permission | None = None
    """Of routes that are not declared in the application's table."""

    @property
    def id(self) -> str:
        return f"{self.method} {self.route}"

    @property
    def template(self) -> str:
        return self.path or re.sub(r":\w+}", "}", self.route)

    @property
    def is_page(self) -> bool:
        return self.route.startswith("/{tenant")

    @property
    def is_form(self) -> bool:
        return self.headers.get("content-type") == _FORM["content-type"]

    @property
    def names(self) -> frozenset[str]:
        """Kinds of things whose ids it carries."""
        sent = self.content.decode() if self.is_form and self.content else ""
        return frozenset(_PLACEHOLDER.findall(f"{self.template} {self.query} {self.json} {sent}")) - {"fresh"}

    def filled(self, ids: Mapping[str, str]) -> dict[str, Any]:
        """What httpx sends."""
        asked: dict[str, Any] = {
            "method": self.method,
            "url": _fill(self.template, ids),
            "params": _fill(dict(self.query), ids),
            "headers": dict(self.headers),
        }
        if self.content is not None:
            asked["content"] = _fill(self.content.decode(), ids).encode() if self.is_form else self.content
        elif self.json is not None:
            asked["json"] = _fill(self.json, ids)
        return asked


def _fill(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: ids[found.group(1)], value)
    if isinstance(value, Mapping):
        return {key: _fill(item, ids) for key, item in value.items()}
    return [_fill(item, ids) for item in value] if isinstance(value, list) else value


def _of(method: str, route: str, **more: Any) -> Sample:
    json = more.pop("json", None) or ({} if method in {"POST", "PUT", "PATCH"} and "content" not in more else None)
    return Sample(method=method, route=route, json=json, **more)


_TENANCY: Final = (
    _of("GET", "/api/openapi.json"),
    _of("GET", f"{_API}/me"),
    _of("POST", f"{_API}/me:sign-in-code"),
    _of("GET", f"{_API}/tenants"),
    _of("POST", f"{_API}/tenants", json={"id": "{fresh}"}),
    _of(
        "PUT",
        f"{_API}/tenants/{{tenant_id}}",
        path=f"{_API}/tenants/{{fresh}}",
        json={"tenant": "{fresh}", "members": [{"email": "lin@{fresh}.example", "role": "admin"}]},
    ),
    _of("GET", f"{_API}/tenants/{{tenant_id}}", path=f"{_API}/tenants/{{tenant}}"),
    _of("POST", f"{_API}/tenants/{{tenant_id}}:suspend", path=f"{_API}/tenants/{{tenant}}:suspend"),
    _of("POST", f"{_API}/tenants/{{tenant_id}}:resume", path=f"{_API}/tenants/{{tenant}}:resume"),
    _of("DELETE", f"{_API}/tenants/{{tenant_id}}", path=f"{_API}/tenants/{{tenant}}"),
    _of("GET", f"{_API}/quotas"),
    _of("PATCH", f"{_API}/projects/{{project_id}}", path=f"{_API}/projects/{{project}}", json={"name": "Orchard"}),
    _of("POST", f"{_API}/projects/{{project_id}}:restore", path=f"{_API}/projects/{{project}}:restore"),
    _of("DELETE", f"{_API}/projects/{{project_id}}", path=f"{_API}/projects/default"),
    _of("GET", f"{_API}/projects"),
    _of("POST", f"{_API}/projects", json={"id": "{fresh}"}),
    _of("GET", f"{_API}/audit"),
    _of("GET", f"{_API}/members"),
    _of("PUT", f"{_API}/members/{{email}}", path=f"{_API}/members/{{fresh}}@beta.example", json={"role": "viewer"}),
    _of("GET", f"{_API}/keys"),
    _of("POST", f"{_API}/keys", json={"name": "{fresh}", "role": "viewer", "project": "{project}"}),
    _of("POST", f"{_API}/keys:snippet"),
    _of("POST", f"{_API}/keys:renew"),
    _of("GET", "/sign-in/tenants/{tenant_id}", path="/sign-in/tenants/{tenant}"),
)
_REGISTRY: Final = (
    _of("PUT", f"{_API}/artifacts/{{path:path}}", path=f"{_API}/artifacts/{{fresh}}/file", content=b"of the caller"),
    _of("GET", f"{_API}/artifacts/{{path:path}}", path=f"{_API}/artifacts/{{artifact}}"),
    _of("POST", f"{_API}/datasets", json={"name": "{fresh}", "artifact_path": "{artifact}"}),
    _of("GET", f"{_API}/datasets"),
    _of(
        "POST",
        f"{_API}/datasets/{{name}}:add-traces",
        path=f"{_API}/datasets/{{fresh}}:add-traces",
        json={"trace_ids": ["{trace_id}"]},
    ),
    _of("POST", f"{_API}/traces:rows", json={"trace_ids": ["{trace_id}"]}),
    _of("GET", f"{_API}/datasets/{{name}}/versions", path=f"{_API}/datasets/{{dataset}}/versions"),
    _of("GET", f"{_API}/datasets/{{name}}/versions/{{version}}", path=f"{_API}/datasets/{{dataset}}/versions/1"),
    _of(
        "GET",
        f"{_API}/datasets/{{name}}/versions/{{version}}/rows",
        path=f"{_API}/datasets/{{dataset}}/versions/1/rows",
    ),
    _of(
        "GET",
        f"{_API}/datasets/{{name}}/changes",
        path=f"{_API}/datasets/{{dataset}}/changes",
        query={"before": "1", "after": "1"},
    ),
    _of("GET", f"{_API}/models"),
    _of("GET", f"{_API}/models/{{name}}", path=f"{_API}/models/{{model}}"),
    _of("GET", f"{_API}/models/{{name}}/versions", path=f"{_API}/models/{{model}}/versions"),
    _of("GET", f"{_API}/models/{{name}}/versions/{{version}}", path=f"{_API}/models/{{model}}/versions/champion"),
    _of(
        "POST",
        f"{_API}/models/{{name}}/versions",
        path=f"{_API}/models/{{model}}/versions",
        json={"source": "{mlflow_source}", "lineage": {"mlflow_run_id": "{mlflow_run_id}"}},
    ),
    _of(
        "POST",
        f"{_API}/models/{{name}}/versions/{{version}}:promote",
        path=f"{_API}/models/{{model}}/versions/1:promote",
        json={"alias": "live"},
    ),
    _of("GET", f"{_API}/experiments"),
    _of("GET", f"{_API}/experiments/runs/{{run_id}}", path=f"{_API}/experiments/runs/{{mlflow_run_id}}"),
    _of(
        "GET",
        f"{_API}/experiments/runs/{{run_id}}/metrics",
        path=f"{_API}/experiments/runs/{{mlflow_run_id}}/metrics",
        query={"key": "loss"},
    ),
    _of("GET", f"{_API}/experiments/{{experiment_id}}"),
    _of("GET", f"{_API}/experiments/{{experiment_id}}/runs"),
    _of("GET", f"{_API}/lineage", query={"kind": "dataset", "reference": "{dataset}@1"}),
)
_TRACES: Final = (
    _of("POST", "/v1/traces", content=_SPANS, headers=_OTLP,
        permission=_P.TRACES_WRITE),
    _of("POST", "/v1/logs", content=_LOGS, headers=_OTLP, permission=_P.TRACES_WRITE),
    _of("POST", "/v1/metrics", content=b"", headers=_OTLP, permission=_P.TRACES_WRITE),
    _of("POST", "/api/public/otel/v1/traces", content=_SPANS, headers=_OTLP),
    _of("POST", "/api/public/otel/v1/logs", content=_LOGS, headers=_OTLP),
    _of("POST", "/api/public/otel/v1/metrics", content=b"", headers=_OTLP),
    _of("GET", "/api/public/projects"),
    _of("GET", f"{_API}/traces", query={"session_id": "{session_id}"}),
    _of("GET", f"{_API}/traces/export", query={"q": "session:{session_id}", "format": "jsonl", "level": "spans"}),
    _of("GET", f"{_API}/traces/usage"),
    _of("GET", f"{_API}/traces/{{trace_id}}"),
    _of("GET", f"{_API}/redaction"),
    _of("PUT", f"{_API}/redaction", query={"level": "project"}, json={"rules": ["email"]}),
    _of("DELETE", f"{_API}/redaction", query={"level": "project"}),
    _of("POST", f"{_API}/redaction/preview", json={"texts": ["of the caller"]}),
    _of("GET", f"{_API}/cold"),
    _of("PUT", f"{_API}/cold", query={"level": "project"}, json={"hot_days": 365}),
    _of("DELETE", f"{_API}/cold", query={"level": "project"}),
    _of("GET", f"{_API}/retention"),
    _of("PUT", f"{_API}/retention", query={"level": "project"}, json={"keep_days": 365}),
    _of("DELETE", f"{_API}/retention", query={"level": "project"}),
    _of("POST", f"{_API}/retention/preview", json={"policy": {"keep_days": 0}}),
    # Of a session, so that the owner, who comes last, goes on having the traces that other samples name.
    _of("DELETE", f"{_API}/traces", query={"session_id": "{session_id}", "user_id": "{fresh}"}),
    _of("GET", f"{_API}/traces/complete", query={"q": "session:"}),
    _of("GET", f"{_API}/traces/facets", query={"q": "session:{session_id}"}),
    _of("GET", f"{_API}/traces/searches"),
    _of("POST", f"{_API}/traces/searches", json={"name": "{fresh}", "query": "status:error"}),
    _of("GET", f"{_API}/traces/searches/{{search_id}}"),
    _of("PATCH", f"{_API}/traces/searches/{{search_id}}", json={"sort": "oldest"}),
    _of("GET", f"{_API}/prices"),
    _of("PUT", f"{_API}/prices", json={"model": "{fresh}", "currency": "EUR", "input": 1.0, "output": 2.0}),
    _of("DELETE", f"{_API}/prices", query={"model": "{fresh}"}),
    _of("POST", f"{_API}/prices:reprice", json={"since_ns": 0}),
    _of("GET", f"{_API}/sessions", query={"q": "{session_id}"}),
    _of("GET", f"{_API}/sessions/{{session_id:path}}"),
    _of("GET", f"{_API}/traces/compare", query={"a": "{trace_id}", "b": "{trace_id}"}),
    _of("GET", f"{_API}/traces/{{trace_id}}/spans/{{span_id}}"),
    _of("GET", f"{_API}/scores", query={"trace_id": "{trace_id}"}),
    _of("GET", f"{_API}/scores/names"),
    # Each way to delete a score stands before one that gives it again.
    _of("DELETE", f"{_API}/scores/{{score_id}}"),
    _of("POST", f"{_API}/scores", json={"trace_id": "{trace_id}", "name": "x", "value": 1, "score_id": "{score_id}"}),
    _of("POST", f"{_PAGES}/traces/{{trace_id}}/scores/{{score_id}}/delete", content=b"",
        path="/{tenant}/{project}/traces/{trace_id}/scores/{score_id}/delete",
        headers={"content-type": "application/x-www-form-urlencoded"}),
    _of("POST", "/api/public/scores", json={"traceId": "{trace_id}", "name": "x", "value": 1, "id": "{score_id}"}),
)  # fmt: skip
_SPEC: Final = {"name": "{fresh}", "entrypoint": "app:train", "num_workers": 1}
_WORK: Final = (
    _of("POST", f"{_API}/jobs", json={"entrypoint": "echo", "submission_id": "{fresh}", "working_dir": "{artifact}"}),
    _of("GET", f"{_API}/jobs"),
    _of("GET", f"{_API}/jobs/{{job_id}}"),
    _of("GET", f"{_API}/jobs/{{job_id}}/logs"),
    _of("POST", f"{_API}/training-runs", json={"spec": _SPEC}),
    _of("GET", f"{_API}/training-runs"),
    _of("GET", f"{_API}/training-runs/{{run_id}}", path=f"{_API}/training-runs/{{training_run_id}}"),
    _of(
        "PATCH",
        f"{_API}/training-runs/{{run_id}}",
        path=f"{_API}/training-runs/{{training_run_id}}",
        json={"message": "from a stranger"},
    ),
    _of("GET", f"{_API}/deployments"),
    _of("GET", f"{_API}/deployments/{{name}}", path=f"{_API}/deployments/{{deployment}}"),
    _of(
        "PUT",
        f"{_API}/deployments/{{name}}",
        path=f"{_API}/deployments/{{deployment}}",
        json={"target": "models:/{model}/1", "engine": "app:Engine"},
    ),
    _of("POST", f"{_API}/deployments/{{name}}:rollback", path=f"{_API}/deployments/{{deployment}}:rollback"),
)
_CHAT: Final = {"model": "{deployment}", "messages": [{"role": "user", "content": "hello"}]}
_DOORS: Final = (
    _of("POST", "/v1/chat/completions", json=_CHAT, permission=_P.INFERENCE_CALL),
    _of("POST", "/v1/embeddings", json={"model": "{deployment}", "input": "hello"}, permission=_P.INFERENCE_CALL),
    _of("GET", "/v1/models", permission=_P.DEPLOYMENTS_READ),
    _of("GET", "/v1/models/{name}", path="/v1/models/{deployment}", permission=_P.DEPLOYMENTS_READ),
    _of("GET", "/v2/models/{name}", path="/v2/models/{deployment}", permission=_P.DEPLOYMENTS_READ),
    _of("GET", "/v2/models/{name}/ready", path="/v2/models/{deployment}/ready", permission=_P.DEPLOYMENTS_READ),
    _of(
        "POST",
        "/v2/models/{name}/infer",
        path="/v2/models/{deployment}/infer",
        json={"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]},
        permission=_P.INFERENCE_CALL,
    ),
)
_QUEUE: Final = f"{_API}/review-queues/{{queue_id}}"
_GATE: Final = {"gate": "hit@1 >= 0.5"}
_EVALUATIONS: Final = (
    _of("POST", f"{_API}/evaluations", json={"name": "{fresh}", "data": {"name": "{dataset}", "version": "1"}}),
    _of("GET", f"{_API}/evaluations", query={"data": "{dataset}"}),
    *(
        _of(
            method,
            f"{_API}/evaluations/{{run_id}}{tail}",
            path=f"{_API}/evaluations/{{evaluation_id}}{tail}",
            json=json,
        )
        for method, tail, json in (
            ("GET", "", None),
            ("PATCH", "", {"error": "from a stranger"}),
            ("POST", ":gate", {**_GATE, "baseline": "{candidate_id}"}),
            ("GET", "/rows", None),
            ("GET", "/report", None),
        )
    ),
    _of("GET", f"{_API}/leaderboard", query={"run": "{evaluation_id},{candidate_id}"}),
    _of("POST", f"{_API}/evaluation-calls:find", json={"digests": ["ab" * 32], "run_id": "{evaluation_id}"}),
    _of("POST", f"{_API}/evaluation-calls:keep", json={"items": [{"digest": "cd" * 32, "reply": {"text": "x"}}]}),
    _of("GET", f"{_API}/evaluation-calls", query={"run_id": "{evaluation_id}"}),
    _of("DELETE", f"{_API}/evaluation-calls", query={"before_ns": "0"}),
    _of("POST", f"{_API}/comparisons", json={"baseline": "{evaluation_id}", "candidates": ["{candidate_id}"]}),
    _of("GET", f"{_API}/comparisons"),
    _of("GET", f"{_API}/comparisons/{{comparison_id}}"),
    _of("POST", f"{_API}/comparisons/{{comparison_id}}:gate", json=_GATE),
    _of("GET", f"{_API}/comparisons/{{comparison_id}}/rows"),
    _of("GET", f"{_API}/comparisons/{{comparison_id}}/report", query={"format": "md"}),
    _of("GET", f"{_API}/judges"),
    _of("GET", f"{_API}/judges/{{identity}}", path=f"{_API}/judges/{{judge}}"),
    _of(
        "POST",
        f"{_API}/calibrations",
        json={"run_id": "{evaluation_id}", "scorer": "hit@1", "people": {"q000": 1}},
    ),
    _of("GET", f"{_API}/calibrations", query={"judge": "{judge}"}),
    _of("GET", f"{_API}/calibrations/{{calibration_id}}"),
    _of("POST", f"{_API}/review-queues", json={"name": "{fresh}"}),
    _of("GET", f"{_API}/review-queues"),
    _of("GET", f"{_QUEUE}"),
    _of("POST", f"{_QUEUE}:fill", json={"run_id": "{evaluation_id}"}),
    _of(
        "POST",
        f"{_QUEUE}:assign",
        path=f"{_API}/review-queues/{{spare_queue_id}}:assign",
        json={"raters": ["user:lin@pears.example"]},
    ),
    _of("GET", f"{_QUEUE}/items"),
    _of("GET", f"{_QUEUE}/items/{{item_id}}"),
    _of("PUT", f"{_QUEUE}/items/{{item_id}}/label", json={"label": "pass"}),
    _of("DELETE", f"{_QUEUE}/items/{{item_id}}/label"),
    _of("POST", f"{_API}/online-rules", json={"name": "{fresh}", "scorers": ["exact_match"]}),
    _of("GET", f"{_API}/online-rules"),
    _of("GET", f"{_API}/online-rules/{{rule_id}}"),
    _of("PATCH", f"{_API}/online-rules/{{rule_id}}", json={"is_enabled": True}),
    _of("GET", f"{_API}/online-rules/{{rule_id}}/results"),
)
_PAGE_SAMPLES: Final = (
    _of("GET", "/"),
    _of("GET", "/{noun:noun}", path="/traces"),
    _of("GET", "/{noun:noun}/{rest:path}", path="/traces/{trace_id}"),
    _of("GET", "/{tenant:tenant}"),
    _of("GET", f"{_PAGES}/find", query={"q": "pear"}),
    _of("GET", _PAGES),
    _of("GET", f"{_PAGES}/sessions", query={"q": "{session_id}"}),
    _of("GET", f"{_PAGES}/sessions/{{session_id:path}}", path="/{tenant}/{project}/sessions/{session_id}"),
    _of("GET", f"{_PAGES}/usage"),
    _of("GET", f"{_PAGES}/complete", query={"q": "session:"}),
    _of("GET", f"{_PAGES}/traces/searches"),
    _of("GET", f"{_PAGES}/traces/to-dataset", query={"pick": "{trace_id}"}),
    _of("GET", f"{_PAGES}/traces/erase", query={"pick": "{trace_id}"}),
    _of("GET", f"{_PAGES}/traces/live", query={"q": "session:{session_id}"}),
    _of("GET", f"{_PAGES}/traces/{{trace_id}}/live", path="/{tenant}/{project}/traces/{trace_id}/live"),
    _of("GET", f"{_PAGES}/traces/{{trace_id}}/rows", path="/{tenant}/{project}/traces/{trace_id}/rows"),
    _of("GET", f"{_PAGES}/traces/{{trace_id}}/outline", path="/{tenant}/{project}/traces/{trace_id}/outline"),
    _of(
        "GET",
        f"{_PAGES}/traces/{{trace_id}}/spans/{{span_id}}/attachments/{{key}}",
        path="/{tenant}/{project}/traces/{trace_id}/spans/{span_id}/attachments/none",
    ),
    _of("GET", f"{_PAGES}/traces/compare", query={"a": "{trace_id}", "b": "{trace_id}", "pair": "0"}),
    _of("GET", f"{_PAGES}/waiting", query={"since": "0"}),
    *(
        _of("GET", f"{_PAGES}/{noun}")
        for noun in (
            "traces",
            "evaluations",
            "judges",
            "reviews",
            "datasets",
            "experiments",
            "models",
            "deployments",
            "members",
            "keys",
        )
    ),
    *(
        _of("GET", f"{_PAGES}/{noun}/{{{name}}}", path=f"/{{tenant}}/{{project}}/{noun}/{{{kind}}}")
        for noun, name, kind in (
            ("traces", "trace_id", "trace_id"),
            ("evaluations", "run_id", "evaluation_id"),
            ("comparisons", "comparison_id", "comparison_id"),
            ("calibrations", "calibration_id", "calibration_id"),
            ("reviews", "queue_id", "queue_id"),
            ("datasets", "name", "dataset"),
            ("experiments", "experiment_id", "experiment_id"),
            ("models", "name", "model"),
            ("deployments", "name", "deployment"),
        )
    ),
    _of("GET", f"{_PAGES}/leaderboard", query={"data": "{dataset}"}),
    *(
        _of(
            "GET",
            f"{_PAGES}/{noun}/{{{name}}}/{page}",
            path=f"/{{tenant}}/{{project}}/{noun}/{{{kind}}}/{page}",
            query=query,
        )
        for noun, name, kind, page, query in (
            ("evaluations", "run_id", "evaluation_id", "row", {"id": "{row_id}"}),
            ("evaluations", "run_id", "evaluation_id", "report", {}),
            ("comparisons", "comparison_id", "comparison_id", "row", {"id": "{row_id}"}),
            ("comparisons", "comparison_id", "comparison_id", "report", {"format": "md"}),
            ("datasets", "name", "dataset", "changes", {"before": "1", "after": "1"}),
        )
    ),
    *(
        _of(
            "POST",
            f"{_PAGES}/{route}",
            path=f"/{{tenant}}/{{project}}/{path}",
            content=form,
            headers=_FORM,
        )
        for route, path, form in (
            ("models/{name}/champion", "models/{model}/champion", b"version=1"),
            ("deployments/{name}/rollback", "deployments/{deployment}/rollback", b"to=1"),
            ("keys", "keys", b"name=page&role=viewer"),
            ("reviews/{queue_id}/label", "reviews/{queue_id}/label", b"item={item_id}&label=pass"),
            ("reviews/{queue_id}/undo", "reviews/{queue_id}/undo", b""),
            ("traces/searches", "traces/searches", b"name={fresh}&q=status:error"),
            ("traces/searches/{search_id}/rename", "traces/searches/{search_id}/rename", b"name={fresh}"),
            ("traces/to-dataset", "traces/to-dataset", b"pick={trace_id}&name={fresh}"),
            ("traces/erase", "traces/erase", b"pick=abcdefabcdefabcdefabcdefabcdefab&word={project}"),
            ("traces/{trace_id}/scores", "traces/{trace_id}/scores", b"name=page&type=numeric&numeric=1"),
        )
    ),
)
_ENDING: Final = (
    _of("PATCH", _QUEUE, path=f"{_API}/review-queues/{{spare_queue_id}}", json={"is_open": False}),
    _of("DELETE", f"{_API}/online-rules/{{rule_id}}"),
    _of("DELETE", f"{_API}/traces/searches/{{search_id}}"),
    _of(
        "POST",
        f"{_PAGES}/traces/searches/{{search_id}}/delete",
        path="/{tenant}/{project}/traces/searches/{spare_search_id}/delete",
        content=b"",
        headers=_FORM,
    ),
    _of("DELETE", f"{_API}/models/{{name}}/aliases/{{alias}}", path=f"{_API}/models/{{model}}/aliases/live"),
    _of("POST", f"{_API}/training-runs/{{run_id}}:cancel", path=f"{_API}/training-runs/{{training_run_id}}:cancel"),
    _of("POST", f"{_API}/jobs/{{job_id}}:cancel"),
    _of("POST", f"{_API}/evaluations/{{run_id}}:cancel", path=f"{_API}/evaluations/{{evaluation_id}}:cancel"),
    _of("POST", f"{_API}/evaluations/{{run_id}}:resume", path=f"{_API}/evaluations/{{evaluation_id}}:resume"),
    _of("DELETE", f"{_API}/deployments/{{name}}", path=f"{_API}/deployments/{{deployment}}"),
    _of(
        "POST",
        f"{_PAGES}/keys/{{key_id}}/revoke",
        path="/{tenant}/{project}/keys/{key_id}/revoke",
        content=b"",
        headers=_FORM,
    ),
    _of("POST", f"{_API}/keys/{{key_id}}:revoke"),
    _of("DELETE", f"{_API}/members/{{email}}"),
)
_EXPERIMENT: Final = {"experiment_id": "{experiment_id}"}
_RUN: Final = {"run_id": "{mlflow_run_id}"}
_NAME: Final = {"name": "{model}"}
_VERSION: Final = {**_NAME, "version": "1"}
_TAG: Final = {"key": "fruit", "value": "apple"}
_METRIC: Final = {"key": "loss", "value": 1.0, "timestamp": 1, "step": 2}
_LOCATION: Final = {"mlflow_experiment": _EXPERIMENT}
_BY_ROUTE: Final[Mapping[str, Mapping[str, Any]]] = {
    "experiments/get": _EXPERIMENT,
    "experiments/get-by-name": {"experiment_name": "{experiment}"},
    "experiments/search": {"max_results": "100"},
    "experiments/create": {"name": "{fresh}"},
    "experiments/update": {**_EXPERIMENT, "new_name": "{fresh}"},
    "experiments/delete": _EXPERIMENT,
    "experiments/restore": _EXPERIMENT,
    "experiments/set-experiment-tag": {**_EXPERIMENT, **_TAG},
    "experiments/delete-experiment-tag": {**_EXPERIMENT, "key": "fruit"},
    "runs/get": _RUN,
    "runs/search": {"experiment_ids": ["{experiment_id}"]},
    "runs/create": {**_EXPERIMENT, "start_time": 1},
    "runs/update": {**_RUN, "status": "FINISHED"},
    "runs/delete": _RUN,
    "runs/restore": _RUN,
    "runs/log-batch": {**_RUN, "metrics": [_METRIC]},
    "runs/log-inputs": {**_RUN, "datasets": [{"tags": [], "dataset": {
        "name": "d", "digest": "1", "source_type": "s", "source": "s"}}]},
    "runs/log-metric": {**_RUN, **_METRIC},
    "runs/log-model": {**_RUN, "model_json": '{"run_id": "x", "artifact_path": "m", "flavors": {}, '
                       '"utc_time_created": "2026-01-01 00:00:00.000000"}'},
    "runs/log-parameter": {**_RUN, "key": "lr", "value": "1"},
    "runs/outputs": {**_RUN, "models": [{"model_id": "{logged_model_id}", "step": 1}]},
    "runs/set-tag": {**_RUN, **_TAG},
    "runs/delete-tag": {**_RUN, "key": "fruit"},
    "metrics/get-history": {**_RUN, "metric_key": "loss"},
    "metrics/get-history-bulk-interval": {"run_ids": "{mlflow_run_id}", "metric_key": "loss", "max_results": "10"},
    "artifacts/list": {**_RUN, "path": "model"},
    "registered-models/get": _NAME,
    "registered-models/search": {"max_results": "100"},
    "registered-models/alias": {**_NAME, "alias": "champion", "version": "1"},
    "registered-models/get-latest-versions": _NAME,
    "registered-models/create": {"name": "{fresh}"},
    "registered-models/rename": {"name": "{spare_model}", "new_name": "{fresh}"},
    "registered-models/update": {**_NAME, "description": "of a stranger"},
    "registered-models/delete": _NAME,
    "registered-models/set-tag": {**_NAME, **_TAG},
    "registered-models/delete-tag": {**_NAME, "key": "fruit"},
    "model-versions/get": _VERSION,
    "model-versions/search": {"filter": "name='{model}'", "max_results": "10"},
    "model-versions/get-download-uri": _VERSION,
    "model-versions/create": {**_NAME, "source": "{mlflow_source}", **_RUN},
    "model-versions/update": {**_VERSION, "description": "of a stranger"},
    "model-versions/delete": _VERSION,
    "model-versions/set-tag": {**_VERSION, **_TAG},
    "model-versions/delete-tag": {**_VERSION, "key": "fruit"},
    "model-versions/transition-stage": {**_VERSION, "stage": "Staging", "archive_existing_versions": False},
    "logged-models/search": {"experiment_ids": ["{experiment_id}"]},
    "logged-models": {**_EXPERIMENT, "name": "stranger"},
    "traces": {"trace": {"trace_info": {"trace_id": "{trace_id}", "trace_location": _LOCATION, "tags": {"a": "b"}}}},
    "traces/get": {"trace_id": "{trace_id}"},
    "traces/batchGet": {"trace_ids": "{trace_id}"},
    "traces/batchGetInfos": {"trace_ids": ["{trace_id}"]},
    "traces/search": {"locations": [_LOCATION]},
    "traces/link-to-run": {"trace_ids": ["{trace_id}"], **_RUN},
    "traces/delete-traces": {**_EXPERIMENT, "request_ids": ["{trace_id}"]},
}  # fmt: skip
_ID: Final = {"model_id": "{logged_model_id}"}
_BY_PATTERN: Final = (
    _of("GET", f"{_FILES}/.+", path=f"{_FILES}/{{mlflow_file}}"),
    _of("PUT", f"{_FILES}/.+", path=f"{_FILES}/{{fresh}}.txt", content=b"of the caller"),
    _of("DELETE", f"{_FILES}/.+", path=f"{_FILES}/{{mlflow_file}}"),
    _of("GET", f"{_MLFLOW}/logged-models/[^/]+", path=_LOGGED),
    _of("PATCH", f"{_MLFLOW}/logged-models/[^/]+", path=_LOGGED, json={**_ID, "status": "LOGGED_MODEL_READY"}),
    _of("DELETE", f"{_MLFLOW}/logged-models/[^/]+", path=_LOGGED),
    _of("GET", f"{_MLFLOW}/logged-models/[^/]+/artifacts/directories", path=f"{_LOGGED}/artifacts/directories"),
    _of("POST", f"{_MLFLOW}/logged-models/[^/]+/params", path=f"{_LOGGED}/params", json={**_ID, "params": [_TAG]}),
    _of("PATCH", f"{_MLFLOW}/logged-models/[^/]+/tags", path=f"{_LOGGED}/tags", json={"tags": [_TAG]}),
    _of("DELETE", f"{_MLFLOW}/logged-models/[^/]+/tags/[^/]+", path=f"{_LOGGED}/tags/fruit"),
)
_FEEDBACK: Final = {"assessment": {"assessment_name": "taste", "feedback": {"value": 1}}}
_OF_A_TRACE: Final[Mapping[tuple[str, str], tuple[str, Any]]] = {
    ("GET", ""): ("", None),
    ("PATCH", "/tags"): ("/tags", _TAG),
    ("DELETE", "/tags"): ("/tags", {"key": "fruit"}),
    ("POST", "/assessments"): ("/assessments", _FEEDBACK),
    ("GET", "/assessments/[^/]+"): ("/assessments/{score_id}", None),
    ("PATCH", "/assessments/[^/]+"): ("/assessments/{score_id}", {**_FEEDBACK, "update_mask": "feedback"}),
    ("DELETE", "/assessments/[^/]+"): ("/assessments/{score_id}", None),
}
"""By method and what follows the trace's id."""

_ENDS: Final = (
    re.compile(r"delete|restore|update|transition"),
    re.compile(r"(model-versions/delete|delete-traces)$"),
    re.compile(r"registered-models/delete$"),
)


def mlflow_routes() -> frozenset[tuple[str, str]]:
    """Every route of MLflow that the allow-list has, below the platform's prefix."""
    exact = {(method, f"/mlflow{path}") for method, path in EXACT}
    return frozenset(
        exact | {(method, f"/mlflow{pattern.pattern}".replace("\\", "")) for method, pattern, _ in PATTERNS}
    )


def _mlflow_samples() -> Iterable[Sample]:
    for (method, path), permission in EXACT.items():
        if path == "/v1/traces":
            media_type = {"content-type": "application/x-protobuf"}
            yield _of(method, f"/mlflow{path}", permission=permission, content=_SPANS, headers=media_type)
            continue
        tail = path.removeprefix("/api/2.0/mlflow/").removeprefix("/api/3.0/mlflow/")
        asked = _BY_ROUTE.get(tail, {"path": "model"} if path.endswith("/artifacts") else {})
        more = {"query": asked} if method == "GET" else {"json": asked}
        yield _of(method, f"/mlflow{path}", permission=permission, **more)
    permissions = {(method, pattern.pattern.replace("\\", "")): one for method, pattern, one in PATTERNS}
    for sample in _BY_PATTERN:
        found = permissions[sample.method, sample.route.removeprefix("/mlflow")]
        yield _of(sample.method, sample.route, path=sample.path, json=sample.json, permission=found, **(
            {} if sample.content is None else {"content": sample.content}))  # fmt: skip
    for method, pattern, permission in TRACE_PATTERNS:
        after = re.sub(r"\(\?P<\w+>(.*?)\)", r"\1", pattern.pattern.partition("(?P<trace_id>[^/]+)")[2])
        tail, asked = _OF_A_TRACE[method, after]
        route = f"/mlflow{pattern.pattern}".replace("\\", "")
        path = f"/mlflow/api/3.0/mlflow/traces/{{trace_id}}{tail}"
        yield _of(method, route, path=path, json=asked, permission=permission)


def _how_much_it_ends(sample: Sample) -> int:
    ends = [number for number, pattern in enumerate(_ENDS, 1) if pattern.search(sample.route)]
    return max(ends, default=int(sample.method == "DELETE"))


_MLFLOW_SAMPLES: Final = tuple(sorted(_mlflow_samples(), key=_how_much_it_ends))
SAMPLES: Final = (
    *_TRACES, *_TENANCY, *_REGISTRY, *_WORK, *_DOORS, *_EVALUATIONS, *_PAGE_SAMPLES, *_ENDING, *_MLFLOW_SAMPLES,
)  # fmt: skip
"""In an order in which their owner can send them all: what ends a thing comes after what reads it."""
