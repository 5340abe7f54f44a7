"""Members and keys of the tenant."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.status import HTTP_303_SEE_OTHER

from aiplatform.core.errors import AIPlatformError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.model import ApiKey, KeyKind, NewKey
from aiplatform.tenancy.permissions import ROLE_NAMES, Permission, Role
from aiplatform.tenancy.policy import role_of
from aiplatform.tenancy.routing import Routes
from aiplatform.ui.site import BASE, Problem, Site, Visit, problem_of

DAY_S: Final = 86_400.0
LIFETIMES: Final = (("30", N_("30 days")), ("90", N_("90 days")), ("365", N_("a year")), ("", N_("never")))
KIND_NAMES: Final = {
    KeyKind.API: N_("made by hand"),
    KeyKind.SNIPPET: N_("snippet"),
    KeyKind.SERVICE: N_("service"),
    KeyKind.DELEGATED: N_("job"),
}


def add_admin(routes: Routes, site: Site) -> None:
    """Members, keys, making and revoking keys."""

    @routes.get(f"{BASE}/members", permission=Permission.MEMBERS_READ)
    def members(request: Request) -> Response:
        visit = site.visit(request, "members")
        return visit.page(
            "pages/members.html",
            members=site.services.tenancy.directory.members(visit.caller),
            role_names=ROLE_NAMES,
            ways=visit.ways(visit.request.url.path, "aiplatform members list", of_project=False),
        )

    @routes.get(f"{BASE}/keys", permission=Permission.KEYS_READ)
    def keys(request: Request) -> Response:
        return _keys_page(site, site.visit(request, "keys"))

    @routes.post(f"{BASE}/keys", permission=Permission.KEYS_WRITE)
    def create_key(
        request: Request,
        name: Annotated[str, Form()] = "",
        role: Annotated[str, Form()] = str(Role.DEVELOPER),
        bound: Annotated[str, Form()] = "",
        days: Annotated[str, Form()] = "",
    ) -> Response:
        """Make a key; its text is on the answer and on no later page."""
        visit = site.visit(request, "keys")
        try:
            made = site.services.tenancy.keys.create(
                visit.caller,
                name=name,
                role=role_of(role),
                project_id=visit.caller.project_id if bound else None,
                lifetime_s=float(days) * DAY_S if days.isdecimal() else None,
            )
        except AIPlatformError as error:
            return _keys_page(site, visit, problem=problem_of(error, visit.locale), status=error.http_status)
        return _keys_page(site, visit, made=made, status=201)

    @routes.post(f"{BASE}/keys/{{key_id}}/revoke", permission=Permission.KEYS_WRITE)
    def revoke(request: Request, key_id: str) -> Response:
        """End a key."""
        visit = site.visit(request, "keys")
        site.services.tenancy.keys.revoke(visit.caller, key_id)
        return RedirectResponse(f"{visit.base}/keys", HTTP_303_SEE_OTHER)


def _keys_page(
    site: Site, visit: Visit, *, made: NewKey | None = None, problem: Problem | None = None, status: int = 200
) -> Response:
    found = [
        key
        for key in site.services.tenancy.keys.list(visit.caller)
        if not visit.caller.is_project_bound or key.project_id == visit.caller.project_id
    ]
    now_ns = visit.frame.now_ns
    roles = list(Role)
    view: dict[str, Any] = {
        "active": [key for key in found if key.is_active(now_ns)],
        "ended": [key for key in found if not key.is_active(now_ns)][:20],
        "made": made,
        "problem": problem,
        "role_names": ROLE_NAMES,
        "kind_names": KIND_NAMES,
        "roles": roles[: roles.index(visit.caller.role) + 1],
        "lifetimes": [(value, visit.text(name)) for value, name in LIFETIMES],
        "may_write": visit.caller.may(Permission.KEYS_WRITE),
        "ways": visit.ways(f"{visit.base}/keys", "aiplatform keys list", of_project=False),
        "ended_word": lambda key: _ended_word(visit, key),
    }
    return visit.page("pages/keys.html", view, status=status)


def _ended_word(visit: Visit, key: ApiKey) -> str:
    return visit.text(N_("revoked") if key.revoked_ns is not None else N_("expired"))
