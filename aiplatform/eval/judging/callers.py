"""Which caller carries a judge's calls in this process."""

from __future__ import annotations

from functools import cache

from aiplatform.eval.calling import Caller
from aiplatform.eval.calling.scope import current_scope
from aiplatform.eval.judging.plain_caller import PlainCaller


def caller() -> Caller:
    """The caller of the evaluation that this code runs in; outside of one, a caller that only asks."""
    scope = current_scope()
    return scope.caller if scope is not None and scope.caller is not None else _plain()


@cache
def _plain() -> Caller:
    return PlainCaller()
