"""How many calls an endpoint gets at a time, and who may make them. Decisions alone: no clock of its own, no I/O.

The window grows by a tenth with every window's worth of answers and shrinks by half the share that was throttled, so a
server that refuses at random is not starved, and one that is full is soon left in peace. `Retry-After` stops everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

DEFAULT_IN_FLIGHT: Final = 64
SILENT_AFTER_S: Final = 10.0
"""How long a worker may say nothing before what it holds is given to others."""

GROWTH: Final = 0.1
"""By this share the window grows with every window's worth of answers of which none was throttled; by one at least."""

BURST_S: Final = 1.0
"""A rate may be taken up for so long at once after a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run asks of its endpoints, over all of its workers."""

    in_flight: int = DEFAULT_IN_FLIGHT
    """Most calls at a time."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """One refusal for being too fast."""

    age_s: float
    """How long ago its call began."""

    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorReport:
    """What one worker says of one endpoint. Counts are since its report before."""

    limits: Limits
    wanted: int
    """Calls that wait or are under way."""

    in_flight: int
    version: int = 0
    """Of the share that it goes by."""

    answered: int = 0
    throttles: tuple[Throttle, ...] = ()
    requests: int = 0
    """Requests that were begun."""

    tokens: float = 0
    """Tokens that were taken."""

    wants_requests: float = 0
    wants_tokens: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one worker may do at one endpoint."""

    lease: int
    """Calls at a time."""

    version: int
    """Grows with every change of `lease`."""

    pause_s: float = 0.0
    requests: float = 0
    """So many requests more, where a rate is limited."""

    tokens: float = 0


@dataclass(slots=True)
class _Worker:
    run_id: str
    limits: Limits
    wanted: int = 0
    held: int = 0
    """Calls at a time that it may be making, as far as is known."""

    told: int = 0
    version: int = 0
    seen_s: float = 0.0
    waiting_since_s: float = 0.0


@dataclass(slots=True)
class Bucket:
    """A rate: it fills with time up to a burst, and may be overdrawn by what was not known in advance."""

    level: float = 0.0
    filled_s: float | None = None

    def fill(self, per_s: float, now_s: float) -> None:
        """Let the time since the last fill count."""
        most = max(per_s * BURST_S, 1.0)
        if self.filled_s is None:
            self.level = most
        else:
            self.level = min(self.level + per_s * (now_s - self.filled_s), max(most, self.level))
        self.filled_s = now_s

    def take(self, wanted: float) -> float:
        """As much of it as there is."""
        taken = max(0.0, min(wanted, self.level))
        self.level -= taken
        return taken


@dataclass(slots=True)
class EndpointLimiter:
    """One endpoint as all workers of all runs see it. Not thread safe."""

    window: float = 0.0
    """Calls at a time; 0 until somebody asks."""

    paused_until_s: float = 0.0
    _workers: dict[str, _Worker] = field(default_factory=dict)
    _answered: int = 0
    _throttled: int = 0
    _cut_s: float = float("-inf")
    _requests: Bucket = field(default_factory=Bucket)
    _tokens: Bucket = field(default_factory=Bucket)

    def report(self, worker_id: str, run_id: str, report: DoorReport, now_s: float) -> None:
        """Take in what a worker says."""
        self._forget_silent(now_s)
        worker = self._workers.get(worker_id)
        if worker is None:
            if not any(each.wanted for each in self._workers.values()):
                self.window = 0.0  # what the endpoint took in busier times is no measure of what it takes now
            # What it does now was allowed before this limiter came to be.
            worker = _Worker(run_id=run_id, limits=report.limits, held=report.in_flight, version=report.version + 1)
            self._workers[worker_id] = worker
        if worker.told > 0 or report.wanted == 0 or worker.wanted == 0:
            worker.waiting_since_s = now_s
        worker.wanted, worker.limits, worker.seen_s = report.wanted, report.limits, now_s
        if report.version == worker.version:
            worker.held = max(worker.told, report.in_flight)
        self._adapt(report, now_s)

    def share(self, worker_id: str, report: DoorReport, now_s: float) -> Share:
        """What that worker may do from now on."""
        worker = self._workers[worker_id]
        target = self.targets()[worker_id]
        free = self._most - sum(each.held for each in self._workers.values())
        lease = min(target, worker.held + max(0, free))
        if lease != worker.told:
            worker.told, worker.version = lease, worker.version + 1
            worker.held = max(worker.held, lease)
        requests = self._granted(self._requests, self._per_s("requests_per_minute"), report.wants_requests, now_s)
        tokens = self._granted(self._tokens, self._per_s("tokens_per_minute"), report.wants_tokens, now_s)
        pause_s = max(0.0, self.paused_until_s - now_s)
        return Share(lease=lease, version=worker.version, pause_s=pause_s, requests=requests, tokens=tokens)

    def knows(self, worker_id: str) -> bool:
        """Whether that worker has reported and has not been forgotten."""
        return worker_id in self._workers

    def leave(self, worker_id: str) -> None:
        """Forget a worker."""
        self._workers.pop(worker_id, None)

    def targets(self) -> dict[str, int]:
        """Calls at a time of every worker: equal parts for runs, and within a run for its workers."""
        by_run: dict[str, dict[str, int]] = {}
        for worker_id, worker in sorted(self._workers.items(), key=lambda item: item[1].waiting_since_s):
            by_run.setdefault(worker.run_id, {})[worker_id] = worker.wanted
        limits = {worker.run_id: worker.limits.in_flight for worker in self._workers.values()}
        of_runs = {run_id: min(limits[run_id], sum(wanted.values())) for run_id, wanted in by_run.items()}
        parts = fair_parts(self._most, of_runs)
        return {
            worker_id: part
            for run_id, wanted in by_run.items()
            for worker_id, part in fair_parts(parts[run_id], wanted).items()
        }

    @property
    def is_idle(self) -> bool:
        """Whether no worker uses it."""
        return not self._workers

    @property
    def _most(self) -> int:
        return max(1, int(self.window))

    def _adapt(self, report: DoorReport, now_s: float) -> None:
        limits = {worker.run_id: worker.limits.in_flight for worker in self._workers.values()}
        most = float(sum(limits.values()))
        self.window = min(self.window, most) if self.window else most
        self._answered += report.answered
        for throttle in report.throttles:
            if throttle.retry_after_s is not None:
                self.paused_until_s = max(self.paused_until_s, now_s + throttle.retry_after_s)
            # Calls that began before the window shrank say nothing of the smaller one.
            self._throttled += now_s - throttle.age_s >= self._cut_s
        seen = self._answered + self._throttled
        if seen < self.window:
            return
        if self._throttled:
            self.window = max(1.0, self.window * (1 - self._throttled / seen / 2))
            self._cut_s = now_s
        else:
            self.window = min(most, self.window + max(1.0, self.window * GROWTH))
        self._answered = self._throttled = 0

    def _per_s(self, name: str) -> float | None:
        asked = [getattr(worker.limits, name) for worker in self._workers.values()]
        known = [rate for rate in asked if rate is not None]
        return min(known) / 60 if known else None

    def _granted(self, bucket: Bucket, per_s: float | None, wanted: float, now_s: float) -> float:
        if per_s is None:
            return 0.0
        bucket.fill(per_s, now_s)
        waiting = sum(worker.wanted > 0 for worker in self._workers.values())
        fair = max(1.0, bucket.level / max(1, waiting))
        return bucket.take(min(wanted, fair))

    def _forget_silent(self, now_s: float) -> None:
        for worker_id, worker in [*self._workers.items()]:
            if now_s - worker.seen_s > SILENT_AFTER_S:
                del self._workers[worker_id]


def fair_parts(total: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """Whole parts of `total`: nobody gets more than he wants, and what one leaves goes to the others in equal parts.

    Args:
        total: What there is.
        wanted: By name; who comes first is served first where there is less than one for each.
    """
    parts = dict.fromkeys(wanted, 0)
    while total > 0 and (hungry := _hungry(wanted, parts)):
        each = max(1, total // len(hungry))
        for name in hungry:
            part = min(each, wanted[name] - parts[name], total)
            parts[name] += part
            total -= part
    return parts


def _hungry(wanted: Mapping[str, int], parts: Mapping[str, int]) -> Sequence[str]:
    names: Iterable[str] = wanted
    return [name for name in names if parts[name] < wanted[name]]
