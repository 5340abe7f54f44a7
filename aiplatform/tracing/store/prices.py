"""A tenant's own prices in SQL, and the prices at hand while spans are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, select

from aiplatform.storage.database import Transaction
from aiplatform.storage.tables.tracing import model_prices
from aiplatform.tracing import pricelist
from aiplatform.tracing.arrival import Arrival
from aiplatform.tracing.model import Usage
from aiplatform.tracing.pricing import Price, PriceBook, Rates, priced

MAX_TENANTS: Final = 256
"""Whose prices one process remembers."""

MAX_PRICES: Final = 1_000
"""Of one tenant."""

_COLUMNS: Final = (
    "provider", "model", "valid_from_ns", "currency", "input", "output", "cache_read", "cache_write", "principal",
    "updated_ns",
)  # fmt: skip
_OWN: Final = f"SELECT {', '.join(_COLUMNS)} FROM model_prices WHERE tenant_id = :tenant_id LIMIT {MAX_PRICES}"  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrice:
    """A price that a tenant set."""

    price: Price
    principal: str
    updated_ns: int


class PricesAtHand:
    """Prices while spans are written. One thread uses it.

    A tenant's prices are asked for once a batch, and only where a span of it has something to price; as long as they
    are the same as before, so is the book that remembers every look-up.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[Any, ...], PriceBook]] = {}
        self._books: tuple[PriceBook, ...] | None = None

    def begin(self) -> None:
        """Start a batch: what the tenant's prices are is asked anew."""
        self._books = None

    def put_on(self, tx: Transaction, spans: Iterable[Arrival]) -> None:
        """Fill in cost and currency: what the emitter says, else what a price gives, else nothing."""
        for span in spans:
            if span.emitted is not None:
                span.cost, span.currency = span.emitted.amount, span.emitted.currency
            elif span.model is not None and (span.input_tokens is not None or span.output_tokens is not None):
                if self._books is None:
                    self._books = self._books_for(tx)
                cost = priced(self._books, span.provider, span.model, _usage(span), span.start_ns)
                if cost is not None:
                    span.cost, span.currency = cost.amount, cost.currency

    def _books_for(self, tx: Transaction) -> tuple[PriceBook, ...]:
        tenant_id = tx.scope.tenant_id
        rows = tuple(tuple(row) for row in tx.raw(_OWN))
        if not rows:
            return (pricelist.shipped(),)
        known = self._known.get(tenant_id)
        if known is None or known[0] != rows:
            if len(self._known) >= MAX_TENANTS:
                self._known.clear()
            book = PriceBook(_price(dict(zip(_COLUMNS, row, strict=True))) for row in rows)
            known = self._known[tenant_id] = rows, book
        return known[1], pricelist.shipped()


def own_prices(tx: Transaction) -> Sequence[OwnPrice]:
    """The tenant's own prices, by provider and model, the newest first."""
    column = model_prices.c
    order = (column.provider, column.model, column.valid_from_ns.desc())
    return [
        OwnPrice(price=_price(row._mapping), principal=row.principal, updated_ns=row.updated_ns)
        for row in tx.execute(select(model_prices).order_by(*order).limit(MAX_PRICES))
    ]


def put_price(tx: Transaction, price: Price, *, principal: str, now_ns: int) -> None:
    """Store a price of the tenant; one of the same provider, model and day is replaced."""
    rates = price.rates
    values = (
        price.providers[0] if price.providers else "", price.models[0], price.valid_from_ns, price.currency,
        rates.input, rates.output, rates.cache_read, rates.cache_write, principal, now_ns,
    )  # fmt: skip
    tx.insert_rows(model_prices, _COLUMNS, [values], replace=True)


def remove_price(tx: Transaction, *, provider: str, model: str, valid_from_ns: int | None) -> int:
    """Remove a tenant's prices of a model; returns how many there were.

    Args:
        tx: A write transaction.
        provider: As stored; empty for prices that name none.
        model: As stored.
        valid_from_ns: The one from that moment on; None removes all.
    """
    column = model_prices.c
    statement = delete(model_prices).where(column.provider == provider, column.model == model)
    if valid_from_ns is not None:
        statement = statement.where(column.valid_from_ns == valid_from_ns)
    return tx.execute(statement).rowcount


def _price(row: Any) -> Price:
    return Price(
        models=(row["model"],),
        providers=(row["provider"],) if row["provider"] else (),
        currency=row["currency"],
        rates=Rates(**{name: row[name] for name in Rates.__slots__}),
        valid_from_ns=row["valid_from_ns"],
        source="tenant",
    )


def _usage(span: Arrival) -> Usage:
    return Usage(
        input_tokens=span.input_tokens,
        output_tokens=span.output_tokens,
        cache_read_tokens=span.cache_read_tokens,
        cache_write_tokens=span.cache_write_tokens,
    )
