"""`aip.init`: where spans go, and the background export that the application never waits for."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry import trace as otel_trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from aiplatform.client.credentials import Credentials, find_credentials
from aiplatform.core.errors import UnauthenticatedError
from aiplatform.tracing.sdk import ray_context

EXPORT_TIMEOUT_S: Final = 5.0
EXPORT_PERIOD_MS: Final = 1_000
QUEUE_SPANS: Final = 8_192
BATCH_SPANS: Final = 512
EXIT_PATIENCE_S: Final = 3.0
"""How long the end of the application waits for its last spans to leave."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _State:
    """What `init` has set up in this process."""

    exporter: PlatformExporter
    processor: BatchSpanProcessor
    provider: TracerProvider


_lock = threading.Lock()
_state: _State | None = None


def init(
    project: str | None = None,
    *,
    url: str | None = None,
    key: str | None = None,
    service_name: str | None = None,
) -> None:
    """Send this process's spans to the platform, in the background.

    Called again it changes where spans go from then on, and sets up nothing twice. A tracer provider that the
    application has set already is kept and used. A platform that is down costs the application nothing: spans wait in
    a bounded queue, then the newest are dropped.

    Args:
        project: Project inside the key's tenant; by default `AIPLATFORM_PROJECT`, else `default`.
        url: Address of the platform; by default `AIPLATFORM_URL`, else what `aiplatform up` wrote for its owner.
        key: API key; by default `AIPLATFORM_API_KEY`, `AIPLATFORM_KEY_FILE`, else the owner's. A key from a file is
            read again for each export, so a renewed one is used at once.
        service_name: What this application is called in traces; by default `OTEL_SERVICE_NAME`, else the program.
    """
    global _state
    credentials = find_credentials(url=url, key=key, project=project)
    with _lock:
        if _state is not None:
            _state.exporter.aim(credentials)
        else:
            _state = _set_up(credentials, service_name)
    ray_context.announce(credentials)


def flush(timeout_s: float = 10.0) -> bool:
    """Send what waits, now; returns whether all of it left in time."""
    state = _state
    return state is None or _flusher.flush(timeout_s)


def is_initialised() -> bool:
    """Whether `init` was called in this process."""
    return _state is not None


def nudge() -> None:
    """Let the background send what waits soon, without waiting for it."""
    if _state is not None:
        _flusher.nudge()


class PlatformExporter(SpanExporter):
    """OTLP over HTTP to wherever `init` last pointed."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._inner: SpanExporter | None = None
        self._aim_lock = threading.Lock()
        """Guards `_credentials` and `_inner`."""

    def aim(self, credentials: Credentials) -> None:
        """Send to another address, project, or with another key, from now on."""
        with self._aim_lock:
            if credentials != self._credentials:
                self._credentials, self._inner = credentials, None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; runs on the exporter's own thread."""
        with self._aim_lock:
            if self._inner is None:
                self._inner = _otlp_exporter(self._credentials)
            inner = self._inner
        return inner.export(spans)

    def shutdown(self) -> None:
        """Let go of connections."""
        with self._aim_lock:
            if self._inner is not None:
                self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits in here."""
        return True


class _Flusher:
    """A thread that sends what waits when it is asked to, so that nobody else has to wait for the network."""

    def __init__(self) -> None:
        self._asked = threading.Condition()
        """Guards the two counters."""
        self._num_asked = 0
        self._num_done = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, where none runs: a forked child has none of its parent's."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="aiplatform-flush", daemon=True)
            self._thread.start()

    def nudge(self) -> int:
        """Ask for a flush; returns its number."""
        with self._asked:
            self.start()
            self._num_asked += 1
            self._asked.notify_all()
            return self._num_asked

    def flush(self, timeout_s: float) -> bool:
        """Ask for a flush and wait for it, at most so long."""
        number = self.nudge()
        with self._asked:
            return self._asked.wait_for(lambda: self._num_done >= number, timeout_s)

    def _run(self) -> None:
        while True:
            with self._asked:
                self._asked.wait_for(lambda: self._num_asked > self._num_done)
                number = self._num_asked
            state = _state
            if state is not None:
                state.processor.force_flush()
            with self._asked:
                self._num_done = number
                self._asked.notify_all()


_flusher = _Flusher()


def _set_up(credentials: Credentials, service_name: str | None) -> _State:
    exporter = PlatformExporter(credentials)
    processor = BatchSpanProcessor(
        exporter,
        max_queue_size=QUEUE_SPANS,
        max_export_batch_size=BATCH_SPANS,
        schedule_delay_millis=EXPORT_PERIOD_MS,
    )
    provider = otel_trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(resource=_resource(service_name), shutdown_on_exit=False)
        otel_trace.set_tracer_provider(provider)
    provider.add_span_processor(processor)
    _flusher.start()
    atexit.register(_at_exit)
    return _State(exporter, processor, provider)


def _at_exit() -> None:
    _flusher.flush(EXIT_PATIENCE_S)


def _resource(service_name: str | None) -> Resource:
    resource = Resource.create()
    named = service_name or os.environ.get("OTEL_SERVICE_NAME")
    if named is None and str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        named = os.path.splitext(os.path.basename(sys.argv[0] if sys.argv else ""))[0] or "python"  # noqa: PTH119, PTH122
    return resource.merge(Resource({SERVICE_NAME: named})) if named else resource


def _otlp_exporter(credentials: Credentials) -> SpanExporter:
    # Imported when the first spans leave, on the background thread: they would double the time of `import`.
    import requests  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    from aiplatform.client.http import PROJECT_HEADER  # noqa: PLC0415

    session = requests.Session()
    session.auth = _CurrentKey(credentials)
    return OTLPSpanExporter(
        endpoint=f"{credentials.url}/v1/traces",
        headers={PROJECT_HEADER: credentials.project_id},
        timeout=EXPORT_TIMEOUT_S,
        session=session,
    )


class _CurrentKey:
    """Puts the key as it is now on each request."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._has_warned = False

    def __call__(self, request: Any) -> Any:
        try:
            request.headers["authorization"] = f"Bearer {self._credentials.current_key()}"
        except UnauthenticatedError as error:
            if not self._has_warned:
                self._has_warned = True
                logger.warning("%s %s", error, error.hint)
        return request
