"""Keeps a replica of a model from telling the name of its application, which names tenant, project and deployment.

Ray 2.60 answers `/-/routes` at every replica's own port, before the application and without a credential.
"""

from __future__ import annotations

from typing import Any, Final

ROUTES_PATH: Final = "/-/routes"
_HEAD: Final = {"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]}
_BODY: Final = {"type": "http.response.body", "body": b""}


def hide_application_name() -> None:
    """Let replicas of this process answer 404 at `/-/routes`. Called before their port is opened."""
    from ray.serve._private.replica import Replica

    original = Replica._direct_ingress_asgi
    if getattr(original, "hides_routes", False):
        return

    async def answer(self: Any, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path", "").endswith(ROUTES_PATH):
            await send(_HEAD)
            await send(_BODY)
            return
        await original(self, scope, receive, send)

    answer.hides_routes = True  # type: ignore[attr-defined]
    Replica._direct_ingress_asgi = answer
