"""Tracing measured whole: what storing, indexing, finding and sending spans takes, beside targets and peers in one run.

    python benchmarks/tracing.py [--full] [--only sqlite,postgresql,client] [--no-mlflow] [--phoenix PYTHON]

By default small enough for minutes; `--full` takes the sizes that the targets speak of (50,000 traces to search, growth
from 10,000 to 500,000) and hours. A line holds what was measured, the target where there is one, the ratio to MLflow
(and to Phoenix where an interpreter that has it is given), and the share of a floor: what the database takes for rows
with the same bytes and two indexes, inserted barely. CPU is that of every process that takes part, the database's too.

MLflow is asked in this process, over the traces that it was sent; how many that are stands beside its figure.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import floor
import ingest
import peers
import psutil
import sdk
import search

from aiplatform.storage.database import Database
from aiplatform.testing.databases import create_schema
from aiplatform.testing.postgres import PostgresServer, server_programs
from aiplatform.tracing.service import Traces

DURABLE: Final = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB"}
"""What PostgreSQL does in production, and a server of tests does not."""

QUESTIONS: Final = (
    "newest 50",
    "one word",
    "two words",
    "attribute, 1 in 500 spans",
    "attribute >= 500, 1 in 100 spans",
    "word OR attribute",
    "tool under a model's span",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    spans: int
    repeats: int
    traces: int
    """That are searched."""

    growth: tuple[int, int]
    client_traces: int


SMALL: Final = Sizes(spans=4_096, repeats=1, traces=2_000, growth=(500, 5_000), client_traces=300)
FULL: Final = Sizes(spans=20_480, repeats=3, traces=50_000, growth=(10_000, 500_000), client_traces=1_500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure."""

    name: str
    measured: float
    unit: str
    target: float | None = None
    more_is_better: bool = False
    mlflow: float | None = None
    phoenix: float | None = None
    floor: float | None = None
    note: str = ""

    def text(self) -> str:
        """As it stands in the table."""
        is_met = self.target is None or (
            self.measured >= self.target if self.more_is_better else self.measured <= self.target
        )
        sign = ">=" if self.more_is_better else "<="
        target = "" if self.target is None else f"{sign} {_figure(self.target)} {'' if is_met else 'MISSED'}"
        share = "" if self.floor is None else f"{self._better(self.floor, self.measured):.0%}"
        return (
            f"{self.name:48}{_figure(self.measured):>10} {self.unit:14}{target:>16}"
            f"{self._ratio(self.mlflow):>10}{self._ratio(self.phoenix):>10}{share:>8}  {self.note}"
        )

    def _ratio(self, peer: float | None) -> str:
        return "" if peer is None else f"{self._better(peer, self.measured):,.1f} x"

    def _better(self, peer: float, ours: float) -> float:
        """How many times as good ours is."""
        return ours / peer if self.more_is_better else peer / ours


@dataclass(slots=True)
class Table:
    """The figures, printed as they come."""

    lines: list[Line] = field(default_factory=list)

    def head(self, title: str) -> None:
        """Begin a part."""
        print(
            f"\n{title:48}{'measured':>10} {'':14}{'target':>16}{'MLflow':>10}{'Phoenix':>10}{'floor':>8}", flush=True
        )

    def add(self, line: Line) -> None:
        """Add one figure."""
        self.lines.append(line)
        print(line.text(), flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A database to measure on."""

    kind: str
    new_url: Callable[[Path], str]
    """Address of another empty database, without tables."""

    cpu_s: Callable[[], float]
    size_bytes: Callable[[str], int]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the sizes of the targets, which take hours")
    parser.add_argument("--only", default="sqlite,postgresql,client")
    parser.add_argument("--no-mlflow", action="store_true")
    parser.add_argument("--phoenix", default=None, help="an interpreter that has arize-phoenix installed")
    options = parser.parse_args()
    sizes = FULL if options.full else SMALL
    parts = options.only.split(",")
    table = Table()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracing-")))
        others = (
            peers.measured(folder, sizes.spans, is_mlflow=not options.no_mlflow, phoenix_python=options.phoenix)
            if {"sqlite", "postgresql"} & set(parts)
            else {}
        )
        for place in _places(stack, parts):
            table.head(place.kind)
            _ingest(table, place, sizes, folder / place.kind, others)
            _search(table, place, sizes, folder / place.kind, others)
    if "client" in parts:
        table.head("client")
        _client(table, sizes, with_mlflow=not options.no_mlflow)
    missed = [line.name for line in table.lines if "MISSED" in line.text()]
    print(f"\n{len(table.lines)} figures; missed: {', '.join(missed) or 'none'}")
    print(f"Again: python benchmarks/tracing.py{' --full' if options.full else ''} --only {options.only}")


def _places(stack: ExitStack, parts: list[str]) -> Iterator[Place]:
    if "sqlite" in parts:
        yield Place(
            kind="SQLite",
            new_url=lambda folder: f"sqlite:///{folder / 'platform.db'}",
            cpu_s=lambda: 0.0,
            size_bytes=lambda url: sum(
                file.stat().st_size for file in Path(url.removeprefix("sqlite:///")).parent.glob("platform*.db*")
            ),
        )
    programs = server_programs() if "postgresql" in parts else None
    if programs is not None:
        server = stack.enter_context(PostgresServer(programs, settings=DURABLE))
        numbers = iter(range(1_000))
        yield Place(
            kind="PostgreSQL",
            new_url=lambda _folder: server.create_database(f"bench{next(numbers)}"),
            cpu_s=lambda: _family_cpu_s(server.process_id),
            size_bytes=lambda url: _postgres_bytes(server, url),
        )
    elif "postgresql" in parts:
        print("\nPostgreSQL: no server programs here")


def _ingest(table: Table, place: Place, sizes: Sizes, folder: Path, others: dict[str, peers.Figures]) -> None:
    """Storing over HTTP, what indexing adds to it, and how large both are on disk."""
    mlflow, phoenix = others.get("mlflow"), others.get("phoenix")
    is_sqlite = place.kind == "SQLite"
    stored = {512: 15_000.0, 8: 3_500.0} if is_sqlite else {512: 6_000.0, 8: None}
    searchable = {512: 8_000.0, 8: 3_000.0} if is_sqlite else {512: 2_500.0, 8: None}
    for spans_a_request in (512, 8):
        own = folder / str(spans_a_request)
        own.mkdir(parents=True)
        url = place.new_url(own)
        bare = floor.inserted_per_cpu_s(
            place.new_url(own / "floor"), own / "floor", sizes.spans, spans_a_request, place.cpu_s
        )
        with ingest.running("ours", own, None if is_sqlite else url, place.cpu_s) as server:
            ingest.measure(server, ingest.bodies(512, 64), 1)
            cell = ingest.median_cell(server, sizes.spans, spans_a_request, 1, sizes.repeats)
        num_spans, index_cpu_s, size = _indexed(url, place)
        rate = 1 / (1 / cell.stored_per_cpu_s + index_cpu_s / num_spans)
        peer = None if mlflow is None else mlflow.stored_per_cpu_s[spans_a_request]
        other = None if phoenix is None else phoenix.stored_per_cpu_s.get(spans_a_request)
        note = "" if is_sqlite else f"server alone: {cell.stored_per_server_cpu_s:,.0f}"
        for what, measured, target in (
            ("stored", cell.stored_per_cpu_s, stored[spans_a_request]),
            ("stored and searchable", rate, searchable[spans_a_request]),
        ):
            line = Line(
                name=f"{what}, {spans_a_request} spans a request",
                measured=measured,
                unit="spans / CPU s",
                target=target,
                more_is_better=True,
                mlflow=peer,
                phoenix=other,
                floor=bare,
                note=note if what == "stored" else "",
            )
            table.add(line)
        if spans_a_request == 8:
            p50 = None if mlflow is None else mlflow.p50_ms
            table.add(
                Line(
                    name="acknowledged, p50 of 8 spans, 1 sender",
                    measured=cell.p50_ms,
                    unit="ms",
                    target=4.0,
                    mlflow=p50,
                )
            )
        else:
            peer_bytes = None if mlflow is None else mlflow.bytes_a_span
            table.add(
                Line(
                    name="on disk with its index, a span of 1.6 KB",
                    measured=size / num_spans,
                    unit="bytes",
                    target=1_500.0,
                    mlflow=peer_bytes,
                    phoenix=None if phoenix is None else phoenix.bytes_a_span,
                )
            )


def _indexed(url: str, place: Place) -> tuple[int, float, int]:
    """Index what a server stored: how many spans, the CPU seconds that took, and the bytes of all of it."""
    database = Database(url)
    traces = Traces(database)
    began, database_began, num_spans = time.process_time(), place.cpu_s(), 0
    try:
        while found := traces.update_index():
            num_spans += found
        spent = time.process_time() - began + place.cpu_s() - database_began
    finally:
        traces.close()
        database.close()
    floor.settle(url)
    return num_spans, spent, place.size_bytes(url)


def _search(table: Table, place: Place, sizes: Sizes, folder: Path, others: dict[str, peers.Figures]) -> None:
    """Questions over many traces, and how they grow with the number of traces."""
    mlflow = others.get("mlflow")
    first, last = sizes.growth
    grown: dict[str, list[float]] = {}
    with _traces(place, folder / "search") as (traces, database):
        done = 0
        for wanted in sorted({first, sizes.traces, last}):
            stored_s, indexed_s = search.fill(traces, done, wanted)
            rate = (wanted - done) * search.SPANS_A_TRACE / (stored_s + indexed_s)
            done = wanted
            floor.analyse(traces)
            asked = search.questions(traces, database, wanted)
            if wanted in sizes.growth:
                for name in (*QUESTIONS, "trace by id"):
                    grown.setdefault(name, []).append(_p50(asked[name], sizes))
                grown.setdefault("stored and indexed", []).append(rate)
            if wanted != sizes.traces:
                continue
            peer = None if mlflow is None else mlflow.trace_by_id_ms
            note = "" if mlflow is None else f"MLflow: of {mlflow.num_traces} traces"
            table.add(
                Line(
                    name=f"trace by id, of {wanted:,}",
                    measured=_p50(asked["trace by id"], sizes),
                    unit="ms, p50",
                    target=5.0,
                    mlflow=peer,
                    floor=_p50(asked["floor: rows of one key"], sizes),
                    note=note,
                )
            )
            for name in QUESTIONS:
                peer = None if mlflow is None else mlflow.search_ms.get(name)
                table.add(
                    Line(
                        name=f"search, {name}, of {wanted:,}",
                        measured=_p50(asked[name], sizes),
                        unit="ms, p50",
                        target=20.0,
                        mlflow=peer,
                        note=note if peer is not None else "",
                    )
                )
    for name, (before, after) in grown.items():
        unit, note = "x as long", f"{before:.2f} -> {after:.2f} ms"
        if name == "stored and indexed":
            before, after, unit, note = after, before, "x as slow", f"{before:,.0f} -> {after:,.0f} spans / s"
        table.add(Line(name=f"growth {first:,} -> {last:,}: {name}", measured=after / before, unit=unit, note=note))


def _client(table: Table, sizes: Sizes, *, with_mlflow: bool) -> None:
    found = sdk.compare(
        ["ours", "otel", *(["mlflow"] if with_mlflow else [])], sizes.client_traces, max(2, sizes.repeats)
    )
    for index, (name, target) in enumerate((("caller", 35.0), ("total", 75.0))):
        peer = found["mlflow"][index] if with_mlflow else None
        table.add(
            Line(
                name=f"traced function, {name}",
                measured=found["ours"][index],
                unit="us CPU a span",
                target=target,
                mlflow=peer,
                floor=found["otel"][index],
                note="floor: OpenTelemetry by hand",
            )
        )


@contextmanager
def _traces(place: Place, folder: Path) -> Iterator[tuple[Traces, Database]]:
    folder.mkdir(parents=True)
    url = place.new_url(folder)
    create_schema(url)
    database = Database(url)
    traces = Traces(database)
    try:
        yield traces, database
    finally:
        traces.close()
        database.close()


def _p50(ask: Callable[[], object], sizes: Sizes) -> float:
    return statistics.median(search.times_ms(ask, 10 * sizes.repeats))


def _family_cpu_s(process_id: int) -> float:
    """CPU of a server and of its connections, those that have ended too."""
    server = psutil.Process(process_id)
    times = server.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in server.children(recursive=True):
        try:
            spent = child.cpu_times()
        except psutil.Error:
            continue
        total += spent.user + spent.system
    return total


def _postgres_bytes(server: PostgresServer, url: str) -> int:
    name = url.partition("@/")[2].partition("?")[0]
    with server.admin(name) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        # An empty database has some 7 MB of the server's own tables.
        base = connection.execute("SELECT pg_database_size('template0')").fetchone()
    assert row is not None
    assert base is not None
    return int(str(row[0])) - int(str(base[0]))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    main()
