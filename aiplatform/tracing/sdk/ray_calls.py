"""Ray's tasks and actors in this process: each call takes the open span along."""

from __future__ import annotations

import functools
import inspect
import pickle
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from aiplatform.tracing.sdk.carriers import KEYWORD, MARK, carrier, is_call, is_static, is_users
from aiplatform.tracing.sdk.post_import import when_imported
from aiplatform.tracing.sdk.ray_context import SERVE_KEYWORD, outgoing

_lock = threading.Lock()
"""Guards the functions and classes that pass through here for the first time."""
_is_installed = False


def install() -> None:
    """Teach this process's Ray, now or when the application imports it."""
    global _is_installed
    if _is_installed:
        return
    _is_installed = True
    when_imported("ray.remote_function", _teach_tasks)
    when_imported("ray.actor", _teach_actors)


def _teach_tasks(module: ModuleType) -> None:
    module.RemoteFunction._remote = _task_call(module.RemoteFunction._remote)


def _teach_actors(module: ModuleType) -> None:
    module.ActorClass._remote = _actor_creation(module.ActorClass._remote)
    module.ActorMethod._remote = _actor_call(module.ActorMethod._remote)


def _task_call(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def remote(self: Any, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        if self._function_signature is None and is_users(self._function):
            with _lock:
                if self._function_signature is None:
                    self._function = carrier(self._function)
        payload = outgoing() if getattr(self._function, MARK, False) else None
        if payload is not None:
            kwargs = {**(kwargs or {}), KEYWORD: payload}
        return original(self, args, kwargs, *rest, **options)

    return remote


def _actor_creation(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def remote(self: Any, *args: Any, **options: Any) -> Any:
        meta = self.__ray_metadata__
        if meta.last_export_cluster_and_job is None and is_users(meta.modified_class):
            with _lock:
                _teach_class(meta)
        return original(self, *args, **options)

    return remote


def _actor_call(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def remote(self: Any, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        if kwargs and SERVE_KEYWORD in kwargs and args and isinstance(args[0], bytes):
            args, kwargs = _into_metadata(args, kwargs)
        signature = getattr(self, "_signature", None)
        if signature and any(parameter.name == KEYWORD for parameter in signature):
            payload = outgoing()
            if payload is not None:
                kwargs = {**(kwargs or {}), KEYWORD: payload}
        return original(self, args, kwargs, *rest, **options)

    return remote


def _into_metadata(args: Any, kwargs: Any) -> tuple[Any, Any]:
    """A Serve request's call with its span in the metadata, since Ray lets the keyword pass no actor call.

    That is where the replica looks next. The bytes are Serve's own, written by this process a moment ago.
    """
    metadata = pickle.loads(args[0])  # noqa: S301 - see above
    metadata.tracing_context = kwargs[SERVE_KEYWORD]
    rest = {name: value for name, value in kwargs.items() if name != SERVE_KEYWORD}
    return (pickle.dumps(metadata), *args[1:]), rest


def _teach_class(meta: Any) -> None:
    from ray._common.signature import extract_signature

    cls = meta.modified_class
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if is_static(cls, name) or not is_call(name) or getattr(method, MARK, False):
            continue
        carried = carrier(method)
        setattr(cls, name, carried)
        meta.method_meta.methods[name] = carried
        meta.method_meta.signatures[name] = extract_signature(carried, ignore_first=True)
