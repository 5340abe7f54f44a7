"""Tokens and costs that an emitter sent, brought to one meaning: input includes what a cache read or was given.

Most say it so. Some count every token under one key (Langfuse's `input` beside `input_cached_tokens`), and those who
copy Anthropic's own numbers leave out of `input_tokens` what the cache served: priced as they are, such counts come out
far too cheap or, subtracted once more, below nothing. What was sent stays in the raw span.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Final

from aiplatform.tracing.dialects import Field
from aiplatform.tracing.pricing import Cost
from aiplatform.tracing.values import MAX_COUNT, count_or_none, number_or_none, unwrapped

EMITTED_CURRENCY: Final = "USD"
"""Every convention that has a name for costs means US dollars by it."""

MAX_COST: Final = 1e12
MAX_LITERAL: Final = 2_000

TOKEN_FIELDS: Final = (
    Field.INPUT_TOKENS,
    Field.OUTPUT_TOKENS,
    Field.CACHE_READ_TOKENS,
    Field.CACHE_WRITE_TOKENS,
    Field.REASONING_TOKENS,
)

_KEYS: Final[Mapping[Field, tuple[str, ...]]] = {
    Field.INPUT_TOKENS: ("input_tokens", "prompt_tokens", "input", "promptTokens", "inputTokens"),
    Field.OUTPUT_TOKENS: ("output_tokens", "completion_tokens", "output", "completionTokens", "outputTokens"),
    Field.CACHE_READ_TOKENS: (
        "cache_read_input_tokens",
        "input_cached_tokens",
        "input_cache_read",
        "cache_read_tokens",
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
    ),
    Field.CACHE_WRITE_TOKENS: (
        "cache_creation_input_tokens",
        "cache_write_input_tokens",
        "input_cache_creation",
        "cache_write_tokens",
    ),
    Field.REASONING_TOKENS: (
        "reasoning_tokens",
        "output_reasoning_tokens",
        "output_reasoning",
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
    ),
}
"""Keys inside a mapping of counts; a full stop leads into a mapping inside it."""

_DETAILS: Final[Mapping[Field, Mapping[Field, str]]] = {
    Field.INPUT_DETAILS: {Field.CACHE_READ_TOKENS: "cache_read", Field.CACHE_WRITE_TOKENS: "cache_creation"},
    Field.OUTPUT_DETAILS: {Field.REASONING_TOKENS: "reasoning"},
}
_SEPARATE_INPUT: Final = frozenset({"input"})
_ANTHROPIC_CACHE: Final = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})
_SEPARATE_OUTPUT: Final = frozenset({"output_reasoning_tokens", "output_reasoning"})
_TOTAL_KEYS: Final = ("total_cost", "total")
_PART_KEYS: Final = (("input_cost", "output_cost"), ("input", "output"))


def says_usage(values: Mapping[Field, Any]) -> bool:
    """Whether anything is said about tokens."""
    return (
        Field.INPUT_TOKENS in values
        or Field.OUTPUT_TOKENS in values
        or Field.USAGE in values
        or Field.USAGE_DETAILS in values
    )


def usage_counts(values: Mapping[Field, Any]) -> dict[Field, int | None]:
    """Token counts in one meaning: attributes of their own first, then what a mapping of counts says."""
    counts: dict[Field, int | None] = {}
    for field in TOKEN_FIELDS:
        count = values.get(field)
        if type(count) is not int or not 0 <= count <= MAX_COUNT:
            count = count_or_none(count)
        counts[field] = count
    is_separate = False
    for holder in (Field.USAGE, Field.USAGE_DETAILS):
        if holder in values:
            mapping = unwrapped(values[holder])
            if isinstance(mapping, dict):
                is_separate |= _take(counts, mapping, values, holder)
    for holder, parts in _DETAILS.items():
        if holder in values:
            _take_details(counts, _literal(values[holder]), parts)
    read, written = counts[Field.CACHE_READ_TOKENS] or 0, counts[Field.CACHE_WRITE_TOKENS] or 0
    given = counts[Field.INPUT_TOKENS]
    # A whole cannot be smaller than its parts: whoever sends such counts leaves the cache out of the input.
    if given is not None and (read or written) and (is_separate or read + written > given):
        counts[Field.INPUT_TOKENS] = given + read + written
    return counts


def emitted_cost(values: Mapping[Field, Any]) -> Cost | None:
    """What the emitter says that the call cost; None where it says nothing of use."""
    amount = number_or_none(values.get(Field.COST))
    if amount is None and Field.COST_DETAILS in values:
        amount = _amount_in(unwrapped(values[Field.COST_DETAILS]))
    if amount is None and (Field.COST_INPUT in values or Field.COST_OUTPUT in values):
        parts = [number_or_none(values.get(field)) for field in (Field.COST_INPUT, Field.COST_OUTPUT)]
        known = [part for part in parts if part is not None]
        amount = sum(known) if known else None
    if amount is None or not 0 <= amount <= MAX_COST:
        return None
    return Cost(amount=amount, currency=EMITTED_CURRENCY)


def _take(
    counts: dict[Field, int | None], mapping: Mapping[str, Any], values: Mapping[Field, Any], holder: Field
) -> bool:
    """Fill what is missing from a mapping; returns whether its input leaves out what the cache served."""
    used: dict[Field, str] = {}
    for field, keys in _KEYS.items():
        if counts[field] is None:
            for key in keys:
                count = count_or_none(_at(mapping, key))
                if count is not None:
                    counts[field], used[field] = count, key
                    break
    input_key = used.get(Field.INPUT_TOKENS)
    if holder is Field.USAGE_DETAILS:
        if used.get(Field.OUTPUT_TOKENS) == "output" and used.get(Field.REASONING_TOKENS) in _SEPARATE_OUTPUT:
            counts[Field.OUTPUT_TOKENS] = (counts[Field.OUTPUT_TOKENS] or 0) + (counts[Field.REASONING_TOKENS] or 0)
        return input_key in _SEPARATE_INPUT or (
            input_key == "input_tokens" and not _ANTHROPIC_CACHE.isdisjoint(used.values())
        )
    # MLflow's own count includes the cache; its Anthropic integration copies Anthropic's numbers.
    return input_key is not None and unwrapped(values.get(Field.MESSAGE_FORMAT)) == "anthropic"


def _take_details(counts: dict[Field, int | None], mapping: Any, parts: Mapping[Field, str]) -> None:
    for field, key in parts.items():
        if counts[field] is None and isinstance(mapping, dict):
            counts[field] = count_or_none(mapping.get(key))


def _literal(value: Any) -> Any:
    """A mapping from JSON, or from the way that Python prints one; anything else as it is."""
    found = unwrapped(value)
    if isinstance(found, str) and found.startswith("{'") and len(found) <= MAX_LITERAL:
        try:
            return ast.literal_eval(found)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return found
    return found


def _at(mapping: Mapping[str, Any], path: str) -> Any:
    head, _, rest = path.partition(".")
    inner = mapping.get(head)
    if not rest:
        return inner
    return inner.get(rest) if isinstance(inner, dict) else None


def _amount_in(mapping: Any) -> float | None:
    if not isinstance(mapping, dict):
        return number_or_none(mapping)
    for key in _TOTAL_KEYS:
        amount = number_or_none(mapping.get(key))
        if amount is not None:
            return amount
    for keys in _PART_KEYS:
        parts = [amount for key in keys if (amount := number_or_none(mapping.get(key))) is not None]
        if parts:
            return sum(parts)
    return None
