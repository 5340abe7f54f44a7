"""Saved searches over HTTP; part of `aip.traces`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from aiplatform.client.http import Client
from aiplatform.core.clock import SystemClock
from aiplatform.core.errors import NotFoundError
from aiplatform.core.i18n import N_

PATH: Final = "/api/v1/traces/searches"
_UNITS_NS: Final = {"m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}


def searches(*, client: Client | None = None) -> list[dict[str, Any]]:
    """Every saved search of the project, by name."""
    items: list[dict[str, Any]] = (client or Client()).get(PATH)["items"]
    return items


def search(name: str, *, client: Client | None = None) -> dict[str, Any]:
    """The saved search of that name, or of that id.

    Raises:
        NotFoundError: There is none in the project.
    """
    known = searches(client=client)
    for key in ("name", "search_id"):
        for found in known:
            if found[key] == name:
                return found
    raise NotFoundError(
        N_("There is no saved search {search_id!r} in this project."),
        hint=N_("`aiplatform traces searches list` shows every one."),
        reason="search.unknown",
        search_id=name,
    )


def save_search(
    name: str,
    query: str = "",
    *,
    last: str | None = None,
    from_ns: int | None = None,
    to_ns: int | None = None,
    sort: str = "newest",
    client: Client | None = None,
) -> dict[str, Any]:
    """Save a search under a name that the project shares.

    Args:
        name: Once a project, 1 to 100 characters.
        query: A line of the query language.
        last: A range that ends when the search is opened: `30m`, `1h`, `6h`, `24h`, `3d`, `7d` or `30d`.
        from_ns: Else its beginning, in nanoseconds since 1970.
        to_ns: And its end.
        sort: `newest`, `oldest` or `slowest`.
        client: By default one with the credentials found here.

    Raises:
        ConflictError: The name is taken.
        InvalidError: Name, time or query cannot be.
    """
    body = {"name": name, "query": query, "last": last, "from_ns": from_ns, "to_ns": to_ns, "sort": sort}
    found: dict[str, Any] = (client or Client()).post(PATH, body)
    return found


def change_search(name: str, *, client: Client | None = None, **changes: Any) -> dict[str, Any]:
    """Rename a saved search, or change what it finds.

    Args:
        name: Its name, or its id.
        client: By default one with the credentials found here.
        changes: `new_name`, `query`, `last`, `from_ns`, `to_ns`, `sort`; what is left out stays.

    Raises:
        NotFoundError: There is none in the project.
        ConflictError: The new name is taken.
    """
    client = client or Client()
    body = {"name" if key == "new_name" else key: value for key, value in changes.items()}
    changed: dict[str, Any] = client.request("PATCH", _path(name, client), json=body).json()
    return changed


def delete_search(name: str, *, client: Client | None = None) -> None:
    """Delete the saved search of that name, or of that id.

    Raises:
        NotFoundError: There is none in the project.
    """
    client = client or Client()
    client.delete(_path(name, client))


def open_search(name: str, *, limit: int = 50, client: Client | None = None) -> Iterator[dict[str, Any]]:
    """The traces that a saved search finds now, in its order.

    Args:
        name: Its name, or its id.
        limit: How many traces at most.
        client: By default one with the credentials found here.

    Raises:
        NotFoundError: There is none in the project.
    """
    from aiplatform.tracing import api  # noqa: PLC0415 - which has this module's functions among its own

    client = client or Client()
    found = search(name, client=client)
    from_ns = found["from_ns"]
    if found["last"] is not None:
        from_ns = SystemClock().now_ns() - int(found["last"][:-1]) * _UNITS_NS[found["last"][-1]]
    where = {"from_ns": from_ns, "to_ns": found["to_ns"]}
    return api.list(found["query"] or None, limit=limit, sort=found["sort"], client=client, **where)


def _path(name: str, client: Client) -> str:
    return f"{PATH}/{quote(search(name, client=client)['search_id'], safe='')}"
