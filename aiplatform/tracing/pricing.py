"""What a call costs: prices per million tokens, found by provider and model, and the arithmetic with caches.

Nothing is converted: a cost is in the currency of its price. What has no price has no cost, which is not the same as 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from aiplatform.tracing.model import Usage

PER: Final = 1_000_000
"""Tokens that a price is for."""

MAX_REMEMBERED: Final = 4_096

_HOUR_NS: Final = 3_600 * 1_000_000_000
_DATED: Final = re.compile(r"[-@:](?:\d{4}-\d{2}-\d{2}|\d{8})$")
_SATURDAY: Final = 5
_ROUTES: Final = frozenset(
    {
        "alibaba", "anthropic", "azure", "azure_openai", "dashscope", "deepseek", "gemini", "google", "litellm_proxy",
        "mistral", "mistralai", "models", "moonshot", "moonshotai", "openai", "qwen", "scaleway",
    }
)  # fmt: skip
_COMPATIBLE: Final = frozenset({None, "", "openai"})
"""What emitters say who only know that the endpoint speaks OpenAI's protocol: the model's name decides then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Prices per million tokens. None: nobody said; reads and writes of a cache cost what input costs then."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What a whole request costs whose input is larger."""

    above: int
    """Input tokens, those from a cache included."""

    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """What a request costs that begins in the hours when everybody works."""

    hours_utc: Sequence[tuple[int, int]]
    """From (inclusive) and to (exclusive), on Monday to Friday."""

    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one or more models cost from a moment on."""

    models: tuple[str, ...]
    """Names in lower case, without dates; `*` stands for any end."""

    providers: tuple[str, ...]
    """Who bills it so; empty: whoever."""

    currency: str
    rates: Rates
    valid_from_ns: int = 0
    tiers: Sequence[Tier] = ()
    peak: Peak | None = None
    only_named: bool = False
    """Whether the provider must be named: others serve models of the same name."""

    source: str = ""

    def rates_for(self, usage: Usage, at_ns: int) -> Rates:
        """The rates of a request of that size, at that time."""
        found = self.rates
        if self.peak is not None and _is_within(self.peak.hours_utc, at_ns):
            found = self.peak.rates
        for tier in self.tiers:
            if (usage.input_tokens or 0) > tier.above:
                found = tier.rates
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """An amount, in its own currency."""

    amount: float
    currency: str


class PriceBook:
    """Prices by model name. Immutable; what was looked up is remembered, so the write path pays for a dictionary.

    Args:
        prices: All of them, in any order.
    """

    def __init__(self, prices: Iterable[Price]) -> None:
        self.prices = tuple(prices)
        self._exact: dict[str, list[Price]] = {}
        patterns: dict[str, list[Price]] = {}
        for price in self.prices:
            for name in price.models:
                (patterns if "*" in name else self._exact).setdefault(name, []).append(price)
        self._patterns = sorted(patterns.items(), key=lambda item: -len(item[0]))
        self._remembered = lru_cache(MAX_REMEMBERED)(self._history)

    def find(self, provider: str | None, model: str, at_ns: int) -> Price | None:
        """The price that a model had at a time; None where none is known.

        Args:
            provider: As emitters name it after normalisation; None where nobody said.
            model: As emitters name it, with dates and routing prefixes or without.
            at_ns: When the call began.
        """
        return next((price for price in self._remembered(provider, model) if price.valid_from_ns <= at_ns), None)

    def _history(self, provider: str | None, model: str) -> tuple[Price, ...]:
        """Prices of a model, the newest first. The first name that has any decides: dated names before their family."""
        for name in names_of(model):
            found = _billed_by(self._exact.get(name, ()), provider)
            if found:
                return found
        for name in names_of(model):
            for pattern, prices in self._patterns:
                if fnmatchcase(name, pattern):
                    found = _billed_by(prices, provider)
                    if found:
                        return found
        return ()


def names_of(model: str) -> list[str]:
    """Names under which a model may be listed, the most exact first."""
    name = model.strip().lower()
    found = [name]
    while "/" in name and name.partition("/")[0] in _ROUTES:
        name = name.partition("/")[2]
        found.append(name)
    for ending in (_DATED.sub("", name), name.removesuffix("-latest")):
        if ending != name:
            found.append(ending)
    return found


def cost_of(usage: Usage, price: Price, at_ns: int) -> Cost | None:
    """What a call costs; None where a part of it has no price.

    Args:
        usage: With `input_tokens` that include what was read from and written to a cache.
        price: Of the model, at that time.
        at_ns: When the call began.
    """
    rates = price.rates_for(usage, at_ns)
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    fresh = max((usage.input_tokens or 0) - read - written, 0)
    parts = (
        (fresh, rates.input),
        (read, rates.input if rates.cache_read is None else rates.cache_read),
        (written, rates.input if rates.cache_write is None else rates.cache_write),
        (usage.output_tokens or 0, rates.output),
    )
    amount = 0.0
    for count, rate in parts:
        if count:
            if rate is None:
                return None
            amount += count * rate
    return Cost(amount=amount / PER, currency=price.currency)


def priced(books: Sequence[PriceBook], provider: str | None, model: str, usage: Usage, at_ns: int) -> Cost | None:
    """What a call costs by the first book that knows its model; None where none does.

    Args:
        books: A tenant's own prices first, then the list.
        provider: As `PriceBook.find` takes it, like the next two.
        model: The model that answered.
        usage: Tokens.
        at_ns: When the call began.
    """
    if not usage.is_known:
        return None
    for book in books:
        price = book.find(provider, model, at_ns)
        if price is not None:
            return cost_of(usage, price, at_ns)
    return None


def _billed_by(prices: Iterable[Price], provider: str | None) -> tuple[Price, ...]:
    prices = list(prices)
    named = [price for price in prices if provider in price.providers]
    if not named:
        named = [
            price
            for price in prices
            if not price.providers or (provider in _COMPATIBLE and not price.only_named)
        ]  # fmt: skip
    return tuple(sorted(named, key=lambda price: -price.valid_from_ns))


def _is_within(hours_utc: Iterable[tuple[int, int]], at_ns: int) -> bool:
    at = datetime.fromtimestamp(at_ns // _HOUR_NS * 3_600, UTC)
    return at.weekday() < _SATURDAY and any(start <= at.hour < end for start, end in hours_utc)
