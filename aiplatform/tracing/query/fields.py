"""The names that a query knows, what kind of value each has, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from aiplatform.core.i18n import N_
from aiplatform.tracing.model import SpanKind, Status
from aiplatform.tracing.query.tree import Name, Space


class Kind(StrEnum):
    """What a value can be."""

    TEXT = "text"
    CHOICE = "choice"
    NUMBER = "number"
    DURATION = "duration"
    TIME = "time"
    ANY = "any"
    """Whatever the emitter wrote: text, a number, yes or no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of traces or of spans."""

    kind: Kind
    what: str
    choices: tuple[str, ...] = ()
    is_loose: bool = False
    """Whether `name:value` means that the value occurs in it, rather than being all of it."""


_STATUS: Final = Field(kind=Kind.CHOICE, what=N_("ok, error or running"), choices=tuple(Status))
_KIND: Final = Field(
    kind=Kind.CHOICE, what=N_("kind of a span inside: llm, tool, retriever, agent …"), choices=tuple(SpanKind)
)
_MODEL: Final = Field(kind=Kind.TEXT, what=N_("model that was called"))
_SERVICE: Final = Field(kind=Kind.TEXT, what=N_("service that sent it"))
_DURATION: Final = Field(kind=Kind.DURATION, what=N_("how long it took: duration > 2s"))
_START: Final = Field(kind=Kind.TIME, what=N_("when it began: start > now-1d, start >= 2026-11-20"))
_TOKENS: Final = Field(kind=Kind.NUMBER, what=N_("tokens that went in and came out"))
_INPUT_TOKENS: Final = Field(kind=Kind.NUMBER, what=N_("tokens that went in"))
_OUTPUT_TOKENS: Final = Field(kind=Kind.NUMBER, what=N_("tokens that came out"))
_COST: Final = Field(kind=Kind.NUMBER, what=N_("what its calls cost, in US dollars"))
_TAG: Final = Field(kind=Kind.TEXT, what=N_("tag of a span"))

TRACE_FIELDS: Final[Mapping[str, Field]] = {
    "status": _STATUS,
    "kind": _KIND,
    "model": _MODEL,
    "service": _SERVICE,
    "session": Field(kind=Kind.TEXT, what=N_("session id")),
    "user": Field(kind=Kind.TEXT, what=N_("user id")),
    "name": Field(kind=Kind.TEXT, what=N_("name of the root span"), is_loose=True),
    "trace": Field(kind=Kind.TEXT, what=N_("trace id")),
    "duration": _DURATION,
    "start": _START,
    "errors": Field(kind=Kind.NUMBER, what=N_("spans that failed: errors > 0, errors:yes")),
    "spans": Field(kind=Kind.NUMBER, what=N_("number of spans")),
    "tokens": _TOKENS,
    "input_tokens": _INPUT_TOKENS,
    "output_tokens": _OUTPUT_TOKENS,
    "cost": _COST,
    "tag": _TAG,
}
SPAN_FIELDS: Final[Mapping[str, Field]] = {
    "name": Field(kind=Kind.TEXT, what=N_("name of the span"), is_loose=True),
    "kind": Field(kind=Kind.CHOICE, what=N_("kind of the span"), choices=tuple(SpanKind)),
    "status": _STATUS,
    "model": _MODEL,
    "service": _SERVICE,
    "error": Field(kind=Kind.TEXT, what=N_("what went wrong"), is_loose=True),
    "duration": _DURATION,
    "start": _START,
    "tokens": _TOKENS,
    "input_tokens": _INPUT_TOKENS,
    "output_tokens": _OUTPUT_TOKENS,
    "cost": _COST,
    "parent": Field(kind=Kind.TEXT, what=N_("span id of the parent; a root has none")),
    "tag": _TAG,
}
ALIASES: Final[Mapping[str, str]] = {
    "trace_id": "trace",
    "session_id": "session",
    "user_id": "user",
    "latency": "duration",
    "time": "start",
    "tags": "tag",
}
SPACES: Final[Mapping[str, tuple[Space, str]]] = {
    "attributes": (Space.ATTRIBUTES, N_("attribute of a span by its own name: attributes.http.status_code >= 500")),
    "metadata": (Space.METADATA, N_("metadata by key: metadata.region:eu")),
    "resource": (Space.RESOURCE, N_("attribute of what sent it: resource.service.version:1.2")),
    "score": (Space.SCORE, N_("score by name: score.relevance > 0.5")),
}
"""Prefixes after which any name may stand."""

_SPACE_ALIASES: Final[Mapping[str, str]] = {
    "attribute": "attributes",
    "attr": "attributes",
    "scores": "score",
    "resources": "resource",
}
_OWN: Final = Field(kind=Kind.ANY, what="")


def fields_of(in_span: bool) -> Mapping[str, Field]:
    """The fields that stand inside of `span(…)`, or outside."""
    return SPAN_FIELDS if in_span else TRACE_FIELDS


def find(written: str, *, in_span: bool) -> Name | None:
    """The name that was meant; None where there is no such one."""
    space, dot, rest = written.partition(".")
    space = space.lower()
    found = SPACES.get(_SPACE_ALIASES.get(space, space))
    if dot and rest and found is not None:
        return Name(found[0], rest)
    name = ALIASES.get(written.lower(), written.lower())
    return Name(Space.FIELD, name) if name in fields_of(in_span) else None


def field_of(name: Name, *, in_span: bool) -> Field:
    """What kind of value a known name has."""
    return fields_of(in_span)[name.name] if name.space is Space.FIELD else _OWN


def nearest(written: str, *, in_span: bool, cutoff: float = 0.6) -> str | None:
    """The known name that is most like what was written; None where none is."""
    space, dot, rest = written.partition(".")
    if dot:
        near = get_close_matches(space.lower(), [*SPACES, *_SPACE_ALIASES], n=1, cutoff=cutoff)
        return f"{_SPACE_ALIASES.get(near[0], near[0])}.{rest}" if near else None
    fields = fields_of(in_span)
    aliases = (alias for alias, name in ALIASES.items() if name in fields)
    known = [*fields, *aliases, "has", *(() if in_span else ("since",))]
    near = get_close_matches(written.lower(), known, n=1, cutoff=cutoff)
    return near[0] if near else None
