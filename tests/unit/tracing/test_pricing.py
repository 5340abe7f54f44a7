"""Prices by provider and model, the arithmetic with caches, and every meaning in which emitters send counts."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.testing.otlp import make_span
from aiplatform.tracing import pricelist
from aiplatform.tracing.arrival import Arrival, read_span
from aiplatform.tracing.model import Usage
from aiplatform.tracing.pricing import Cost, Peak, Price, PriceBook, Rates, Tier, cost_of, priced
from aiplatform.tracing.tree import StoredBone, add_costs, leaf_costs

DAY_NS = 86_400 * 1_000_000_000
counts = st.integers(0, 10**9)
rates = st.one_of(st.none(), st.integers(0, 10**6).map(lambda number: number / 64))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def price(*models: str, providers: tuple[str, ...] = ("openai",), **fields: Any) -> Price:
    fields.setdefault("rates", Rates(input=1.0, output=2.0))
    return Price(models=models, providers=providers, currency="USD", **fields)


def arrival(attributes: dict[str, Any]) -> Arrival:
    return read_span(make_span(attributes=attributes), None, "key")


def found(*prices: Price, provider: str | None = "openai", model: str, at_ns: int = DAY_NS) -> Price | None:
    return PriceBook(prices).find(provider, model, at_ns)


@given(counts, counts, counts, counts, rates, rates, rates, rates)
def test_a_cost_is_the_sum_of_its_parts_and_never_negative(
    given_: int, made: int, read: int, written: int, a: float | None, b: float | None, c: float | None, d: float | None
) -> None:
    usage = Usage(input_tokens=given_, output_tokens=made, cache_read_tokens=read, cache_write_tokens=written)
    charged = price("m", rates=Rates(input=a, output=b, cache_read=c, cache_write=d))
    cost = cost_of(usage, charged, 0)
    parts = (
        (max(given_ - read - written, 0), a),
        (read, a if c is None else c),
        (written, a if d is None else d),
        (made, b),
    )
    if any(count and rate is None for count, rate in parts):
        assert cost is None
        return
    exact = sum(Fraction(rate) * count for count, rate in parts if rate is not None and count) / 1_000_000
    assert cost is not None
    assert cost.amount == pytest.approx(float(exact), rel=1e-12)
    assert cost.amount >= 0


def test_a_model_is_found_with_dates_prefixes_and_patterns_the_most_exact_name_first() -> None:
    family = price("gpt-x")
    dated = price("gpt-x-2025-01-02")
    short = price("claude-*", providers=("anthropic",))
    long = price("claude-big-*", providers=("anthropic",))
    prices = (family, dated, short, long)
    assert found(*prices, model="GPT-X") is family
    assert found(*prices, model="gpt-x-2024-08-06") is family
    assert found(*prices, model="gpt-x-2025-01-02") is dated
    assert found(*prices, model="openai/gpt-x") is family
    assert found(*prices, model="gpt-x-latest") is family
    assert found(*prices, provider="anthropic", model="claude-big-9") is long
    assert found(*prices, provider="anthropic", model="claude-small-20250101") is short
    assert found(*prices, model="gpt-x-mini") is None
    assert found(*prices, model="someone/gpt-x") is None


def test_a_price_belongs_to_who_bills_it() -> None:
    theirs, anybody = price("m", providers=("groq",)), price("n", providers=())
    named = price("o", providers=("scaleway",), only_named=True)
    assert found(theirs, provider="groq", model="m") is theirs
    assert found(theirs, provider=None, model="m") is theirs  # nobody said: the name decides
    assert found(theirs, provider="openai", model="m") is theirs  # what an OpenAI client says of any endpoint
    assert found(theirs, provider="cohere", model="m") is None
    assert found(anybody, provider="cohere", model="n") is anybody
    assert found(named, provider="openai", model="o") is None
    assert found(named, provider="scaleway", model="o") is named


@given(st.permutations(range(4)))
def test_the_price_of_a_day_is_the_newest_that_had_begun(order: list[int]) -> None:
    history = [price("m", valid_from_ns=number * 10 * DAY_NS) for number in range(1, 5)]
    book = PriceBook([history[index] for index in order])
    assert book.find("openai", "m", 9 * DAY_NS) is None
    assert book.find("openai", "m", 10 * DAY_NS) is history[0]
    assert book.find("openai", "m", 29 * DAY_NS) is history[1]
    assert book.find("openai", "m", 900 * DAY_NS) is history[3]


def test_large_requests_and_busy_hours_have_rates_of_their_own() -> None:
    tiered = price("m", tiers=(Tier(above=100, rates=Rates(input=10.0)), Tier(above=200, rates=Rates(input=20.0))))
    for tokens, amount in ((100, 100), (101, 1010), (200, 2000), (201, 4020)):
        cost = cost_of(Usage(input_tokens=tokens), tiered, 0)
        assert cost is not None
        assert cost.amount * 1_000_000 == pytest.approx(amount)
    peaked = price("m", peak=Peak(hours_utc=((1, 4),), rates=Rates(input=5.0)))
    for moment, rate in (
        ("2026-11-23T00:59:59", 1.0),
        ("2026-11-23T01:00:00", 5.0),
        ("2026-11-23T03:59:59", 5.0),
        ("2026-11-23T04:00:00", 1.0),
        ("2026-11-22T02:00:00", 1.0),  # a Sunday
    ):
        assert peaked.rates_for(Usage(input_tokens=1), at(moment)).input == rate


def test_a_tenants_book_comes_first_and_what_nobody_prices_costs_nothing_known() -> None:
    own, listed = PriceBook([price("m", rates=Rates(input=7.0))]), PriceBook([price("m"), price("n")])
    usage = Usage(input_tokens=1_000_000)
    assert priced((own, listed), "openai", "m", usage, 1) == Cost(amount=7.0, currency="USD")
    assert priced((own, listed), "openai", "n", usage, 1) == Cost(amount=1.0, currency="USD")
    assert priced((own, listed), "openai", "unheard-of", usage, 1) is None
    assert priced((own, listed), "openai", "m", Usage(cache_read_tokens=5), 1) is None


def test_the_list_that_ships_is_sound() -> None:
    prices = pricelist.shipped().prices
    assert {one.currency for one in prices} == {"USD", "CNY", "EUR"}
    vendors = {one.providers[0] for one in prices}
    assert vendors >= {"openai", "anthropic", "deepseek", "alibaba", "moonshot_ai", "mistral_ai"}
    seen = set()
    for one in prices:
        assert one.source.startswith("https://")
        for name in one.models:
            assert name == name.lower().strip()
            assert "*" not in name[:-1]
            assert (one.providers, name, one.valid_from_ns) not in seen
            seen.add((one.providers, name, one.valid_from_ns))
        for each in (one.rates, *(tier.rates for tier in one.tiers)):
            assert each.input is not None
            assert each.cache_read is None or 0 <= each.cache_read <= each.input
            assert each.output is None or each.output >= each.input


@pytest.mark.parametrize(
    ("provider", "model", "usage", "cost"),
    [
        ("openai", "gpt-4o-2024-08-06", (1000, 100, 400, 0), Cost(amount=0.003, currency="USD")),
        ("anthropic", "claude-opus-4-5-20251101", (10_000, 0, 8_000, 1_000), Cost(amount=0.01525, currency="USD")),
        ("deepseek", "deepseek-v4-pro", (1_000_000, 0, 0, 0), Cost(amount=4.5, currency="CNY")),
        ("openai", "text-embedding-3-small", (1_000_000, 0, 0, 0), Cost(amount=0.02, currency="USD")),
        ("alibaba", "qwen3-max", (40_000, 1_000, 0, 0), Cost(amount=0.176, currency="CNY")),
        ("scaleway", "llama-3.3-70b-instruct", (500_000, 500_000, 0, 0), Cost(amount=0.9, currency="EUR")),
    ],
)
def test_known_calls_cost_what_their_vendors_say(
    provider: str, model: str, usage: tuple[int, int, int, int], cost: Cost
) -> None:
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    tokens = Usage(**dict(zip(names, usage, strict=True)))
    found_ = priced((pricelist.shipped(),), provider, model, tokens, at("2026-11-22T12:00:00"))
    assert found_ is not None
    assert found_.currency == cost.currency
    assert found_.amount == pytest.approx(cost.amount)


# One call in every meaning: 1,000 tokens of input, 600 of them read from a cache and 300 put into one; 50 of output.
SAME_USAGE: dict[str, dict[str, Any]] = {
    "opentelemetry": {
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 600,
        "gen_ai.usage.cache_write.input_tokens": 300,
    },
    "openinference": {
        "llm.token_count.prompt": 1000,
        "llm.token_count.completion": 50,
        "llm.token_count.prompt_details.cache_read": 600,
        "llm.token_count.prompt_details.cache_write": 300,
    },
    "numbers of Anthropic under OpenTelemetry's names": {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read_input_tokens": 600,
        "gen_ai.usage.cache_creation_input_tokens": 300,
    },
    "mlflow": {
        "mlflow.chat.tokenUsage": json.dumps(
            {
                "input_tokens": 1000,
                "output_tokens": 50,
                "cache_read_input_tokens": 600,
                "cache_creation_input_tokens": 300,
            }
        ),
    },
    "mlflow, from Anthropic": {
        "mlflow.message.format": '"anthropic"',
        "mlflow.chat.tokenUsage": json.dumps(
            {
                "input_tokens": 100,
                "output_tokens": 50,
                "cache_read_input_tokens": 600,
                "cache_creation_input_tokens": 300,
            }
        ),
    },
    "langfuse, each token once": {
        "langfuse.observation.usage_details": json.dumps(
            {"input": 100, "output": 50, "input_cached_tokens": 600, "input_cache_creation": 300}
        ),
    },
    "langfuse, from Anthropic": {
        "langfuse.observation.usage_details": json.dumps(
            {
                "input_tokens": 100,
                "output_tokens": 50,
                "cache_read_input_tokens": 600,
                "cache_creation_input_tokens": 300,
            }
        ),
    },
}


@pytest.mark.parametrize("meaning", SAME_USAGE)
def test_counts_have_one_meaning_whether_input_includes_the_cache_or_not(meaning: str) -> None:
    span = arrival(SAME_USAGE[meaning])
    read = (span.input_tokens, span.output_tokens, span.cache_read_tokens, span.cache_write_tokens)
    assert read == (1000, 50, 600, 300)


def test_openais_nested_details_are_read_and_include_the_cache() -> None:
    span = arrival(
        {
            "langfuse.observation.usage_details": json.dumps(
                {
                    "prompt_tokens": 1000,
                    "completion_tokens": 50,
                    "prompt_tokens_details": {"cached_tokens": 600},
                    "completion_tokens_details": {"reasoning_tokens": 20},
                }
            )
        }
    )
    assert (span.input_tokens, span.cache_read_tokens, span.reasoning_tokens) == (1000, 600, 20)


def test_input_that_is_wholly_from_the_cache_is_not_counted_twice() -> None:
    span = arrival({"gen_ai.usage.input_tokens": 600, "gen_ai.usage.cache_read.input_tokens": 600})
    assert span.input_tokens == 600


@pytest.mark.parametrize(
    ("attributes", "amount"),
    [
        ({"gen_ai.usage.cost": 0.25}, 0.25),
        ({"llm.cost.total": "0.5"}, 0.5),
        ({"llm.cost.prompt": 0.5, "llm.cost.completion": 0.25}, 0.75),
        ({"operation.cost": 0.125}, 0.125),
        ({"mlflow.llm.cost": '{"input_cost": 0.5, "output_cost": 0.25, "total_cost": 0.75}'}, 0.75),
        ({"langfuse.observation.cost_details": '{"input": 0.5, "output": 0.25}'}, 0.75),
        ({"langfuse.observation.cost_details": '{"total": 2}'}, 2.0),
        ({"gen_ai.usage.cost": 0}, 0.0),
        ({"gen_ai.usage.cost": -1}, None),
        ({"gen_ai.usage.cost": float("nan")}, None),
        ({"gen_ai.usage.cost": "cheap"}, None),
        ({"langfuse.observation.cost_details": "[1]"}, None),
        ({}, None),
    ],
)
def test_costs_that_emitters_send_are_read(attributes: dict[str, Any], amount: float | None) -> None:
    emitted = arrival(attributes).emitted
    assert (emitted and emitted.amount) == amount
    assert emitted is None or emitted.currency == "USD"


def bone(number: int, parent: int | None, cost: float | None, currency: str | None = "USD") -> StoredBone:
    return StoredBone(
        str(number), None if parent is None else str(parent), "s", "llm", "ok", 0, number, 1, None, None,
        None, None, None, None, None, cost, currency if cost is not None else None,
    )  # fmt: skip


def test_only_the_lowest_spans_that_cost_something_are_added_up_in_any_order() -> None:
    bones = [
        bone(1, None, 0.75),  # an agent that repeats what is below it
        bone(2, 1, 0.1),
        bone(3, 1, None),
        bone(4, 3, 0.2),
        bone(5, 1, 3.0, "CNY"),
        bone(6, 1, 0.3),
    ]
    expected = {"CNY": 3.0, "USD": 0.6}
    for seed in range(10):
        assert leaf_costs(random.Random(seed).sample(bones, len(bones))) == expected
    assert leaf_costs([bone(1, None, None)]) == {}
    assert leaf_costs([bone(1, None, 0.75), bone(2, 1, None)]) == {"USD": 0.75}
    assert add_costs({"USD": 0.1}, {"USD": 0.2, "CNY": 1.0}, {}) == {"CNY": 1.0, "USD": pytest.approx(0.3)}
