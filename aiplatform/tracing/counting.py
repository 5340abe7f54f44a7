"""What is counted of everything that arrives: taken, refused and why, redacted, thrown away by its sender."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from aiplatform.core.i18n import N_
from aiplatform.tracing.arrival import BAD_END, BAD_PARENT_ID, BAD_SPAN_ID, BAD_START, BAD_TRACE_ID
from aiplatform.tracing.log_records import BAD_TIME, NO_RESULT, NO_SCORES, NO_SPAN, NOT_KEPT
from aiplatform.tracing.otlp import UNKNOWN_PROJECT, Export
from aiplatform.tracing.signals import METRICS_ARE_DERIVED

MAX_REASON: Final = 40
Counts = Mapping[tuple[str, str], int]
"""(kind, reason) -> how many; the reason is empty where the kind says all."""


class CountKind(StrEnum):
    """What is counted."""

    SPANS = "spans"
    """Spans taken, those that were known already included."""

    KNOWN = "known"
    """Of these, spans that were known already, and spans of erased traces."""

    BYTES = "bytes"
    """Raw bytes of what was taken."""

    LOGS = "logs"
    """Log records taken."""

    SCORES = "scores"
    """Scores taken that came as log records."""

    REJECTED = "rejected"
    """Spans, log records and data points that were not taken out of a request that was, by reason."""

    REFUSED = "refused"
    """Requests that were not taken at all, by reason."""

    REDACTED = "redacted"
    """Values that the redaction policy took out, by what they were."""

    DROPPED = "dropped"
    """Attributes that senders threw away, as their limits say; what else they lost they do not tell."""


REJECTIONS: Final[Mapping[str, str]] = {
    "bad_trace_id": BAD_TRACE_ID,
    "bad_span_id": BAD_SPAN_ID,
    "bad_parent_id": BAD_PARENT_ID,
    "bad_start": BAD_START,
    "bad_end": BAD_END,
    "not_kept": NOT_KEPT,
    "no_span": NO_SPAN,
    "bad_time": BAD_TIME,
    "no_result": NO_RESULT,
    "no_scores": NO_SCORES,
    "unknown_project": UNKNOWN_PROJECT,
    "metrics": METRICS_ARE_DERIVED,
}
"""Reasons of rejections with what senders are told."""

_REASON_OF: Final = {text: reason for reason, text in REJECTIONS.items()}

REFUSALS: Final[Mapping[str, str]] = {
    "tracing.overloaded": N_("more arrived than the database takes in; senders come again"),
    "tracing.slow": N_("the database took too long; senders come again"),
    "tracing.too_large": N_("larger than a request may be"),
    "tracing.undecodable": N_("no request of this protocol"),
    "tracing.compression": N_("broken compression"),
    "tracing.encoding": N_("an unknown content encoding"),
    "tracing.cut_off": N_("ended before its body was complete"),
    "tracing.unstorable": N_("the database refused the content"),
    "permission_denied": N_("the key may not send"),
}
"""Reasons of refusals in words; others are shown as they are."""


def reason_of(problem: str) -> str:
    """The short form of a rejection's text."""
    return _REASON_OF.get(problem, "other")


def counts_of(export: Export) -> Counter[tuple[str, str]]:
    """What an export adds to the counts once it is committed."""
    found: Counter[tuple[str, str]] = Counter()
    for kind, amount in (
        (CountKind.SPANS, len(export.spans)),
        (CountKind.LOGS, len(export.logs)),
        (CountKind.SCORES, len(export.scores)),
        (CountKind.BYTES, export.size_bytes),
        (CountKind.DROPPED, export.num_dropped_attributes),
    ):
        if amount:
            found[kind.value, ""] = amount
    for problem, amount in export.rejections.items():
        found[CountKind.REJECTED.value, reason_of(problem)] += amount
    for label, amount in export.redacted.items():
        found[CountKind.REDACTED.value, label[:MAX_REASON]] += amount
    return found
