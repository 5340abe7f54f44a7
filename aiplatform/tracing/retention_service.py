"""Retention at work: policies set and tried out, and the worker that removes what they let go, in small pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.clock import Clock
from aiplatform.core.scope import Scope
from aiplatform.storage.days import drop_empty_days
from aiplatform.storage.tables.tracing import span_logs, traces
from aiplatform.storage.tables.tracing import spans as spans_table
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.policies import Policies, projects_of
from aiplatform.tracing.retention import RetentionPolicy, read_retention, retention_json, to_go, too_old
from aiplatform.tracing.store.orphans import orphans_after, remove_orphans
from aiplatform.tracing.store.policies import PolicyKind, all_policies, in_force
from aiplatform.tracing.store.removal import Removed, count_where, remove_traces, traces_where

if TYPE_CHECKING:
    from aiplatform.storage.database import Database
    from aiplatform.tenancy.model import Caller

RETENTION_PERIOD_S: Final = 300.0
MAX_RUN_S: Final = 60.0
"""Of one run of the worker; the rest waits for the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionState:
    """What is set for a tenant and for one project of it; None where everything is kept."""

    tenant: RetentionPolicy | None
    project: RetentionPolicy | None

    @property
    def in_force(self) -> RetentionPolicy | None:
        """What counts in the project: its own policy instead of the tenant's, not on top of it."""
        return self.project if self.project is not None else self.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPreview:
    """What a policy would do now."""

    num_traces: int
    num_spans: int
    oldest_ns: int | None
    newest_ns: int | None
    """When the first and the last trace began that would go."""

    num_kept_traces: int
    """Old enough to go, and kept by a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sweep:
    """How far a project's log records were looked through for those without a span."""

    before_day: int
    last: str | None
    """Trace id where the next run goes on; None once all of that day was looked at."""


class Retention:
    """Retention of one process. Thread safe. Where no policy is set, everything is kept for ever.

    Args:
        database: Where spans rest.
        clock: What time it is.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._policies = Policies(database, clock, PolicyKind.RETENTION)
        self._swept: dict[Scope, _Sweep] = {}

    def state(self, caller: Caller) -> RetentionState:
        """What is set for the caller's tenant and project."""
        whole, own = self._policies.of(caller)
        return RetentionState(
            tenant=read_retention(whole.policy) if whole else None,
            project=read_retention(own.policy) if own else None,
        )

    def set(self, caller: Caller, given: Mapping[str, Any], *, whole_tenant: bool) -> RetentionPolicy:
        """Set the policy of the caller's project, or of every project that has none of its own. Audited.

        Raises:
            InvalidError: A value is wrong.
            PermissionDeniedError: The key belongs to one project, and the whole tenant is meant.
        """
        policy = read_retention(given)
        form = retention_json(policy)
        self._policies.set(caller, form, whole_tenant=whole_tenant, told=form)
        return policy

    def remove(self, caller: Caller, *, whole_tenant: bool) -> bool:
        """Keep everything again; returns whether a policy was set. Audited.

        Raises:
            PermissionDeniedError: The key belongs to one project, and the whole tenant is meant.
        """
        return self._policies.remove(caller, whole_tenant=whole_tenant)

    def preview(self, caller: Caller, given: Mapping[str, Any] | None) -> RetentionPreview:
        """What would go from the caller's project now; nothing goes.

        Args:
            caller: Whose project.
            given: A policy to try; by default the one in force.

        Raises:
            InvalidError: A value is wrong.
        """
        policy = read_retention(given) if given is not None else self.state(caller).in_force
        if policy is None:
            return RetentionPreview(num_traces=0, num_spans=0, oldest_ns=None, newest_ns=None, num_kept_traces=0)
        now_ns = self._clock.now_ns()
        with self._database.read(caller.scope, is_snapshot=True) as tx:
            num_old, *_ = count_where(tx, too_old(policy, now_ns))
            num_traces, num_spans, oldest_ns, newest_ns = count_where(tx, to_go(policy, now_ns, tx.dialect))
        return RetentionPreview(
            num_traces=num_traces,
            num_spans=num_spans,
            oldest_ns=oldest_ns,
            newest_ns=newest_ns,
            num_kept_traces=num_old - num_traces,
        )

    def run(self) -> Removed:
        """Remove what policies let go, piece by piece, for about a minute at most; then drop days that are empty.

        Each piece is a transaction of its own and holds whole traces, so that ending in the middle harms nothing. Log
        records whose span never came go by their own day.

        Raises:
            TransientError: The database cannot be reached.
        """
        begun_ns = self._clock.now_ns()
        with self._database.system("read retention policies", write=False) as tx:
            stored = all_policies(tx, PolicyKind.RETENTION)
        policies = {(one.tenant_id, one.project_id): read_retention(one.policy) for one in stored}
        total = Removed()
        for tenant_id in sorted({tenant_id for tenant_id, _ in policies}):
            for scope in projects_of(self._database, tenant_id, traces, span_logs):
                policy = in_force(policies, scope)
                if policy is not None:
                    total += self._thin(scope, policy, begun_ns)
                    self._sweep(scope, policy, begun_ns)
        if total.num_spans:
            shortest_days = min(policy.keep_days for policy in policies.values())
            drop_empty_days(self._database, spans_table, before=int(begun_ns // DAY_NS - shortest_days))
        return total

    def _thin(self, scope: Scope, policy: RetentionPolicy, begun_ns: int) -> Removed:
        conditions = to_go(policy, begun_ns, self._database.dialect)
        total = Removed()
        while self._clock.now_ns() - begun_ns < MAX_RUN_S * 1e9:
            with self._database.read(scope) as tx:
                trace_ids = traces_where(tx, conditions)
            if not trace_ids:
                break
            with self._database.transaction(scope) as tx:
                # Whether they still are to go is asked again under the lock: a late span may have failed.
                total += remove_traces(tx, trace_ids, conditions, now_ns=self._clock.now_ns())
        return total

    def _sweep(self, scope: Scope, policy: RetentionPolicy, begun_ns: int) -> None:
        """Remove log records that are old and have no span: all are looked through once for each day that ends."""
        before_day = int((begun_ns - policy.keep_days * DAY_NS) // DAY_NS)
        known = self._swept.get(scope)
        last = known.last if known is not None and known.before_day == before_day else ""
        while last is not None and self._clock.now_ns() - begun_ns < MAX_RUN_S * 1e9:
            with self._database.read(scope) as tx:
                piece = orphans_after(tx, last, before_day=before_day)
            if piece.orphans:
                with self._database.transaction(scope) as tx:
                    remove_orphans(tx, piece.orphans, before_day=before_day)
            last = piece.last
            self._swept[scope] = _Sweep(before_day=before_day, last=last)
