"""Use cases of cold spans: the policy, the worker's share, and a transaction that sees a trace wherever it lies."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from aiplatform.core.clock import Clock
from aiplatform.core.errors import AIPlatformError
from aiplatform.core.scope import Scope
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Transaction
from aiplatform.storage.days import drop_empty_days
from aiplatform.storage.tables.tracing import cold_files
from aiplatform.storage.tables.tracing import spans as spans_table
from aiplatform.tracing.cold.moving import Moving
from aiplatform.tracing.cold.policy import ColdPolicy, cold_json, read_cold
from aiplatform.tracing.cold.scratch import scratch
from aiplatform.tracing.cold.searching import ColdSearch
from aiplatform.tracing.cold.shelf import Shelf
from aiplatform.tracing.model import TraceFilter, TraceSort
from aiplatform.tracing.policies import Policies, projects_of
from aiplatform.tracing.store.cold import has_files, places_of, totals
from aiplatform.tracing.store.listing import ColdMatches, asks_spans
from aiplatform.tracing.store.policies import PolicyKind, all_policies, in_force
from aiplatform.tracing.store.settling import unsettled

if TYPE_CHECKING:
    from aiplatform.storage.database import Database
    from aiplatform.tenancy.model import Caller

FREEZE_PERIOD_S: Final = 300.0
THAW_PERIOD_S: Final = 5.0
MAX_RUN_S: Final = 60.0
"""Of one run of the worker; the rest waits for the next one."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdState:
    """What is set, and what is cold."""

    tenant: ColdPolicy | None
    project: ColdPolicy | None
    num_files: int
    num_traces: int
    num_spans: int
    size_bytes: int
    first_day: int | None
    last_day: int | None
    """Days since 1970 on which cold traces began; None where nothing is cold."""

    @property
    def in_force(self) -> ColdPolicy | None:
        """What counts in the project: its own policy, else the tenant's."""
        return self.project if self.project is not None else self.tenant


class Cold:
    """Cold spans of one process. Thread safe. Where no policy is set, everything stays in the database.

    Args:
        database: Where hot spans rest.
        artifacts: Where cold ones do; None in a process that only stores spans.
        clock: What time it is.
    """

    def __init__(self, database: Database, artifacts: ArtifactStore | None, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._shelf = Shelf(artifacts)
        self._moving = Moving(database, self._shelf, clock)
        self._policies = Policies(database, clock, PolicyKind.COLD)
        self._done: dict[Scope, int] = {}
        """Up to which day everything of a project is cold that can be; a restart finds out again."""

    def state(self, caller: Caller) -> ColdState:
        """What is set for the caller's tenant and project, and what of the project is cold."""
        whole, own = self._policies.of(caller)
        with self._database.read(caller.scope) as tx:
            num_files, num_traces, num_spans, size_bytes, first_day, last_day = totals(tx)
        return ColdState(
            tenant=read_cold(whole.policy) if whole else None,
            project=read_cold(own.policy) if own else None,
            num_files=num_files,
            num_traces=num_traces,
            num_spans=num_spans,
            size_bytes=size_bytes,
            first_day=first_day,
            last_day=last_day,
        )

    def set(self, caller: Caller, given: Mapping[str, Any], *, whole_tenant: bool) -> ColdPolicy:
        """Set the policy of the caller's project, or of every project that has none of its own. Audited.

        Raises:
            InvalidError: A value is wrong.
            PermissionDeniedError: The key belongs to one project, and the whole tenant is meant.
        """
        policy = read_cold(given)
        form = cold_json(policy)
        self._policies.set(caller, form, whole_tenant=whole_tenant, told=form)
        return policy

    def remove(self, caller: Caller, *, whole_tenant: bool) -> bool:
        """Move nothing any more; returns whether a policy was set. What is cold stays so. Audited.

        Raises:
            PermissionDeniedError: The key belongs to one project, and the whole tenant is meant.
        """
        return self._policies.remove(caller, whole_tenant=whole_tenant)

    @contextmanager
    def whole(self, tx: Transaction, trace_ids: Sequence[str]) -> Iterator[Transaction]:
        """A transaction that sees all spans of some traces; `tx` itself where none of them is cold.

        Args:
            tx: A transaction of the platform's database, one state of it.
            trace_ids: The traces that will be asked for; the transaction may see no others.

        Raises:
            TransientError: The artifact store is away.
        """
        places = places_of(tx, trace_ids)
        if not places:
            yield tx
            return
        with scratch(tx) as made:
            made.fill(trace_ids, self._shelf.spans(tx, places))
            yield made.tx

    def page(
        self, tx: Transaction, where: TraceFilter, *, sort: TraceSort, limit: int, page: str | None
    ) -> ColdMatches | None:
        """The cold traces that belong on a page of a list; None where the summaries of traces tell all there is to say.

        Raises:
            InvalidError: The page token is none of this order.
            TransientError: The artifact store is away.
        """
        if not asks_spans(where) or not has_files(tx):
            return None
        return ColdSearch(self._shelf, self._clock.now_ns()).page(tx, where, sort=sort, limit=limit, page=page)

    def all(self, tx: Transaction, where: TraceFilter) -> ColdMatches | None:
        """Every cold trace that meets a filter; None where the summaries of traces tell all there is to say.

        Raises:
            TransientError: The artifact store is away.
        """
        if not asks_spans(where) or not has_files(tx):
            return None
        return ColdSearch(self._shelf, self._clock.now_ns()).all(tx, where)

    def compact(self, scope: Scope) -> int:
        """Write files anew that hold traces which were erased; returns how many files.

        Raises:
            TransientError: Database or artifact store is away; repeating it completes the rest.
        """
        return self._moving.compact(scope)

    def thaw_waiting(self) -> int:
        """Bring back cold traces of which something arrived late; returns how many spans came."""
        by_scope: dict[Scope, list[str]] = {}
        for scope, trace_id in unsettled(self._database, is_cold=True):
            by_scope.setdefault(scope, []).append(trace_id)
        return sum(self._moving.thaw(scope, trace_ids) for scope, trace_ids in by_scope.items())

    def run(self) -> int:
        """The worker's share: move what has become old, renew files, remove orphans; returns how many spans moved.

        Each step is whole in itself, so that ending in the middle harms nothing. A project that fails keeps no other
        one from its turn.
        """
        begun_ns = self._clock.now_ns()
        with self._database.system("read cold policies", write=False) as tx:
            stored = all_policies(tx, PolicyKind.COLD)
            kept = tx.execute(select(cold_files.c.tenant_id, cold_files.c.project_id).distinct()).fetchall()
        policies = {(one.tenant_id, one.project_id): read_cold(one.policy) for one in stored}
        scopes = {Scope(tenant_id=row.tenant_id, project_id=row.project_id) for row in kept}
        for tenant_id in {tenant_id for tenant_id, _ in policies}:
            scopes |= set(projects_of(self._database, tenant_id))
        moved = 0
        for scope in sorted(scopes, key=lambda one: (one.tenant_id, one.project_id or "")):
            try:
                moved += self._tidy(scope, in_force(policies, scope), begun_ns)
            except AIPlatformError:
                logger.exception("cold spans of a project cannot be moved", extra={"project_id": scope.project_id})
        if moved:
            oldest = max(policy.before_day(begun_ns) for policy in policies.values())
            drop_empty_days(self._database, spans_table, before=oldest)
        return moved

    def _tidy(self, scope: Scope, policy: ColdPolicy | None, begun_ns: int) -> int:
        self._moving.compact(scope)
        self._moving.sweep(scope)
        moved = 0
        if policy is None or self._done.get(scope) == policy.before_day(begun_ns):
            return 0
        while self._clock.now_ns() - begun_ns < MAX_RUN_S * 1e9:
            num_spans = self._moving.freeze(scope, policy.before_day(begun_ns))
            if num_spans == 0:
                self._done[scope] = policy.before_day(begun_ns)
                break
            moved += num_spans
        if moved:
            self._moving.compact(scope)  # of traces that were erased while a file was made
        return moved

    def delete_files(self, projects: Sequence[Scope]) -> None:
        """Remove the files of some projects, once their rows are gone."""
        for project in projects:
            self._moving.remove_all(project)
            self._done.pop(project, None)
