"""The worker's rhythm: what fails comes again later, and never stops the rest."""

from __future__ import annotations

import logging

import pytest

from aiplatform.core.errors import TransientError
from aiplatform.gateway.worker import LONGEST_BACKOFF_S, Repeated, Task


def _failing(error: Exception, times: int) -> Task:
    left = [times]

    def run() -> None:
        if left[0] > 0:
            left[0] -= 1
            raise error

    return Task(name="task", period_s=1.0, run=run)


def test_a_task_that_succeeds_comes_again_after_its_period() -> None:
    assert Repeated(Task(name="task", period_s=0.5, run=lambda: None)).run() == 0.5


def test_failures_double_the_wait_up_to_a_minute_and_success_ends_that() -> None:
    repeated = Repeated(_failing(TransientError("busy"), times=8))
    waits = [repeated.run() for _ in range(8)]
    assert waits == [2, 4, 8, 16, 32, LONGEST_BACKOFF_S, LONGEST_BACKOFF_S, LONGEST_BACKOFF_S]
    assert repeated.run() == 1.0


def test_a_rare_task_is_not_tried_more_often_because_it_fails() -> None:
    repeated = Repeated(Task(name="rare", period_s=3600.0, run=_failing(ValueError("x"), times=1).run))
    assert repeated.run() == 3600.0


def test_failures_in_a_row_are_told_of_ever_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    repeated = Repeated(_failing(TransientError("busy"), times=9))
    with caplog.at_level(logging.WARNING, "aiplatform.gateway.worker"):
        for _ in range(9):
            repeated.run()
    assert len(caplog.records) == 4  # the 1st, 2nd, 4th and 8th
    assert all(not record.exc_info for record in caplog.records)


def test_an_error_that_nobody_expected_is_told_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "aiplatform.gateway.worker"):
        Repeated(_failing(ValueError("broken"), times=1)).run()
    assert caplog.records[0].exc_info
