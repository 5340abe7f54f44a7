"""What stands behind every way in, HTTP or gRPC: a request's bytes, a caller, and an answer after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.protobuf.message import Message

from aiplatform.core.errors import AIPlatformError, TooLargeError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.auth import unknown_project
from aiplatform.tenancy.credentials import PROJECT_HEADER
from aiplatform.tracing.counting import MAX_REASON, CountKind
from aiplatform.tracing.model import IngestResult
from aiplatform.tracing.otlp import Export, ProjectChooser, decode_as
from aiplatform.tracing.projects import ProjectChoice, Wish, named_by_headers
from aiplatform.tracing.signals import Signal

if TYPE_CHECKING:
    from aiplatform.tenancy.admission import Admission
    from aiplatform.tenancy.model import Caller
    from aiplatform.tracing.service import Traces

MAX_BODY_BYTES: Final = 64 * 2**20
DECODE_ON_LOOP_BYTES: Final = 128 * 2**10
"""Requests above are decoded on a thread, so that a large one does not hold up the small ones."""

COMMIT_TIMEOUT_S: Final = 8.0
"""Exporters give up after 10 s; a request that waits longer is told to come again, and a repeat changes nothing."""

Made = TypeVar("Made")


class SignalEntry:
    """Takes requests of one signal.

    Args:
        traces: The service that stores.
        signal: Which.
        projects: Where a project that a request names is looked up; without it requests choose nothing.
        admission: Counts what is stored against the tenant's limits.
    """

    def __init__(
        self,
        traces: Traces,
        signal: Signal,
        projects: ProjectChoice | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._admission = admission
        self._traces = traces
        self.signal = signal
        self._projects = projects

    async def take(self, body: bytes, media_type: str, caller: Caller, headers: Mapping[str, str]) -> Message:
        """The response to a request, once what it sent is committed.

        Args:
            body: The plain bytes.
            media_type: `PROTOBUF` or `JSON` of `otlp`.
            caller: Who sends.
            headers: Names in lower case: some name a project.

        Raises:
            PermissionDeniedError: The caller may not.
            InvalidError: The bytes are no request of this signal.
            NotFoundError: A header names a project that the caller's key does not reach.
            RateLimitedError: The tenant has sent as much as it may today.
            TransientError: It could not be stored now; nothing was acknowledged.
        """
        try:
            return await self._taken(body, media_type, caller, headers)
        except AIPlatformError as error:
            self.refused(caller, error)
            raise

    def refused(self, caller: Caller, error: AIPlatformError) -> None:
        """Count a request that is not taken."""
        counted = {(CountKind.REFUSED.value, error.full_code[:MAX_REASON]): 1}
        self._traces.incoming.count(caller.scope, counted)

    async def _taken(self, body: bytes, media_type: str, caller: Caller, headers: Mapping[str, str]) -> Message:
        caller.require(self.signal.permission)
        caller, is_chosen = await self._placed(caller, headers)
        is_large = len(body) > DECODE_ON_LOOP_BYTES
        request = await _made(is_large, lambda: decode_as(self.signal.request, body, media_type))
        choose = None if is_chosen else await self._chooser(request, caller)
        now_ns = self._traces.clock.now_ns()
        redaction = self._traces.redaction
        # A policy that is to be read again, or one that has work to do, is nothing for the event loop.
        is_slow = is_large or choose is not None or redaction.is_stale or redaction.of(caller.scope) is not None
        exports = await _made(is_slow, lambda: self.signal.read(request, caller, now_ns, choose, redaction.of))
        if self._admission is None:
            return self.signal.answer(await self._stored(exports))
        num_spans = sum(len(export.spans) for export in exports)
        async with self._admission.spans(caller, num_spans, len(body)):
            return self.signal.answer(await self._stored(exports))

    async def _placed(self, caller: Caller, headers: Mapping[str, str]) -> tuple[Caller, bool]:
        """The caller in the project that a header names, and whether one does: resources choose nothing then."""
        wish = named_by_headers(headers)
        if self._projects is None or wish is None:
            return caller, bool(headers.get(PROJECT_HEADER))
        project_id = await self._found(self._projects, caller, wish)
        if project_id is None:
            raise unknown_project(wish.name)
        return replace(caller, project_id=project_id), True

    async def _chooser(self, request: Any, caller: Caller) -> ProjectChooser | None:
        """The projects that resources name, looked up once each; None where all goes to the caller's own."""
        if self._projects is None:
            return None
        found: dict[tuple[str, bool], str | None] = {}
        for name, is_ours in self.signal.projects_named(request):
            if (name, is_ours) not in found:
                asked = Wish(name=name, is_label=not is_ours)
                found[name, is_ours] = await self._found(self._projects, caller, asked)
        return (lambda name, is_ours: found[name, is_ours]) if found else None

    async def _found(self, projects: ProjectChoice, caller: Caller, wish: Wish) -> str | None:
        return projects.known(caller, wish) or await asyncio.to_thread(projects.resolve, caller, wish)

    async def _stored(self, exports: list[Export]) -> IngestResult:
        waiting = [asyncio.wrap_future(self._traces.incoming.submit(export)) for export in exports]
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                results = [await future for future in waiting]
        except TimeoutError:
            raise TransientError(
                N_("The database takes longer than {seconds:g} s to store spans."),
                hint=N_("Send the request again; what was stored meanwhile is not stored twice."),
                reason="tracing.slow",
                retry_after_s=1.0,
                seconds=COMMIT_TIMEOUT_S,
            ) from None
        finally:
            for future in waiting:
                future.cancel()
        problem = next((result.problem for result in results if result.problem), None)
        return IngestResult(
            accepted=sum(result.accepted for result in results),
            rejected=sum(result.rejected for result in results),
            problem=problem,
        )


async def _made(is_large: bool, make: Callable[[], Made]) -> Made:
    return await asyncio.to_thread(make) if is_large else make()


def too_large(limit: int) -> TooLargeError:
    """The error of a request above the limit."""
    return TooLargeError(
        N_("A request may hold at most {limit} bytes, decompressed."),
        hint=N_("Let the exporter send smaller batches."),
        reason="tracing.too_large",
        limit=limit,
    )
