"""`aip.traces`: what the platform knows about traces, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from aiplatform.client.http import Client
from aiplatform.tracing.model import ScoreSource

__all__ = ["get", "list", "score", "span", "url"]


def list(  # noqa: A001 - read as `traces.list`
    query: str | None = None, *, limit: int = 50, sort: str = "newest", client: Client | None = None, **where: Any
) -> Iterator[dict[str, Any]]:
    """Traces of the project, newest first, fetched page by page as they are looked at.

    Args:
        query: Words and conditions of the query language: `status:error attributes.http.status_code >= 500 refund`.
        limit: How many at most.
        sort: `newest`, `oldest` or `slowest`.
        client: By default one with the credentials found here.
        where: `from_ns`, `to_ns`, `status`, `kind`, `model`, `session_id`, `user_id`.
    """
    client = client or Client()
    page: str | None = None
    while limit > 0:
        answer = client.get("/api/v1/traces", q=query or None, limit=min(limit, 500), sort=sort, page=page, **where)
        yield from answer["items"][:limit]
        limit -= len(answer["items"])
        page = answer["next"]
        if page is None:
            return


def get(trace_id: str, *, client: Client | None = None) -> dict[str, Any]:
    """A trace with its spans in tree order and its scores.

    Raises:
        NotFoundError: There is no such trace in the project.
    """
    found: dict[str, Any] = (client or Client()).get(f"/api/v1/traces/{quote(trace_id, safe='')}")
    return found


def span(trace_id: str, span_id: str, *, client: Client | None = None) -> dict[str, Any]:
    """Everything about one span: messages, tool call, passages, tokens, attributes, events."""
    path = f"/api/v1/traces/{quote(trace_id, safe='')}/spans/{quote(span_id, safe='')}"
    found: dict[str, Any] = (client or Client()).get(path)
    return found


def score(
    trace_id: str,
    name: str,
    value: bool | float | str,
    *,
    span_id: str | None = None,
    source: ScoreSource | str = ScoreSource.CODE,
    comment: str | None = None,
    score_id: str | None = None,
    client: Client | None = None,
) -> dict[str, Any]:
    """Judge a trace, or one span of it.

    Args:
        trace_id: Which.
        name: What is judged: `relevance`.
        value: A number, a yes or no, or a label.
        span_id: The span, where one is meant.
        source: `human`, `code` or `judge`.
        comment: Why.
        score_id: An id of your own; the same one again replaces the score.
        client: By default one with the credentials found here.
    """
    body = {
        "trace_id": trace_id,
        "span_id": span_id,
        "name": name,
        "value": value,
        "source": str(ScoreSource(source)),
        "comment": comment,
        "score_id": score_id,
    }
    found: dict[str, Any] = (client or Client()).post("/api/v1/scores", body, idempotent=score_id is not None)
    return found


def url(trace_id: str, *, client: Client | None = None) -> str:
    """Address of the trace's page."""
    return (client or Client()).credentials.page(f"/traces/{trace_id}")
