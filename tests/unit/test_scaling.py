"""The model of growth: nothing is lost in it, more is never worse, and the page shows what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling import PAGE_SPANS, Table, tables
from scaling_model import (
    Inputs,
    Shape,
    arrivals,
    curves,
    keeps_up,
    simulate,
    size,
    smallest,
    spread,
    volumes,
    weighted_quantile,
)

from aiplatform.storage.database import Database
from aiplatform.tracing.cold.moving import FILE_SPANS
from aiplatform.tracing.cold.searching import MAX_OPENED_SPANS
from aiplatform.tracing.cold.service import FREEZE_PERIOD_S, MAX_RUN_S
from aiplatform.tracing.service import INDEX_PERIOD_S
from aiplatform.tracing.textindex.postgres import PostgresTextIndex

ROOT = Path(__file__).resolve().parents[2]
ONE_ZONE = Inputs(tenants=60, spans_a_day=3e8, zones=((0, 1.0),), bursts=0)
"""Every tenant has the same day, so that a database's day is known by its volume."""

worlds = st.builds(
    Inputs,
    spans_a_day=st.floats(1e4, 1e9),
    tenants=st.integers(1, 60),
    zipf=st.floats(0, 2),
    seed=st.integers(0, 99),
    burst_factor=st.floats(1, 20),
    span_bytes=st.floats(200, 10_000),
)
shapes = st.builds(
    Shape,
    databases=st.integers(1, 8),
    index_lanes=st.integers(1, 8),
    doors=st.integers(1, 3),
    pauses=st.booleans(),
)


@given(worlds, shapes)
@settings(max_examples=12, deadline=None)
def test_no_span_is_lost_and_none_is_made(inputs: Inputs, shape: Shape) -> None:
    day = simulate(inputs, shape)
    assert day.arrived.sum() == pytest.approx(inputs.spans_a_day)
    # At the end of every minute, not of the day alone.
    for came, gone, left in (
        (day.arrived, day.stored, day.waiting),
        (day.stored, day.indexed, day.unindexed),
    ):
        np.testing.assert_allclose(came.cumsum(axis=0), gone.cumsum(axis=0) + left, rtol=1e-9, atol=1e-3)
    whole = np.broadcast_to(day.arrived.sum(axis=0), day.moved.shape)
    np.testing.assert_allclose(whole, day.moved.cumsum(axis=0) + day.backlog, rtol=1e-9, atol=1e-3)
    for part in (day.stored, day.waiting, day.indexed, day.unindexed, day.moved, day.backlog, day.lag_s):
        assert part.min() >= 0


@given(worlds, shapes)
@settings(max_examples=8, deadline=None)
def test_nothing_works_faster_than_it_was_measured(inputs: Inputs, shape: Shape) -> None:
    day = simulate(inputs, shape)
    assert day.stored.max() <= shape.doors * 60e6 / inputs.stored_us * 1.000001
    assert day.indexed.max() <= shape.index_lanes * 60e6 / (inputs.index_us * inputs.weight) * 1.000001
    assert day.moved.max() <= 60e6 / (inputs.freeze_us * inputs.weight) * 1.000001


@given(st.integers(1, 12), st.integers(1, 12), st.booleans())
@settings(max_examples=12, deadline=None)
def test_more_databases_are_never_worse(some: int, more: int, pauses: bool) -> None:
    few = simulate(ONE_ZONE, Shape(databases=some, pauses=pauses))
    many = simulate(ONE_ZONE, Shape(databases=some + more, pauses=pauses))
    assert many.lag_s.max() <= few.lag_s.max() + 1e-9
    assert many.freeze_hours() <= few.freeze_hours()
    assert many.backlog[-1].sum() <= few.backlog[-1].sum() + 1e-3


@given(st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=8, deadline=None)
def test_more_index_lanes_are_never_worse(some: int, more: int) -> None:
    few = simulate(ONE_ZONE, Shape(databases=2, index_lanes=some))
    many = simulate(ONE_ZONE, Shape(databases=2, index_lanes=some + more))
    assert many.lag_p99_s() <= few.lag_p99_s() + 1e-9
    assert (many.unindexed <= few.unindexed + 1e-3).all()


def test_one_seed_is_one_world_and_another_is_another() -> None:
    inputs, shape = Inputs(tenants=50, spans_a_day=1e7), Shape(databases=3)
    one, again = simulate(inputs, shape), simulate(inputs, shape)
    other = simulate(replace(inputs, seed=2), shape)
    assert (one.arrived == again.arrived).all()
    assert (one.lag_s == again.lag_s).all()
    assert not (one.arrived == other.arrived).all()


@given(st.integers(1, 3000), st.floats(0, 2), st.floats(1, 1e10))
def test_volumes_follow_zipf_and_add_up(tenants: int, exponent: float, spans: float) -> None:
    sizes = volumes(Inputs(tenants=tenants, zipf=exponent, spans_a_day=spans))
    assert sizes.sum() == pytest.approx(spans)
    for rank in {1, 2, tenants} & set(range(1, tenants + 1)):
        assert sizes[0] / sizes[rank - 1] == pytest.approx(rank**exponent)


def test_a_tenant_sends_its_whole_day_within_the_day() -> None:
    shares = curves(Inputs(tenants=200))
    assert shares.sum(axis=1) == pytest.approx(np.ones(200))
    assert shares.min() > 0


def test_every_tenant_has_one_database_and_none_is_overfull() -> None:
    sizes = volumes(Inputs(tenants=500))
    place = spread(sizes, 7)
    load = np.bincount(place, weights=sizes, minlength=7)
    assert load.sum() == pytest.approx(sizes.sum())
    # Graham's bound of the longest job first.
    assert load.max() <= (4 / 3) * max(sizes.max(), sizes.sum() / 7)
    assert arrivals(Inputs(tenants=500), 7).sum(axis=0) == pytest.approx(load)


def test_a_queue_grows_by_what_one_lane_cannot_take() -> None:
    """By hand: a flat day of one tenant, twice what a lane without pauses takes in."""
    lane = 1e6 / Inputs().index_us
    flat = Inputs(tenants=1, spans_a_day=2 * lane * 86_400, zones=((0, 1.0),), day_swing=0, bursts=0)
    flat = replace(flat, forget_us=0)
    day = simulate(flat, Shape(databases=1, pauses=False))
    assert day.unindexed[-1, 0] == pytest.approx(lane * 86_400, rel=1e-3)
    assert day.lag_s[-1, 0] == pytest.approx(86_400, rel=1e-2)
    assert not keeps_up(day)


@pytest.mark.parametrize("load", [0.1, 0.3, 0.5, 0.7, 0.85])
def test_the_lag_is_that_of_an_indexer_walked_run_by_run(load: float) -> None:
    """A reference: every run and every pause of one indexer, with spans that arrive evenly."""
    inputs = replace(Inputs(), tenants=1, zones=((0, 1.0),), day_swing=0, bursts=0, forget_us=0)
    cost_s, rate = inputs.index_us / 1e6, load / (inputs.index_us / 1e6)
    day = simulate(replace(inputs, spans_a_day=rate * 86_400), Shape(databases=1, pauses=False))
    now_s, taken, worst_s = 0.0, 0, 0.0
    while now_s < 600:
        waiting = int(now_s * rate) - taken
        run = min(waiting, inputs.index_batch)
        first_s = taken / rate
        now_s += run * cost_s
        taken += run
        if run and now_s > 60:
            worst_s = max(worst_s, now_s - first_s)
        if run == waiting:
            now_s += inputs.index_pause_s
    said_s = float(day.lag_s.max())
    assert worst_s <= said_s * 1.02
    assert said_s <= worst_s * 1.7


def test_the_smallest_keeps_up_and_one_less_does_not() -> None:
    found = smallest(ONE_ZONE, index_lanes=4, doors=2, pauses=False, most=32)
    assert found.keeps_up
    assert found.shape.databases > 1
    one_less = replace(found.shape, databases=found.shape.databases - 1)
    assert not keeps_up(simulate(ONE_ZONE, one_less))


def test_what_no_number_of_databases_carries_is_said() -> None:
    one = replace(ONE_ZONE, tenants=1, spans_a_day=1e9)
    assert not smallest(one, index_lanes=1, doors=1, pauses=True, most=16).keeps_up


def test_bytes_and_money_are_those_of_the_inputs() -> None:
    inputs = Inputs(tenants=10, spans_a_day=1e6, hot_days=2, cold_days=30)
    shape = Shape(databases=1)
    needed = size(inputs, shape, simulate(inputs, shape))
    assert needed.hot_gb == pytest.approx(3e6 * inputs.hot_bytes / 1e9)
    assert needed.kept_gb == pytest.approx(30e6 * inputs.kept_bytes / 1e9)
    assert needed.cold_gb == pytest.approx(27e6 * inputs.cold_bytes / 1e9)
    log = inputs.store_wal_bytes + inputs.index_wal_bytes + inputs.move_wal_bytes
    assert needed.wal_gb_a_day == pytest.approx(1e6 * log / 1e9, rel=1e-3)
    assert needed.monthly["object store: cold spans"] == pytest.approx(needed.cold_gb * inputs.object_month)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_a_weighted_quantile_is_that_of_the_values_written_out(values: list[int], share: float) -> None:
    weights = [value % 5 + 1 for value in values]
    written = sorted(value for value, weight in zip(values, weights, strict=True) for _ in range(weight))
    found = weighted_quantile(np.array(values, dtype=float), np.array(weights, dtype=float), share)
    assert found in written
    assert sum(one <= found for one in written) >= share * len(written) - 1e-6
    assert sum(one < found for one in written) < share * len(written) + 1e-6


@cache
def default_tables() -> tuple[Table, ...]:
    return tuple(tables(Inputs()))


def test_the_page_shows_what_the_script_prints() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert [table.name for table in default_tables() if table.markdown() not in page] == []


def test_the_chinese_page_shows_the_same_numbers() -> None:
    """Its words are translated; the figures of each row, in their order, are those of the script."""
    page = (ROOT / "docs" / "zh" / "scaling.md").read_text(encoding="utf-8")
    shown = [_figures(line.strip("|").split("|")[1:]) for line in page.splitlines() if line.startswith("|")]
    shown = [figures for figures in shown if figures]
    wanted = [_figures(row[1:]) for table in default_tables() if table.name != "inputs" for row in table.rows]
    wanted = [figures for figures in wanted if figures]
    assert [figures for figures in wanted if figures not in shown] == []


def _figures(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(figure for cell in cells for figure in re.findall(r"\d[\d,]*(?:\.\d+)?", cell))


def test_what_is_taken_from_the_code_is_what_the_code_says() -> None:
    inputs = Inputs()
    assert inputs.index_batch == signature(PostgresTextIndex.update).parameters["max_spans"].default
    assert (inputs.index_pause_s, inputs.freeze_pause_s) == (INDEX_PERIOD_S, FREEZE_PERIOD_S)
    assert (inputs.freeze_run_s, inputs.file_spans) == (MAX_RUN_S, FILE_SPANS)
    # So many connections are kept, and as many more are made under load.
    assert inputs.pool == 2 * signature(Database.__init__).parameters["pool_size"].default
    assert PAGE_SPANS == MAX_OPENED_SPANS


@pytest.mark.parametrize("wrong", [{"tenants": 0}, {"spans_a_day": -1.0}, {"bloat": -0.1}, {"spans_a_request": 0}])
def test_inputs_that_no_day_can_be_made_of_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(Inputs(), **wrong)  # type: ignore[arg-type]
