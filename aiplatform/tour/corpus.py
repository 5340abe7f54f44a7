"""Reads the shipped data: passages and questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from aiplatform.tour.model import Passage, Question

DATA: Final = Path(__file__).parent / "data"
PASSAGES_FILE: Final = DATA / "passages.parquet"
QUESTIONS_FILE: Final = DATA / "questions.parquet"


def load_passages(path: Path = PASSAGES_FILE) -> list[Passage]:
    """Every passage, in the file's order."""
    return [Passage(**row) for row in _rows(path)]


def load_questions(path: Path = QUESTIONS_FILE) -> list[Question]:
    """Every question, in the file's order."""
    return [Question(**{**row, "expected": tuple(row["expected"])}) for row in _rows(path)]


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - whoever only names the steps need not load Arrow

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows
