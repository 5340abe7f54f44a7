"""Secrets taken out of spans before anything of them is stored: raw bytes, columns, previews, texts to be found.

A policy says which rules, patterns and attribute names count. Where a tenant has none, nothing here runs. A span stays
a valid OTLP span: only texts change, and a number that is a secret becomes a text.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import translate as glob_pattern
from functools import partial
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from aiplatform.core.scope import Scope
from aiplatform.tracing.model import Score
from aiplatform.tracing.redaction_rules import PHONE_NAME, RULES, SECRET_NAME, Finder, Place, narrowed
from aiplatform.tracing.values import JSON_STARTS, json_value, readable

HASH_CHARACTERS: Final = 12
MAX_DEPTH: Final = 64
SHORTEST: Final = 4
"""Characters below which nothing is a secret."""

REMOVED: Final = "removed"
_KNOWN_NAMES: Final = 4_096
_LONG_NUMBER: Final = 10**10
_MARKS: Final = range(0xE000, 0xF8FF)


class Replacement(StrEnum):
    """What stands in place of a secret."""

    LABEL = "label"
    """Its kind: `[email]`."""

    HASH = "hash"
    """Its kind and a keyed hash, equal for equal secrets: `[email:5f2a9c1b03de]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern of the tenant's own."""

    name: str
    """What stands in place of what it finds."""

    pattern: str
    """A regular expression without look-around and back references, so that its time is linear in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionPolicy:
    """What is taken out."""

    rules: tuple[str, ...]
    """Of `RULES`."""

    patterns: tuple[Pattern, ...] = ()
    attributes: tuple[str, ...] = ()
    """Names, with * and ?, of attributes and of keys inside values, whose value is removed whole."""

    replacement: Replacement = Replacement.LABEL


class Redactor:
    """Takes secrets out by one policy. Thread safe.

    Args:
        policy: What is taken out.
        secret: What hashes are keyed with.
        counts: Where to count what was found, by kind.
    """

    def __init__(self, policy: RedactionPolicy, secret: bytes, *, counts: Counter[str] | None = None) -> None:
        self.policy = policy
        self._secret = secret
        self._counts = counts
        own = [(one.name, partial(find_pattern, one.pattern)) for one in policy.patterns]
        self._finders: list[tuple[str, Finder]] = [
            *((name, partial(_find_narrowed, find)) for name, find in RULES.items() if name in policy.rules),
            *own,
        ]
        self._removed = re.compile("|".join(map(glob_pattern, policy.attributes))) if policy.attributes else None
        self._names: dict[str, str] = {}
        """Attribute names seen, and what becomes of them: there are few, and they come again and again."""

    def counting(self, counts: Counter[str]) -> Redactor:
        """The same redactor, counting what it takes out, by kind, into `counts` alone."""
        found = copy(self)
        found._counts = counts
        return found

    def text(self, text: str) -> str:
        """A text without its secrets; the very same object where it has none."""
        return self._text(text, 0)

    def resource(self, resource: Resource) -> None:
        """Take secrets out of what sends spans."""
        resource.DiscardUnknownFields()
        self._pairs(resource.attributes)

    def instrumentation(self, scope: InstrumentationScope) -> None:
        """Take secrets out of what made spans."""
        scope.DiscardUnknownFields()
        scope.name = self.text(scope.name)
        scope.version = self.text(scope.version)
        self._pairs(scope.attributes)

    def span(self, span: SpanMessage) -> None:
        """Take secrets out of a span; ids and times stay."""
        span.DiscardUnknownFields()  # nobody knows what they hold
        span.name = self.text(span.name)
        span.trace_state = self.text(span.trace_state)
        if span.HasField("status"):
            span.status.message = self.text(span.status.message)
        self._pairs(span.attributes)
        for event in span.events:
            event.name = self.text(event.name)
            self._pairs(event.attributes)
        for link in span.links:
            link.trace_state = self.text(link.trace_state)
            self._pairs(link.attributes)

    def record(self, record: LogRecord) -> None:
        """Take secrets out of a log record; ids and times stay."""
        record.DiscardUnknownFields()
        record.severity_text = self.text(record.severity_text)
        record.event_name = self.text(record.event_name)
        self._value(record.body, "")
        self._pairs(record.attributes)

    def score(self, score: Score) -> Score:
        """A score without secrets in what was said."""
        value = self.text(score.value) if isinstance(score.value, str) else score.value
        comment = None if score.comment is None else self.text(score.comment)
        return replace(score, name=self.text(score.name), value=value, comment=comment)

    def _pairs(self, pairs: Iterable[KeyValue]) -> None:
        for pair in pairs:
            label = self._label_of_name(pair.key)
            if label is not None and pair.value.WhichOneof("value") is not None and _is_hideable(label, pair.value):
                self._count(label)
                pair.value.string_value = f"[{label}]"
            else:
                self._value(pair.value, pair.key)
            name = self._name(pair.key)
            if name is not pair.key:
                pair.key = name

    def _value(self, value: AnyValue, name: str) -> None:
        which = value.WhichOneof("value")
        if which == "string_value":
            text = value.string_value
            clean = self._text(text, 0)
            if clean is not text:
                value.string_value = clean
        elif which == "kvlist_value":
            self._pairs(value.kvlist_value.values)
        elif which == "array_value":
            for item in value.array_value.values:
                self._value(item, name)
        elif which == "bytes_value":
            self._bytes(value)
        elif which == "int_value":
            number = self._number(value.int_value, name)
            if number is not None:
                value.string_value = number

    def _bytes(self, value: AnyValue) -> None:
        """Text in bytes counts as text; in anything else what looks like ASCII does."""
        content = value.bytes_value
        for encoding in ("utf-8", "latin-1"):
            try:
                text = content.decode(encoding)
            except UnicodeDecodeError:
                continue
            clean = self.text(text) if encoding == "utf-8" else self._plain(text)
            if clean is not text:
                value.bytes_value = clean.encode(encoding)
            return

    def _text(self, text: str, depth: int) -> str:
        if len(text) < SHORTEST:
            return text
        start = text.lstrip()[:1] if text[:1].isspace() else text[:1]
        if start in JSON_STARTS and depth < MAX_DEPTH:
            objects = _Objects()
            try:
                value = json_value(text, pairs=objects)
            except (ValueError, RecursionError):
                value = None
            if value is not None:
                clean = self._json(value, "", depth + 1)
                is_same = clean is value and not objects.has_repeated
                return text if is_same else json.dumps(clean, ensure_ascii=False)
        if "\\u" in text:  # JSON that was cut off: its escapes are read wherever it is shown or looked for
            shown = readable(text)
            clean = self._plain(shown)
            return text if clean is shown and self._plain(text) is text else clean
        return self._plain(text)

    def _json(self, value: Any, name: str, depth: int) -> Any:
        """A value of JSON without secrets; the very same object where it has none."""
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            number = self._number(value, name)
            return value if number is None else number
        if depth >= MAX_DEPTH:
            return value if isinstance(value, float) else f"[{REMOVED}]"
        if isinstance(value, list):
            items = [self._json(item, name, depth + 1) for item in value]
            return value if all(one is other for one, other in zip(items, value, strict=True)) else items
        if isinstance(value, dict):
            return self._object(value, depth)
        return value

    def _object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        clean: dict[str, Any] = {}
        is_changed = False
        for key, item in value.items():
            label = self._label_of_name(key)
            if label is not None and (label == REMOVED or isinstance(item, str | int)) and not isinstance(item, bool):
                self._count(label)
                kept: Any = f"[{label}]"
            else:
                kept = self._json(item, key, depth + 1)
            name = self._name(key)
            is_changed = is_changed or kept is not item or name is not key
            clean[name] = kept
        return clean if is_changed else value

    def _plain(self, text: str) -> str:
        for label, find in self._finders:
            places = [place for place in find(text) if place[1] > place[0]]
            if places:
                text = self._replaced(text, sorted(places), label)
        return text

    def _replaced(self, text: str, places: list[Place], label: str) -> str:
        pieces: list[str] = []
        position = 0
        for start, end in places:
            if start < position:  # two layouts found the same: the first has it
                if end <= position:
                    continue
                start = position
            pieces += [text[position:start], self._mark(label, text[start:end])]
            position = end
        return "".join([*pieces, text[position:]])

    def _mark(self, label: str, found: str) -> str:
        self._count(label)
        if self.policy.replacement is Replacement.LABEL:
            return f"[{label}]"
        # Of one case: an address is the same whoever wrote it how.
        digest = hmac.new(self._secret, f"{label}\0{found.casefold()}".encode(), hashlib.sha256)
        return f"[{label}:{digest.hexdigest()[:HASH_CHARACTERS]}]"

    def _number(self, value: int, name: str) -> str | None:
        """What stands in place of a number; None where it stays."""
        if abs(value) < _LONG_NUMBER:
            return None
        text = str(value)
        for label, find in self._finders:
            if label in {"id", "card"} or (label == "phone" and PHONE_NAME.match(name)):
                places = [*find(text)]
                if places == [(0, len(text))]:
                    return self._mark(label, text)
        return None

    def _label_of_name(self, name: str) -> str | None:
        """Why the value of that name is hidden whole; None where it is looked into."""
        if self._removed is not None and self._removed.match(name):
            return REMOVED
        return "secret" if "secret" in self.policy.rules and SECRET_NAME.fullmatch(name) else None

    def _name(self, name: str) -> str:
        known = self._names.get(name)
        if known is None:
            if len(self._names) >= _KNOWN_NAMES:
                self._names.clear()
            known = self._names[name] = self._plain(name)
        return name if known == name else known

    def _count(self, label: str) -> None:
        if self._counts is not None:
            self._counts[label] += 1


RedactorOf = Callable[[Scope], Redactor | None]
"""From a scope to what redacts its spans; None where nothing does."""


def _find_narrowed(find: Finder, text: str) -> Iterator[Place]:
    return find(narrowed(text))


def find_pattern(pattern: str, text: str) -> Iterator[Place]:
    """Where a tenant's own pattern occurs; its engine takes time linear in the text, whatever the pattern.

    Raises:
        ValueError: It is no pattern, or a larger one than the engine takes.
    """
    import polars as pl  # noqa: PLC0415 - heavy, and only for tenants with patterns of their own

    column = pl.Series([text])
    try:
        found = column.str.extract_all(pattern)[0].to_list()
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error).partition("\n\nThis error")[0].replace("\n", " ")) from None
    if not found:
        return
    # Matches and what stands between them, from two passes: together they say where each match begins.
    mark = next(chr(code) for code in _MARKS if chr(code) not in text)
    between = column.str.replace_all(pattern, mark)[0].split(mark)
    position = 0
    for gap, match in zip(between, found, strict=False):
        start = position + len(gap)
        position = start + len(match)
        yield start, position


class _Objects:
    """Makes dictionaries of JSON's objects, and notes whether a key came twice: then one of its values is not seen."""

    def __init__(self) -> None:
        self.has_repeated = False

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        self.has_repeated = self.has_repeated or len(found) < len(pairs)
        return found


def _is_hideable(label: str, value: AnyValue) -> bool:
    return label == REMOVED or value.WhichOneof("value") in {"string_value", "int_value", "bytes_value"}
