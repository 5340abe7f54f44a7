"""Work that waits until the application imports a module, so that nobody loads what the application does not use."""

from __future__ import annotations

import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Hook = Callable[[ModuleType], None]

logger = logging.getLogger(__name__)

_lock = threading.RLock()
"""Guards `_hooks`."""
_hooks: dict[str, list[Hook]] = {}


def when_imported(name: str, hook: Hook) -> None:
    """Call `hook` with the module: now where it is loaded, and after each time that it is. Failing hooks are logged.

    Each time, because what was done to a module is gone when it is reloaded.
    """
    with _lock:
        module = sys.modules.get(name)
        is_loading = module is not None and getattr(getattr(module, "__spec__", None), "_initializing", False)
        _hooks.setdefault(name, []).append(hook)
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder())
    if module is not None and not is_loading:
        _run(hook, module)


class _Finder:
    """Finds nothing itself: it asks the others, and lets the hooks follow the loading."""

    def __init__(self) -> None:
        self._busy = threading.local()

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """The spec that the other finders give, with a loader that calls the hooks."""
        busy: set[str] = self._busy.__dict__.setdefault("names", set())
        if name not in _hooks or name in busy:
            return None
        busy.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            busy.discard(name)
        if spec is not None and spec.loader is not None:
            _follow(spec.loader, name)
        return spec


def _follow(loader: Any, name: str) -> None:
    original = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        loader.exec_module = original
        original(module)
        with _lock:
            hooks = list(_hooks[name])
        for hook in hooks:
            _run(hook, module)

    loader.exec_module = exec_module


def _run(hook: Hook, module: ModuleType) -> None:
    try:
        hook(module)
    except Exception:
        # The application's import must not fail because tracing does not understand that module.
        logger.warning("calls through %s do not carry the trace", module.__name__, exc_info=True)
