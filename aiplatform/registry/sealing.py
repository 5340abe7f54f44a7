"""How one control-plane process tells another for whom it asks: a caller under a seal that only they can make.

Pages and the management API read experiments and models from the hosted MLflow over HTTP. The person whose request that
is has been authenticated already, perhaps by a browser's cookie; the seal carries who it is, for a minute.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Final

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.errors import UnauthenticatedError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission, Role

SEAL_HEADER: Final = "x-aiplatform-sealed-caller"
LIFETIME_S: Final = 60


class CallerSeal:
    """Makes and opens seals with a secret that control-plane processes share."""

    def __init__(self, secret: str, clock: Clock | None = None) -> None:
        self._key = hashlib.sha256(b"aiplatform sealed caller\0" + secret.encode()).digest()
        self._clock = clock or SystemClock()

    def seal(self, caller: Caller) -> str:
        """`caller` as the value of a header, good for a minute."""
        content = {
            "tenant": caller.tenant_id,
            "project": caller.project_id,
            "principal": caller.principal,
            "role": str(caller.role),
            "scopes": None if caller.scopes is None else sorted(caller.scopes),
            "key": caller.key_id,
            "owner": caller.owner,
            "bound": caller.is_project_bound,
            "until_ns": self._clock.now_ns() + LIFETIME_S * 1_000_000_000,
        }
        payload = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
        return f"{payload}.{self._signature(payload)}"

    def open(self, sealed: str) -> Caller:
        """The caller inside.

        Raises:
            UnauthenticatedError: The seal is not ours, broken or too old.
        """
        payload, _, signature = sealed.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(payload).encode()):
            raise _not_ours()
        content = json.loads(base64.urlsafe_b64decode(payload))
        if content["until_ns"] < self._clock.now_ns():
            raise _not_ours()
        scopes = content["scopes"]
        return Caller(
            tenant_id=content["tenant"],
            project_id=content["project"],
            principal=content["principal"],
            role=Role(content["role"]),
            scopes=None if scopes is None else frozenset(Permission(scope) for scope in scopes),
            key_id=content["key"],
            owner=content["owner"],
            is_project_bound=content["bound"],
        )

    def _signature(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode(), hashlib.sha256).hexdigest()


def _not_ours() -> UnauthenticatedError:
    return UnauthenticatedError(
        N_("This request claims to come from the platform itself, and does not."),
        hint=N_("Send an API key as `Authorization: Bearer <key>`."),
        reason="auth.seal",
    )
