"""Functions and classes whose calls continue the caller's trace in another process.

A carrier travels to the worker as code together with what it wraps, so it imports what it needs where it runs, and runs
the function as it is where aiplatform is not installed.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

KEYWORD: Final = "_aip_trace"
MARK: Final = "__aip_carries_trace__"

Payload = Mapping[str, Any]
"""What travels: the open span's `traceparent`, where spans go, and what they are masked by."""


def carrier(function: Callable[..., Any], *, is_served: bool = False) -> Callable[..., Any]:
    """`function` with one more keyword that says whose trace it continues.

    Args:
        function: Plain, async, generator or async generator.
        is_served: Whether to look for the trace at the Serve request too, where the keyword brings none.
    """
    if getattr(function, MARK, False):
        return function
    carry = _wrapper(function, None, is_served)
    carry.__signature__ = _with_keyword(inspect.signature(function))  # type: ignore[attr-defined]
    setattr(carry, MARK, True)
    return carry


def bound(target: Any, payload: Payload | None) -> Any:
    """`target` continuing one given trace: a function, or a class whose objects are called.

    What is neither, what carries a trace already, and Ray's own are given back as they are.
    """
    if payload is None or not is_users(target):
        return target
    if inspect.isclass(target):
        call = getattr(target, "__call__", None)  # noqa: B004 - it is wrapped, not asked about
        return _subclass(target, {"__call__": _wrapper(call, payload, False)}) if inspect.isfunction(call) else target
    if not (inspect.isfunction(target) or inspect.ismethod(target)):
        return target
    carry = _wrapper(target, payload, False)
    setattr(carry, MARK, True)
    return carry


def served(target: Any) -> Any:
    """A deployment's function or class that continues the trace of each request's caller."""
    if not is_users(target):
        return target
    if inspect.isclass(target):
        found = {
            name: carrier(method, is_served=True)
            for name, method in inspect.getmembers(target, inspect.isfunction)
            if is_call(name) and is_users(method) and not is_static(target, name)
        }
        return _subclass(target, found) if found else target
    return carrier(target, is_served=True) if inspect.isfunction(target) else target


def is_users(target: Any) -> bool:
    """Whether something is the user's own and carries nothing yet: Ray's own functions and classes are left alone."""
    module = getattr(target, "__module__", None) or ""
    return not getattr(target, MARK, False) and module.partition(".")[0] != "ray"


def is_call(name: str) -> bool:
    """Whether others call a method of that name."""
    return not name.startswith("__") or name == "__call__"


def is_static(cls: type, name: str) -> bool:
    """Whether the method takes no object."""
    return isinstance(inspect.getattr_static(cls, name), staticmethod | classmethod)


def _subclass(cls: type, methods: Mapping[str, Any]) -> type:
    # A class of the same name: changes to the class itself would stay behind where it is importable in the worker.
    body = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        MARK: True,
        **methods,
    }
    return type(cls)(cls.__name__, (cls,), body)


def _wrapper(function: Callable[..., Any], fixed: Payload | None, is_served: bool) -> Callable[..., Any]:
    def entry(given: Any) -> Any:
        """The block in which the function runs; None where there is no trace to continue."""
        if given is None and fixed is None and not is_served:
            return None
        try:
            from aiplatform.tracing.sdk.ray_worker import arrived, served_payload  # noqa: PLC0415 - see the module
        except ImportError:
            return None
        payload = given or fixed or served_payload()
        return None if payload is None else arrived(payload)

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def carry_async_generator(*args: Any, _aip_trace: Any = None, **kwargs: Any) -> Any:
            enter = entry(_aip_trace)
            if enter is None:
                async for item in function(*args, **kwargs):
                    yield item
                return
            with enter:
                async for item in function(*args, **kwargs):
                    yield item

        return carry_async_generator
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def carry_generator(*args: Any, _aip_trace: Any = None, **kwargs: Any) -> Any:
            enter = entry(_aip_trace)
            if enter is None:
                return (yield from function(*args, **kwargs))
            with enter:
                return (yield from function(*args, **kwargs))

        return carry_generator
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def carry_async(*args: Any, _aip_trace: Any = None, **kwargs: Any) -> Any:
            enter = entry(_aip_trace)
            if enter is None:
                return await function(*args, **kwargs)
            with enter:
                return await function(*args, **kwargs)

        return carry_async

    @functools.wraps(function)
    def carry(*args: Any, _aip_trace: Any = None, **kwargs: Any) -> Any:
        enter = entry(_aip_trace)
        if enter is None:
            return function(*args, **kwargs)
        with enter:
            return function(*args, **kwargs)

    return carry


def _with_keyword(signature: inspect.Signature) -> inspect.Signature:
    parameters = list(signature.parameters.values())
    extra = inspect.Parameter(KEYWORD, inspect.Parameter.KEYWORD_ONLY, default=None)
    at = len(parameters) - 1 if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD else len(parameters)
    return signature.replace(parameters=[*parameters[:at], extra, *parameters[at:]])
