"""What a tenant may use: how much of what, and in which time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiplatform.core.i18n import N_

SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS
DAY_NS: Final = 24 * 60 * MINUTE_NS


class Resource(StrEnum):
    """What is limited; the words of a tenant's specification."""

    REQUESTS = "requests_per_minute"
    CONCURRENT_REQUESTS = "concurrent_requests"
    SPANS = "spans_per_day"
    SPAN_BYTES = "span_bytes_per_day"


EXCEEDED: Final = {
    Resource.REQUESTS: N_("The tenant's limit of {limit} requests a minute is reached."),
    Resource.CONCURRENT_REQUESTS: N_("The tenant's limit of {limit} requests at a time is reached."),
    Resource.SPANS: N_("The tenant's limit of {limit} spans a day is reached."),
    Resource.SPAN_BYTES: N_("The tenant's limit of {limit} bytes of traces a day is reached."),
}

WINDOWS_NS: Final = {Resource.REQUESTS: MINUTE_NS, Resource.SPANS: DAY_NS, Resource.SPAN_BYTES: DAY_NS}
"""How long a window is: minutes and days of UTC. What is not here is given back when it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A tenant's limits; None means none."""

    requests_per_minute: int | None = None
    concurrent_requests: int | None = None
    spans_per_day: int | None = None
    span_bytes_per_day: int | None = None

    def of(self, resource: Resource) -> int | None:
        """The limit of one resource."""
        found: int | None = getattr(self, resource.value)
        return found


NO_LIMITS: Final = Limits()


def window_start(resource: Resource, now_ns: int) -> int:
    """When the window began that a moment lies in; 0 for what has no window."""
    length = WINDOWS_NS.get(resource)
    return 0 if length is None else now_ns - now_ns % length


def window_end(resource: Resource, now_ns: int) -> int:
    """When that window ends.

    Raises:
        KeyError: The resource has no window.
    """
    return window_start(resource, now_ns) + WINDOWS_NS[resource]
