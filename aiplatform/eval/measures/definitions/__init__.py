"""The metrics, family by family, in the order that people see them."""

from __future__ import annotations

from typing import Final

from aiplatform.eval.measures.definitions import classes, numbers, rankings, scores, sets, texts, usages
from aiplatform.eval.measures.registry import Definition

ALL: Final[tuple[Definition, ...]] = (
    *classes.DEFINITIONS,
    *scores.DEFINITIONS,
    *sets.DEFINITIONS,
    *numbers.DEFINITIONS,
    *texts.DEFINITIONS,
    *rankings.DEFINITIONS,
    *usages.DEFINITIONS,
)
