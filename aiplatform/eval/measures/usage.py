"""What answers took: milliseconds, tokens, money. A column of numbers, or what an answer says under `usage`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aiplatform.eval.measures.columns import SCORED, Block, Column
from aiplatform.eval.measures.exactly import Means
from aiplatform.eval.measures.measure import OUTPUT, RowValues, fates
from aiplatform.eval.measures.regression import Distribution
from aiplatform.eval.measures.states import Fate, Tally

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "tokens": ("total_tokens", "tokens"),
    "input_tokens": ("input_tokens", "prompt_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens"),
    "cost": ("cost", "cost_usd", "total_cost"),
    "latency_ms": ("latency_ms",),
}
"""Where an answer says it, where there is no column of that name."""


@dataclass(frozen=True, slots=True)
class UsageCollector:
    """What each row took: its distribution for quantiles, else its moments."""

    what: str
    column: str
    of_distribution: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return (self.column, OUTPUT) if self.column in _FIELDS else (self.column,)

    @property
    def optional(self) -> tuple[str, ...]:
        """Of them, those that data may lack."""
        return self.needs if len(self.needs) > 1 else ()

    def row_values(self, block: Block) -> RowValues:
        """One number a row, and each row's fate: a row that says nothing of it is not applicable."""
        column = block.column(self.column)
        if column.is_missing.all():
            column = Column([_told(self.what, output) for output in block.column(OUTPUT).values])
        return column.floats, fates(column.is_missing, np.isnan(column.floats))

    def collect(self, block: Block) -> Means | Distribution:
        """The state of one block."""
        values, states = self.row_values(block)
        if self.of_distribution:
            return Distribution(Fate.of(states), Tally.of(values[states == SCORED]))
        return Means.of(values, states, block)


def _told(what: str, output: Any) -> Any:
    if not isinstance(output, Mapping):
        return None
    told = output.get("usage")
    usage = told if isinstance(told, Mapping) else output
    found = next((usage[key] for key in _FIELDS.get(what, ()) if usage.get(key) is not None), None)
    if found is None and what == "tokens":
        parts = [_told(part, output) for part in ("input_tokens", "output_tokens")]
        found = sum(parts) if all(isinstance(part, int | float) for part in parts) else None
    return found
