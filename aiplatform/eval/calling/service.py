"""Kept answers in the control plane: found, kept, counted, removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.eval.calling.keeping import KeptCall
from aiplatform.eval.calling.kept import CallStats
from aiplatform.eval.calling.store import CallStore
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission

DAY_NS: Final = 86_400 * 1_000_000_000
KEPT_DAYS: Final = 90
"""An answer that nobody used for so long is removed."""

MAX_PROJECT_BYTES: Final = 8 << 30
"""Compressed answers of one project; beyond that the longest unused are removed."""

SWEEP_EVERY_S: Final = 3600.0


class CallService:
    """Paid answers of a project."""

    def __init__(self, store: CallStore, *, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()

    def find(self, caller: Caller, digests: Sequence[str], *, run_id: str | None = None) -> Mapping[str, Any]:
        """Replies by digest; with `run_id` only those that this run paid for."""
        caller.require(Permission.EVALUATIONS_READ)
        now_ns = self._clock.now_ns()
        return self._store.find(caller.scope, digests, run_id=run_id, now_ns=now_ns, touch_before_ns=now_ns - DAY_NS)

    def keep(self, caller: Caller, calls: Sequence[KeptCall], *, replace: bool = False) -> None:
        """Keep answers; they are committed when this returns."""
        caller.require(Permission.EVALUATIONS_WRITE)
        self._store.keep(caller.scope, calls, replace=replace, now_ns=self._clock.now_ns())

    def stats(self, caller: Caller, *, run_id: str | None = None) -> CallStats:
        """What is kept, or what one run has paid for."""
        caller.require(Permission.EVALUATIONS_READ)
        return self._store.stats(caller.scope, run_id=run_id)

    def clear(self, caller: Caller, *, before_ns: int | None = None, model: str | None = None) -> int:
        """Remove answers that were last used before a moment, or of one model, or all; returns how many."""
        caller.require(Permission.EVALUATIONS_WRITE)
        return self._store.clear(caller.scope, before_ns=before_ns, model=model)

    def sweep(self) -> int:
        """Remove what is too old or too much, of every tenant: for the worker. Returns how many."""
        return self._store.sweep(self._clock.now_ns() - KEPT_DAYS * DAY_NS) + self._store.shrink(MAX_PROJECT_BYTES)

    def periodic(self) -> Sequence[tuple[str, float, Callable[[], Any]]]:
        """The worker's share: (name, seconds between two runs, what to do)."""
        return [("evaluations.calls", SWEEP_EVERY_S, self.sweep)]
