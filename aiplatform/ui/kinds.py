"""How kinds of span and of state look: an icon's name and a colour class; the word is written beside them."""

from __future__ import annotations

from typing import Final

from aiplatform.tracing.model import Score
from aiplatform.ui import formatting

_LOOKS: Final = {
    "agent": ("bot", "k-agent"),
    "llm": ("message-square", "k-llm"),
    "embedding": ("binary", "k-embedding"),
    "tool": ("wrench", "k-tool"),
    "retriever": ("search", "k-retriever"),
    "reranker": ("split", "k-retriever"),
    "guardrail": ("shield", "k-guard"),
    "evaluator": ("scale", "k-guard"),
    "chain": ("workflow", "k-task"),
    "memory": ("database", "k-task"),
    "plan": ("scroll-text", "k-task"),
    "decision": ("split", "k-task"),
    "prompt": ("file-text", "k-llm"),
}
_OTHER: Final = ("workflow", "k-task")


def kind_icon(kind: str) -> str:
    """Name of the icon of a kind of span."""
    return _LOOKS.get(str(kind), _OTHER)[0]


def kind_class(kind: str) -> str:
    """Class that gives a kind of span its colour."""
    return _LOOKS.get(str(kind), _OTHER)[1]


def score_text(score: Score) -> str:
    """The value of a score as a chip shows it: yes and no as 1 and 0, numbers with three digits."""
    value = score.value
    return formatting.number(float(value)) if isinstance(value, bool | int | float) else str(value)


def score_tone(score: Score) -> str:
    """A score's tone, where its value is a plain yes or no; numbers carry no judgement of their own."""
    if isinstance(score.value, bool) or score.value in {0, 1}:
        return "better" if score.value else "worse"
    return ""
