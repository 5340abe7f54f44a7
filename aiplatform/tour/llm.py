"""The language model that `OPENAI_BASE_URL` swaps in for quotations."""

from __future__ import annotations

import os
from typing import Final

from aiplatform.tour.model import Hit

MODEL_VARIABLE: Final = "OPENAI_MODEL"
DEFAULT_MODEL: Final = "gpt-4o-mini"
MAX_CONTEXT_CHARACTERS: Final = 6000
TIMEOUT_S: Final = 60.0

REWRITE: Final = (
    "Rewrite the user's question as a short search query for technical documentation, in the question's own language. "
    "Answer with the query alone."
)
ANSWER: Final = (
    "Answer the question in its own language from the passage and the page around it, and from nothing else. "
    "Quote the passage's decisive words exactly. If they do not answer, say so."
)


class LanguageModel:
    """An OpenAI-compatible model that rewrites and phrases; what it says is followed by the passage's source."""

    def __init__(self) -> None:
        from openai import OpenAI  # noqa: PLC0415 - only where a language model is set

        self.name = os.environ.get(MODEL_VARIABLE, DEFAULT_MODEL)
        self._client = OpenAI(api_key=os.environ.get("OPENAI_API_KEY") or "none", timeout=TIMEOUT_S)

    def rewrite(self, question: str) -> str:
        """The question as a search query."""
        return self._say(REWRITE, question) or question

    def answer(self, question: str, hit: Hit, context: str) -> str:
        """An answer that rests on the passage, with its source."""
        passage = hit.passage
        text = self._say(
            ANSWER,
            f"Question: {question}\n\nPassage: {passage.text}\n\nPage: {context[:MAX_CONTEXT_CHARACTERS]}",
        )
        return f"{text}\n\n— {passage.title}, {passage.url}"

    def _say(self, system: str, user: str) -> str:
        answer = self._client.chat.completions.create(
            model=self.name,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
            temperature=0.0,
        )
        return (answer.choices[0].message.content or "").strip()
