"""What of a row a judge gets to see, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiplatform.eval.scorers import Row
from aiplatform.eval.statistics.hashing import canonical_json

_PASSAGES: Final = ("contexts", "passages", "retrieved", "context", "retrieved_contexts", "documents")
"""Where passages stand, in the output or among the columns, the first that is there."""

_TEXTS: Final = ("text", "content", "page_content", "passage", "body")
_SAID: Final = ("answer", "content", "text", "output", "question", "prompt", "query", "input")


def text_of(value: Any) -> str:
    """A value as a judge reads it: the text of an answer or question, a conversation line by line, else JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        answer = next((value[name] for name in _SAID if isinstance(value.get(name), str)), None)
        return answer if answer is not None else canonical_json(value)
    if _is_conversation(value):
        return "\n".join(f"{each['role']}: {text_of(each.get('content'))}" for each in value)
    return canonical_json(value)


def passages_of(row: Row) -> list[str]:
    """The texts that were retrieved for a row.

    Raises:
        ValueError: The row says nothing of passages, or their texts are missing.
    """
    places = [row.output] if isinstance(row.output, Mapping) else []
    for place in (*places, row.columns):
        for name in _PASSAGES:
            if place.get(name) is not None and not _is_ids(name, place[name]):
                return _texts(place[name], name)
    raise ValueError(f"neither output nor columns hold passages; looked for {', '.join(_PASSAGES)}")


def numbered(passages: Sequence[str]) -> str:
    """Passages with their numbers, as a prompt shows them."""
    return "\n".join(f"[{number}] {passage.strip()}" for number, passage in enumerate(passages, 1))


def _texts(value: Any, name: str) -> list[str]:
    if isinstance(value, str | Mapping):
        value = [value]
    found = []
    for each in value:
        text = each if isinstance(each, str) else next((each[key] for key in _TEXTS if each.get(key)), None)
        if text is None:
            raise ValueError(f"a passage of {name!r} has no text; looked for {', '.join(_TEXTS)}")
        found.append(str(text))
    return found


def _is_ids(name: str, value: Any) -> bool:
    # What a retriever returns as plain texts are ids, as its scorers read them.
    return name == "retrieved" and any(isinstance(each, str) for each in value)


def _is_conversation(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and bool(value)
        and all(isinstance(each, Mapping) and "role" in each for each in value)
    )
