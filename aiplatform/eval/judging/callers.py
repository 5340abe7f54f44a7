"""Which caller carries a judge's calls in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from aiplatform.core.errors import PermissionDeniedError, UnauthenticatedError
from aiplatform.eval.calling import Caller
from aiplatform.eval.judging.plain_caller import PlainCaller

_INSTALLED: ContextVar[Caller | None] = ContextVar("judge_caller", default=None)


def caller() -> Caller:
    """The caller that was installed here, else one that only asks."""
    return _INSTALLED.get() or _plain()


def stops_run(error: BaseException) -> bool:
    """Whether every further call would fail as this one did."""
    return isinstance(error, UnauthenticatedError | PermissionDeniedError)


@contextmanager
def calling_through(used: Caller) -> Iterator[None]:
    """Inside the block, judges call through `used`."""
    token = _INSTALLED.set(used)
    try:
        yield
    finally:
        _INSTALLED.reset(token)


@cache
def _plain() -> Caller:
    return PlainCaller()
