"""What travels between the door and a model's replica: JSON that says what came out, or what went wrong.

Nothing pickled crosses: the door never opens an object of the user's making.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from aiplatform.core.errors import AIPlatformError, InvalidError, RemoteError, error_for_status
from aiplatform.core.i18n import N_

_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def encode_value(value: Mapping[str, Any]) -> bytes:
    """An answer, or one part of it.

    Raises:
        RemoteError: The model gave something that JSON cannot hold.
    """
    try:
        return orjson.dumps({"ok": value}, option=_OPTIONS)
    except TypeError as error:
        raise RemoteError(
            N_("The model's answer cannot be written as JSON: {problem}."),
            hint=N_("Return texts, numbers, lists, dictionaries and arrays."),
            reason="model.not_json",
            problem=str(error),
        ) from None


def encode_error(error: AIPlatformError) -> bytes:
    """An error with everything that makes it again on the other side."""
    fields = {key: value if isinstance(value, str | int | float) else str(value) for key, value in error.fields.items()}
    said = {
        "status": error.http_status,
        "message": error.message,
        "hint": error.hint,
        "reason": error.reason,
        "retry_after_s": error.retry_after_s,
        "fields": fields,
    }
    return orjson.dumps({"error": said}, option=_OPTIONS)


def decode(data: bytes) -> dict[str, Any]:
    """The value that a replica sent.

    Raises:
        AIPlatformError: The error that it sent instead.
        RemoteError: It is neither.
    """
    try:
        sent = orjson.loads(data)
        if "ok" in sent:
            value: dict[str, Any] = sent["ok"]
            return value
        said = sent["error"]
        kind = error_for_status(int(said["status"]))
        raise kind(
            str(said["message"]),
            hint=said.get("hint"),
            reason=said.get("reason"),
            retry_after_s=said.get("retry_after_s"),
            **said.get("fields", {}),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise RemoteError(
            N_("The model's replica answered with something that cannot be read."),
            hint=N_("Look at the deployment's log."),
            reason="model.unreadable",
        ) from None


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        InvalidError: It is not JSON, or no object.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidError(
            N_("The body is not JSON: {problem}."),
            hint=N_("Send a JSON object with Content-Type application/json."),
            reason="request.not_json",
            problem=str(error),
        ) from None
    if not isinstance(value, dict):
        raise InvalidError(N_("The body must be a JSON object."), reason="request.not_object")
    return value
