"""Two versions of a data set: what was added, removed and changed, cell by cell."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.core.i18n import N_
from aiplatform.registry.version_changes import FATE_NAMES, RowChange, RowFate, VersionChanges
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.textdiff import Piece, diff
from aiplatform.ui.address import Tab
from aiplatform.ui.content import one_line
from aiplatform.ui.site import BASE, Site, Visit

STATE: Final = ("before", "after", "fate", "offset")
ROWS_A_PAGE: Final = 20
TONES: Final = {RowFate.ADDED: "better", RowFate.REMOVED: "worse", RowFate.CHANGED: "unsure"}
MAX_CELL: Final = 2_000


def add_dataset_changes(routes: Routes, site: Site) -> None:
    """The page of what differs between two versions."""

    @routes.get(f"{BASE}/datasets/{{name}}/changes", permission=Permission.DATASETS_READ)
    def dataset_changes(request: Request, name: str) -> Response:
        visit = site.visit(request, "datasets")
        versions = site.services.datasets.versions(visit.caller, name)
        numbers = [str(one.version) for one in versions]
        after = visit.param("after") if visit.param("after") in numbers else numbers[0]
        before = visit.param("before") if visit.param("before") in numbers else str(max(1, int(after or 1) - 1))
        offset = int(visit.param("offset") or 0) if (visit.param("offset") or "0").isdecimal() else 0
        asked = visit.param("fate")
        fate = RowFate(asked) if asked in set(RowFate) else None
        found, problem = visit.attempt(
            lambda: site.services.datasets.changes(
                visit.caller, f"{name}@{before}", f"{name}@{after}", fate=fate, offset=offset, limit=ROWS_A_PAGE
            )
        )
        return visit.page("pages/dataset_changes.html", _view(visit, name, numbers, found, problem, fate, offset))


def _view(
    visit: Visit,
    name: str,
    numbers: list[str],
    found: VersionChanges | None,
    problem: Any,
    fate: RowFate | None,
    offset: int,
) -> dict[str, Any]:
    address = visit.address(*STATE)
    counts = {each: getattr(found, each) if found else 0 for each in RowFate}
    shown = sum(counts.values()) if fate is None else counts[fate]
    following = offset + ROWS_A_PAGE
    reference = f"{name}@{numbers[0]}"
    return {
        "name": name,
        "numbers": numbers,
        "found": found,
        "problem": problem,
        "fate_names": FATE_NAMES,
        "tones": TONES,
        "cells": cells_of,
        "fate_tabs": (
            Tab(name=visit.text(N_("all")), href=address.to(fate=None, offset=None), is_current=fate is None),
            *(
                Tab(
                    name=f"{visit.text(FATE_NAMES[each])} {counts[each]:,}",
                    href=address.to(fate=each, offset=None),
                    is_current=fate is each,
                )
                for each in RowFate
            ),
        ),
        "previous_href": address.to(offset=max(0, offset - ROWS_A_PAGE) or None) if offset else None,
        "next_href": address.to(offset=following) if following < shown else None,
        "ways": visit.ways(address, f"aiplatform datasets get {reference}", f"aip.datasets.get({reference!r})"),
    }


def cells_of(row: RowChange) -> list[tuple[str, list[Piece]]]:
    """The cells to show of a row: those that differ, piece by piece; all of a row that one version lacks."""
    if row.before is not None and row.after is not None:
        return [(name, diff(_text(row.before.get(name)), _text(row.after.get(name)))) for name in row.columns]
    whole = row.after or row.before or {}
    return [(name, diff(_text(value), _text(value))) for name, value in whole.items() if value is not None]


def _text(value: Any) -> str:
    return "" if value is None else one_line(value, MAX_CELL)
