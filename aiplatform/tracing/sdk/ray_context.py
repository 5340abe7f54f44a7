"""Trace context into Ray: tasks, actors, Serve, Data and Train continue the trace of whoever called them.

In a driver that called `aip.init()` nothing else is needed. Each remote function and actor class, when it is first
used, is given one more keyword that carries the caller's `traceparent`, as Ray's own tracing does it. (Ray's own cannot
be used: it must be set up when the cluster starts.) Functions given to a Ray Data set and the loop of a Ray Train
worker continue the span that was open where they were given. A Serve handle sends the open span along; a deployment
that is bound after `init` continues it. Functions and classes of Ray itself are left alone, and so is what was exported
before `init`.

What is built far from such a driver says itself that it continues traces:

    @serve.deployment
    @aiplatform.tracing.sdk.carrying
    class Model: ...

Over HTTP the standard `traceparent` header is what carries it.
"""

from __future__ import annotations

import inspect
import pickle
import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiplatform.tracing.sdk.carriers import KEYWORD, carrier, is_call, is_static
from aiplatform.tracing.sdk.context import current_traceparent

if TYPE_CHECKING:
    from aiplatform.client.credentials import Credentials
    from aiplatform.tracing.sdk.wire import Mask

SERVE_KEYWORD: Final = "_ray_trace_ctx"
"""The keyword that Serve takes off each request before the user's method sees it."""

_WORKER_MODE: Final = 1

T = TypeVar("T")

_announced: dict[str, Any] | None = None
_key: str | None = None


def announce(credentials: Credentials, mask: Mask | None, patterns: tuple[str, ...], ratio: float | None) -> None:
    """Let Ray workers that this process calls send their spans where this process sends its own, and masked alike.

    The key is not passed on: a worker finds its own, by environment or file, as every process does.
    """
    global _announced, _key
    found: dict[str, Any] = {"url": credentials.url, "project": credentials.project_id}
    if mask is not None:
        found["mask"] = _packed(mask)
    if patterns:
        found["patterns"] = patterns
    if ratio is not None:
        found["ratio"] = ratio
    _announced, _key = found, credentials.key
    from aiplatform.tracing.sdk import ray_calls, ray_libraries  # noqa: PLC0415 - they need what is here

    ray_calls.install()
    ray_libraries.install()


def outgoing() -> dict[str, Any] | None:
    """What travels with a call: the open span, and where spans go; None where neither is known.

    The second travels without the first too, so that a worker is ready before it calls others in its turn.
    """
    traceparent = current_traceparent()
    if traceparent is None:
        return _announced
    return {"traceparent": traceparent, **(_announced or {})}


def outgoing_to_child() -> dict[str, Any] | None:
    """The same for a process of our own, which is given the key too: it is told over a pipe that is ours alone."""
    if _announced is None:
        return None
    return {**(outgoing() or {}), **({"key": _key} if _key else {})}


def is_worker() -> bool:
    """Whether this process is a Ray worker. Its environment is that of the cluster's start, of no span."""
    worker = sys.modules.get("ray._private.worker")
    return worker is not None and worker.global_worker.mode == _WORKER_MODE


def carrying(target: T) -> T:
    """A function, or a class, whose calls continue the caller's trace when the caller passes it along.

    Put it below `@ray.remote` or `@serve.deployment` for what cannot be found by itself: deployments that are built by
    configuration, and what is called from processes that never called `aip.init()`.
    """
    if inspect.isclass(target):
        for name, method in inspect.getmembers(target, inspect.isfunction):
            if is_call(name) and not is_static(target, name):
                setattr(target, name, carrier(method, is_served=True))
        return target
    return carrier(target, is_served=True)  # type: ignore[arg-type,return-value]


def carry_to(handle: Any) -> _CarryingHandle:
    """A Serve handle whose calls take the open span along; the deployment must be `carrying`.

    Only where `aip.init()` was not called: else every handle does.
    """
    return _CarryingHandle(handle)


class _CarryingHandle:
    """`handle.method.remote(...)` with the caller's context added."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> _CarryingHandle:
        return _CarryingHandle(getattr(self._handle, name))

    def options(self, **options: Any) -> _CarryingHandle:
        """The same handle with other options."""
        return _CarryingHandle(self._handle.options(**options))

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Call the deployment."""
        payload = outgoing()
        return self._handle.remote(*args, **(kwargs if payload is None else {**kwargs, KEYWORD: payload}))


def _packed(mask: Mask) -> bytes:
    """The mask as bytes; empty where it cannot travel, and workers hide every text."""
    for name in ("ray.cloudpickle", "cloudpickle"):
        if name in sys.modules:
            dumps = sys.modules[name].dumps
            break
    else:
        dumps = pickle.dumps
    try:
        packed: bytes = dumps(mask)
    except Exception:  # noqa: BLE001 - a mask may hold anything, a lock or a connection
        return b""
    return packed
