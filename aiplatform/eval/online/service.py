"""Use cases of online evaluation: rules are made, looked at, stopped and taken away."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.core.scope import Scope
from aiplatform.eval.online.endpoints import JudgeEndpoints
from aiplatform.eval.online.model import NewRule, OnlineRule, OnlineState, RuleStatus
from aiplatform.eval.online.scoring import check_scorers
from aiplatform.eval.online.store import OnlineStore
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.query import read_filter

MAX_RULES: Final = 50
MAX_SCORERS: Final = 10
MAX_AGE_S: Final = 7 * 86_400.0


class OnlineEvaluation:
    """Rules of a project.

    Args:
        store: Rules and what became of traces.
        endpoints: Whom judges are asked.
        clock: What time it is.
    """

    def __init__(self, store: OnlineStore, endpoints: JudgeEndpoints, *, clock: Clock | None = None) -> None:
        self._store = store
        self._endpoints = endpoints
        self._clock = clock or SystemClock()

    def create(self, caller: Caller, rule: NewRule) -> OnlineRule:
        """Make a rule; it looks at what arrives from now on.

        Raises:
            InvalidError: Query, rate, budget or a scorer are wrong, or the project has too many rules.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        self._check(rule)
        if len(self._store.of_project(caller.scope)) >= MAX_RULES:
            raise InvalidError(N_("A project has at most {limit} rules."), reason="online.too_many", limit=MAX_RULES)
        now_ns = self._clock.now_ns()
        made = OnlineRule(
            rule_id=new_id("rule", now_ns),
            project_id=caller.project_id,
            rule=rule,
            cursor_ns=now_ns,
            checked_ns=0,
            created_by=caller.owner or caller.principal,
            created_ns=now_ns,
        )
        self._store.add(caller.scope, made)
        return made

    def list(self, caller: Caller) -> tuple[RuleStatus, ...]:
        """Rules of the project with how far they are, the newest first."""
        caller.require(Permission.EVALUATIONS_READ)
        return tuple(self._status(caller.scope, self._store.of_project(caller.scope)))

    def get(self, caller: Caller, rule_id: str) -> RuleStatus:
        """One rule with how far it is.

        Raises:
            NotFoundError: The project has none of that id.
        """
        caller.require(Permission.EVALUATIONS_READ)
        found = self._store.get(caller.scope, rule_id)
        if found is None:
            raise _unknown(rule_id)
        return self._status(caller.scope, [found])[0]

    def switch(self, caller: Caller, rule_id: str, *, is_enabled: bool) -> RuleStatus:
        """Stop a rule, or let it go on: it then looks at what arrived meanwhile, and says how far behind it is.

        Raises:
            NotFoundError: The project has none of that id.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        if not self._store.change(caller.scope, rule_id, is_enabled=is_enabled, error=""):
            raise _unknown(rule_id)
        return self.get(caller, rule_id)

    def delete(self, caller: Caller, rule_id: str) -> OnlineRule:
        """Take a rule away, and return it as it was. Its scores stay.

        Raises:
            NotFoundError: The project has none of that id.
        """
        caller.require(Permission.EVALUATIONS_WRITE)
        found = self._store.get(caller.scope, rule_id)
        if found is None or not self._store.delete(caller.scope, rule_id):
            raise _unknown(rule_id)
        return found

    def results(
        self, caller: Caller, rule_id: str, *, states: Sequence[OnlineState] = (), limit: int = 50
    ) -> builtins.list[Mapping[str, Any]]:
        """The latest that a rule did, with the reason where something failed.

        Raises:
            NotFoundError: The project has none of that id.
        """
        self.get(caller, rule_id)
        wanted = [str(state) for state in states]
        return self._store.results(caller.scope, rule_id, states=wanted, limit=max(1, min(limit, 200)))

    def delete_scope(self, scope: Scope) -> None:
        """Remove every rule of a tenant, or of one project of it."""
        self._store.delete_scope(scope)

    def _check(self, rule: NewRule) -> None:
        read_filter(rule.query)
        check_scorers(rule, self._endpoints)
        for name, given, low, high in (
            ("rate", rule.rate, 0.0, 1.0),
            ("budget_per_day", rule.budget_per_day, 0, 10_000_000),
            ("quiet_s", rule.quiet_s, 0.0, 86_400.0),
            ("max_age_s", rule.max_age_s, 1.0, MAX_AGE_S),
            ("scorers", len(rule.scorers), 1, MAX_SCORERS),
        ):
            if not low <= given <= high:
                raise InvalidError(
                    N_("A rule's {name} is {low:g} to {high:g}, not {given:g}."),
                    reason="online.rule",
                    name=name,
                    low=low,
                    high=high,
                    given=given,
                )

    def _status(self, scope: Scope, rules: Sequence[OnlineRule]) -> builtins.list[RuleStatus]:
        now_ns = self._clock.now_ns()
        counts = self._store.counts(scope, now_ns // DAY_NS, [rule.rule_id for rule in rules])
        return [
            RuleStatus(rule=rule, lag_s=self._lag_s(scope, rule, now_ns), today=counts.get(rule.rule_id, {}))
            for rule in rules
        ]

    def _lag_s(self, scope: Scope, rule: OnlineRule, now_ns: int) -> float:
        """How long the oldest arrival waits that could have been looked at."""
        until_ns = now_ns - int(rule.rule.quiet_s * 1e9)
        waiting = self._store.arrivals(scope, rule, until_ns=until_ns, limit=1)
        return max(0.0, (until_ns - waiting[0].updated_ns) / 1e9) if waiting else 0.0


def _unknown(rule_id: str) -> NotFoundError:
    return NotFoundError(
        N_("There is no rule {rule_id!r}."),
        hint=N_("`aiplatform online list` shows those of the project."),
        reason="online.unknown",
        rule_id=rule_id,
    )
