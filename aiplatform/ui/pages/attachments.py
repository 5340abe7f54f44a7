"""The bytes of a file inside a message, when somebody wants to see them."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aiplatform.core.errors import NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import Routes
from aiplatform.tracing.attachments import attachments_of
from aiplatform.ui.site import BASE, Site

# Whatever it is, it runs nothing and asks for nothing, even where it is opened by itself.
POLICY: Final = "sandbox; default-src 'none'; img-src 'self'; style-src 'none'; script-src 'none'"


def add_attachments(routes: Routes, site: Site) -> None:
    """Files of spans."""

    @routes.get(f"{BASE}/traces/{{trace_id}}/spans/{{span_id}}/attachments/{{key}}", permission=Permission.TRACES_READ)
    def attachment(request: Request, trace_id: str, span_id: str, key: str) -> Response:
        """A picture to be drawn, or any other file to be kept."""
        visit = site.visit(request, "traces")
        detail = site.services.traces.span(visit.caller.scope, trace_id, span_id)
        found = next((one for one in attachments_of(detail) if one.key == key), None)
        if found is None:
            raise NotFoundError(
                N_("There is no such file in this span."), hint=N_("The address may be of another one."), key=key[:80]
            )
        shown = found.picture_type
        way = "inline" if shown and "save" not in request.query_params else "attachment"
        name = (found.name or f"{key}.{(shown or 'application/bin').rpartition('/')[2]}").encode("ascii", "replace")
        headers = {
            "content-disposition": f'{way}; filename="{name.decode().replace("?", "_")}"',
            "content-security-policy": POLICY,
            "x-content-type-options": "nosniff",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "no-store",
        }
        return Response(found.data(), media_type=shown or "application/octet-stream", headers=headers)
