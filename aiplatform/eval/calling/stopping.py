"""Which errors end a run, because every further call would fail too."""

from __future__ import annotations

from aiplatform.core.errors import AIPlatformError, PermissionDeniedError, UnauthenticatedError

_REASONS = ("evaluation.capped", "evaluation.endpoint_", "evaluation.cache")


def stops_run(error: BaseException) -> bool:
    """Whether an error of one call is the end of its run; any other is the row's own."""
    if isinstance(error, UnauthenticatedError | PermissionDeniedError):
        return True
    return isinstance(error, AIPlatformError) and (error.reason or "").startswith(_REASONS)
