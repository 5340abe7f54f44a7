"""The model behind `scaling.py`: what arrives in a day, and what queues where, in steps of a minute.

Tenants are spread over databases, each of which is a platform of its own: entries that store spans, index lanes that
take them into the text index, and one thread that moves old traces to files. Nothing here measures; every number is an
input.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from math import ceil
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MINUTES: Final = 1440
MINUTE_S: Final = 60.0
BUSY_AT_MOST: Final = 0.7
"""Share of a core's time up to which machines are sized: the busiest minute of the day takes so much."""

MEASURED: Final = "`one_database.py`, 2026-11-24"
CODE: Final = "the code"
ASSUMED: Final = "assumption"
NEEDED: Final = frozenset(
    {"spans_a_day", "tenants", "span_bytes", "spans_a_request", "index_us", "freeze_us", "store_us"}
)

Floats = NDArray[np.float64]


def _given(value: Any, unit: str, source: str) -> Any:
    return field(default=value, metadata={"unit": unit, "source": source})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything the model knows, each with its unit and where it comes from (in the field's metadata)."""

    spans_a_day: float = _given(1e9, "spans", "asked")
    tenants: int = _given(2000, "tenants", "asked")
    hot_days: int = _given(7, "days", "asked")
    cold_days: int = _given(365, "days", "asked")
    span_bytes: float = _given(1600, "bytes", "asked; the benchmarks' spans have 1,600")
    seed: int = _given(1, "", "asked")

    zipf: float = _given(1.0, "exponent", ASSUMED)
    zones: tuple[tuple[float, float], ...] = _given(((-6, 0.4), (1, 0.35), (8, 0.25)), "hours from UTC, share", ASSUMED)
    day_swing: float = _given(0.7, "of the mean, at 3 p.m.", ASSUMED)
    bursts: int = _given(2, "a tenant a day", ASSUMED)
    burst_minutes: int = _given(10, "minutes", ASSUMED)
    burst_factor: float = _given(3.0, "times its rate", ASSUMED)
    spans_a_request: int = _given(64, "spans", ASSUMED)

    store_us: float = _given(155, "us CPU a span", MEASURED)
    store_server_us: float = _given(48, "of it PostgreSQL", MEASURED)
    request_us: float = _given(780, "us CPU a request", "`ingest.py`, 2026-11-24: 8 spans a request beside 512")
    index_us: float = _given(847, "us CPU a span", MEASURED)
    index_server_us: float = _given(357, "of it PostgreSQL", MEASURED)
    forget_us: float = _given(65, "us CPU a span moved", MEASURED)
    forget_server_us: float = _given(29, "of it PostgreSQL", MEASURED)
    freeze_us: float = _given(385, "us CPU a span", MEASURED)
    freeze_server_us: float = _given(60, "of it PostgreSQL", MEASURED)
    store_wal_bytes: float = _given(2_420, "bytes of log a span stored", MEASURED)
    index_wal_bytes: float = _given(12_028, "bytes of log a span indexed", MEASURED)
    move_wal_bytes: float = _given(873, "bytes of log a span moved and taken out of the index", MEASURED)
    hot_bytes: float = _given(8_092, "bytes a span, with its index", MEASURED)
    kept_bytes: float = _given(178, "bytes a span, cold too: summaries and ids", MEASURED)
    cold_bytes: float = _given(419, "bytes a span in files", "`cold.py`, 2026-11-24")
    ruled_out_per_s: float = _given(7_028_333, "cold spans a CPU s, ruled out by filters", "`cold.py`, 2026-11-24")
    read_per_s: float = _given(3_365, "cold spans a CPU s, read and asked", "`cold.py`: a group of 496 in 0.147 s")

    index_batch: int = _given(2000, "spans a run", CODE)
    index_pause_s: float = _given(0.5, "s between two runs", CODE)
    freeze_run_s: float = _given(60, "s a run at most", CODE)
    freeze_pause_s: float = _given(300, "s between two runs", CODE)
    file_spans: int = _given(20_000, "spans a file at most", CODE)
    pool: int = _given(16, "connections a process at most", CODE)

    bloat: float = _given(1.4, "times the bytes of a database just filled", ASSUMED)
    standbys: int = _given(1, "a database", ASSUMED)
    wal_days: float = _given(2, "days of log kept for a restore", ASSUMED)
    vcpu_hour: float = _given(0.0408, "USD a vCPU and hour", "list price of m7g.large / 2, us-east-1, June 2026")
    disk_month: float = _given(0.08, "USD a GiB and month", "list price of gp3, us-east-1, January 2021")
    object_month: float = _given(0.023, "USD a GB and month", "list price of S3 Standard, us-east-1, April 2026")

    def __post_init__(self) -> None:
        """Refuse what no day can be made of.

        Raises:
            ValueError: A number is negative, or there is no tenant, no span or no day.
        """
        for one in fields(self):
            value = getattr(self, one.name)
            least = 1 if one.name in NEEDED else 0
            if one.name != "zones" and value < least:
                raise ValueError(f"{one.name} is {value!r}: at least {least} is needed")

    @property
    def weight(self) -> float:
        """How much heavier a span is than the measured ones; CPU, log and bytes are taken to grow with it."""
        return self.span_bytes / 1600

    @property
    def stored_us(self) -> float:
        """CPU of a span until it is acknowledged, with its part of a request."""
        return self.store_us * self.weight + self.request_us / self.spans_a_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many of what, and how the worker is run."""

    databases: int
    index_lanes: int = 1
    """Indexers of one database that work side by side; the platform has one."""

    doors: int = 1
    """Processes that store spans, of one database; the platform has one."""

    pauses: bool = True
    """Whether indexer and freezer pause while work is left, as they do now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What happened: arrays by minute and database unless said otherwise, in spans."""

    arrived: Floats
    stored: Floats
    waiting: Floats
    """At the doors, at the end of each minute."""

    indexed: Floats
    unindexed: Floats
    """Stored and not yet in the index, at the end of each minute."""

    moved: Floats
    backlog: Floats
    """Of the day that became old at midnight, still in the database at the end of each minute."""

    lag_s: Floats
    """At most so long after its commit a span of that minute is found."""

    def lag_p99_s(self) -> float:
        """Of all spans, the lag that one in a hundred exceeds."""
        return weighted_quantile(self.lag_s.ravel(), self.stored.ravel(), 0.99)

    def freeze_hours(self) -> float:
        """Hours until the last database had moved its day; infinite where one had not by the next midnight."""
        left = self.backlog.max(axis=1)
        done = np.flatnonzero(left <= 0.5)
        return float(done[0] + 1) / 60 if done.size else float("inf")


def weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    """The smallest value that `share` of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, share * reached[-1])])


def volumes(inputs: Inputs) -> Floats:
    """Spans a day of each tenant, largest first: Zipf's law, all of them together `spans_a_day`."""
    ranks = np.arange(1, inputs.tenants + 1, dtype=np.float64)
    shares = ranks**-inputs.zipf
    return np.asarray(inputs.spans_a_day * shares / shares.sum())


def curves(inputs: Inputs) -> Floats:
    """Share of its day that each tenant sends in each minute: its zone's day, and bursts. Each row's sum is 1."""
    chance = np.random.default_rng(inputs.seed)
    hours, shares = zip(*inputs.zones, strict=True)
    zone = chance.choice(np.array(hours), size=inputs.tenants, p=np.array(shares) / sum(shares))
    local = np.arange(MINUTES)[None, :] / 60 + zone[:, None]
    rate = 1 + inputs.day_swing * np.cos((local - 15) / 24 * 2 * np.pi)
    for _ in range(inputs.bursts):
        begin = chance.integers(0, MINUTES, size=inputs.tenants)
        since = (np.arange(MINUTES)[None, :] - begin[:, None]) % MINUTES
        rate *= np.where(since < inputs.burst_minutes, inputs.burst_factor, 1.0)
    return np.asarray(rate / rate.sum(axis=1, keepdims=True))


def spread(sizes: Floats, databases: int) -> NDArray[np.int64]:
    """The database of each tenant: the largest first, each to the one that has least so far."""
    load = np.zeros(databases)
    place = np.zeros(len(sizes), dtype=np.int64)
    for tenant in np.argsort(-sizes, kind="stable"):
        place[tenant] = int(np.argmin(load))
        load[place[tenant]] += sizes[tenant]
    return place


def arrivals(inputs: Inputs, databases: int, shares: Floats | None = None) -> Floats:
    """Spans by minute and database; `shares` are those of `curves`, where they are at hand."""
    sizes = volumes(inputs)
    found = np.zeros((databases, MINUTES))
    shares = curves(inputs) if shares is None else shares
    np.add.at(found, spread(sizes, databases), sizes[:, None] * shares)
    return found.T.copy()


def simulate(inputs: Inputs, shape: Shape, shares: Floats | None = None) -> Day:
    """Walk one day; nothing waits at midnight but the day that has just become old."""
    arrived = arrivals(inputs, shape.databases, shares)
    index_s, forget_s = inputs.index_us * inputs.weight / 1e6, inputs.forget_us * inputs.weight / 1e6
    run_s = inputs.index_batch * index_s
    pause_s = inputs.index_pause_s
    lane_s = MINUTE_S * (run_s / (run_s + pause_s) if shape.pauses else 1.0)
    door_spans = shape.doors * MINUTE_S / (inputs.stored_us / 1e6)
    duty = inputs.freeze_run_s / (inputs.freeze_run_s + inputs.freeze_pause_s) if shape.pauses else 1.0
    freeze_s = inputs.freeze_us * inputs.weight / 1e6
    python = (inputs.freeze_us - inputs.freeze_server_us) / inputs.freeze_us
    index_python = (inputs.index_us - inputs.index_server_us) / inputs.index_us

    rows: dict[str, Floats] = {name: np.zeros_like(arrived) for name in Day.__slots__ if name != "arrived"}
    waiting, unindexed = np.zeros(shape.databases), np.zeros(shape.databases)
    backlog, forgetting = arrived.sum(axis=0), np.zeros(shape.databases)
    for minute in range(MINUTES):
        offered = waiting + arrived[minute]
        stored = np.minimum(offered, door_spans)
        waiting = offered - stored
        # What moved is taken out of the index first: it stands before what is stored now.
        lanes_s = shape.index_lanes * lane_s
        forget = np.minimum(forgetting, lanes_s / max(forget_s, 1e-12))
        left_s = lanes_s - forget * forget_s
        busy = (stored * index_s + forget * forget_s) / (shape.index_lanes * MINUTE_S)
        queued = unindexed
        indexed = np.minimum(unindexed + stored, left_s / index_s)
        unindexed = unindexed + stored - indexed
        # One run for what gathered while the last one ran and paused; and what waited before.
        cycle = np.minimum(pause_s / np.maximum(1 - busy, 1e-9), pause_s + run_s)
        waited = 0.5 * (queued + unindexed) * MINUTE_S / np.maximum(left_s / index_s, 1e-9)
        lag = cycle + np.minimum(cycle * busy, run_s) + waited
        # The freezer is a thread of the process whose indexer it shares Python with.
        free = np.maximum(1 - np.minimum(busy, 1.0) * index_python, 0.1)
        moved = np.minimum(backlog, duty * MINUTE_S / freeze_s * np.minimum(1.0, free / python))
        backlog = backlog - moved
        forgetting = forgetting - forget + moved
        for name, value in (
            ("stored", stored), ("waiting", waiting), ("indexed", indexed), ("unindexed", unindexed),
            ("moved", moved), ("backlog", backlog), ("lag_s", lag),
        ):  # fmt: skip
            rows[name][minute] = value
    return Day(arrived=arrived, **rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a shape needs, all databases together unless said otherwise."""

    database_cores: int
    worker_cores: int
    door_cores: int
    hot_gb: float
    """Of one copy: spans and their index."""

    kept_gb: float
    """Of one copy: summaries and ids of cold spans."""

    cold_gb: float
    wal_gb_a_day: float
    wal_mb_s_busiest: float
    """Of the busiest database in its busiest minute."""

    connections: int
    """Of one database at most."""

    files_a_day: int
    monthly: dict[str, float]
    """USD a month, by kind."""

    @property
    def cores(self) -> int:
        """All of one copy."""
        return self.database_cores + self.worker_cores + self.door_cores


def size(inputs: Inputs, shape: Shape, day: Day) -> Size:
    """Cores, bytes, connections and money for a day like this, every day."""
    stored, indexed, moved = (part / MINUTE_S for part in (day.stored, day.indexed, day.moved))
    server_us = (
        stored * inputs.store_server_us
        + indexed * inputs.index_server_us
        + moved * (inputs.freeze_server_us + inputs.forget_server_us)
    ) * inputs.weight
    database_cores = sum(max(1, ceil(busiest / 1e6 / BUSY_AT_MOST)) for busiest in server_us.max(axis=0))
    door_us = inputs.stored_us - inputs.store_server_us * inputs.weight
    door_cores = sum(max(1, ceil(busiest * door_us / 1e6 / BUSY_AT_MOST)) for busiest in stored.max(axis=0))
    spans, heavy = inputs.spans_a_day, inputs.weight
    hot_gb = spans * (inputs.hot_days + 1) * inputs.hot_bytes * heavy / 1e9
    kept_gb = spans * inputs.cold_days * inputs.kept_bytes / 1e9
    cold_gb = spans * max(inputs.cold_days - inputs.hot_days - 1, 0) * inputs.cold_bytes * heavy / 1e9
    wal = (
        day.stored * inputs.store_wal_bytes + day.indexed * inputs.index_wal_bytes + day.moved * inputs.move_wal_bytes
    ) * heavy
    wal_gb = float(wal.sum()) / 1e9
    worker_cores = shape.databases * shape.index_lanes
    copies = 1 + inputs.standbys
    monthly = {
        "databases: vCPU": database_cores * copies * inputs.vcpu_hour * 730,
        "entries and workers: vCPU": (door_cores + worker_cores) * inputs.vcpu_hour * 730,
        "databases: disks": (hot_gb + kept_gb) * inputs.bloat * copies / 1.073741824 * inputs.disk_month,
        "object store: cold spans": cold_gb * inputs.object_month,
        "object store: log for a restore": wal_gb * inputs.wal_days * inputs.object_month,
    }
    return Size(
        database_cores=database_cores,
        worker_cores=worker_cores,
        door_cores=door_cores,
        hot_gb=hot_gb,
        kept_gb=kept_gb,
        cold_gb=cold_gb,
        wal_gb_a_day=wal_gb,
        wal_mb_s_busiest=float(wal.max()) / MINUTE_S / 1e6,
        # Entries, the pages and API, and a worker of one process a lane.
        connections=(shape.doors + 1 + shape.index_lanes) * inputs.pool,
        files_a_day=int(sum(ceil(one / inputs.file_spans) for one in volumes(inputs))),
        monthly=monthly,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The smallest shape that keeps up, and its day."""

    shape: Shape
    day: Day
    keeps_up: bool


def keeps_up(day: Day, lag_s: float = 2.0) -> bool:
    """Whether the index follows (p99), the old day is gone before the next, and no span waits at a door."""
    return day.lag_p99_s() < lag_s and day.freeze_hours() < 24 and float(day.waiting.max()) <= 0.5


def smallest(
    inputs: Inputs, *, index_lanes: int, doors: int, pauses: bool, most: int = 256, shares: Floats | None = None
) -> Found:
    """The fewest databases that keep up with so many lanes and doors each; `keeps_up` is false where `most` do not."""
    shares = curves(inputs) if shares is None else shares

    def tried(databases: int) -> Found:
        shape = Shape(databases=databases, index_lanes=index_lanes, doors=doors, pauses=pauses)
        day = simulate(inputs, shape, shares)
        return Found(shape=shape, day=day, keeps_up=keeps_up(day))

    low, best = 0, tried(most)
    while best.keeps_up and best.shape.databases - low > 1:
        middle = tried((low + best.shape.databases) // 2)
        if middle.keeps_up:
            best = middle
        else:
            low = middle.shape.databases
    return best
