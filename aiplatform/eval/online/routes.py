"""`/api/v1/online-rules`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.eval.model import to_json
from aiplatform.eval.online.model import (
    DEFAULT_BUDGET,
    DEFAULT_MAX_AGE_S,
    DEFAULT_QUIET_S,
    NewRule,
    OnlineRule,
    OnlineState,
    RuleStatus,
)
from aiplatform.eval.online.service import OnlineEvaluation
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes


class RuleBody(BaseModel):
    """A rule: which traces are scored as they arrive, by what, and for how much."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1, max_length=200)]
    query: Annotated[str, Field(max_length=4000)] = ""
    """Which traces, in the query language; by default all."""

    rate: float = 1.0
    """Share of them, 0 to 1."""

    scorers: tuple[str | dict[str, Any], ...]
    """Names of built-in scorers, or judges such as `{"judge": "relevance", "model": "large"}`."""

    budget_per_day: int = DEFAULT_BUDGET
    """Scores a day (UTC) at most."""

    quiet_s: float = DEFAULT_QUIET_S
    """A trace is taken up when nothing of it has arrived for so long."""

    max_age_s: float = DEFAULT_MAX_AGE_S
    """A trace counts as live where it arrives within so long after its beginning."""

    queue_id: str = ""
    """Review queue for traces with low scores."""

    below: float | None = None
    """From which value down a score is low."""


class SwitchBody(BaseModel):
    """Whether a rule is carried out."""

    model_config = ConfigDict(extra="forbid")

    is_enabled: bool


def build_routes(service: OnlineEvaluation) -> Routes:
    """The routes of online evaluation."""
    routes = Routes(tags=["online evaluation"])

    @routes.post("/api/v1/online-rules", permission=Permission.EVALUATIONS_WRITE, status_code=201)
    def create_rule(body: RuleBody, caller: CallerDep) -> dict[str, Any]:
        """Score traces from now on, as they arrive."""
        return rule_view(service.create(caller, NewRule(**body.model_dump())))

    @routes.get("/api/v1/online-rules", permission=Permission.EVALUATIONS_READ)
    def list_rules(caller: CallerDep) -> dict[str, Any]:
        """Rules of the project with how far they are, the newest first."""
        return {"items": [status_view(each) for each in service.list(caller)], "next": None}

    @routes.get("/api/v1/online-rules/{rule_id}", permission=Permission.EVALUATIONS_READ)
    def get_rule(rule_id: str, caller: CallerDep) -> dict[str, Any]:
        """One rule with how far it is."""
        return status_view(service.get(caller, rule_id))

    @routes.patch("/api/v1/online-rules/{rule_id}", permission=Permission.EVALUATIONS_WRITE)
    def switch_rule(rule_id: str, body: SwitchBody, caller: CallerDep) -> dict[str, Any]:
        """Stop a rule, or let it go on where it stood."""
        return status_view(service.switch(caller, rule_id, is_enabled=body.is_enabled))

    @routes.delete("/api/v1/online-rules/{rule_id}", permission=Permission.EVALUATIONS_WRITE)
    def delete_rule(rule_id: str, caller: CallerDep) -> dict[str, Any]:
        """Take a rule away; its scores stay. The answer is the rule as it was."""
        return rule_view(service.delete(caller, rule_id))

    @routes.get("/api/v1/online-rules/{rule_id}/results", permission=Permission.EVALUATIONS_READ)
    def list_results(
        rule_id: str,
        caller: CallerDep,
        state: Annotated[list[OnlineState] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> dict[str, Any]:
        """The latest that a rule did, with the reason where something failed."""
        return {"items": service.results(caller, rule_id, states=state or (), limit=limit), "next": None}

    return routes


def rule_view(rule: OnlineRule) -> dict[str, Any]:
    """A rule as it is answered: flat, as it was given, with what the platform knows of it."""
    view: dict[str, Any] = to_json(rule)
    return {**view.pop("rule"), **view}


def status_view(status: RuleStatus) -> dict[str, Any]:
    """A rule with how far it is."""
    return {**rule_view(status.rule), "lag_s": status.lag_s, "today": dict(status.today)}
