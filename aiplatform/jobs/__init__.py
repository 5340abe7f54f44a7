"""Submit, watch and stop Ray jobs for a tenant.

`aip.jobs` is this package as soon as one of its modules was imported, and `aiplatform.jobs.api` before that: both
answer alike.
"""

from __future__ import annotations

from typing import Any

_VERBS = frozenset({"JobHandle", "cancel", "get", "list", "logs", "submit", "upload_folder"})


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        from aiplatform.jobs import api  # noqa: PLC0415 - loaded when a verb is used, not when a sibling is imported

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
