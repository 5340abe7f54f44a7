"""The list of prices that ships with the platform: `prices.toml` beside this module, read once when first needed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final

from aiplatform.tracing.pricing import Peak, Price, PriceBook, Rates, Tier

FILE: Final = "prices.toml"


@cache
def shipped() -> PriceBook:
    """Every price of the list."""
    return PriceBook(price for vendor in _document()["vendor"] for price in _prices(vendor))


@cache
def version() -> str:
    """Which list this is: the day it was put together."""
    return str(_document()["version"])


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads(files("aiplatform.tracing").joinpath(FILE).read_text("utf-8"))


def _prices(vendor: Mapping[str, Any]) -> list[Price]:
    return [
        Price(
            models=tuple(row["models"]),
            providers=(vendor["provider"], *vendor.get("also", ())),
            currency=vendor["currency"],
            rates=_rates(row),
            valid_from_ns=_nanoseconds(row["valid_from"]) if "valid_from" in row else 0,
            tiers=tuple(Tier(above=tier["above"], rates=_rates(tier)) for tier in row.get("tiers", ())),
            peak=_peak(row["peak"]) if "peak" in row else None,
            only_named=vendor.get("only_named", False),
            source=vendor["source"],
        )
        for row in vendor["prices"]
    ]


def _peak(row: Mapping[str, Any]) -> Peak:
    return Peak(hours_utc=tuple((start, end) for start, end in row["hours_utc"]), rates=_rates(row))


def _rates(row: Mapping[str, Any]) -> Rates:
    return Rates(**{name: float(row[name]) for name in Rates.__slots__ if name in row})


def _nanoseconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000
