"""How long traces are kept, and which are kept for ever: a policy, and the condition of a trace that is to go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Float, case, cast, func, or_
from sqlalchemy.dialects import postgresql

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.storage.tables.tracing import traces
from aiplatform.tracing.model import DAY_NS, Status
from aiplatform.tracing.prices import checked_currency
from aiplatform.tracing.usage import EMITTED_CURRENCY

MAX_DAYS: Final = 36_500
_RANDOM_BITS: Final = 56
_RANDOM_FROM: Final = 19
"""Of the 32 digits of a trace id, where its random part begins (W3C Trace Context, level 2), counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """What goes, and what stays. A trace goes as a whole, once it ended `keep_days` ago and no rule keeps it."""

    keep_days: float
    """Days after its end."""

    keep_errors: bool = False
    """Whether traces with an error stay."""

    keep_slower_than_s: float | None = None
    """Traces that took longer stay."""

    keep_costlier_than: float | None = None
    """Traces that cost more stay."""

    keep_costlier_currency: str = EMITTED_CURRENCY
    """Of that amount. What a trace cost in another currency is not compared with it: nothing is converted."""

    keep_percent: float = 0.0
    """So many of a hundred stay, chosen by their id: by the same rule as OpenTelemetry's consistent sampling."""


def read_retention(given: Mapping[str, Any]) -> RetentionPolicy:
    """A policy from its JSON form.

    Raises:
        InvalidError: A value is wrong; the error names it.
    """
    return RetentionPolicy(
        keep_days=number_in(given, "keep_days", 0.0, MAX_DAYS),
        keep_errors=bool(given.get("keep_errors", False)),
        keep_slower_than_s=_optional(given, "keep_slower_than_s"),
        keep_costlier_than=_optional(given, "keep_costlier_than"),
        # Policies that were set before there was a choice name none.
        keep_costlier_currency=checked_currency(str(given.get("keep_costlier_currency") or EMITTED_CURRENCY)),
        keep_percent=number_in({"keep_percent": 0.0, **given}, "keep_percent", 0.0, 100.0),
    )


def retention_json(policy: RetentionPolicy) -> dict[str, Any]:
    """A policy's JSON form."""
    return asdict(policy)


def too_old(policy: RetentionPolicy, now_ns: int) -> list[ColumnElement[bool]]:
    """Conditions of a trace whose time is over, whatever rule may keep it."""
    cutoff_ns = now_ns - round(policy.keep_days * DAY_NS)
    # The start alone lets the index find them; the end decides.
    return [traces.c.start_ns < cutoff_ns, traces.c.start_ns + traces.c.duration_ns < cutoff_ns]


def to_go(policy: RetentionPolicy, now_ns: int, dialect: str) -> list[ColumnElement[bool]]:
    """Conditions of a trace that goes.

    Args:
        policy: The policy.
        now_ns: The platform's clock.
        dialect: `sqlite` or `postgresql`.
    """
    column = traces.c
    found = too_old(policy, now_ns)
    if policy.keep_errors:
        found += [column.num_errors == 0, column.status != Status.ERROR.value]
    if policy.keep_slower_than_s is not None:
        found.append(column.duration_ns <= min(round(policy.keep_slower_than_s * 1e9), 2**63 - 1))
    if policy.keep_costlier_than is not None:
        cost = _cost_in(policy.keep_costlier_currency, dialect)
        found.append(or_(cost.is_(None), cost <= policy.keep_costlier_than))
    if policy.keep_percent > 0:
        digits = func.substr(column.trace_id, _RANDOM_FROM)
        # Digits and letters must stand in the order of their codes, which PostgreSQL's collations do not promise.
        ordered = digits.collate("C") if dialect == "postgresql" else digits
        found.append(ordered < _threshold(policy.keep_percent))
    return found


def _cost_in(currency: str, dialect: str) -> ColumnElement[Any]:
    """What a trace cost in one currency; NULL where it cost nothing in it."""
    column = traces.c
    if dialect == "postgresql":
        mixed: ColumnElement[Any] = cast(column.costs, postgresql.JSON)[currency].astext.cast(Float)
    else:
        mixed = func.json_extract(column.costs, f"$.{currency}")
    # Costs that were stored before there were currencies are dollars.
    known = func.coalesce(column.currency, EMITTED_CURRENCY)
    return case((column.costs.is_not(None), mixed), (known == currency, column.cost))


def _threshold(percent: float) -> str:
    """The digits from which on a trace is kept; a letter beyond all digits where none is let go."""
    rejected = round((1 - percent / 100) * 2**_RANDOM_BITS)
    return f"{rejected:014x}" if rejected < 2**_RANDOM_BITS else "g"


def _optional(given: Mapping[str, Any], name: str) -> float | None:
    return None if given.get(name) is None else number_in(given, name, 0.0, float(2**53))


def number_in(given: Mapping[str, Any], name: str, least: float, most: float) -> float:
    """A number of a policy's JSON form.

    Raises:
        InvalidError: It is none, or lies outside of its limits.
    """
    value = given.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not least <= value <= most:  # type: ignore[operator]
        raise InvalidError(
            N_("{name} cannot be {value!r}."),
            hint=N_("Give a number from {least:g} to {most:g}."),
            reason="retention.value",
            name=name,
            value=value,
            least=least,
            most=most,
        )
    return float(value)  # type: ignore[arg-type]
