"""What a driver tells the platform, and whoever watches, while its run goes on."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from aiplatform.client.http import Client
from aiplatform.core.errors import AIPlatformError, ConflictError, TransientError
from aiplatform.core.i18n import N_, negotiate, translate
from aiplatform.eval.blocks import Plan
from aiplatform.eval.calling.amounts import NANO
from aiplatform.eval.calling.gate import CappedError
from aiplatform.eval.calling.keeping import PATH, CacheMode
from aiplatform.eval.compute import Outcome, Progress
from aiplatform.eval.model import CallSums, DataRef, EvaluationRun, RunStatus, from_json, to_json

logger = logging.getLogger(__name__)

REPORT_EVERY_S: Final = 2.0
SAY_EVERY_S: Final = 5.0
_OF_ALL: Final = N_("{name}: {done} of {total} rows, {failed} failed, {seconds} s")
_SO_FAR: Final = N_("{name}: {done} rows, {failed} failed, {seconds} s")


class Reporter:
    """Tells the platform, and whoever watches, how far a run is."""

    def __init__(self, client: Client, run: EvaluationRun, say: Callable[[str], None] | None) -> None:
        self._client = client
        self._run_id = run.run_id
        self._name = run.name
        self._attempt = run.attempt
        self.say = say or (lambda _: None)
        self._started = time.monotonic()
        self._reported = self._said = self._started

    def __call__(self, progress: Progress) -> None:
        """Report where enough time has passed.

        Raises:
            ConflictError: The run was cancelled.
        """
        now = time.monotonic()
        if now - self._said >= SAY_EVERY_S:
            self._said = now
            self.say(self._told(progress, now - self._started))
        if now - self._reported >= REPORT_EVERY_S:
            self._reported = now
            self._report(progress)

    def _told(self, progress: Progress, seconds: float) -> str:
        text = translate(_OF_ALL if progress.total_rows is not None else _SO_FAR, negotiate(os.environ.get("LANG")))
        return text.format(
            name=self._name,
            done=f"{progress.done_rows:,}",
            total=f"{progress.total_rows or 0:,}",
            failed=f"{progress.error_rows:,}",
            seconds=f"{seconds:.0f}",
        )

    def patch(self, change: Mapping[str, Any]) -> EvaluationRun:
        """Send a change; sending it again changes nothing.

        Raises:
            ConflictError: The run was cancelled.
        """
        run = self._sent(change)
        if run.status is RunStatus.CANCELLED:
            raise ConflictError(
                N_("Evaluation run {run_id!r} was cancelled."), reason="evaluation.cancelled", run_id=self._run_id
            )
        return run

    def _sent(self, change: Mapping[str, Any]) -> EvaluationRun:
        path = f"/api/v1/evaluations/{self._run_id}"
        body = {**change, "attempt": self._attempt}
        return from_json(EvaluationRun, self._client.request("PATCH", path, json=body, idempotent=True).json())

    def completed(self, outcome: Outcome, data: DataRef, plan: Plan, primary: str, mode: CacheMode) -> EvaluationRun:
        """Send the result."""
        refs = [ref for each in plan.scorers for ref in each.refs]
        metrics = outcome.state.metrics(refs, measures=plan.measures, seed=plan.seed)
        slices = outcome.state.slice_metrics(refs, measures=plan.measures, seed=plan.seed)
        names = [metric.name for metric in metrics]
        rows_of_data = replace(data, rows_hash=outcome.state.rows_digest, num_rows=outcome.rows)
        return self.patch(
            {
                "status": RunStatus.COMPLETED,
                "done_rows": outcome.rows,
                "total_rows": outcome.rows,
                "error_rows": outcome.errors,
                "data": to_json(rows_of_data),
                "metrics": [to_json(metric) for metric in metrics],
                "slice_metrics": [to_json(part) for part in slices],
                "files": [to_json(file) for file in outcome.files],
                "calls": to_json(self._calls(outcome, mode)),
                "primary": primary if primary in names else next(iter(names), ""),
            }
        )

    def failed(self, error: BaseException) -> EvaluationRun | None:
        """Record why the run ended; a platform that cannot be reached hides no error, and None is returned."""
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        status = RunStatus.CANCELLED if interrupted else RunStatus.FAILED
        if isinstance(error, CappedError):
            status = RunStatus.CAPPED
        told = str(error) if isinstance(error, AIPlatformError) else f"{type(error).__name__}: {error}"
        try:
            return self._sent({"status": status, "error": told[:2000]})
        except AIPlatformError:
            logger.warning("the end of the run could not be recorded", exc_info=True, extra={"run_id": self._run_id})
            return None

    def _calls(self, outcome: Outcome, mode: CacheMode) -> CallSums:
        """What the calls came to, over every attempt of the run: what it paid for before it was resumed counts too."""
        counts = outcome.calls
        used = counts.paid + counts.cached
        if mode is CacheMode.OFF:
            return CallSums(
                paid=counts.paid,
                input_tokens=counts.input_tokens,
                output_tokens=counts.output_tokens,
                cost=counts.nanos / NANO if counts.currency else None,
                currency=counts.currency,
            )
        kept = self._client.get(PATH, run_id=self._run_id)
        cost = kept["costs"][0] if len(kept["costs"]) == 1 else {}
        return CallSums(
            paid=kept["calls"],
            cached=max(0, used - kept["calls"]),
            input_tokens=kept["input_tokens"],
            output_tokens=kept["output_tokens"],
            cost=cost.get("amount"),
            currency=cost.get("currency", ""),
        )

    def _report(self, progress: Progress) -> None:
        try:
            self.patch({"done_rows": progress.done_rows, "error_rows": progress.error_rows})
        except TransientError:
            # The platform may be restarting; the run goes on, and the next report says more.
            logger.warning("progress could not be reported", exc_info=True, extra={"run_id": self._run_id})
