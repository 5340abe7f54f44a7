"""What became of a process's spans, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingStats:
    """What became of the spans of this process. All but the last three add up to `made`."""

    made: int = 0
    """Spans that ended here and were to be kept."""
    queued: int = 0
    """In memory, on their way."""
    sent: int = 0
    """Stored by the platform."""
    spilled: int = 0
    """Put on disk while the platform was away."""
    dropped: int = 0
    """Lost here: neither memory nor disk had room."""
    rejected: int = 0
    """Not taken by the platform out of a request that it took otherwise."""
    refused: int = 0
    """In requests that the platform would not take: a wrong key, a missing right."""
    replayed: int = 0
    """From disk to the platform, of whichever process they were."""
    on_disk: int = 0
    """Waiting on disk now, of whichever process they are."""
    lost_before: int = 0
    """In memory or in broken files of earlier processes that were killed; found by this one."""
