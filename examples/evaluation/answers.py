"""What is evaluated, and a scorer of its own."""

from __future__ import annotations

from typing import Any

CAPITALS = {"France": "Paris", "Japan": "Tokyo", "Kenya": "Nairobi", "Peru": "Lima", "China": "Beijing"}


def answer(question: str) -> str:
    """The capital of the country that the question names, or a wrong guess."""
    return next((capital for country, capital in CAPITALS.items() if country in question), "Sydney")


def is_short(row: Any) -> bool:
    """Whether the answer is one word."""
    return len(str(row.output).split()) == 1
