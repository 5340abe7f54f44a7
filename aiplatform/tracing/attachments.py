"""Files inside messages: images, sounds and documents that senders wrote into them as base 64, in each one's own form.

A page shows what they are, and fetches their bytes when somebody wants to see them. What a file says of itself is not
believed: a preview is given of pictures whose first bytes are those of one.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from aiplatform.tracing.content_model import Part
from aiplatform.tracing.model import SpanDetail

MAX_NAME: Final = 120
_DATA_URL: Final = re.compile(r"data:([-\w.+/]{0,100})((?:;[-\w.+=\"]{1,100})*?)(;base64)?,", re.ASCII)
_MEDIA_TYPE: Final = re.compile(r"[a-z]{1,20}/[-a-z0-9.+]{1,80}", re.ASCII)
_UNSAFE_NAME: Final = re.compile(r"[^-\w. ]+")
_PICTURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_TYPES_BY_FORMAT: Final[Mapping[str, str]] = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm16": "audio/L16"}
_HOLDERS: Final = (
    "image_url", "input_audio", "file", "source", "inline_data", "inlineData", "image", "audio", "blob",
)  # fmt: skip
MIN_CHARACTERS: Final = 16
"""Shorter texts are no files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One file inside a message."""

    key: str
    """Names it within its span, by what it holds."""

    media_type: str
    """As its sender says; empty where nobody does."""

    size_bytes: int
    name: str | None
    content: str
    """Base 64."""

    @property
    def picture_type(self) -> str | None:
        """The media type of a picture that a browser may draw, by its first bytes; None for anything else."""
        return picture_type(_first_bytes(self.content))

    def data(self) -> bytes:
        """The file's bytes.

        Raises:
            ValueError: It is no base 64 after all.
        """
        return base64.b64decode(_padded(self.content), validate=True)


def attachment_of(part: Part) -> Attachment | None:
    """The file that a part of a message is; None where it is none, or only says where one is."""
    if not isinstance(part.data, Mapping) or part.type in {"tool_call", "tool_call_response"}:
        return None
    return _found(part.data, depth=0)


def attachments_of(detail: SpanDetail) -> Iterator[Attachment]:
    """All files in the messages of a span, in their order."""
    for message in (*detail.input_messages, *detail.output_messages):
        for part in message.parts:
            found = attachment_of(part)
            if found is not None:
                yield found


def picture_type(data: bytes) -> str | None:
    """The media type of a picture by its first bytes, of the kinds that run nothing; None for anything else."""
    for start, media_type in _PICTURES:
        if data.startswith(start):
            return media_type
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _found(holder: Mapping[str, Any], depth: int) -> Attachment | None:
    own = _own(holder)
    if own is not None or depth > 2:
        return own
    for name in _HOLDERS:
        inner = holder.get(name)
        if isinstance(inner, str):
            inner = {"url": inner}
        if isinstance(inner, Mapping):
            found = _found(inner, depth + 1)
            if found is not None:
                return found
    return None


def _own(holder: Mapping[str, Any]) -> Attachment | None:
    named = _text(holder, "filename", "name", "title")
    for field in ("url", "uri", "file_data", "data", "content", "image.url"):
        value = holder.get(field)
        if not isinstance(value, str) or len(value) < MIN_CHARACTERS:
            continue
        start = _DATA_URL.match(value)
        if start is not None:
            return _made(value[start.end() :], start.group(1), named) if start.group(3) else None
        if field in {"data", "content"}:
            declared = _text(holder, "mime_type", "media_type", "mimeType", "format")
            # Only where a type stands beside it: any text of letters could be base 64.
            return _made(value, _TYPES_BY_FORMAT.get(declared, declared), named) if declared else None
    return None


def _made(content: str, media_type: str, name: str) -> Attachment | None:
    content = content.strip()
    size = len(content.rstrip("=")) * 3 // 4
    if not size or not _is_base64(content):
        return None
    lowered = media_type.lower()
    return Attachment(
        key=blake2b(content.encode(), digest_size=12).hexdigest(),
        media_type=lowered if _MEDIA_TYPE.fullmatch(lowered) else "",
        size_bytes=size,
        name=_UNSAFE_NAME.sub("_", name)[:MAX_NAME].strip(" .") or None,
        content=content,
    )


def _is_base64(content: str) -> bool:
    try:
        base64.b64decode(_padded(content), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _first_bytes(content: str) -> bytes:
    return base64.b64decode(_padded(content[:32]), validate=True)


def _padded(content: str) -> bytes:
    plain = content.replace("-", "+").replace("_", "/").replace("\n", "").replace("\r", "").rstrip("=")
    return (plain + "=" * (-len(plain) % 4)).encode("ascii", "replace")


def _text(holder: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := holder.get(name), str) and value), "")
