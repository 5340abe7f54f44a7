"""`aip.traces`: what the platform knows about traces, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiplatform.client.http import Client
from aiplatform.tracing.export_file import save
from aiplatform.tracing.export_model import ExportFormat, ExportLevel
from aiplatform.tracing.model import ScoreSource
from aiplatform.tracing.searches_api import change_search, delete_search, open_search, save_search, search, searches

if TYPE_CHECKING:
    import ray.data

__all__ = [
    "change_search", "delete_score", "delete_search", "erase", "export", "facets", "get", "list", "open_search",
    "save_search", "score", "score_names", "search", "searches", "span", "to_dataset", "url", "usage",
]  # fmt: skip


def list(  # noqa: A001 - read as `traces.list`
    query: str | None = None, *, limit: int = 50, sort: str = "newest", client: Client | None = None, **where: Any
) -> Iterator[dict[str, Any]]:
    """Traces of the project, newest first, fetched page by page as they are looked at.

    Args:
        query: Words and conditions of the query language: `status:error attributes.http.status_code >= 500 refund`.
        limit: How many at most.
        sort: `newest`, `oldest` or `slowest`.
        client: By default one with the credentials found here.
        where: `from_ns`, `to_ns`, `status`, `kind`, `model`, `session_id`, `user_id`, and `filter_string` in the
            language of MLflow's `search_traces`.
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


def facets(
    query: str | None = None,
    *,
    from_ns: int | None = None,
    to_ns: int | None = None,
    limit: int = 8,
    client: Client | None = None,
) -> dict[str, Any]:
    """What the traces that a query finds can be told apart by, and what they add up to.

    Args:
        query: As in `list`.
        from_ns: Only traces that began then or later.
        to_ns: Only traces that began before.
        limit: Values of a facet at most, 1 to 50.
        client: By default one with the credentials found here.

    Returns:
        `figures` (durations in ns, costs by currency, tokens, errors) and `facets`, each with `choices`: `condition`,
        `count`, and `query`, the line with that choice more or, where it is chosen, without it. `is_bounded` says that
        only the newest `max_traces` were counted.
    """
    params = {"q": query or None, "from_ns": from_ns, "to_ns": to_ns, "limit": limit}
    found: dict[str, Any] = (client or Client()).get("/api/v1/traces/facets", **params)
    return found


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


def delete_score(score_id: str, *, client: Client | None = None) -> dict[str, Any]:
    """Take a score away; returns it as it was.

    Raises:
        NotFoundError: There is no such score in the project.
        PermissionDeniedError: Somebody else gave it, and the caller is no admin.
    """
    path = f"/api/v1/scores/{quote(score_id, safe='')}"
    found: dict[str, Any] = (client or Client()).request("DELETE", path).json()
    return found


def score_names(*, client: Client | None = None) -> Sequence[dict[str, Any]]:
    """Names that scores of the project have, the commonest first: `name`, `type`, `count`, `labels`."""
    found: Sequence[dict[str, Any]] = (client or Client()).get("/api/v1/scores/names")["items"]
    return found


def usage(*, days: int = 7, client: Client | None = None) -> dict[str, Any]:
    """What the project sent, keeps and paid in the last days, today included, day by day; days are UTC.

    Args:
        days: How many, 1 to 366.
        client: By default one with the credentials found here.
    """
    found: dict[str, Any] = (client or Client()).get("/api/v1/traces/usage", days=days)
    return found


def url(trace_id: str, *, client: Client | None = None) -> str:
    """Address of the trace's page."""
    return (client or Client()).credentials.page(f"/traces/{trace_id}")


def export(
    file: str | Path,
    query: str | None = None,
    *,
    level: ExportLevel | str = ExportLevel.TRACES,
    format: ExportFormat | str | None = None,  # noqa: A002 - the field's name
    from_ns: int | None = None,
    to_ns: int | None = None,
    on_progress: Callable[[int], None] | None = None,
    client: Client | None = None,
) -> Path:
    """Keep everything that a query finds as one file; returns its path.

    The file appears under its name once it is whole: an export that fails leaves nothing there.

    Args:
        file: Where to keep it; what stood there is replaced.
        query: Words and `field:value` pairs, as in `list`; by default everything.
        level: `traces`, with their scores, or `spans`, with everything they say.
        format: `parquet` or `jsonl`; by default what the file's ending says, else Parquet.
        from_ns: Only traces that started then or later.
        to_ns: Only traces that started before.
        on_progress: Called with the bytes received so far.
        client: By default one with the credentials found here.

    Raises:
        InvalidError: The query is none, or the file cannot be written.
        TransientError: The platform cannot be reached, or the export broke off.
    """
    target = Path(file)
    by_ending = ExportFormat.JSONL if target.suffix in {".jsonl", ".ndjson"} else ExportFormat.PARQUET
    wanted = by_ending if format is None else ExportFormat(format)
    params = {"q": query, "level": ExportLevel(level).value, "from_ns": from_ns, "to_ns": to_ns}
    return save(client or Client(), target, wanted, params, on_progress=on_progress)


def erase(
    *,
    user_id: str | None = None,
    session_id: str | None = None,
    trace_id: str | None = None,
    dry_run: bool = False,
    client: Client | None = None,
) -> dict[str, Any]:
    """Erase every trace of a user, a session or an id with its spans, scores and texts; what is named must all hold.

    Args:
        user_id: Whose traces.
        session_id: Which conversation.
        trace_id: Which trace.
        dry_run: Whether to count only.
        client: By default one with the credentials found here.

    Returns:
        `num_traces`, `num_spans` and `num_scores` that went, or, of a dry run, that would; it counts no scores.

    Raises:
        InvalidError: Nothing is named.
        PermissionDeniedError: The caller may not erase.
    """
    params = {"user_id": user_id, "session_id": session_id, "trace_id": trace_id, "dry_run": dry_run}
    found: dict[str, Any] = (client or Client()).request("DELETE", "/api/v1/traces", params=params).json()
    return found


def to_dataset(
    query: str | None = None,
    *,
    level: ExportLevel | str = ExportLevel.SPANS,
    from_ns: int | None = None,
    to_ns: int | None = None,
    num_slices: int = 16,
    client: Client | None = None,
) -> ray.data.Dataset:
    """What a query finds as a Ray data set, read by Ray's workers slice by slice of time.

    Each slice is an export of its own. Traces that begin after this call are left out.

    Args:
        query: Words and `field:value` pairs, as in `list`; by default everything.
        level: `spans` or `traces`.
        from_ns: Only traces that started then or later; by default from the first one.
        to_ns: Only traces that started before; by default up to the newest one there is now.
        num_slices: How many slices of time, and so how many tasks at most.
        client: By default one with the credentials found here; workers use its credentials.

    Raises:
        InvalidError: The query is none.
    """
    from aiplatform.tracing.compute import traces_dataset  # noqa: PLC0415 - loads Ray

    client = client or Client()
    if from_ns is None:
        oldest = next(list(query, limit=1, sort="oldest", to_ns=to_ns, client=client), None)
        from_ns = oldest["start_ns"] if oldest else 0
    if to_ns is None:
        newest = next(list(query, limit=1, from_ns=from_ns, client=client), None)
        to_ns = newest["start_ns"] + 1 if newest else from_ns
    level = ExportLevel(level)
    return traces_dataset(client.credentials, query, level, from_ns=from_ns, to_ns=to_ns, num_slices=num_slices)
