"""Finished spans as OTLP bytes, written straight to protobuf's wire format.

The stock encoder builds a message object for every value and serialises the whole batch at once. This one costs a third
of it, masks each value where it is written, and gives each span's bytes by themselves, so that a request can be cut at
a size instead of at a count. A test compares the two, field by field, on arbitrary spans.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

Mask = Callable[[str, Any], Any]
"""Takes an attribute's name and its value; gives what may be sent instead, None for nothing."""

_FIXED64: Final = struct.Struct("<Q").pack
_TWO_FIXED64: Final = struct.Struct("<cQcQ").pack
_DOUBLE: Final = struct.Struct("<d").pack
_FIXED32: Final = struct.Struct("<I").pack

_MAX_KEYS: Final = 4_096
_MAX_DEPTH: Final = 32
_INT64: Final = range(-(2**63), 2**63)
_IS_REMOTE_KNOWN: Final = 0x100
_IS_REMOTE: Final = 0x200
_SMALL: Final = tuple(bytes([number]) for number in range(128))

logger = logging.getLogger(__name__)

_keys: dict[str, bytes] = {}
"""Names of attributes as they are written; a program has few of them."""


def requests_of(spans: Iterable[ReadableSpan], mask: Mask | None, max_bytes: int) -> list[tuple[bytes, int]]:
    """Export requests that together hold the spans, and how many spans each holds; what cannot be written is left out.

    Args:
        spans: Spans that ended.
        mask: What every value passes through.
        max_bytes: A request is closed before it grows past this; a single larger span still makes a request.
    """
    requests: list[tuple[bytes, int]] = []
    groups: dict[tuple[Any, Any], list[bytes]] = {}
    size = num_spans = 0
    for span in spans:
        try:
            data = _field(b"\x12", _span(span, mask))
        except Exception:
            logger.debug("a span cannot be written", exc_info=mask is None)
            continue
        if num_spans and size + len(data) > max_bytes:
            requests.append((_request(groups), num_spans))
            groups, size, num_spans = {}, 0, 0
        groups.setdefault((span.resource, span.instrumentation_scope), []).append(data)
        size += len(data)
        num_spans += 1
    if num_spans:
        requests.append((_request(groups), num_spans))
    return requests


def halves(body: bytes) -> list[tuple[bytes, int]]:
    """A request as two, for a platform that does not take one so large."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - rarely needed
        ExportTraceServiceRequest,
    )

    whole = ExportTraceServiceRequest.FromString(body)
    places = [
        (one, two, span)
        for one, resource in enumerate(whole.resource_spans)
        for two, scope in enumerate(resource.scope_spans)
        for span in range(len(scope.spans))
    ]
    found = []
    for kept in (set(places[: len(places) // 2]), set(places[len(places) // 2 :])):
        half = ExportTraceServiceRequest.FromString(body)
        for one, resource in enumerate(half.resource_spans):
            for two, scope in enumerate(resource.scope_spans):
                spans = [span for number, span in enumerate(scope.spans) if (one, two, number) in kept]
                del scope.spans[:]
                scope.spans.extend(spans)
        found.append((half.SerializeToString(), len(kept)))
    return found


def _request(groups: Mapping[tuple[Any, Any], list[bytes]]) -> bytes:
    by_resource: dict[Any, list[bytes]] = {}
    for (resource, scope), spans in groups.items():
        parts = [_field(b"\x0a", _scope(scope)), *spans, _text(b"\x1a", scope.schema_url if scope else None)]
        by_resource.setdefault(resource, []).append(_field(b"\x12", b"".join(parts)))
    written = []
    for resource, scopes in by_resource.items():
        attributes = _attributes(b"\x0a", resource.attributes, None)
        parts = [_field(b"\x0a", attributes), *scopes, _text(b"\x1a", resource.schema_url)]
        written.append(_field(b"\x0a", b"".join(parts)))
    return b"".join(written)


def _scope(scope: Any) -> bytes:
    if scope is None:
        return b""
    attributes = _attributes(b"\x1a", scope.attributes, None)
    return _text(b"\x0a", scope.name) + _text(b"\x12", scope.version) + attributes


def _span(span: ReadableSpan, mask: Mask | None) -> bytes:
    context = span.context
    parts = [b"\x0a\x10", context.trace_id.to_bytes(16, "big"), b"\x12\x08", context.span_id.to_bytes(8, "big")]
    if context.trace_state:
        parts.append(_text(b"\x1a", ",".join(f"{key}={value}" for key, value in context.trace_state.items())))
    flags = _IS_REMOTE_KNOWN
    if span.parent is not None:
        parts += (b"\x22\x08", span.parent.span_id.to_bytes(8, "big"))
        if span.parent.is_remote:
            flags |= _IS_REMOTE
    parts.append(_text(b"\x2a", span.name if mask is None else str(mask("name", span.name) or "")))
    parts += (b"\x30", _SMALL[span.kind.value + 1])
    parts.append(_TWO_FIXED64(b"\x39", span.start_time or 0, b"\x41", span.end_time or 0))
    parts.append(_attributes(b"\x4a", span.attributes, mask))
    parts.append(_count(b"\x50", span.dropped_attributes))
    parts.extend(_field(b"\x5a", _event(event, mask)) for event in span.events)
    parts.append(_count(b"\x60", span.dropped_events))
    parts.extend(_field(b"\x6a", _link(link, mask)) for link in span.links)
    parts.append(_count(b"\x70", span.dropped_links))
    message = span.status.description
    if message and mask is not None:
        masked = mask("status.message", message)
        message = None if masked is None else str(masked)
    parts.append(_field(b"\x7a", _text(b"\x12", message) + _count(b"\x18", span.status.status_code.value)))
    parts += (b"\x85\x01", _FIXED32(flags))
    return b"".join(parts)


def _event(event: Any, mask: Mask | None) -> bytes:
    head: bytes = b"\x09" + _FIXED64(event.timestamp) + _text(b"\x12", event.name)
    return head + _attributes(b"\x1a", event.attributes, mask) + _count(b"\x20", event.dropped_attributes)


def _link(link: Any, mask: Mask | None) -> bytes:
    context = link.context
    flags = _IS_REMOTE_KNOWN | (_IS_REMOTE if context.is_remote else 0)
    head = b"\x0a\x10" + context.trace_id.to_bytes(16, "big") + b"\x12\x08" + context.span_id.to_bytes(8, "big")
    body = _attributes(b"\x22", link.attributes, mask) + _count(b"\x28", link.dropped_attributes)
    written: bytes = head + body + b"\x35" + _FIXED32(flags)
    return written


def _attributes(tag: bytes, attributes: Mapping[str, Any] | None, mask: Mask | None) -> bytes:
    if not attributes:
        return b""
    # A span's own mapping locks and copies itself for every look; it has ended, so its dictionary is read as it is.
    plain: Mapping[str, Any] = getattr(attributes, "_dict", attributes)
    parts: list[bytes] = []
    for key, value in plain.items():
        if mask is not None:
            value = mask(key, value)
            if value is None:
                continue
        written = _value(value, 0)
        name = _keys.get(key) or _key(key)
        length = len(written)
        parts += (tag, _varint(len(name) + 1 + len(_varint(length)) + length), name, b"\x12", _varint(length), written)
    return b"".join(parts)


def _key(key: str) -> bytes:
    written = _field(b"\x0a", _utf8(str(key)))
    if len(_keys) < _MAX_KEYS:
        _keys[key] = written
    return written


def _value(value: Any, depth: int) -> bytes:
    """One `AnyValue`; what OTLP has no form for is written as its text."""
    if type(value) is str:
        data = value.encode() if value.isascii() else _utf8(value)
        return b"\x0a" + _varint(len(data)) + data
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF) if value in _INT64 else _value(str(int(value)), depth)
    if isinstance(value, float):
        return b"\x21" + _DOUBLE(value)
    if isinstance(value, bytes):
        return _field(b"\x3a", value)
    if isinstance(value, str):
        return _field(b"\x0a", _utf8(value))
    if depth < _MAX_DEPTH and isinstance(value, Sequence):
        return _field(b"\x2a", b"".join(_field(b"\x0a", _value(item, depth + 1)) for item in value))
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return _field(b"\x32", b"".join(_pair(key, item, depth + 1) for key, item in value.items()))
    return _field(b"\x0a", _utf8(str(value)))


def _pair(key: Any, value: Any, depth: int) -> bytes:
    return _field(b"\x0a", _field(b"\x0a", _utf8(str(key))) + _field(b"\x12", _value(value, depth)))


def _text(tag: bytes, text: str | None) -> bytes:
    return _field(tag, _utf8(text)) if text else b""


def _count(tag: bytes, number: int) -> bytes:
    return tag + _varint(number) if number else b""


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + _varint(len(data)) + data


def _utf8(text: str) -> bytes:
    # Half a surrogate pair has no place in UTF-8; the rest of the text is worth more than the error.
    return text.encode("utf-8", "replace")


def _varint(number: int) -> bytes:
    if number < 128:
        return _SMALL[number]
    if number < 16_384:
        return bytes((number & 127 | 128, number >> 7))
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)
