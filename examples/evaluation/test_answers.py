"""The same evaluation inside pytest: `pytest examples/evaluation` while a platform is up."""

from __future__ import annotations

from typing import Any

from answers import answer, is_short  # type: ignore[import-not-found]  # beside this file


def test_capitals_are_right(evaluation: Any) -> None:
    """At least four in five, each in one word."""
    run = evaluation("rows.jsonl", answer, scorers=["exact_match", is_short], columns={"input": "question"})
    run.must("exact_match >= 0.8 and is_short >= 0.99")
