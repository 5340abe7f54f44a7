"""From what one database carries to a billion spans a day in 2,000 tenants: a day simulated in steps of a minute.

    python benchmarks/scaling.py [--spans-a-day 1e9] [--tenants 2000] [--hot-days 7] [--cold-days 365]
                                 [--span-bytes 1600] [--seed 1] [--set vcpu_hour=0.05 …]

Prints, as Markdown, the tables of `docs/scaling.md`: inputs with their sources, what one database carries, the smallest
number of databases whose index is at most 2 s behind for 99 of 100 spans and whose old days are moved within a day, and
what that takes in cores, disks, connections and money. Any input can be changed with `--set`. Takes seconds.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from scaling_model import Floats, Found, Inputs, Shape, Size, arrivals, curves, simulate, size, smallest, volumes

KINDS: Final = (
    ("as it is: one indexer, pauses", 1, 1, True),
    ("no pauses while work is left", 1, 1, False),
    ("4 index lanes, 2 entries", 4, 2, False),
    ("8 index lanes, 2 entries", 8, 2, False),
    ("16 index lanes, 2 entries", 16, 2, False),
)
"""Name, index lanes, entries of a database, and whether indexer and freezer pause while work is left."""

PAGE_SPANS: Final = 20_000
"""Cold spans that a page of a list reads at most, from the code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of the page."""

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table as the page has it."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|" for line in lines)


def tables(inputs: Inputs) -> list[Table]:
    """Everything that the script prints."""
    shares = curves(inputs)
    tried = [
        (name, smallest(inputs, index_lanes=lanes, doors=doors, pauses=pauses, shares=shares))
        for name, lanes, doors, pauses in KINDS
    ]
    made = [_inputs(inputs), _one_database(inputs), _tenants(inputs, shares), _tried(inputs, tried)]
    able = [found for _, found in tried if found.keeps_up]
    if able:
        best = min(able, key=lambda found: size(inputs, found.shape, found.day).cores)
        needed = size(inputs, best.shape, best.day)
        made += [
            _needed(inputs, best, needed),
            _money(needed),
            _more(inputs, best.shape, shares),
            _sensitive(inputs, best.shape),
        ]
    return [*made, _growth(inputs), _search(inputs)]


def _inputs(inputs: Inputs) -> Table:
    rows = []
    for one in fields(inputs):
        value = getattr(inputs, one.name)
        shown = "; ".join(f"{hours:+d}: {share}" for hours, share in value) if one.name == "zones" else _number(value)
        rows.append((f"`{one.name}`", shown, one.metadata["unit"], one.metadata["source"]))
    return Table(name="inputs", head=("Input", "Value", "Unit", "Source"), rows=rows)


def _one_database(inputs: Inputs) -> Table:
    index_s = inputs.index_us * inputs.weight / 1e6
    freeze_s = inputs.freeze_us * inputs.weight / 1e6
    paused = inputs.index_batch / (inputs.index_batch * index_s + inputs.index_pause_s)
    duty = inputs.freeze_run_s / (inputs.freeze_run_s + inputs.freeze_pause_s)
    rates = (
        ("stored by one entry", 1e6 / inputs.stored_us),
        ("indexed, without pauses", 1 / index_s),
        ("indexed, as it is: a pause after every run", paused),
        ("moved to files, without pauses", 1 / freeze_s),
        ("moved to files, as it is: a minute in six", duty / freeze_s),
    )
    rows = [(name, f"{rate:,.0f}", f"{rate * 86_400 / 1e6:,.0f}") for name, rate in rates]
    return Table(name="one", head=("One database", "Spans a second", "Million a day"), rows=rows)


def _tenants(inputs: Inputs, shares: Floats) -> Table:
    sizes = volumes(inputs)
    alone = sizes[:, None] * shares / 60
    picked = {"largest": 0, "10th": 9, "100th": 99, "smallest": inputs.tenants - 1}
    rows = [
        (name, f"{sizes[rank] / 1e6:,.2f}", f"{sizes[rank] / 86_400:,.1f}", f"{alone[rank].max():,.1f}")
        for name, rank in picked.items()
        if rank < inputs.tenants
    ]
    together = arrivals(inputs, 1, shares)[:, 0] / 60
    total = sizes.sum()
    rows.append(("all", f"{total / 1e6:,.2f}", f"{total / 86_400:,.1f}", f"{together.max():,.1f}"))
    head = ("Tenant", "Million spans a day", "Spans a second, mean", "in its busiest minute")
    return Table(name="tenants", head=head, rows=rows)


def _tried(inputs: Inputs, tried: Sequence[tuple[str, Found]]) -> Table:
    rows = []
    for name, found in tried:
        needed = size(inputs, found.shape, found.day)
        count = str(found.shape.databases) if found.keeps_up else f"not with {found.shape.databases}"
        cores = f"{needed.cores:,}" if found.keeps_up else ""
        rows.append((name, count, cores, _seconds(found.day.lag_p99_s()), _hours(found.day.freeze_hours())))
    head = ("Each database has", "Databases", "Cores", "Index lag p99", "A day is moved in")
    return Table(name="tried", head=head, rows=rows)


def _needed(inputs: Inputs, found: Found, needed: Size) -> Table:
    busiest = float(found.day.arrived.sum(axis=0).max() / inputs.spans_a_day)
    disk_tb = busiest * (needed.hot_gb + needed.kept_gb) * inputs.bloat / 1000
    rows = (
        ("databases", f"{found.shape.databases}"),
        ("cores of PostgreSQL, without standbys", f"{needed.database_cores}"),
        ("cores of index lanes", f"{needed.worker_cores}"),
        ("cores of entries", f"{needed.door_cores}"),
        ("connections of one database at most", f"{needed.connections}"),
        ("partitions of one database: hot days, today, the day on its way", f"{inputs.hot_days + 2}"),
        ("hot spans and their index, one copy, TB", f"{needed.hot_gb / 1000:,.1f}"),
        ("summaries and ids of a year, one copy, TB", f"{needed.kept_gb / 1000:,.1f}"),
        ("disk of the largest database, one copy, TB", f"{disk_tb:,.1f}"),
        ("cold spans in files, TB", f"{needed.cold_gb / 1000:,.1f}"),
        ("new files a day", f"{needed.files_a_day:,}"),
        ("write-ahead log a day, all databases, TB", f"{needed.wal_gb_a_day / 1000:,.1f}"),
        ("write-ahead log of the busiest database in its busiest minute, MB/s", f"{needed.wal_mb_s_busiest:,.0f}"),
        ("largest lag of any minute, s", f"{found.day.lag_s.max():,.1f}"),
    )
    return Table(name="needed", head=("The smallest that keeps up", ""), rows=rows)


def _money(needed: Size) -> Table:
    rows = [(name, f"{usd:,.0f}") for name, usd in needed.monthly.items()]
    rows.append(("together", f"{sum(needed.monthly.values()):,.0f}"))
    return Table(name="money", head=("USD a month", ""), rows=rows)


def _more(inputs: Inputs, shape: Shape, shares: Floats) -> Table:
    """The same with fewer and with more databases."""
    rows = []
    for databases in sorted({max(1, shape.databases - 2), max(1, shape.databases - 1), shape.databases,
                             shape.databases * 2, shape.databases * 4}):  # fmt: skip
        day = simulate(inputs, replace(shape, databases=databases), shares)
        rows.append(
            (str(databases), _seconds(day.lag_p99_s()), _seconds(float(day.lag_s.max())), _hours(day.freeze_hours()))
        )
    head = ("Databases", "Index lag p99", "at most", "A day is moved in")
    return Table(name="more", head=head, rows=rows)


def _sensitive(inputs: Inputs, shape: Shape) -> Table:
    """What becomes of it where an input is another."""
    changes: tuple[tuple[str, Inputs], ...] = (
        ("as above", inputs),
        ("volumes more alike: `zipf` 0.8", replace(inputs, zipf=0.8)),
        ("volumes less alike: `zipf` 1.2", replace(inputs, zipf=1.2)),
        ("another `seed`", replace(inputs, seed=inputs.seed + 1)),
        ("bursts of 6 times the rate", replace(inputs, burst_factor=6.0)),
        ("an index at half the CPU", replace(inputs, index_us=inputs.index_us / 2,
                                             index_server_us=inputs.index_server_us / 2)),
        ("spans of half the size", replace(inputs, span_bytes=inputs.span_bytes / 2)),
        ("3 hot days", replace(inputs, hot_days=3)),
        ("90 days kept", replace(inputs, cold_days=90)),
    )  # fmt: skip
    rows = []
    for name, changed in changes:
        found = smallest(changed, index_lanes=shape.index_lanes, doors=shape.doors, pauses=shape.pauses)
        needed = size(changed, found.shape, found.day)
        if found.keeps_up:
            month = f"{sum(needed.monthly.values()):,.0f}"
            rows.append((name, str(found.shape.databases), f"{needed.cores}", month))
        else:
            rows.append((name, f"not with {found.shape.databases}", "", ""))
    return Table(name="sensitive", head=("Otherwise as above", "Databases", "Cores", "USD a month"), rows=rows)


def _growth(inputs: Inputs) -> Table:
    shares = curves(inputs)
    rows = []
    for part in (0.001, 0.01, 0.1, 1.0):
        some = replace(inputs, spans_a_day=inputs.spans_a_day * part)
        for name, lanes, doors, pauses in KINDS:
            found = smallest(some, index_lanes=lanes, doors=doors, pauses=pauses, shares=shares)
            if found.keeps_up:
                needed = size(some, found.shape, found.day)
                month = f"{sum(needed.monthly.values()):,.0f}"
                spans = f"{some.spans_a_day / 1e6:,.0f}"
                rows.append((spans, name, str(found.shape.databases), f"{needed.cores}", month))
                break
        else:
            rows.append((f"{some.spans_a_day / 1e6:,.0f}", "none of these keeps up", "", "", ""))
    head = ("Million spans a day", "Each database has", "Databases", "Cores", "USD a month")
    return Table(name="growth", head=head, rows=rows)


def _search(inputs: Inputs) -> Table:
    sizes = volumes(inputs)
    page = PAGE_SPANS / inputs.read_per_s
    rows = []
    for name, rank in (("largest", 0), ("100th", min(99, inputs.tenants - 1)), ("smallest", inputs.tenants - 1)):
        month, year = (sizes[rank] * days / inputs.ruled_out_per_s for days in (30, inputs.cold_days))
        rows.append((name, _seconds(month), _seconds(year), _seconds(page)))
    head = (
        "Cold spans of the tenant",
        "30 days, a word that is nowhere",
        "all days",
        "a page of a common word, at most",
    )
    return Table(name="search", head=head, rows=rows)


def _number(value: float | int) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"


def _seconds(value: float) -> str:
    if value >= 120:
        return f"{value / 60:,.0f} min"
    return f"{value:.2f} s"


def _hours(value: float) -> str:
    return "more than a day" if math.isinf(value) else f"{value:.1f} h"


def main() -> None:
    """Read the inputs, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = Inputs()
    for name in ("spans_a_day", "tenants", "hot_days", "cold_days", "span_bytes", "seed"):
        value = getattr(defaults, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--set", action="append", default=[], metavar="INPUT=VALUE", help="any other number")
    given = vars(parser.parse_args())
    try:
        if any(one.startswith("zones=") for one in given["set"]):
            raise ValueError("zones are no number; change them in the file")
        changed = {
            name: type(getattr(defaults, name))(value) for name, value in (one.split("=") for one in given.pop("set"))
        }
        inputs = replace(defaults, **given, **changed)
    except (AttributeError, TypeError, ValueError) as error:
        parser.error(str(error))
    for table in tables(inputs):
        print(table.markdown(), end="\n\n")


if __name__ == "__main__":
    main()
