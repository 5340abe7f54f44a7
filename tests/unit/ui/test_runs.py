"""A run begins with a sentence that holds its figure, interval and n; without them it says what is missing."""

from __future__ import annotations

import pytest

from aiplatform.eval.model import DataRef, EvaluationRun, MetricKind, MetricValue, RunStatus, Unit
from aiplatform.ui.views.runs import headline


def run(status: RunStatus, **more: object) -> EvaluationRun:
    return EvaluationRun(run_id="eval-1", project_id="default", name="v2", status=status, **more)  # type: ignore[arg-type]


HIT = MetricValue(name="hit@1", kind=MetricKind.PROPORTION, value=0.602, low=0.543, high=0.659, n=1269)
LATENCY = MetricValue(name="p95_latency", kind=MetricKind.MEAN, value=923.0, n=12, unit=Unit.MILLISECONDS)
DATA = DataRef(name="python-faq", version="2")


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        (run(RunStatus.QUEUED), "The run waits to be started."),
        (run(RunStatus.RUNNING, done_rows=40, total_rows=1269), "40 of 1,269 rows are done."),
        (run(RunStatus.RUNNING, done_rows=40), "40 rows are done."),
        (run(RunStatus.FAILED, done_rows=3), "The run failed after 3 rows."),
        (run(RunStatus.CANCELLED, done_rows=3), "The run was cancelled after 3 rows."),
        (run(RunStatus.COMPLETED, done_rows=3), "All 3 rows are done; no metric could be computed."),
        (
            run(RunStatus.COMPLETED, metrics=(HIT,), data=DATA),
            "hit@1 is 0.602 [0.543, 0.659] on 1,269 rows of python-faq@2.",
        ),
        (run(RunStatus.COMPLETED, metrics=(LATENCY,), data=DATA), "p95_latency is 0.92 s on 12 rows of python-faq@2."),
    ],
)
def test_a_run_says_how_it_stands(of: EvaluationRun, sentence: str) -> None:
    assert headline(of, str) == sentence
