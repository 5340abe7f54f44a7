"""Online evaluation from Python.

rule = aip.online.create("answers", scorers=[{"judge": "relevance", "model": "large"}], rate=0.1)
print(aip.online.get(rule["rule_id"])["lag_s"])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiplatform.client.http import Client

__all__ = ["create", "delete", "get", "list", "results", "switch"]

_PATH = "/api/v1/online-rules"


def create(
    name: str,
    *,
    scorers: Sequence[str | Mapping[str, Any]],
    query: str = "",
    rate: float = 1.0,
    client: Client | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Score traces from now on, as they arrive.

    Args:
        name: What people call the rule.
        scorers: Names of built-in scorers, or judges written down: `{"judge": "relevance", "model": "large"}`.
        query: Which traces, in the query language; by default all.
        rate: Share of them, 0 to 1; the choice follows from the trace's id.
        client: By default one made from the environment.
        options: `budget_per_day`, `quiet_s`, `max_age_s`, `queue_id`, `below`, as in the HTTP API.

    Raises:
        InvalidError: Query, rate, budget or a scorer are wrong.
    """
    written = [each if isinstance(each, str) else dict(each) for each in scorers]
    body = {"name": name, "scorers": written, "query": query, "rate": rate, **options}
    made: dict[str, Any] = (client or Client()).post(_PATH, body)
    return made


def list(*, client: Client | None = None) -> tuple[dict[str, Any], ...]:  # noqa: A001 - a verb on a noun
    """Rules of the project with how far they are, the newest first."""
    return tuple((client or Client()).get(_PATH)["items"])


def get(rule_id: str, *, client: Client | None = None) -> dict[str, Any]:
    """One rule: what it says, `lag_s`, and what became of `today`'s scores.

    Raises:
        NotFoundError: The project has none of that id.
    """
    found: dict[str, Any] = (client or Client()).get(f"{_PATH}/{rule_id}")
    return found


def switch(rule_id: str, *, is_enabled: bool, client: Client | None = None) -> dict[str, Any]:
    """Stop a rule, or let it go on where it stood."""
    answer = (client or Client()).request("PATCH", f"{_PATH}/{rule_id}", json={"is_enabled": is_enabled})
    found: dict[str, Any] = answer.json()
    return found


def delete(rule_id: str, *, client: Client | None = None) -> None:
    """Take a rule away; its scores stay."""
    (client or Client()).request("DELETE", f"{_PATH}/{rule_id}")


def results(
    rule_id: str, *, state: str | None = None, limit: int = 50, client: Client | None = None
) -> tuple[dict[str, Any], ...]:
    """The latest that a rule did, with the reason where something failed."""
    return tuple((client or Client()).get(f"{_PATH}/{rule_id}/results", state=state, limit=limit)["items"])
