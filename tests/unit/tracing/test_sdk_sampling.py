"""Which traces are kept: by their ids, the same everywhere, decided at the root."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator

from aiplatform.core.errors import InvalidError
from aiplatform.tracing.sdk import span, trace, use_traceparent
from aiplatform.tracing.sdk.sampling import checked_ratio, ratio_of_environment, sampler_of
from tests.unit.tracing.conftest import Finished

TOP = 2**64


class Numbered(IdGenerator):
    """Trace ids that are spread evenly, so that shares come out exactly."""

    def __init__(self, count: int) -> None:
        self._ids = iter([1 + number * (TOP // count) for number in range(count)])
        self._spans = iter(range(1, 10**6))

    def generate_trace_id(self) -> int:
        return next(self._ids)

    def generate_span_id(self) -> int:
        return next(self._spans)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_the_share_is_exact_over_evenly_spread_ids(ratio: float) -> None:
    tracer = TracerProvider(sampler=sampler_of(ratio), id_generator=Numbered(1_000), shutdown_on_exit=False).get_tracer(
        "t"
    )
    kept = [tracer.start_span("x", context=otel_context.Context()).is_recording() for _ in range(1_000)]
    assert abs(sum(kept) - 1_000 * ratio) <= 1


def test_two_processes_keep_the_same_traces_and_a_smaller_share_is_a_part_of_a_larger() -> None:
    def kept(ratio: float) -> set[int]:
        provider = TracerProvider(sampler=sampler_of(ratio), id_generator=Numbered(500), shutdown_on_exit=False)
        tracer = provider.get_tracer("t")
        spans = [tracer.start_span("x", context=otel_context.Context()) for _ in range(500)]
        return {one.get_span_context().trace_id for one in spans if one.is_recording()}

    assert kept(0.3) == kept(0.3)
    assert kept(0.1) < kept(0.3)


def test_a_function_of_share_nought_makes_no_trace_and_none_inside_it(finished: Finished) -> None:
    @trace(name="inner")
    def inner() -> None: ...

    @trace(name="outer", sample_ratio=0.0)
    def outer() -> int:
        inner()
        with span("block", sample_ratio=1.0):
            return 1

    assert outer() == 1
    assert finished.all() == []


def test_inside_of_a_kept_trace_everything_is_kept(finished: Finished) -> None:
    @trace(name="rare", sample_ratio=0.0)
    def rare() -> Iterator[int]:
        yield 1

    with span("root"):
        assert list(rare()) == [1]
    assert [one.name for one in finished.all()] == ["rare", "root"]


@pytest.mark.parametrize(("flag", "names"), [("01", ["child"]), ("00", [])])
def test_a_remote_parent_decides(flag: str, names: list[str], finished: Finished) -> None:
    with use_traceparent(f"00-{'1' * 32}-{'2' * 16}-{flag}"), span("child", sample_ratio=0.5):
        assert otel_trace.get_current_span().get_span_context().trace_id == int("1" * 32, 16)
    assert [one.name for one in finished.all()] == names


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_share_outside_of_nought_and_one_is_refused(ratio: float) -> None:
    with pytest.raises(InvalidError):
        checked_ratio(ratio)
    with pytest.raises(InvalidError):
        trace(sample_ratio=ratio)


def test_the_environment_gives_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ratio_of_environment() is None
    monkeypatch.setenv("AIPLATFORM_TRACE_SAMPLE_RATIO", "0.25")
    assert ratio_of_environment() == 0.25
    monkeypatch.setenv("AIPLATFORM_TRACE_SAMPLE_RATIO", "some")
    with pytest.raises(InvalidError, match="some"):
        ratio_of_environment()
