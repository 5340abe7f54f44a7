"""Saved searches: queries with their time and order, under names that a project shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import IntegrityError

from aiplatform.core.clock import Clock
from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import new_id
from aiplatform.tenancy.audit import record
from aiplatform.tenancy.permissions import Permission
from aiplatform.tracing.model import TraceSort
from aiplatform.tracing.query import parse
from aiplatform.tracing.query.values import storable
from aiplatform.tracing.store import searches as store
from aiplatform.tracing.store.searches import SavedSearch

if TYPE_CHECKING:
    from aiplatform.storage.database import Database
    from aiplatform.tenancy.model import Caller

__all__ = ["RANGES", "SavedSearch", "SearchForm", "Searches"]

RANGES: Final = ("30m", "1h", "6h", "24h", "3d", "7d", "30d")
"""Ranges of time that end when a search is opened."""

MAX_NAME: Final = 100
MAX_SEARCHES: Final = 200
"""Saved searches of a project: they are read all at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchForm:
    """What is saved."""

    name: str
    query: str = ""
    last: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    sort: TraceSort = TraceSort.NEWEST


class Searches:
    """Saved searches of any project. Thread safe.

    Args:
        database: Where they rest.
        clock: What time it is.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def list(self, caller: Caller) -> Sequence[SavedSearch]:
        """Every saved search of the caller's project, by name."""
        caller.require(Permission.TRACES_READ)
        with self._database.read(caller.scope) as tx:
            return store.all_searches(tx)

    def get(self, caller: Caller, search_id: str) -> SavedSearch:
        """One of them.

        Raises:
            NotFoundError: There is none of that id in the project.
        """
        caller.require(Permission.TRACES_READ)
        with self._database.read(caller.scope) as tx:
            found = store.get_search(tx, search_id)
        if found is None:
            raise _no_search(search_id)
        return found

    def create(self, caller: Caller, form: SearchForm) -> SavedSearch:
        """Save a search; the caller is its owner. Audited.

        Raises:
            ConflictError: The name is taken, or the project has as many as it may.
            InvalidError: Name, time or query cannot be.
        """
        caller.require(Permission.SEARCHES_WRITE)
        values = _checked(form)
        now_ns = self._clock.now_ns()
        search_id = new_id("search", now_ns)
        made = {"created_ns": now_ns, "created_by": caller.principal, "search_id": search_id}
        try:
            with self._database.transaction(caller.scope) as tx:
                if store.num_searches(tx) >= MAX_SEARCHES:
                    raise ConflictError(
                        N_("A project has {limit} saved searches at most."),
                        hint=N_("Delete one that nobody opens any more."),
                        reason="search.too_many",
                        limit=MAX_SEARCHES,
                    )
                store.add_search(tx, {**values, **made, "updated_ns": now_ns, "updated_by": caller.principal})
                record(tx, caller.principal, "searches.create", search_id, now_ns=now_ns, name=values["name"])
        except IntegrityError:
            raise _taken(values["name"]) from None
        return self.get(caller, search_id)

    def change(self, caller: Caller, search_id: str, changes: dict[str, Any]) -> SavedSearch:
        """Change a search, whoever owns it: it is the project's. Audited.

        Args:
            caller: Who changes it.
            search_id: Which.
            changes: Fields of `SearchForm` with their new values; what is not named stays.

        Raises:
            ConflictError: The name is taken.
            InvalidError: Name, time or query cannot be.
            NotFoundError: There is none of that id in the project.
        """
        caller.require(Permission.SEARCHES_WRITE)
        now_ns = self._clock.now_ns()
        try:
            with self._database.transaction(caller.scope) as tx:
                before = store.get_search(tx, search_id)
                if before is None:
                    raise _no_search(search_id)
                kept = {name: getattr(before, name) for name in ("name", "query", "last", "from_ns", "to_ns", "sort")}
                values = _checked(SearchForm(**_with_time(kept, changes)))
                store.change_search(tx, search_id, {**values, "updated_ns": now_ns, "updated_by": caller.principal})
                told = {"name": values["name"], "changed": sorted(changes)}
                record(tx, caller.principal, "searches.change", search_id, now_ns=now_ns, **told)
        except IntegrityError:
            raise _taken(str(changes.get("name"))) from None
        return self.get(caller, search_id)

    def remove(self, caller: Caller, search_id: str) -> None:
        """Delete a search, whoever owns it. Audited.

        Raises:
            NotFoundError: There is none of that id in the project.
        """
        caller.require(Permission.SEARCHES_WRITE)
        now_ns = self._clock.now_ns()
        with self._database.transaction(caller.scope) as tx:
            found = store.get_search(tx, search_id)
            if found is None:
                raise _no_search(search_id)
            store.remove_search(tx, search_id)
            told = {"name": found.name, "query": found.query}
            record(tx, caller.principal, "searches.remove", search_id, now_ns=now_ns, **told)


def _with_time(kept: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The fields after a change: a new time takes the place of the whole old one."""
    times = ("last", "from_ns", "to_ns")
    if any(name in changes for name in times):
        kept = {**kept, **dict.fromkeys(times)}
    return {**kept, **changes}


def _checked(form: SearchForm) -> dict[str, Any]:
    """The values of a row.

    Raises:
        InvalidError: Name, time or query cannot be.
    """
    name = " ".join(storable(form.name).split())
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidError(N_("A saved search needs a name of 1 to {limit} characters."), limit=MAX_NAME)
    if form.last is not None and form.last not in RANGES:
        raise InvalidError(
            N_("{last!r} is no range of time."),
            hint=N_("Use one of {known}."),
            reason="search.range",
            last=form.last,
            known=", ".join(RANGES),
        )
    ends = (form.from_ns, form.to_ns)
    is_backwards = form.from_ns is not None and form.to_ns is not None and form.from_ns >= form.to_ns
    is_twice = form.last is not None and ends != (None, None)
    if is_backwards or is_twice or any(end is not None and not 0 <= end < 2**63 for end in ends):
        raise InvalidError(
            N_("This is no time: last {last}, from {from_ns} to {to_ns}."),
            hint=N_("Give either a range that ends now, or a beginning before an end, in nanoseconds since 1970."),
            reason="search.time",
            last=form.last,
            from_ns=form.from_ns,
            to_ns=form.to_ns,
        )
    query = storable(form.query).strip()
    parse(query)
    return {**asdict(form), "name": name, "query": query, "sort": TraceSort(form.sort).value}


def _no_search(search_id: str) -> NotFoundError:
    return NotFoundError(
        N_("There is no saved search {search_id!r} in this project."),
        hint=N_("`aiplatform traces searches list` shows every one."),
        reason="search.unknown",
        search_id=search_id,
    )


def _taken(name: str) -> ConflictError:
    return ConflictError(
        N_("There is a saved search {name!r} in this project already."),
        hint=N_("Choose another name, or change the one that is there."),
        reason="search.taken",
        name=name,
    )
