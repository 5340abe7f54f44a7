"""Our metrics as `evaluate.Metric`, for programs written against `evaluate`: no hub, no files, the same numbers."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from aiplatform.eval.hf.loading import package
from aiplatform.eval.measures.measure import Measure
from aiplatform.eval.measures.measuring import measure
from aiplatform.eval.measures.registry import Wanted, resolved

_SHAPES: Final = ("string", "float64")


def to_hf(wanted: Wanted) -> Any:
    """A metric of ours as an `evaluate.Metric`, which keeps its rows in memory.

    Its `compute(predictions=, references=)` answers with the value under the metric's name, and `low` and `high` where
    it has an interval.

    Args:
        wanted: `accuracy`, `f1_macro`, `bleu`, or what `aip.evaluations.metric` makes.

    Raises:
        ConfigError: `evaluate` is not installed.
        InvalidError: There is no such metric.
    """
    return _exported()(resolved(wanted))


@cache
def _exported() -> type[Any]:
    evaluate = package()
    import datasets  # noqa: PLC0415 - comes with `evaluate`

    class Exported(evaluate.Metric):  # type: ignore[misc, name-defined]  # it has no types
        """One metric of the platform."""

        def __init__(self, measured: Measure) -> None:
            self._measured = measured
            super().__init__(keep_in_memory=True, experiment_id=measured.name)

        def _info(self) -> Any:
            return evaluate.MetricInfo(
                description=f"{self._measured.name} as {self._measured.reference} defines it.",
                citation="",
                inputs_description="predictions and references, one a row",
                features=_features(datasets),
            )

        def _infer_feature_from_example(self, example: Any) -> Any:
            return datasets.Features({name: _feature(datasets, value) for name, value in example.items()})

        def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
            found = measure({"output": _whole(predictions), "expected": _whole(references)}, [self._measured])
            answer: dict[str, Any] = {name: metric.value for name, metric in found.items()}
            first = next(iter(found.values()))
            if first.low is not None:
                answer |= {"low": first.low, "high": first.high}
            return answer

    return Exported


def _features(datasets: Any) -> list[Any]:
    """What rows may hold, as the metric's card tells it; what they do hold, their first row says."""
    plain = [datasets.Value(kind) for kind in _SHAPES]
    shapes = [*plain, *(datasets.Sequence(one) for one in plain)]
    return [datasets.Features({"predictions": one, "references": other}) for one in shapes for other in shapes]


def _feature(datasets: Any, value: Any) -> Any:
    """The kind of a value. Every number is a float: whether the next one is whole too is not known yet."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return datasets.Sequence(_feature(datasets, value[0] if value else ""))
    return datasets.Value("string" if isinstance(value, str) else "float64")


def _whole(values: Any) -> list[Any]:
    """A column, whose numbers are whole ones again where all of them are."""
    column = list(values)
    numbers = [each for value in column for each in (value if isinstance(value, list) else [value])]
    if not all(isinstance(each, float) and each.is_integer() for each in numbers):
        return column
    return [[int(each) for each in value] if isinstance(value, list) else int(value) for value in column]
