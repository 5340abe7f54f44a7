"""A judge that follows rules, and is wrong as often and in the way that a test plants.

It is right where the answer's text equals the reference's; of two answers the one that does is better.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from tests.testing.chat_server import Asked, Told, says_json

_SECTION: Final = re.compile(r"<(\w+)>\n(.*?)\n</\1>", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class ScriptedJudge:
    """A script for `chat_server`."""

    false_pass: float = 0.0
    """Share of wrong answers that it passes."""

    false_fail: float = 0.0
    """Share of right answers that it fails."""

    flips: float = 0.0
    """Share of verdicts that it turns around, differently each time it is asked."""

    position: float = 0.0
    """Share of pairs where it prefers what stands first."""

    verbosity: float = 0.0
    """Share of questions where it prefers or passes what is longer than 80 characters."""

    confidence: float | None = None
    """What it says of how sure it is, where it is asked."""

    seed: int = 0

    def __call__(self, asked: Asked) -> Told:
        """One verdict."""
        shown = dict(_SECTION.findall(asked.text))
        labels = (asked.schema or {})["properties"]["label"]["enum"]
        label = self._better(asked, shown) if "first" in shown else self._passed(asked, shown, labels)
        verdict: dict[str, Any] = {"reason": "as the rules say", "label": label}
        if "confidence" in (asked.schema or {})["properties"]:
            verdict["confidence"] = self.confidence
        return says_json(verdict, model="scripted-1")

    def _passed(self, asked: Asked, shown: dict[str, str], labels: list[str]) -> str:
        is_right = _same(shown.get("answer"), shown.get("reference"))
        if asked.draw(self.seed) < (self.false_fail if is_right else self.false_pass):
            is_right = not is_right
        if len(shown.get("answer", "")) > 80 and asked.draw(self.seed + 1) < self.verbosity:
            is_right = True
        if asked.draw(self.seed + 2) < self.flips:
            is_right = not is_right
        return labels[0] if is_right else labels[1]

    def _better(self, asked: Asked, shown: dict[str, str]) -> str:
        first, second = (_same(shown[each], shown.get("reference")) for each in ("first", "second"))
        label = "tie" if first == second else "first" if first else "second"
        if asked.draw(self.seed) < self.position:
            label = "first"
        if asked.draw(self.seed + 1) < self.verbosity:
            label = "first" if len(shown["first"]) > len(shown["second"]) else "second"
        if asked.draw(self.seed + 2) < self.flips:
            label = {"first": "second", "second": "first", "tie": "first"}[label]
        return label


def _same(one: str | None, other: str | None) -> bool:
    return (one or "").split() == (other or "").split()
