"""The open span goes along into threads and child processes, once `aip.init()` was called.

Threads and thread pools take the whole OpenTelemetry context. `multiprocessing` and process pools take the open span
and where spans go, over their own pipes. Programs started through `subprocess` find the span in `TRACEPARENT`, as
OpenTelemetry has it for environments. What is started outside of any span is left alone.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace

from aiplatform.tracing.sdk import ray_context
from aiplatform.tracing.sdk.context import current_traceparent
from aiplatform.tracing.sdk.post_import import when_imported

VARIABLE: Final = "TRACEPARENT"
_ENV_POSITION: Final = 10
"""Place of `env` among the arguments of `Popen`, after the command."""

_POOLS: Final = frozenset({"concurrent.futures.process", "multiprocessing.pool"})

_is_installed = False


def install() -> None:
    """Teach this process's threads and children, once."""
    global _is_installed
    if _is_installed:
        return
    _is_installed = True
    _teach_threads()
    when_imported("concurrent.futures.thread", _teach_thread_pool)
    when_imported("concurrent.futures.process", _teach_process_pool)
    when_imported("multiprocessing.process", _teach_process)
    when_imported("multiprocessing.pool", _teach_pool)
    when_imported("subprocess", _teach_subprocess)


def is_installed() -> bool:
    """Whether threads and children of this process carry the open span."""
    return _is_installed


class Carried:
    """A function for a child process: it continues the trace of whoever sent it."""

    def __init__(self, function: Callable[..., Any], payload: dict[str, Any]) -> None:
        self.function = function
        self.payload = payload

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it there."""
        from aiplatform.tracing.sdk.ray_worker import arrived  # noqa: PLC0415 - it needs what needs this

        with arrived(self.payload):
            return self.function(*args, **kwargs)


def _context_with_span() -> Any:
    here = otel_context.get_current()
    return here if otel_trace.get_current_span(here).get_span_context().is_valid else None


def _there(here: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = otel_context.attach(here)
    try:
        return function(*args, **kwargs)
    finally:
        otel_context.detach(token)


def _teach_threads() -> None:
    original = threading.Thread.start

    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        here = _context_with_span()
        # A pool's thread outlives the span that was open when it was made; each task brings its own.
        if (
            here is not None
            and getattr(getattr(self, "_target", None), "__module__", "") != "concurrent.futures.thread"
        ):
            self.run = functools.partial(_there, here, self.run)  # type: ignore[method-assign]
        original(self)

    threading.Thread.start = start  # type: ignore[method-assign]


def _teach_thread_pool(module: ModuleType) -> None:
    original = module.ThreadPoolExecutor.submit

    @functools.wraps(original)
    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        here = _context_with_span()
        return original(self, fn if here is None else functools.partial(_there, here, fn), *args, **kwargs)

    module.ThreadPoolExecutor.submit = submit


def _carried(function: Callable[..., Any]) -> Callable[..., Any]:
    payload = ray_context.outgoing_to_child()
    return function if payload is None or isinstance(function, Carried) else Carried(function, payload)


def _teach_process_pool(module: ModuleType) -> None:
    original = module.ProcessPoolExecutor.submit

    @functools.wraps(original)
    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return original(self, _carried(fn), *args, **kwargs)

    module.ProcessPoolExecutor.submit = submit


def _teach_process(module: ModuleType) -> None:
    original = module.BaseProcess.start

    @functools.wraps(original)
    def start(self: Any) -> None:
        payload = ray_context.outgoing_to_child()
        if payload is not None and not isinstance(self.run, Carried):
            if getattr(self._target, "__module__", "") in _POOLS:
                payload.pop("traceparent", None)  # as with threads: each task brings its own
            self.run = Carried(self.run, payload)
        original(self)

    module.BaseProcess.start = start


def _teach_pool(module: ModuleType) -> None:
    def teach(name: str) -> None:
        original = getattr(module.Pool, name)

        @functools.wraps(original)
        def call(self: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            return original(self, _carried(func), *args, **kwargs)

        setattr(module.Pool, name, call)

    for name in ("apply_async", "_map_async", "imap", "imap_unordered"):
        teach(name)


def _teach_subprocess(module: ModuleType) -> None:
    original = module.Popen.__init__

    @functools.wraps(original)
    def begin(self: Any, args: Any, *rest: Any, **kwargs: Any) -> None:
        header = current_traceparent()
        if header is not None:
            if len(rest) >= _ENV_POSITION:
                rest = (
                    *rest[: _ENV_POSITION - 1],
                    _with_header(rest[_ENV_POSITION - 1], header),
                    *rest[_ENV_POSITION:],
                )
            else:
                kwargs["env"] = _with_header(kwargs.get("env"), header)
        original(self, args, *rest, **kwargs)

    module.Popen.__init__ = begin


def _with_header(environment: Any, header: str) -> Any:
    if environment is None:
        return {**os.environ, VARIABLE: header}
    is_bytes = any(isinstance(name, bytes) for name in environment)
    name, value = (os.fsencode(VARIABLE), os.fsencode(header)) if is_bytes else (VARIABLE, header)
    return environment if name in environment else {**environment, name: value}
