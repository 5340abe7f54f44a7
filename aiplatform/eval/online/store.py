"""Rules of online evaluation in SQL, and what became of each trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select, update

from aiplatform.core.scope import Scope
from aiplatform.eval.model import from_json, to_json
from aiplatform.eval.online.model import NewRule, OnlineRule, OnlineState
from aiplatform.storage.database import Database
from aiplatform.storage.tables.judging import online_rules as rules
from aiplatform.storage.tables.judging import online_scores as table
from aiplatform.storage.tables.tracing import traces

EVALUATION_SERVICE = "evaluation"
"""Service of the traces of evaluation runs, which are no live traces."""

_COLUMNS = ("trace_id", "scorer", "rule_id", "state", "attempts", "reason", "day", "updated_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A trace that something of has arrived."""

    trace_id: str
    updated_ns: int
    start_ns: int
    is_running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One scorer's turn on one trace."""

    trace_id: str
    scorer: str
    attempts: int = 1


class OnlineStore:
    """Rules of every tenant, each behind its scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, scope: Scope, rule: OnlineRule) -> None:
        """Keep a new rule."""
        row = {
            "rule_id": rule.rule_id,
            "name": rule.rule.name,
            "is_enabled": rule.is_enabled,
            "record": to_json(rule.rule),
            "cursor_ns": rule.cursor_ns,
            "cursor_id": rule.cursor_id,
            "checked_ns": rule.checked_ns,
            "error": rule.error,
            "created_by": rule.created_by,
            "created_ns": rule.created_ns,
        }
        with self._database.transaction(scope) as tx:
            tx.insert(insert(rules), row)

    def get(self, scope: Scope, rule_id: str) -> OnlineRule | None:
        """One rule; None where the scope has none of that id."""
        with self._database.read(scope) as tx:
            row = tx.execute(select(rules).where(rules.c.rule_id == rule_id)).one_or_none()
        return None if row is None else _rule(row)

    def of_project(self, scope: Scope) -> list[OnlineRule]:
        """Rules of a project, the newest first."""
        statement = select(rules).order_by(rules.c.created_ns.desc(), rules.c.rule_id)
        with self._database.read(scope) as tx:
            return [_rule(row) for row in tx.execute(statement)]

    def enabled(self) -> list[tuple[Scope, OnlineRule]]:
        """Every tenant's rules that shall be carried out: for the worker."""
        statement = select(rules).where(rules.c.is_enabled.is_(True)).order_by(rules.c.checked_ns, rules.c.rule_id)
        with self._database.system("online evaluation", write=False) as tx:
            return [
                (Scope(tenant_id=row.tenant_id, project_id=row.project_id), _rule(row)) for row in tx.execute(statement)
            ]

    def change(self, scope: Scope, rule_id: str, **values: Any) -> bool:
        """Set columns of a rule; whether there is one."""
        with self._database.transaction(scope) as tx:
            found = tx.execute(update(rules).where(rules.c.rule_id == rule_id).values(**values))
        return found.rowcount > 0

    def delete(self, scope: Scope, rule_id: str) -> bool:
        """Take a rule away; what it has scored stays, and stays scored. Whether there was one."""
        with self._database.transaction(scope) as tx:
            return tx.execute(delete(rules).where(rules.c.rule_id == rule_id)).rowcount > 0

    def arrivals(self, scope: Scope, rule: OnlineRule, *, until_ns: int, limit: int) -> list[Arrival]:
        """Traces of which something arrived after the rule's cursor, in the order of arrival."""
        columns = traces.c
        after = or_(
            columns.updated_ns > rule.cursor_ns,
            and_(columns.updated_ns == rule.cursor_ns, columns.trace_id > rule.cursor_id),
        )
        not_evaluation = or_(columns.service.is_(None), columns.service != EVALUATION_SERVICE)
        began_ns = rule.cursor_ns - int(rule.rule.max_age_s * 1e9)
        statement = (
            select(columns.trace_id, columns.updated_ns, columns.start_ns, columns.status)
            .where(columns.start_ns >= began_ns, after, columns.updated_ns <= until_ns, not_evaluation)
            .order_by(columns.updated_ns, columns.trace_id)
            .limit(limit)
        )
        with self._database.read(scope) as tx:
            return [
                Arrival(
                    trace_id=row.trace_id,
                    updated_ns=row.updated_ns,
                    start_ns=row.start_ns,
                    is_running=row.status == "running",
                )
                for row in tx.execute(statement)
            ]

    def claim(
        self, scope: Scope, rule_id: str, wanted: Sequence[tuple[str, str]], *, budget: int, day: int, now_ns: int
    ) -> list[Claim]:
        """Take up scorers on traces that none has taken up before; those beyond the budget are noted as such.

        Args:
            scope: Tenant and project.
            rule_id: The rule.
            wanted: Trace and scorer.
            budget: Scores that the rule may give on this day.
            day: Days since 1970.
            now_ns: The time.
        """
        ids = sorted({trace_id for trace_id, _ in wanted})
        with self._database.transaction(scope) as tx:
            known = {
                (row.trace_id, row.scorer)
                for row in tx.execute(select(table.c.trace_id, table.c.scorer).where(table.c.trace_id.in_(ids)))
            }
            fresh = [pair for pair in dict.fromkeys(wanted) if pair not in known]
            left = max(0, budget - self._used(tx, rule_id, day))
            taken, beyond = fresh[:left], fresh[left:]
            rows = [
                (trace_id, scorer, rule_id, str(state), 1, "", day, now_ns)
                for state, pairs in ((OnlineState.CLAIMED, taken), (OnlineState.OVER_BUDGET, beyond))
                for trace_id, scorer in pairs
            ]
            tx.insert_rows(table, _COLUMNS, rows)
        return [Claim(trace_id=trace_id, scorer=scorer) for trace_id, scorer in taken]

    def abandoned(self, scope: Scope, rule_id: str, *, before_ns: int, limit: int, now_ns: int) -> list[Claim]:
        """Claims whose worker died, taken up again."""
        condition = and_(
            table.c.rule_id == rule_id, table.c.state == str(OnlineState.CLAIMED), table.c.updated_ns < before_ns
        )
        with self._database.transaction(scope) as tx:
            found = [
                Claim(trace_id=row.trace_id, scorer=row.scorer, attempts=row.attempts + 1)
                for row in tx.execute(select(table).where(condition).order_by(table.c.updated_ns).limit(limit))
            ]
            for claim in found:
                tx.execute(
                    update(table)
                    .where(table.c.trace_id == claim.trace_id, table.c.scorer == claim.scorer)
                    .values(attempts=claim.attempts, updated_ns=now_ns)
                )
        return found

    def settle(self, scope: Scope, claim: Claim, state: OnlineState, reason: str, now_ns: int) -> None:
        """Say what became of a claim."""
        with self._database.transaction(scope) as tx:
            tx.execute(
                update(table)
                .where(table.c.trace_id == claim.trace_id, table.c.scorer == claim.scorer)
                .values(state=str(state), reason=reason, updated_ns=now_ns)
            )

    def counts(self, scope: Scope, day: int, rule_ids: Iterable[str]) -> dict[str, dict[str, int]]:
        """What became of a day's scores, by rule and state."""
        statement: Any = (
            select(table.c.rule_id, table.c.state, func.count().label("num"))
            .where(table.c.day == day, table.c.rule_id.in_(sorted(rule_ids)))
            .group_by(table.c.rule_id, table.c.state)
        )
        found: dict[str, dict[str, int]] = {}
        with self._database.read(scope) as tx:
            for row in tx.execute(statement):
                found.setdefault(row.rule_id, {})[row.state] = row.num
        return found

    def results(self, scope: Scope, rule_id: str, *, states: Sequence[str], limit: int) -> list[Mapping[str, Any]]:
        """The latest that a rule did, for people who want to know why something failed."""
        statement = select(table).where(table.c.rule_id == rule_id).order_by(table.c.updated_ns.desc()).limit(limit)
        if states:
            statement = statement.where(table.c.state.in_(states))
        with self._database.read(scope) as tx:
            return [
                {
                    name: getattr(row, name)
                    for name in ("trace_id", "scorer", "state", "attempts", "reason", "updated_ns")
                }
                for row in tx.execute(statement)
            ]

    def delete_scope(self, scope: Scope) -> None:
        """Remove every rule of a tenant, or of one project of it, and what is known of its traces."""
        with self._database.transaction(scope) as tx:
            tx.execute(delete(table))
            tx.execute(delete(rules))

    def _used(self, tx: Any, rule_id: str, day: int) -> int:
        statement = select(func.count()).where(
            table.c.rule_id == rule_id, table.c.day == day, table.c.state != str(OnlineState.OVER_BUDGET)
        )
        return int(tx.execute(statement).scalar_one())


def _rule(row: Any) -> OnlineRule:
    return OnlineRule(
        rule_id=row.rule_id,
        project_id=row.project_id,
        rule=from_json(NewRule, row.record),
        is_enabled=bool(row.is_enabled),
        cursor_ns=row.cursor_ns,
        cursor_id=row.cursor_id,
        checked_ns=row.checked_ns,
        error=row.error,
        created_by=row.created_by,
        created_ns=row.created_ns,
    )
