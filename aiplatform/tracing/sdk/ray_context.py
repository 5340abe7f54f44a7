"""Trace context into Ray: tasks, actor calls and Serve handles continue the trace of whoever called them.

In a driver that called `aip.init()` tasks and actors need nothing: each remote function and actor class, when it is
first used, is given one more keyword that carries the caller's `traceparent`, as Ray's own tracing does it. (Ray's own
cannot be used: it must be set up when the cluster starts, and breaks Serve.) Functions and classes of Ray itself are
left alone, and so is what was exported before `init`.

Serve builds its replicas far from the driver, so a deployment says that it continues traces, and the handle that it is
called:

    @serve.deployment
    @aip.tracing.carrying
    class Model: ...

    await carry_to(handle).answer.remote(question)

Over HTTP the standard `traceparent` header is what carries it.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiplatform.tracing.sdk.context import current_traceparent

if TYPE_CHECKING:
    from aiplatform.client.credentials import Credentials

KEYWORD: Final = "_aip_trace"
_MARK: Final = "__aip_carries_trace__"

T = TypeVar("T")

_lock = threading.Lock()
"""Guards the patching of Ray and of the functions and classes that pass through it."""
_announced: dict[str, str] | None = None
_is_installed = False


def announce(credentials: Credentials) -> None:
    """Let Ray workers that this process calls send their spans where this process sends its own.

    The key is not passed on: a worker finds its own, by environment or file, as every process does.
    """
    global _announced
    _announced = {"url": credentials.url, "project": credentials.project_id}
    watch_for_ray()


def watch_for_ray() -> None:
    """Carry context into Ray as soon as the application has imported it. Costs nothing where there is no Ray."""
    if _is_installed or _announced is None or "ray.actor" not in sys.modules:
        return
    _install()


def outgoing() -> dict[str, str] | None:
    """What travels with a call: the open span, and where spans go; None where neither is known.

    The second travels without the first too, so that a worker is ready before it calls others in its turn.
    """
    traceparent = current_traceparent()
    if traceparent is None:
        return _announced
    return {"traceparent": traceparent, **(_announced or {})}


def carrying(target: T) -> T:
    """A function, or a class, whose calls continue the caller's trace when the caller passes it along.

    Put it below `@ray.remote` or `@serve.deployment` for what cannot be found by itself: Serve deployments, and what is
    called from processes that never called `aip.init()`.
    """
    if inspect.isclass(target):
        for name, method in inspect.getmembers(target, inspect.isfunction):
            if _is_call(name) and not isinstance(inspect.getattr_static(target, name), staticmethod):
                setattr(target, name, _carrier(method))
        return target
    return _carrier(target)  # type: ignore[arg-type,return-value]


def carry_to(handle: Any) -> _CarryingHandle:
    """A Serve handle whose calls take the open span along; the deployment must be `carrying`."""
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


def _carrier(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with one more keyword that says whose trace it continues.

    The wrapper travels to the worker as code together with the function, so it imports what it needs where it runs; a
    call that brings no context needs nothing.
    """
    if getattr(function, _MARK, False):
        return function
    carry = _wrapper(function)
    carry.__signature__ = _with_keyword(inspect.signature(function))  # type: ignore[attr-defined]
    setattr(carry, _MARK, True)
    return carry


def _wrapper(function: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def carry_async_generator(*args: Any, _aip_trace: Any = None, **kwargs: Any) -> Any:
            from aiplatform.tracing.sdk.ray_worker import arrived_async_generator  # noqa: PLC0415 - see `_carrier`

            async for item in arrived_async_generator(function, _aip_trace, args, kwargs):
                yield item

        return carry_async_generator
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def carry_generator(*args: Any, _aip_trace: Any = None, **kwargs: Any) -> Any:
            from aiplatform.tracing.sdk.ray_worker import arrived_generator  # noqa: PLC0415 - see `_carrier`

            return (yield from arrived_generator(function, _aip_trace, args, kwargs))

        return carry_generator
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def carry_async(*args: Any, _aip_trace: Any = None, **kwargs: Any) -> Any:
            if _aip_trace is None:
                return await function(*args, **kwargs)
            from aiplatform.tracing.sdk.ray_worker import arrived  # noqa: PLC0415 - see `_carrier`

            with arrived(_aip_trace):
                return await function(*args, **kwargs)

        return carry_async

    @functools.wraps(function)
    def carry(*args: Any, _aip_trace: Any = None, **kwargs: Any) -> Any:
        if _aip_trace is None:
            return function(*args, **kwargs)
        from aiplatform.tracing.sdk.ray_worker import arrived  # noqa: PLC0415 - see `_carrier`

        with arrived(_aip_trace):
            return function(*args, **kwargs)

    return carry


def _with_keyword(signature: inspect.Signature) -> inspect.Signature:
    parameters = list(signature.parameters.values())
    extra = inspect.Parameter(KEYWORD, inspect.Parameter.KEYWORD_ONLY, default=None)
    at = len(parameters) - 1 if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD else len(parameters)
    return signature.replace(parameters=[*parameters[:at], extra, *parameters[at:]])


def _is_call(name: str) -> bool:
    return not name.startswith("__") or name == "__call__"


def _install() -> None:
    """Teach this process's Ray to pass context along."""
    global _is_installed
    # Ray is imported by the application already: these cost nothing, and nobody without Ray gets here.
    from ray.actor import ActorClass, ActorMethod
    from ray.remote_function import RemoteFunction

    with _lock:
        if _is_installed:
            return
        RemoteFunction._remote = _task_call(RemoteFunction._remote)
        ActorClass._remote = _actor_creation(ActorClass._remote)
        ActorMethod._remote = _actor_call(ActorMethod._remote)
        _is_installed = True


def _task_call(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def remote(self: Any, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        if self._function_signature is None and _is_users(self._function):
            with _lock:
                if self._function_signature is None:
                    self._function = _carrier(self._function)
        payload = outgoing() if getattr(self._function, _MARK, False) else None
        if payload is not None:
            kwargs = {**(kwargs or {}), KEYWORD: payload}
        return original(self, args, kwargs, *rest, **options)

    return remote


def _actor_creation(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def remote(self: Any, *args: Any, **options: Any) -> Any:
        meta = self.__ray_metadata__
        if meta.last_export_cluster_and_job is None and _is_users(meta.modified_class):
            with _lock:
                _teach_class(meta)
        return original(self, *args, **options)

    return remote


def _actor_call(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def remote(self: Any, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        signature = getattr(self, "_signature", None)
        if signature and any(parameter.name == KEYWORD for parameter in signature):
            payload = outgoing()
            if payload is not None:
                kwargs = {**(kwargs or {}), KEYWORD: payload}
        return original(self, args, kwargs, *rest, **options)

    return remote


def _teach_class(meta: Any) -> None:
    from ray._common.signature import extract_signature

    cls = meta.modified_class
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        is_static = isinstance(inspect.getattr_static(cls, name), staticmethod | classmethod)
        if is_static or not _is_call(name) or getattr(method, _MARK, False):
            continue
        carried = _carrier(method)
        setattr(cls, name, carried)
        meta.method_meta.methods[name] = carried
        meta.method_meta.signatures[name] = extract_signature(carried, ignore_first=True)


def _is_users(target: Any) -> bool:
    module = getattr(target, "__module__", None) or ""
    return not getattr(target, _MARK, False) and module.partition(".")[0] != "ray"
