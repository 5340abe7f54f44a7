"""The request that is being answered, for what is far from its handler: audit rows and logs."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from typing import Final

REQUEST_ID_HEADER: Final = "x-request-id"
REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("aiplatform_request_id", default=None)
_SANE: Final = re.compile(r"[A-Za-z0-9._:-]{8,64}")


def request_id_from(header: str | None) -> str:
    """The caller's own request id where it can stand in logs and headers, else a new one."""
    return header if header and _SANE.fullmatch(header) else f"req-{secrets.token_hex(8)}"
