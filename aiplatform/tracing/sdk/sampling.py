"""Which traces are kept: decided once at the root, by the trace's id, the same in every process."""

from __future__ import annotations

import copy
import os
from typing import Any, Final

from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_

RATIO_VARIABLE: Final = "AIPLATFORM_TRACE_SAMPLE_RATIO"


def sampler_of(ratio: float) -> Sampler:
    """Keeps that share of the traces that begin here, by their ids; a span with a parent follows its parent."""
    return ParentBased(TraceIdRatioBased(ratio))


def checked_ratio(ratio: float | None) -> float | None:
    """The ratio, where it is one.

    Raises:
        InvalidError: It is not between 0 and 1.
    """
    if ratio is not None and not 0.0 <= ratio <= 1.0:
        raise InvalidError(
            N_("A share of traces lies between 0 and 1, not {ratio!r}."), reason="tracing.sample_ratio", ratio=ratio
        )
    return ratio


def ratio_of_environment() -> float | None:
    """What `AIPLATFORM_TRACE_SAMPLE_RATIO` says; None where it says nothing.

    Raises:
        InvalidError: It is no number between 0 and 1.
    """
    text = os.environ.get(RATIO_VARIABLE)
    if not text:
        return None
    try:
        ratio = float(text)
    except ValueError:
        raise InvalidError(
            N_("{name} must be a number between 0 and 1, not {value!r}."),
            reason="tracing.sample_ratio",
            name=RATIO_VARIABLE,
            value=text,
        ) from None
    return checked_ratio(ratio)


def with_sampler(tracer: Any, sampler: Sampler) -> Any:
    """The same tracer with another sampler; the provider and its other tracers keep theirs."""
    found = copy.copy(tracer)
    found.sampler = sampler
    return found
