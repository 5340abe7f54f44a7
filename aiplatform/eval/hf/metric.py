"""A metric of `evaluate` among ours. It does not merge: rows are gathered, and it is computed once on the driver."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from aiplatform.eval.hf.loading import opened, package
from aiplatform.eval.measures.columns import SCORED, Block
from aiplatform.eval.measures.measure import EXPECTED, OUTPUT, Estimate, Measure, Request, fates, undefined
from aiplatform.eval.measures.states import Fate

Computed = Callable[[Sequence[Any], Sequence[Any]], Mapping[str, Any]]
GATHERED: Final = "rows are gathered on the driver: it does not merge"


@dataclass(frozen=True, slots=True)
class GatheringCollector:
    """Keeps what every row holds."""

    expected: str = EXPECTED
    output: str = OUTPUT

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return self.expected, self.output

    def collect(self, block: Block) -> Gathered:
        """The rows of one block that have both."""
        wanted, came = block.column(self.expected), block.column(self.output)
        states = fates(wanted.is_missing, came.is_missing)
        kept = [
            (row_id, _plain(output), expected)
            for row_id, output, expected, state in zip(
                block.row_ids(), came.values, wanted.values, states.tolist(), strict=True
            )
            if state == SCORED
        ]
        return Gathered(Fate.of(states), kept)


@dataclass(slots=True)
class Gathered:
    """Rows, in whatever order they came."""

    fate: Fate
    rows: list[tuple[str, Any, Any]] = field(default_factory=list)

    def merge(self, other: Gathered) -> None:
        """Take in what another state holds."""
        self.fate.merge(other.fate)
        self.rows += other.rows

    @property
    def columns(self) -> tuple[list[Any], list[Any]]:
        """Outputs and expectations in the order of the rows' ids, so that blocks change nothing."""
        ordered = sorted(self.rows, key=lambda row: row[0])
        return [output for _, output, _ in ordered], [expected for _, _, expected in ordered]


class Finish:
    """Computes once, over everything. Workers get it without the metric itself, which may not travel."""

    def __init__(self, computed: Computed, name: str) -> None:
        self._computed: Computed | None = computed
        self._name = name

    def __call__(self, state: Gathered, _: Request) -> Iterator[Estimate]:
        """The numbers: under the metric's own name where there is one, else by their keys."""
        assert self._computed is not None, "metrics finish where they were made"  # noqa: S101 - states an invariant
        outputs, expected = state.columns
        if not outputs:
            yield undefined("no row could be scored")
            return
        try:
            found = self._computed(outputs, expected)
        except Exception as error:  # noqa: BLE001 - whatever the metric raises, the run has been paid for
            yield undefined(f"the metric refuses these rows: {type(error).__name__}: {error}"[:2000])
            return
        values = {key: float(value) for key, value in found.items() if _is_number(value)}
        left = sorted(key for key in found if key not in values)
        details = {"left_out": left} if left else {}
        if not values:
            yield undefined("the metric gave no number", **details)
        for key, value in values.items():
            yield Estimate(value=value, suffix="" if len(values) == 1 else f"[{key}]", details=details)

    def __getstate__(self) -> dict[str, Any]:
        return {"_computed": None, "_name": self._name}


def hf_metric(
    given: Any,
    *,
    name: str = "",
    config_name: str | None = None,
    options: Mapping[str, Any] | None = None,
    expected: str = EXPECTED,
    output: str = OUTPUT,
    lower_is_better: bool = False,
    allow_hub: bool = False,
    revision: str | None = None,
) -> Measure:
    """A metric of `evaluate` as one of ours.

    Args:
        given: An `evaluate.Metric`, a folder or file with one, or a name of the hub.
        name: What its number is called; by default `hf_` and its own name.
        config_name: Which of its configurations.
        options: What its `compute` takes besides predictions and references: `{"average": "macro"}`.
        expected: Column of the references.
        output: Column of the predictions.
        lower_is_better: Whether less is better.
        allow_hub: Whether a name may be fetched from the hub, whose code then runs here.
        revision: Of the hub: the commit or tag of that code.

    Raises:
        ConfigError: It cannot be loaded, or a name is not allowed.
        InvalidError: It is no metric.
    """
    metric = opened(given, config_name=config_name, allow_hub=allow_hub, revision=revision)
    metric.keep_in_memory = True  # else it writes every row to a file under HF_HOME
    own = str(getattr(metric, "name", "") or type(metric).__name__).lower()
    given_options = dict(options or {})

    def computed(outputs: Sequence[Any], references: Sequence[Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = metric.compute(predictions=outputs, references=references, **given_options)
        return found

    details = {
        "version": str(package().__version__),
        "module": str(given) if isinstance(given, str | Path) else type(metric).__module__,
        "parameters": {**given_options, **({"revision": revision} if revision else {})},
        "gathered": GATHERED,
    }
    return gathered(
        name or f"hf_{own}", computed, f"evaluate:{own}", details, expected, output, lower_is_better=lower_is_better
    )


def gathered(
    name: str,
    computed: Computed,
    reference: str,
    details: Mapping[str, Any],
    expected: str = EXPECTED,
    output: str = OUTPUT,
    *,
    lower_is_better: bool = False,
) -> Measure:
    """A metric that is computed over all rows at once."""
    return Measure(
        name=name,
        family="hugging face",
        reference=reference,
        collector=GatheringCollector(expected=expected, output=output),
        finish=Finish(computed, name),
        lower_is_better=lower_is_better,
        details=details,
    )


def _is_number(value: Any) -> bool:
    is_scalar = isinstance(value, numbers.Real) or (isinstance(value, np.ndarray | np.generic) and np.ndim(value) == 0)
    return is_scalar and bool(np.isfinite(float(value)))


def _plain(output: Any) -> Any:
    """An answer with more to it than text is its text."""
    return output["answer"] if isinstance(output, Mapping) and "answer" in output else output
