"""Data sets: versions, columns, rows, licence."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.ui.site import BASE, Site

ROWS_A_PAGE: Final = 25


def add_datasets(routes: Routes, site: Site) -> None:
    """The list of data sets, and the page of one."""

    @routes.get(f"{BASE}/datasets", permission=Permission.DATASETS_READ)
    def datasets(request: Request) -> Response:
        visit = site.visit(request, "datasets")
        ways = visit.ways(visit.request.url.path, "aiplatform datasets list", "aip.datasets.list()")
        return visit.page("pages/datasets.html", datasets=site.services.datasets.list(visit.caller), ways=ways)

    @routes.get(f"{BASE}/datasets/{{name}}", permission=Permission.DATASETS_READ)
    def dataset_page(request: Request, name: str) -> Response:
        visit = site.visit(request, "datasets")
        name, _, asked = name.partition("@")
        versions = site.services.datasets.versions(visit.caller, name)
        wanted = visit.param("version") or asked
        chosen = next((one for one in versions if str(one.version) == wanted), versions[0])
        offset = int(visit.param("offset") or 0) if (visit.param("offset") or "0").isdecimal() else 0
        rows, problem = visit.attempt(
            lambda: site.services.datasets.rows(visit.caller, chosen.reference, offset=offset, limit=ROWS_A_PAGE)
        )
        address = visit.address("version", "offset")
        following = offset + ROWS_A_PAGE
        return visit.page(
            "pages/dataset.html",
            {
                "name": name,
                "versions": versions,
                "chosen": chosen,
                "rows": rows,
                "rows_problem": problem,
                "offset": offset,
                "address": address,
                "previous_href": address.to(offset=max(0, offset - ROWS_A_PAGE) or None) if offset else None,
                "next_href": address.to(offset=following) if rows and following < rows.num_rows else None,
                "version_tabs": address.tabs(
                    "version",
                    [(str(one.version), f"v{one.version}") for one in versions[:6]],
                    str(chosen.version),
                    offset=None,
                ),
                "ways": visit.ways(
                    address, f"aiplatform datasets get {chosen.reference}", f"aip.datasets.get({chosen.reference!r})"
                ),
            },
        )
