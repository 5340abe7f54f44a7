"""Use cases of prices: a tenant's own before the list that ships, and stored spans priced again."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.tracing import pricelist, store
from aiplatform.tracing.pricing import Price, Rates
from aiplatform.tracing.semconv import provider_name
from aiplatform.tracing.store import OwnPrice, RepricedPiece

if TYPE_CHECKING:
    from aiplatform.core.clock import Clock
    from aiplatform.storage.database import Database

MAX_RATE: Final = 1e9
MAX_NS: Final = 2**63 - 1
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_MODEL: Final = re.compile(r"[^\s*]{0,199}[^\s]")
_PROVIDER: Final = re.compile(r"[a-z0-9._-]{0,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPrices:
    """Every price that a tenant's spans are priced by."""

    own: Sequence[OwnPrice]
    shipped: Sequence[Price]
    version: str
    """Of the list that ships."""


class Prices:
    """What models cost. Thread safe; one a process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def list(self, scope: Scope) -> KnownPrices:
        """The tenant's own prices, and the list."""
        with self._database.read(scope) as tx:
            own = store.own_prices(tx)
        return KnownPrices(own=own, shipped=pricelist.shipped().prices, version=pricelist.version())

    def put(
        self,
        scope: Scope,
        *,
        principal: str,
        model: str,
        currency: str,
        rates: Rates,
        provider: str = "",
        valid_from_ns: int = 0,
    ) -> OwnPrice:
        """Set a price of the tenant's own; spans that arrive from now on are priced by it.

        The same model, provider and moment again replaces the price. Stored spans keep their cost until they are priced
        again.

        Args:
            scope: The tenant; a price holds in all of its projects.
            principal: Who sets it.
            model: Its name, without a date; `*` stands for any end.
            currency: ISO 4217.
            rates: Per million tokens.
            provider: Who bills; empty for whoever does.
            valid_from_ns: From when on; 0 for always.

        Raises:
            InvalidError: One of them cannot be, or there are 1,000 prices already.
        """
        price = Price(
            models=(_checked_model(model),),
            providers=_checked_provider(provider),
            currency=checked_currency(currency),
            rates=_checked_rates(rates),
            valid_from_ns=_checked_moment(valid_from_ns),
            source="tenant",
        )
        now_ns = self._clock.now_ns()
        with self._database.transaction(scope) as tx:
            if len(store.own_prices(tx)) >= store.MAX_PRICES:
                raise InvalidError(N_("A tenant can have {limit} prices of its own."), limit=store.MAX_PRICES)
            store.put_price(tx, price, principal=principal, now_ns=now_ns)
        return OwnPrice(price=price, principal=principal, updated_ns=now_ns)

    def remove(self, scope: Scope, *, model: str, provider: str = "", valid_from_ns: int | None = None) -> int:
        """Remove the tenant's own prices of a model; the list holds again. Returns how many there were.

        Raises:
            NotFoundError: There are none.
        """
        name, billed_by = _checked_model(model), _checked_provider(provider)
        with self._database.transaction(scope) as tx:
            removed = store.remove_price(
                tx, provider=billed_by[0] if billed_by else "", model=name, valid_from_ns=valid_from_ns
            )
        if not removed:
            raise NotFoundError(
                N_("There is no price of this tenant's own for {model!r}."),
                hint=N_("`aiplatform prices list` shows them; prices of the list cannot be removed, only set anew."),
                reason="prices.none",
                model=name,
            )
        return removed

    def reprice(self, scope: Scope, *, since_ns: int, after: str = "") -> RepricedPiece:
        """Price one piece of the project's stored spans again; call it until `next` is None. A repeat changes nothing.

        Raises:
            InvalidError: `after` is not the `next` of a piece.
        """
        if after and not re.fullmatch(r"[0-9a-f]{32}", after):
            raise InvalidError(N_("{after!r} is not where a piece begins."), after=after)
        with self._database.transaction(scope) as tx:
            return store.reprice(tx, since_ns=_checked_moment(since_ns), after=after)


def _checked_model(model: str) -> str:
    name = model.strip().lower()
    if not _MODEL.fullmatch(name):
        raise InvalidError(
            N_("{model!r} is not a model's name."),
            hint=N_("Write 1 to 200 characters without spaces; a * may stand at the end."),
            reason="prices.model",
            model=model,
        )
    return name


def _checked_provider(provider: str) -> tuple[str, ...]:
    name = provider_name(provider)
    if not _PROVIDER.fullmatch(name):
        raise InvalidError(N_("{provider!r} is not a provider's name."), reason="prices.provider", provider=provider)
    return (name,) if name else ()


def checked_currency(currency: str) -> str:
    """A currency by the three letters of ISO 4217.

    Raises:
        InvalidError: It is none.
    """
    if not _CURRENCY.fullmatch(currency):
        raise InvalidError(
            N_("{currency!r} is not a currency."),
            hint=N_("Write its three letters: USD, CNY, EUR."),
            reason="prices.currency",
            currency=currency,
        )
    return currency


def _checked_rates(rates: Rates) -> Rates:
    known = [rate for rate in (rates.input, rates.output, rates.cache_read, rates.cache_write) if rate is not None]
    if rates.input is None or not all(math.isfinite(rate) and 0 <= rate <= MAX_RATE for rate in known):
        raise InvalidError(
            N_("A price needs at least what a million tokens of input cost, and none may be negative."),
            hint=N_("Write 0 for what is free."),
            reason="prices.rates",
        )
    return rates


def _checked_moment(at_ns: int) -> int:
    if not 0 <= at_ns <= MAX_NS:
        raise InvalidError(N_("{moment!r} is not a moment since 1970."), reason="prices.moment", moment=at_ns)
    return at_ns
