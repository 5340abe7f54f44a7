"""Background export that the application never waits for, and that owns up to every span it could not bring.

The caller's share is one lock, one append and one number. A thread writes spans, sends them, and while the platform is
away puts the written requests on disk; they go out after the next success, from this process or the next one.
"""

from __future__ import annotations

import functools
import os
import random
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from aiplatform.tracing.sdk.delivery import Answer, Fate, Target
from aiplatform.tracing.sdk.ledger import Ledger, lost_of_the_dead
from aiplatform.tracing.sdk.spill import SpillFolder
from aiplatform.tracing.sdk.stats import TracingStats
from aiplatform.tracing.sdk.wire import Mask, halves, requests_of

QUEUE_SPANS: Final = 16_384
BATCH_SPANS: Final = 512
BATCH_BYTES: Final = 4 * 2**20
PERIOD_S: Final = 1.0
SPILL_PERIOD_S: Final = 5.0
"""While the platform is away less than a whole batch waits in memory so long before it goes to disk."""
FIRST_BACKOFF_S: Final = 1.0
MAX_BACKOFF_S: Final = 30.0
EXIT_PATIENCE_S: Final = 3.0
"""How long the end of the application waits for its last spans to leave; what is left then waits on disk."""


@dataclass(slots=True)
class _Lane:
    """Spans that go to one target."""

    target: Target
    spans: deque[ReadableSpan] = field(default_factory=deque)


_InHand = tuple[Target, bytes, int]
"""A request that is being sent, and how many spans it holds."""


class Exporter(SpanProcessor):
    """A span processor with its own thread. Thread safe; it survives forks."""

    def __init__(self, target: Target, mask: Mask | None = None) -> None:
        self.mask = mask
        self._lane = _Lane(target)
        self._reset()
        os.register_at_fork(after_in_child=self._after_fork)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        """Guards the lanes and the numbers."""
        self._older: deque[_Lane] = deque()
        self._num_queued = 0
        self._counts = dict.fromkeys(
            ("sent", "spilled", "dropped", "rejected", "refused", "replayed", "lost_before"), 0
        )
        self._numbers: Any = [0, 0]
        """Spans made and settled: a plain list until there is a ledger."""
        self._ledger: Ledger | None = None
        self._work_lock = threading.Lock()
        """Held while spans are written, sent, or put on disk."""
        self._in_hand: _InHand | None = None
        self._wake = threading.Event()
        self._done = threading.Condition()
        """Guards the two counters of rounds."""
        self._num_asked = self._num_done = 0
        self._is_urgent = False
        self._not_before = 0.0
        self._is_asked_to_wait = False
        self._num_failures = 0
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def _after_fork(self) -> None:
        """What waited is the parent's, who sends it; the child begins anew."""
        ledger, target = self._ledger, self._lane.target
        self._lane = _Lane(Target(target.credentials))
        self._reset()
        if ledger is not None:
            ledger.forget()

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that ended; called where it ended."""
        if not span.context.trace_flags & 1:
            return
        with self._lock:
            self._numbers[0] += 1
            if self._num_queued >= QUEUE_SPANS or self._is_closed:
                self._counts["dropped"] += 1
                self._numbers[1] += 1
                return
            self._num_queued += 1
            self._lane.spans.append(span)
        if self._thread is None:
            self.start()
        if self._num_queued >= BATCH_SPANS and not self._wake.is_set():
            self._wake.set()

    def aim(self, target: Target) -> None:
        """Send what ends from now on elsewhere; what ended before goes where it was to go."""
        with self._lock:
            if target.credentials != self._lane.target.credentials:
                self._older.append(self._lane)
                self._lane = _Lane(target)

    def start(self) -> None:
        """Start the thread where none runs; a forked child does so with its first span."""
        with self._lock:
            if self._thread is not None or self._is_closed:
                return
            self._thread = threading.Thread(target=self._run, name="aiplatform-export", daemon=True)
        self._open_ledger()
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is ending, or has no threads left: `close` brings the spans away
            return
        util = sys.modules.get("multiprocessing.util")
        process = sys.modules.get("multiprocessing.process")
        if util is not None and process is not None and process.parent_process() is not None:
            # A child of `multiprocessing` ends without the interpreter's own end, but it runs these.
            util.Finalize(None, self.close, exitpriority=0)

    def nudge(self, *, is_urgent: bool = False) -> int:
        """Ask for a round soon; returns its number.

        Args:
            is_urgent: Whether to try though the platform was away a moment ago.
        """
        self.start()
        with self._done:
            self._num_asked += 1
            self._is_urgent = self._is_urgent or is_urgent
            self._wake.set()
            return self._num_asked

    def flush(self, timeout_s: float) -> bool:
        """Send what waits, now; whether nothing waits any more, neither in memory nor on disk."""
        end = time.monotonic() + timeout_s
        while True:
            number = self.nudge(is_urgent=True)
            with self._done:
                if not self._done.wait_for(functools.partial(self._is_done, number), max(end - time.monotonic(), 0.0)):
                    return False
            if not self._waits():
                return True
            pause_s = self._not_before - time.monotonic()
            if pause_s > 0 and (not self._is_asked_to_wait or time.monotonic() + pause_s > end):
                return False  # it is away; only a wait that it asked for itself is worth sitting out
            threading.Event().wait(min(max(pause_s, 0.02), max(end - time.monotonic(), 0.0)))

    def _is_done(self, number: int) -> bool:
        return self._num_done >= number

    def _waits(self) -> bool:
        with self._lock:
            if self._num_queued:
                return True
        folder = self._lane.target.folder()
        return folder is not None and folder.num_spans() > 0

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """As `flush`."""
        return self.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """A provider ends: what it made leaves. The application itself may go on, with another provider."""
        self.flush(EXIT_PATIENCE_S)

    def close(self, patience_s: float = EXIT_PATIENCE_S) -> None:
        """Send what waits; what cannot leave in time goes to disk. Spans that end later count as dropped."""
        if self._is_closed:
            return
        if self._thread is not None and self._thread.is_alive():
            self.flush(patience_s)
        with self._lock:
            self._is_closed = True
        # Where the thread hangs in a request, its spans go to disk too: a repeat changes nothing at the platform.
        is_free = self._work_lock.acquire(timeout=0.1)
        try:
            self._spill(self._taken())
            self._round(may_send=False)
        finally:
            if is_free:
                self._work_lock.release()
        with self._lock:
            ledger, self._ledger, self._numbers = self._ledger, None, list(self._numbers)
        if ledger is not None:
            ledger.close(is_settled=self._numbers[0] <= self._numbers[1])

    def stats(self) -> TracingStats:
        """The numbers as they are now."""
        folder = self._lane.target.folder()
        with self._lock:
            counts, (made, settled) = dict(self._counts), self._numbers
        on_disk = folder.num_spans() if folder is not None else 0
        return TracingStats(made=made, queued=made - settled, on_disk=on_disk, **counts)

    def _run(self) -> None:
        # Whatever traces HTTP in this application must not trace this: it would never end.
        otel_context.attach(otel_context.set_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY, True))
        last = 0.0
        while not self._is_closed:
            self._wake.wait(PERIOD_S)
            self._wake.clear()
            with self._done:
                number, is_urgent, self._is_urgent = self._num_asked, self._is_urgent, False
            now = time.monotonic()
            may_send = now >= self._not_before or (is_urgent and not self._is_asked_to_wait)
            is_asked = is_urgent or (may_send and number > self._num_done)
            is_due = is_asked or now - last >= (PERIOD_S if may_send else SPILL_PERIOD_S)
            last = now if is_due else last
            with self._work_lock:
                try:
                    self._round(may_send=may_send, whole_batches=not is_due)
                except Exception as error:  # noqa: BLE001 - the thread must live; what it held is counted
                    self._lane.target.warn_once("export", "an export failed: %s: %s", type(error).__name__, error)
            with self._done:
                self._num_done = max(self._num_done, number)
                self._done.notify_all()

    def _open_ledger(self) -> None:
        folder = self._lane.target.folder()
        if folder is None:
            return
        try:
            lost = lost_of_the_dead(folder.folder)
            ledger = Ledger(folder.folder)
        except OSError as error:
            self._lane.target.warn_once("disk", "spans cannot wait on disk: %s", error)
            return
        with self._lock:
            ledger.numbers[0], ledger.numbers[1] = self._numbers
            self._ledger, self._numbers = ledger, ledger.numbers
            self._counts["lost_before"] += lost
        if lost:
            self._lane.target.warn_once("lost", "%d spans were lost with an earlier process that was killed", lost)

    def _round(self, *, may_send: bool, whole_batches: bool = False) -> None:
        """Bring away what waits: to the platform, else to disk."""
        if may_send:
            may_send = self._replay()
        while (taken := self._batch(BATCH_SPANS if whole_batches else 1)) is not None:
            target, spans = taken
            num_left = len(spans)
            try:
                for body, num_spans in requests_of(spans, self.mask, BATCH_BYTES):
                    self._in_hand = (target, body, num_spans)
                    num_left -= num_spans
                    if may_send:
                        answer = self._answer(target, body)
                        may_send = answer.fate is not Fate.LATER
                        if may_send:
                            self._settled(num_spans, answer)
                    self._spill(self._taken())
            finally:
                self._settle("dropped", num_left)

    def _batch(self, at_least: int) -> tuple[Target, list[ReadableSpan]] | None:
        with self._lock:
            while self._older and not self._older[0].spans:
                self._older.popleft().target.close()
            lane = self._older[0] if self._older else self._lane
            if len(lane.spans) < (at_least if lane is self._lane else 1):
                return None
            spans = [lane.spans.popleft() for _ in range(min(len(lane.spans), BATCH_SPANS))]
            self._num_queued -= len(spans)
            return lane.target, spans

    def _answer(self, target: Target, body: bytes) -> Answer:
        """Send a request, in smaller ones where it is too large; says what became of all of it."""
        answer = target.post(body)
        if answer.fate is Fate.LATER:
            self._back_off(answer)
            return answer
        self._num_failures, self._not_before = 0, 0.0
        if answer.fate is Fate.TOO_LARGE and len(parts := halves(body)) > 1 and parts[0][1]:
            rejected = 0
            for part, num_spans in parts:
                answer = self._answer(target, part)
                if answer.fate is Fate.LATER:
                    return answer  # all of it again later: what was taken already is not taken twice
                rejected += answer.num_rejected if answer.fate is Fate.DELIVERED else num_spans
            return Answer(fate=Fate.DELIVERED, num_rejected=rejected)
        if answer.fate is not Fate.DELIVERED:
            target.warn_once(answer.problem[:10], "the platform refuses spans: %s", answer.problem)
        elif answer.num_rejected or answer.problem:
            target.warn_once(
                "partial", "the platform did not take %d spans of a request: %s", answer.num_rejected, answer.problem
            )
        return answer

    def _replay(self) -> bool:
        """Send what waits on disk, the oldest first; whether the platform is there."""
        target = self._lane.target
        folder = target.folder()
        if folder is None or not folder.num_spans():
            return True
        try:
            with folder.replaying() as is_mine:
                # What is in memory can be lost, so it is not made to wait for all that is on disk.
                while is_mine and self._num_queued < QUEUE_SPANS // 2 and (found := folder.oldest()) is not None:
                    file, body, num_spans = found
                    if body is None:
                        folder.set_aside(file)
                        aside = folder.folder / "corrupt"
                        target.warn_once("corrupt", "spans on disk are broken and set aside in %s", aside)
                        self._count("lost_before", num_spans)
                        continue
                    answer = self._answer(target, body)
                    if answer.fate is Fate.LATER:
                        return False
                    file.unlink(missing_ok=True)
                    delivered = max(num_spans - answer.num_rejected, 0) if answer.fate is Fate.DELIVERED else 0
                    self._count("replayed", delivered)
                    self._count("lost_before", num_spans - delivered)
        except OSError as error:
            target.warn_once("disk", "spans that wait on disk cannot be read: %s", error)
        return True

    def _back_off(self, answer: Answer) -> None:
        self._num_failures += 1
        pause_s = min(FIRST_BACKOFF_S * 2.0 ** min(self._num_failures - 1, 10), MAX_BACKOFF_S)
        pause_s *= random.uniform(0.8, 1.2)  # noqa: S311 - so that not all come back at once
        self._is_asked_to_wait = answer.retry_after_s is not None
        self._not_before = time.monotonic() + (answer.retry_after_s if answer.retry_after_s is not None else pause_s)

    def _taken(self) -> _InHand | None:
        """The request in hand, for whoever settles it: once."""
        with self._lock:
            held, self._in_hand = self._in_hand, None
            return held

    def _settled(self, num_spans: int, answer: Answer) -> None:
        if self._taken() is None:
            return  # the application's end has put it on disk meanwhile
        if answer.fate is Fate.DELIVERED:
            rejected = min(answer.num_rejected, num_spans)
            self._settle("rejected", rejected)
            self._settle("sent", num_spans - rejected)
        else:
            self._settle("refused", num_spans)

    def _spill(self, held: _InHand | None) -> None:
        if held is None:
            return
        target, body, num_spans = held
        folder = target.folder()
        is_kept = folder is not None and _kept(target, folder, body, num_spans)
        self._settle("spilled" if is_kept else "dropped", num_spans)

    def _settle(self, what: str, num_spans: int) -> None:
        with self._lock:
            self._counts[what] += num_spans
            self._numbers[1] += num_spans

    def _count(self, what: str, num_spans: int) -> None:
        with self._lock:
            self._counts[what] += num_spans


def _kept(target: Target, folder: SpillFolder, body: bytes, num_spans: int) -> bool:
    try:
        is_kept = folder.put(body, num_spans)
    except OSError as error:
        target.warn_once("disk", "spans cannot wait on disk: %s", error)
        return False
    if not is_kept:
        target.warn_once("full", "the disk space for waiting spans is used up; further spans are dropped")
    return is_kept
