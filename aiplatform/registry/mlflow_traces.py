"""MLflow's routes of traces, answered by the platform's own store: the client's calls in, the client's JSON out.

Which routes these are, and what each needs, stands in `registry/allowlist.py`. Spans come by OTLP under the same
prefix, with the experiment in a header; that experiment is looked up in the caller's own workspace, and what MLflow
says about one that is not there is what the caller hears.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote

import anyio
from starlette.types import Receive, Scope, Send

from aiplatform.core.errors import AIPlatformError, InvalidError, TooLargeError
from aiplatform.core.i18n import DEFAULT_LOCALE, N_
from aiplatform.registry.allowlist import OTLP_PATH, TRACE_EXACT, TRACE_PATTERNS
from aiplatform.tracing.endpoint import OtlpEndpoint
from aiplatform.tracing.entry import SignalEntry
from aiplatform.tracing.mlflow_traces import MlflowTraces, experiment_of
from aiplatform.tracing.signals import TRACES
from aiplatform.tracing.store.mlflow_search import NO_EXPERIMENT

if TYPE_CHECKING:
    from aiplatform.tenancy.model import Caller
    from aiplatform.tracing.model import IngestResult
    from aiplatform.tracing.otlp import Export

logger = logging.getLogger(__name__)

AskExperiment = Callable[["Caller", str], Awaitable[tuple[int, bytes]]]
EXPERIMENT_HEADER: Final = b"x-mlflow-experiment-id"
MAX_BODY_BYTES: Final = 8 * 2**20
_CODES: Final = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_ALREADY_EXISTS",
    413: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "TEMPORARILY_UNAVAILABLE",
}
_MAX_KNOWN: Final = 4_096


def is_trace_route(method: str, path: str) -> bool:
    """Whether a call is about traces."""
    return (method, path) in TRACE_EXACT or _pattern_of(method, path) is not None


class TraceRoutes:
    """The routes; permissions are checked before they are called.

    Args:
        traces: What clients do with traces.
        ask_experiment: What MLflow answers a caller who asks for an experiment.
        max_otlp_bytes: Bound of an OTLP request, before and after decompression.
    """

    def __init__(self, traces: MlflowTraces, ask_experiment: AskExperiment, *, max_otlp_bytes: int) -> None:
        self._traces = traces
        self._ask = ask_experiment
        self._otlp = _OtlpEntry(traces, max_otlp_bytes)
        self._known: set[tuple[str, str, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *, path: str, caller: Caller) -> None:
        """Answer one call."""
        try:
            if path == OTLP_PATH:
                named = dict(scope["headers"]).get(EXPERIMENT_HEADER, b"").decode("latin-1").strip()
                refused = await self._refused(caller, named or None)
                if refused is None:
                    await self._otlp.answer(scope, receive, send, named or None)
                    return
            else:
                body = await _body(receive) if scope["method"] != "GET" else {}
                refused = await self._refused(caller, _experiment_named(path, body))
                if refused is None:
                    answer = await anyio.to_thread.run_sync(self._answer, scope, path, caller, body)
                    await _send(send, 200, json.dumps(answer, ensure_ascii=False).encode())
                    return
            await _send(send, *refused)
        except AIPlatformError as error:
            await _send(send, error.http_status, _problem(error))

    async def _refused(self, caller: Caller, experiment_id: str | None) -> tuple[int, bytes] | None:
        """MLflow's own answer where the caller's project has no such experiment; None where it has."""
        if experiment_id is None or experiment_id == NO_EXPERIMENT:
            return None
        key = (caller.tenant_id, caller.project_id, experiment_id)
        if key in self._known:
            return None
        status, body = await self._ask(caller, experiment_id)
        if status != 200:
            return status, body
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known.add(key)
        return None

    def _answer(self, scope: Scope, path: str, caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        traces, own = self._traces, caller.scope
        query = parse_qs(scope["query_string"].decode("latin-1"))
        match scope["method"], path.rpartition("/mlflow/")[2]:
            case "POST", "traces":
                return traces.start(own, body)
            case "GET", "traces/get":
                return traces.get(own, (query.get("trace_id") or [""])[0])
            case "GET", "traces/batchGet":
                return traces.batch(own, query.get("trace_ids", []), with_spans=True)
            case "POST", "traces/batchGetInfos":
                return traces.batch(own, _strings(body, "trace_ids"), with_spans=False)
            case "POST", "traces/search":
                return traces.search(own, body)
            case "POST", "traces/delete-traces":
                return traces.delete(own, body)
            case "POST", "traces/link-to-run":
                return traces.link_to_run(own, body)
        found = _pattern_of(scope["method"], path)
        if found is None:
            raise ValueError(f"{path} is no route of traces")
        names = {name: unquote(value) for name, value in found.items()}
        trace_id, assessment_id = names["trace_id"], names.get("assessment_id")
        match scope["method"], path.rpartition("/")[2], assessment_id:
            case "GET", _, None:
                return traces.info(own, trace_id)
            case "PATCH", "tags", None:
                return traces.set_tag(own, trace_id, body)
            case "DELETE", "tags", None:
                return traces.delete_tag(own, trace_id, body)
            case "POST", _, None:
                return traces.assessments.create(own, trace_id, body, principal=caller.principal)
            case "GET", _, str(id_):
                return traces.assessments.get(own, trace_id, id_)
            case "PATCH", _, str(id_):
                return traces.assessments.update(own, trace_id, id_, body, principal=caller.principal)
            case _, _, str(id_):
                return traces.assessments.delete(own, trace_id, id_)
        raise ValueError(f"{path} is no route of traces")


_EXPERIMENT_OF_REQUEST: ContextVar[str | None] = ContextVar("mlflow_experiment", default=None)


class _OtlpEntry(SignalEntry):
    """The OTLP entry under MLflow's prefix: spans are stored like all others, then put into their experiment."""

    def __init__(self, traces: MlflowTraces, max_bytes: int) -> None:
        super().__init__(traces.traces, TRACES)
        self._mlflow = traces
        self._endpoint = OtlpEndpoint(self, max_body_bytes=max_bytes)

    async def answer(self, scope: Scope, receive: Receive, send: Send, experiment_id: str | None) -> None:
        """Answer one export request."""
        token = _EXPERIMENT_OF_REQUEST.set(experiment_id)
        try:
            await self._endpoint(scope, receive, send)
        finally:
            _EXPERIMENT_OF_REQUEST.reset(token)

    async def _stored(self, exports: list[Export]) -> IngestResult:
        result = await super()._stored(exports)
        experiment_id = _EXPERIMENT_OF_REQUEST.get()
        for export in exports:
            trace_ids = {span.trace_id for span in export.spans}
            if trace_ids:
                await anyio.to_thread.run_sync(self._mlflow.arrived, export.scope, trace_ids, experiment_id)
        return result


def _pattern_of(method: str, path: str) -> dict[str, str] | None:
    for allowed, pattern, _ in TRACE_PATTERNS:
        if method == allowed and (match := pattern.fullmatch(path)):
            return match.groupdict()
    return None


def _experiment_named(path: str, body: dict[str, Any]) -> str | None:
    """The experiment into which a call puts a trace, or out of which it takes some."""
    if path.endswith("/delete-traces"):
        return str(body.get("experiment_id") or "") or None
    if path.endswith("/mlflow/traces"):
        trace = body.get("trace")
        info = trace.get("trace_info") if isinstance(trace, dict) else None
        return experiment_of(info.get("trace_location")) if isinstance(info, dict) else None
    return None


async def _body(receive: Receive) -> dict[str, Any]:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidError(N_("The request ended before its body was complete."), reason="tracing.cut_off")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise TooLargeError(N_("A request may hold at most {limit} bytes."), limit=MAX_BODY_BYTES)
        chunks.append(chunk)
        if not message.get("more_body", False):
            break
    try:
        found = json.loads(b"".join(chunks) or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidError(N_("The body must be a JSON object."), reason="mlflow.body")
    return found


def _strings(body: dict[str, Any], name: str) -> list[str]:
    value = body.get(name)
    return [str(item) for item in value] if isinstance(value, list) else []


def _problem(error: AIPlatformError) -> bytes:
    """An error in MLflow's own shape, which its clients show."""
    hint = error.localized_hint(DEFAULT_LOCALE)
    message = error.localized(DEFAULT_LOCALE)
    code = _CODES.get(error.http_status, "INTERNAL_ERROR")
    return json.dumps({"error_code": code, "message": f"{message} {hint}" if hint else message}).encode()


async def _send(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
