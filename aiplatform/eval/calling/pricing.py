"""What calls cost, by the prices that traces are priced by: a tenant's own before the list that ships."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiplatform.eval.calling.amounts import NANO
from aiplatform.tracing import pricelist
from aiplatform.tracing.model import Usage
from aiplatform.tracing.pricing import Cost, Price, PriceBook, Rates, priced


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPrices:
    """Prices of models. Pickles with the plan of a run, so the tenant's own are plain values."""

    own: tuple[Price, ...] = ()

    def cost(self, model: str, input_tokens: int, output_tokens: int) -> Cost | None:
        """What a call costs now; None where the model has no price."""
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        return priced(_books(self.own), None, model, usage, time.time_ns())

    def nanos(self, model: str, input_tokens: int, output_tokens: int) -> float:
        """The same in billionths of its currency; 0 where the model has no price."""
        cost = self.cost(model, input_tokens, output_tokens)
        return 0.0 if cost is None else cost.amount * NANO


@lru_cache(maxsize=8)
def _books(own: tuple[Price, ...]) -> tuple[PriceBook, ...]:
    return (*((PriceBook(own),) if own else ()), pricelist.shipped())


def own_prices(items: Iterable[Mapping[str, Any]]) -> CallPrices:
    """The tenant's own prices out of what `GET /api/v1/prices` answers."""
    return CallPrices(own=tuple(_price(item) for item in items if item.get("origin") != "list"))


def _price(item: Mapping[str, Any]) -> Price:
    rates = Rates(**{name: item.get(name) for name in Rates.__slots__})
    provider = item.get("provider") or ""
    return Price(
        models=(item["model"],),
        providers=(provider,) if provider else (),
        currency=item["currency"],
        rates=rates,
        valid_from_ns=item.get("valid_from_ns") or 0,
    )
