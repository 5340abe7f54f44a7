"""The door's signature: a model's replica answers nobody who does not carry it.

With Serve's direct ingress every replica listens on a port of its own, so each is an entry of the platform. The door
signs what it sends with a secret of that one application, and the signature binds tenant, project, caller, method,
request and body, so that a header overheard for one call opens no other.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiplatform.core.errors import ConfigError, UnauthenticatedError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.serve.ports import Method, ModelCall

SIGNATURE_HEADER: Final = "x-aiplatform-signature"
HEADERS: Final = {
    "time": "x-aiplatform-time",
    "tenant": "x-aiplatform-tenant",
    "project": "x-aiplatform-project",
    "principal": "x-aiplatform-principal",
    "method": "x-aiplatform-method",
    "request_id": "x-request-id",
}
MAX_AGE_S: Final = 60
_SECRET_BYTES: Final = 32
_VERSION: Final = "v1"


class DoorKeys:
    """The door's secret, and the one derived from it for each application. Files that only their owner can read.

    Args:
        folder: Where the files lie; made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, application: str) -> bytes:
        """The application's secret."""
        return hmac.digest(self._master(), application.encode(), "sha256")

    def file_of(self, application: str) -> Path:
        """A file with the application's secret, for its replicas to read."""
        file = self._folder / f"{application}.key"
        secret = self.of(application)
        if _read(file) != secret:
            _write(file, secret)
        return file

    def _master(self) -> bytes:
        file = self._folder / "door.key"
        known = _read(file)
        if known is None:
            _write(file, secrets.token_bytes(_SECRET_BYTES), exclusive=True)
            known = _read(file)
        if known is None:
            raise ConfigError(
                N_("The door's secret {path!r} cannot be read."),
                hint=N_("Only the platform's own user may read it; check its owner and mode."),
                reason="door.secret",
                path=str(file),
            )
        return known


def read_secret(file: Path) -> bytes:
    """An application's secret from its file.

    Raises:
        ConfigError: There is none, or others can read it.
    """
    secret = _read(file)
    if secret is None or file.stat().st_mode & 0o077:
        raise ConfigError(
            N_("The door's secret {path!r} cannot be read."),
            hint=N_("Only the platform's own user may read it; check its owner and mode."),
            reason="door.secret",
            path=str(file),
        )
    return secret


def sign(secret: bytes, call: ModelCall, *, now_s: int) -> dict[str, str]:
    """The headers of a call, its signature among them."""
    headers = {
        HEADERS["time"]: str(now_s),
        HEADERS["tenant"]: call.scope.tenant_id,
        HEADERS["project"]: call.scope.project_id or "",
        HEADERS["principal"]: call.principal,
        HEADERS["method"]: call.method.value,
        HEADERS["request_id"]: call.request_id,
    }
    headers[SIGNATURE_HEADER] = _signature(secret, call.application, headers, call.body)
    return headers


def verify(
    secret: bytes, application: str, headers: Mapping[str, str], body: bytes, *, now_s: float
) -> tuple[Scope, Method]:
    """Whose call it is and what it asks for, where the door sent it.

    Args:
        secret: The application's secret.
        application: The application that was called.
        headers: The request's headers, names in lower case.
        body: The request's body.
        now_s: Seconds since 1970.

    Raises:
        UnauthenticatedError: It lacks a signature, or has one that is wrong or old.
    """
    signature = headers.get(SIGNATURE_HEADER, "")
    sent_s = headers.get(HEADERS["time"], "")
    known = hmac.compare_digest(signature.encode(), _signature(secret, application, headers, body).encode())
    if not known or not sent_s.isdecimal() or abs(now_s - int(sent_s)) > MAX_AGE_S:
        raise UnauthenticatedError(
            N_("Models are called through the platform's own address."),
            hint=N_("Use /v1 or /v2 there, with an API key."),
            reason="door.unsigned",
        )
    scope = Scope(tenant_id=headers[HEADERS["tenant"]], project_id=headers[HEADERS["project"]] or None)
    return scope, Method(headers[HEADERS["method"]])


def _signature(secret: bytes, application: str, headers: Mapping[str, str], body: bytes) -> str:
    bound = [_VERSION, application, *(headers.get(name, "") for name in HEADERS.values())]
    # Each part is preceded by its length, so that no two different calls sign the same bytes.
    text = "".join(f"{len(part)}:{part}" for part in bound)
    return hmac.digest(secret, text.encode() + hashlib.sha256(body).digest(), "sha256").hex()


def _read(file: Path) -> bytes | None:
    try:
        secret = file.read_bytes()
    except OSError:
        return None
    return secret if len(secret) == _SECRET_BYTES else None


def _write(file: Path, secret: bytes, *, exclusive: bool = False) -> None:
    """Write whole or not at all; with `exclusive` the first of two writers wins."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(secret)
        if exclusive:
            try:
                os.link(draft, file)
            except FileExistsError:
                return
        else:
            draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
