"""One export request to the platform: what became of it, by the rules of OTLP over HTTP."""

from __future__ import annotations

import email.utils
import enum
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from aiplatform.client.credentials import Credentials
from aiplatform.core.errors import UnauthenticatedError
from aiplatform.tracing.sdk.spill import SpillFolder, spill_folder

TIMEOUT_S: Final = 5.0
MAX_RETRY_AFTER_S: Final = 3_600.0
_LATER: Final = frozenset({429, 502, 503, 504})

logger = logging.getLogger(__name__)


class Fate(enum.Enum):
    """What became of a request."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """The platform will not take it, however often it is sent."""

    TOO_LARGE = "too large"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the platform said."""

    fate: Fate
    num_rejected: int = 0
    """Spans of a delivered request that were not taken."""

    problem: str = ""
    retry_after_s: float | None = None


class Target:
    """Where requests go, as which caller, and where they wait meanwhile. One thread sends at a time."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self._session: Any = None
        self._folder: SpillFolder | None = None
        self._folder_key: str | None = None
        self._folder_lock = threading.Lock()
        """Guards the folder: the end of the application may need it while the exporter does."""
        self._warned: set[str] = set()

    def post(self, body: bytes) -> Answer:
        """Send a request, once."""
        # Imported when the first spans leave, on the exporter's thread: they would double the time of `import`.
        import requests  # noqa: PLC0415

        from aiplatform.client.http import PROJECT_HEADER  # noqa: PLC0415

        try:
            key = self.credentials.current_key()
        except UnauthenticatedError as error:
            self.warn_once("key", "%s %s", error, error.hint)
            return Answer(fate=Fate.LATER, problem="no key")
        if self._session is None:
            self._session = requests.Session()
        headers = {"content-type": "application/x-protobuf", PROJECT_HEADER: self.credentials.project_id}
        try:
            response = self._session.post(
                f"{self.credentials.url}/v1/traces",
                data=body,
                headers=headers,
                auth=_Bearer(key),
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except (requests.RequestException, OSError) as error:
            return Answer(fate=Fate.LATER, problem=type(error).__name__)
        return _answer(response)

    def folder(self) -> SpillFolder | None:
        """Where requests wait; None where there is no key to wait for, or no disk to wait on."""
        with self._folder_lock:
            try:
                key = self.credentials.current_key()
                if self._folder is None or key != self._folder_key:
                    self._folder, self._folder_key = (
                        spill_folder(self.credentials.url, self.credentials.project_id, key),
                        key,
                    )
            except UnauthenticatedError:
                return None
            except (OSError, ValueError) as error:
                self.warn_once("disk", "spans cannot wait on disk: %s", error)
                return None
            return self._folder

    def warn_once(self, what: str, message: str, *values: object) -> None:
        """Warn of a kind of trouble the first time only: it lasts, and the application goes on."""
        if what not in self._warned:
            self._warned.add(what)
            logger.warning(message, *values)

    def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            self._session.close()
            self._session = None


class _Bearer:
    """The key on a request; as a header alone it would give way to a `.netrc`."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Any) -> Any:
        request.headers["authorization"] = f"Bearer {self._key}"
        return request


def _answer(response: Any) -> Answer:
    status: int = response.status_code
    if status == 200:
        return _delivered(response.content)
    if status in _LATER:
        return Answer(
            fate=Fate.LATER, problem=f"status {status}", retry_after_s=_seconds(response.headers.get("retry-after"))
        )
    fate = Fate.TOO_LARGE if status == 413 else Fate.REFUSED
    return Answer(fate=fate, problem=f"status {status}{_message(response.content)}")


def _delivered(content: bytes) -> Answer:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - as above
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - as above
        ExportTraceServiceResponse,
    )

    try:
        partial = ExportTraceServiceResponse.FromString(content).partial_success
    except DecodeError:
        return Answer(fate=Fate.DELIVERED, problem="an answer that is not OTLP")
    return Answer(fate=Fate.DELIVERED, num_rejected=max(partial.rejected_spans, 0), problem=partial.error_message)


def _message(content: bytes) -> str:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - as above
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    try:
        message: str = Status.FromString(content).message
    except DecodeError:
        return ""
    return f": {message}" if message else ""


def _seconds(header: str | None) -> float | None:
    """`Retry-After`, which is a number of seconds or a date."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None
