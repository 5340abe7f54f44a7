"""What one database carries: CPU, bytes on disk and write-ahead log a span, from arrival to the file of cold spans.

    python benchmarks/one_database.py [--spans 20480] [--sqlite]

By default a PostgreSQL server of its own, from the programs that are installed here, with `fsync` and full page writes
on; with `--sqlite` a file. The spans are those of `ingest.py`, 1.6 KB each, in traces of 8, 512 a request. The stages
are those of service, without HTTP: spans are stored, the text index takes them in, and two days later they move to
files. CPU is that of this process and, apart, of every process of the server; its background work counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from ingest import bodies

from aiplatform.core.scope import Scope
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Database
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.databases import create_schema
from aiplatform.testing.postgres import PostgresServer, server_programs
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.service import Traces

SCOPE = Scope(tenant_id="acme", project_id="default")
DURABLE = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"}
SPANS_A_REQUEST = 512
WARM_SPANS = 2_048
"""Stored before the first stage, and analysed: PostgreSQL does that by itself within a minute of a table's first rows,
and plans as if it were empty until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one stage cost."""

    name: str
    num_spans: int
    client_s: float
    server_s: float
    wal_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the spans go, and how to look at it."""

    url: str
    server_s: Callable[[], float]
    wal_bytes: Callable[[], int]
    sizes: Callable[[], dict[str, int]]
    """Bytes of each table, its indexes and its large values included."""

    analyse: Callable[[], None]


@contextmanager
def postgres() -> Iterator[Place]:
    """A server of its own that is gone afterwards.

    Raises:
        SystemExit: No server programs are installed.
    """
    programs = server_programs()
    if programs is None:
        raise SystemExit("no PostgreSQL server programs here: install Debian's `postgresql`, or give --sqlite")
    with PostgresServer(programs, settings=DURABLE) as server:
        url = server.create_database("measured")

        def one(sql: str) -> int:
            with server.admin("measured") as connection:
                row = connection.execute(sql.encode()).fetchone()
            return int(str(row[0])) if row else 0

        def sizes() -> dict[str, int]:
            with server.admin("measured") as connection:
                found = connection.execute(
                    "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
                    "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                ).fetchall()
            return {str(name): int(str(size)) for name, size in found}

        def analyse() -> None:
            with server.admin("measured") as connection:
                connection.execute("ANALYZE")

        with server.admin("measured") as connection:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            master = psutil.Process(int(str(row[0])) if row else 0).parent()
        if master is None:
            raise SystemExit("the server is gone")
        yield Place(
            url=url,
            server_s=lambda: _family_s(master),
            wal_bytes=lambda: one("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"),
            sizes=sizes,
            analyse=analyse,
        )


@contextmanager
def sqlite() -> Iterator[Place]:
    """A file; its write-ahead log is emptied into it all the time, and not counted."""
    with tempfile.TemporaryDirectory(prefix="one-") as folder:
        file = Path(folder) / "platform.db"
        yield Place(
            url=f"sqlite:///{file}",
            server_s=lambda: 0.0,
            wal_bytes=lambda: 0,
            sizes=lambda: {one.name: one.stat().st_size for one in file.parent.iterdir()},
            analyse=lambda: None,
        )


def measure(place: Place, num_spans: int) -> tuple[list[Stage], dict[str, int], int]:
    """Take spans through the three stages; returns each one's cost, sizes once indexed, and bytes of the files."""
    create_schema(place.url)
    database, clock = Database(place.url), FakeClock()
    clock.advance((time.time_ns() - clock.now_ns()) / 1e9)
    with tempfile.TemporaryDirectory(prefix="cold-") as folder:
        traces = Traces(database, ArtifactStore(folder), clock=clock)
        try:
            requests = bodies(num_spans + WARM_SPANS, SPANS_A_REQUEST)
            for _ in range(WARM_SPANS // SPANS_A_REQUEST):
                traces.ingest(SCOPE, requests.pop(0))
            _until_none(traces.update_index)
            place.analyse()
            stages = [
                _stage("stored", num_spans, place, lambda: [traces.ingest(SCOPE, body) for body in requests]),
                _stage("indexed", num_spans, place, lambda: _until_none(traces.update_index)),
            ]
            sizes = place.sizes()
            clock.advance(2 * 86_400)
            before_day, total = clock.now_ns() // DAY_NS, num_spans + WARM_SPANS

            def freeze() -> int:
                return traces.cold._moving.freeze(SCOPE, before_day)

            stages.append(_stage("moved", total, place, lambda: _until_none(freeze)))
            stages.append(_stage("taken out of the index", total, place, lambda: _until_none(traces.update_index)))
            cold = sum(file.stat().st_size for file in Path(folder).rglob("*.parquet"))
        finally:
            traces.close()
            database.close()
    return stages, sizes, cold


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=20_480, help="how many spans go through the stages")
    parser.add_argument("--sqlite", action="store_true", help="a file instead of a PostgreSQL server")
    given = parser.parse_args()
    with sqlite() if given.sqlite else postgres() as place:
        num = given.spans // SPANS_A_REQUEST * SPANS_A_REQUEST
        stages, sizes, cold = measure(place, num)
    print(f"{'':24}{'spans a CPU s':>14}{'us a span':>11}{'of it server':>14}{'WAL bytes':>11}")
    for one in stages:
        spent = one.client_s + one.server_s
        print(
            f"{one.name:24}{one.num_spans / spent:>14,.0f}{spent / one.num_spans * 1e6:>11,.0f}"
            f"{one.server_s / one.num_spans * 1e6:>14,.0f}{one.wal_bytes / one.num_spans:>11,.0f}"
        )
    total = num + WARM_SPANS
    print(f"\nhot, indexed: {sum(sizes.values()) / total:,.0f} bytes a span")
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        if size / total >= 1:
            print(f"    {name:28}{size / total:>8,.0f}")
    print(f"cold: {cold / total:,.0f} bytes a span in files")


def _stage(name: str, num_spans: int, place: Place, work: Callable[[], object]) -> Stage:
    wal, server, client = place.wal_bytes(), place.server_s(), time.process_time()
    work()
    spent = time.process_time() - client
    return Stage(
        name=name,
        num_spans=num_spans,
        client_s=spent,
        server_s=place.server_s() - server,
        wal_bytes=place.wal_bytes() - wal,
    )


def _until_none(step: Callable[[], int]) -> None:
    while step():
        pass


def _family_s(master: psutil.Process) -> float:
    """CPU seconds of a server: its own, its living processes', and those of its processes that have ended."""
    own = master.cpu_times()
    total: float = own.user + own.system + own.children_user + own.children_system
    for child in master.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return total


if __name__ == "__main__":
    main()
