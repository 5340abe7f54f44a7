"""The error tree: codes, statuses, languages, and the trip across a process boundary."""

from __future__ import annotations

import pickle

import pytest

from aiplatform.core import errors
from aiplatform.core.errors import AIPlatformError, NotFoundError, RateLimitedError, RemoteError, error_for_status


def every_error() -> list[type[AIPlatformError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AIPlatformError)]


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in every_error()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", every_error())
def test_an_error_survives_pickling_whole(kind: type[AIPlatformError]) -> None:
    error = kind("There is no {what!r}.", hint="Look at {what!r}.", reason="x.y", retry_after_s=1.5, what="qa")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == "There is no 'qa'."
    assert copy.body("en") == error.body("en")
    assert copy.retry_after_s == 1.5


@pytest.mark.parametrize("kind", [kind for kind in every_error() if kind.http_status < 500 or kind.http_status == 503])
def test_a_status_reads_back_as_its_class(kind: type[AIPlatformError]) -> None:
    assert error_for_status(kind.http_status) is kind


def test_unknown_statuses_read_back_as_the_nearest_class() -> None:
    assert error_for_status(500) is RemoteError
    assert error_for_status(418).http_status == 400


def test_a_message_without_fields_may_hold_braces() -> None:
    assert str(NotFoundError('no {"a": 1}')) == 'no {"a": 1}'


def test_the_drawn_tree_names_every_class_with_its_status() -> None:
    drawing = errors.__doc__ or ""
    for kind in every_error():
        if kind is not AIPlatformError:
            line = next(line for line in drawing.splitlines() if kind.__name__ in line)
            assert str(kind.http_status) in line


def test_only_states_that_pass_are_retryable() -> None:
    assert {kind.http_status for kind in every_error() if kind.retryable} == {429, 503}
    assert RateLimitedError("x", retry_after_s=2).retry_after_s == 2
