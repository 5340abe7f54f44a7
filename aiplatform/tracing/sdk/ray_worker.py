"""The far side of `ray_context`: what a worker does with the context that came with a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiplatform.tracing.sdk.context import use_traceparent
from aiplatform.tracing.sdk.setup import init, is_initialised, nudge


@contextmanager
def arrived(payload: Mapping[str, str]) -> Iterator[None]:
    """Spans opened in the block continue the caller's trace, and leave soon after it: workers end without warning."""
    if not is_initialised() and "url" in payload:
        init(payload.get("project"), url=payload["url"], service_name="ray-worker")
    with use_traceparent(payload.get("traceparent")):
        try:
            yield
        finally:
            nudge()


def arrived_generator(
    function: Callable[..., Any], payload: Mapping[str, str] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Generator[Any, Any, Any]:
    """The generator's items, made in the caller's trace."""
    if payload is None:
        return (yield from function(*args, **kwargs))
    with arrived(payload):
        return (yield from function(*args, **kwargs))


async def arrived_async_generator(
    function: Callable[..., Any], payload: Mapping[str, str] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AsyncIterator[Any]:
    """The async generator's items, made in the caller's trace."""
    if payload is None:
        async for item in function(*args, **kwargs):
            yield item
        return
    with arrived(payload):
        async for item in function(*args, **kwargs):
            yield item
