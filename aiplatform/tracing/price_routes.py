"""`/api/v1/prices`: what models cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from aiplatform.tenancy.permissions import Permission
from aiplatform.tenancy.routing import CallerDep, Routes
from aiplatform.tracing.prices import Prices
from aiplatform.tracing.pricing import Price, Rates
from aiplatform.tracing.store import OwnPrice


class PriceBody(BaseModel):
    """A price of the tenant's own, per million tokens."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model: str
    """Name without a date; `*` stands for any end."""

    provider: str = ""
    """Who bills; empty for whoever does."""

    currency: str
    """ISO 4217: `USD`, `CNY`, `EUR`."""

    input: float
    """Tokens that no cache served."""

    output: float | None = None
    """None where the model gives no tokens back, as with embeddings; calls that do then have no cost."""

    cache_read: float | None = None
    """Tokens read from a cache; by default as `input`."""

    cache_write: float | None = None
    """Tokens put into a cache; by default as `input`."""

    valid_from_ns: Annotated[int, Field(ge=0)] = 0
    """From when on, in nanoseconds since 1970; 0 for always."""


class RepriceBody(BaseModel):
    """Which stored spans to price again."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    since_ns: Annotated[int, Field(ge=0)]
    """Only spans that started then or later."""

    after: str = ""
    """The `next` of the piece before."""


def build_price_routes(prices: Prices) -> Routes:
    """The HTTP interface of prices."""
    routes = Routes(tags=["prices"])

    @routes.get("/api/v1/prices", permission=Permission.PRICES_READ)
    def list_prices(caller: CallerDep) -> dict[str, Any]:
        """The tenant's own prices, which come first, and the list that ships with the platform."""
        known = prices.list(caller.scope)
        own = [_own_json(price) for price in known.own]
        listed = [_json(price, model) | {"origin": "list"} for price in known.shipped for model in price.models]
        return {"version": known.version, "items": own + listed, "next": None}

    @routes.put("/api/v1/prices", permission=Permission.PRICES_WRITE)
    def put_price(caller: CallerDep, body: PriceBody) -> dict[str, Any]:
        """Set a price of the tenant's own; the same model, provider and moment again replaces it."""
        rates = Rates(**{name: getattr(body, name) for name in Rates.__slots__})
        given = body.model_dump(exclude=set(Rates.__slots__))
        return _own_json(prices.put(caller.scope, principal=caller.principal, rates=rates, **given))

    @routes.delete("/api/v1/prices", permission=Permission.PRICES_WRITE)
    def remove_price(
        caller: CallerDep,
        model: str,
        provider: str = "",
        valid_from_ns: Annotated[int | None, Query(ge=0)] = None,
    ) -> dict[str, Any]:
        """Remove the tenant's own prices of a model, or the one from a moment on."""
        removed = prices.remove(caller.scope, model=model, provider=provider, valid_from_ns=valid_from_ns)
        return {"removed": removed}

    @routes.post("/api/v1/prices:reprice", permission=Permission.PRICES_WRITE)
    def reprice(caller: CallerDep, body: RepriceBody) -> dict[str, Any]:
        """Price a piece of the project's stored spans again; call it with its `next` until that is null."""
        return asdict(prices.reprice(caller.scope, since_ns=body.since_ns, after=body.after))

    return routes


def _own_json(own: OwnPrice) -> dict[str, Any]:
    found = _json(own.price, own.price.models[0])
    return {**found, "origin": "tenant", "principal": own.principal, "updated_ns": own.updated_ns}


def _json(price: Price, model: str) -> dict[str, Any]:
    tiers: list[Mapping[str, Any]] = [{"above": tier.above, **asdict(tier.rates)} for tier in price.tiers]
    peak = price.peak and {"hours_utc": list(price.peak.hours_utc), **asdict(price.peak.rates)}
    return {
        "model": model,
        "provider": price.providers[0] if price.providers else "",
        "currency": price.currency,
        **asdict(price.rates),
        "valid_from_ns": price.valid_from_ns,
        "tiers": tiers,
        "peak": peak,
        "source": price.source,
    }
