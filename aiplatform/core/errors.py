"""The one tree of errors, from which HTTP, gRPC, the terminal and the pages speak.

    AIPlatformError
    ├── InvalidError              400  the request cannot be understood or a value is wrong
    ├── UnauthenticatedError      401  no key, or a key that is not known
    ├── PermissionDeniedError     403  a known caller who may not
    ├── NotFoundError             404  no such thing for this caller
    ├── ConflictError             409  it exists already, or changed meanwhile
    ├── TooLargeError             413  more than a request may hold
    ├── UnsupportedError          415  a media type or encoding that nobody here reads
    ├── RateLimitedError          429  a limit was hit; `retry_after_s` says when it frees
    ├── TransientError            503  the same call may succeed later
    ├── ConfigError               500  the platform is set up in a way that cannot work
    └── RemoteError               502  another process failed and said so

A message is a template of the message catalogue, marked with `N_`, and its values are keyword fields, so that the same
error reads in every language: `NotFoundError(N_("There is no model {name!r}."), name="qa")`. Constructors take one
positional message and keyword fields with defaults, so that errors cross Ray's process boundaries intact.
"""

from __future__ import annotations

from typing import Any, ClassVar

from aiplatform.core.i18n import DEFAULT_LOCALE, translate


class AIPlatformError(Exception):
    """Root of the tree. `code` is stable; `hint` says what to do about it."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    grpc_status: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        reason: str | None = None,
        retry_after_s: float | None = None,
        **fields: Any,
    ) -> None:
        """Keep the template and its values.

        Args:
            message: English template from the catalogue, with `{name!r}` style fields.
            hint: Template of what the reader can do, from the catalogue too.
            reason: Dotted refinement of the class's code (`query.unknown_field`), stable like it.
            retry_after_s: Seconds after which the same call may succeed.
            fields: Values of the templates.
        """
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.fields = fields

    def __str__(self) -> str:
        return self.localized(DEFAULT_LOCALE)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (
            type(self),
            self.message,
            self.hint,
            self.reason,
            self.retry_after_s,
            self.fields,
        )

    @property
    def full_code(self) -> str:
        """The refined code where there is one, else the class's."""
        return self.reason or self.code

    def localized(self, locale: str) -> str:
        """The message in `locale`, values filled in."""
        return _fill(translate(self.message, locale), self.fields)

    def localized_hint(self, locale: str) -> str | None:
        """The hint in `locale`, values filled in; None where there is none."""
        return None if self.hint is None else _fill(translate(self.hint, locale), self.fields)

    def body(self, locale: str, request_id: str | None = None) -> dict[str, Any]:
        """The JSON body that every edge answers with."""
        return {
            "error": {
                "code": self.full_code,
                "message": self.localized(locale),
                "hint": self.localized_hint(locale),
                "request_id": request_id,
            }
        }


def _fill(template: str, fields: dict[str, Any]) -> str:
    # A message without fields may hold braces of its own (JSON, code): it is not a template then.
    return template.format(**fields) if fields else template


def _rebuild(
    kind: type[AIPlatformError],
    message: str,
    hint: str | None,
    reason: str | None,
    retry_after_s: float | None,
    fields: dict[str, Any],
) -> AIPlatformError:
    return kind(message, hint=hint, reason=reason, retry_after_s=retry_after_s, **fields)


class InvalidError(AIPlatformError):
    """The request cannot be understood, or one of its values is wrong."""

    code = "invalid"
    http_status = 400
    grpc_status = "INVALID_ARGUMENT"


class UnauthenticatedError(AIPlatformError):
    """No key, or a key that is unknown, expired or revoked."""

    code = "unauthenticated"
    http_status = 401
    grpc_status = "UNAUTHENTICATED"


class PermissionDeniedError(AIPlatformError):
    """The caller is known and may not do this."""

    code = "permission_denied"
    http_status = 403
    grpc_status = "PERMISSION_DENIED"


class NotFoundError(AIPlatformError):
    """No such thing for this caller; another tenant's things read the same."""

    code = "not_found"
    http_status = 404
    grpc_status = "NOT_FOUND"


class ConflictError(AIPlatformError):
    """It exists already, or changed since the caller looked."""

    code = "conflict"
    http_status = 409
    grpc_status = "ALREADY_EXISTS"


class TooLargeError(AIPlatformError):
    """More than one request may hold."""

    code = "too_large"
    http_status = 413
    grpc_status = "RESOURCE_EXHAUSTED"


class UnsupportedError(AIPlatformError):
    """A media type or encoding that nobody here reads."""

    code = "unsupported"
    http_status = 415
    grpc_status = "INVALID_ARGUMENT"


class RateLimitedError(AIPlatformError):
    """A limit was hit; `retry_after_s` says when it frees."""

    code = "rate_limited"
    http_status = 429
    grpc_status = "RESOURCE_EXHAUSTED"
    retryable = True


class TransientError(AIPlatformError):
    """The same call may succeed later."""

    code = "unavailable"
    http_status = 503
    grpc_status = "UNAVAILABLE"
    retryable = True


class ConfigError(AIPlatformError):
    """The platform, or a file that the user gave it, is set up in a way that cannot work."""

    code = "config"
    http_status = 500
    grpc_status = "FAILED_PRECONDITION"


class RemoteError(AIPlatformError):
    """Another process failed and said so: a job, a replica, a model behind the door."""

    code = "remote"
    http_status = 502
    grpc_status = "INTERNAL"


def error_for_status(status: int) -> type[AIPlatformError]:
    """The class that an HTTP status stands for, for clients that read it back."""
    return _BY_STATUS.get(status, RemoteError if status >= 500 else InvalidError)


_BY_STATUS: dict[int, type[AIPlatformError]] = {
    kind.http_status: kind
    for kind in (
        InvalidError,
        UnauthenticatedError,
        PermissionDeniedError,
        NotFoundError,
        ConflictError,
        TooLargeError,
        UnsupportedError,
        RateLimitedError,
        TransientError,
    )
}
