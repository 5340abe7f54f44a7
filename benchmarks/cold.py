"""Cold spans: bytes on disk, how fast they move, and how fast they are searched, beside plain pyarrow on the same file.

    python benchmarks/cold.py [--spans 20000] [--repeats 5]

The spans are those of `ingest.py`, 1.6 KB each. Plain pyarrow reads the one column that a search needs: raw bytes for
a word, a number for a condition on a number. It looks at every row; we look at a group's filter first. So a rare word
says how fast groups are ruled out, and a common one what it costs to read and ask those that are not. CPU seconds of
this process. Memory is emptied of nothing: files lie in the page cache, for both alike.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pyarrow.compute as pc
import pyarrow.parquet as pq
from ingest import bodies

from aiplatform.core.scope import Scope
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.storage.database import Database
from aiplatform.testing.clock import FakeClock
from aiplatform.testing.databases import create_schema
from aiplatform.testing.otlp import export_request, make_span
from aiplatform.tracing.cold.searching import ColdSearch
from aiplatform.tracing.model import DAY_NS
from aiplatform.tracing.query import read_filter
from aiplatform.tracing.service import Traces

SCOPE = Scope(tenant_id="acme", project_id="default")


def main() -> None:
    """Store spans, move them, search them."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--spans", type=int, default=20_000)
    arguments.add_argument("--repeats", type=int, default=5)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'platform.db'}"
        create_schema(url)
        database, clock = Database(url), FakeClock()
        clock.advance((time.time_ns() - clock.now_ns()) / 1e9)
        traces = Traces(database, ArtifactStore(str(folder / "files")), clock=clock)
        try:
            _move(traces, clock, given.spans, folder)
            _search(traces, folder, given.spans, given.repeats)
        finally:
            traces.close()
            database.close()


def _move(traces: Traces, clock: FakeClock, num_spans: int, folder: Path) -> None:
    for body in bodies(num_spans, 512):
        traces.ingest(SCOPE, body)
    needle = make_span(77, trace=77, attributes={"input.value": "needle", "needle.id": "n-1"})
    traces.ingest(SCOPE, export_request([needle]).SerializeToString())
    clock.advance(2 * 86_400)
    began = time.process_time()
    while traces.cold._moving.freeze(SCOPE, clock.now_ns() // DAY_NS):
        pass
    spent = time.process_time() - began
    size = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    with database_of(traces).read(SCOPE) as tx:
        beside = (
            tx.raw("SELECT sum(length(filters)) FROM cold_files WHERE tenant_id = :tenant_id").scalar_one()
            + tx.raw("SELECT sum(length(span_ids)) FROM cold_traces WHERE tenant_id = :tenant_id").scalar_one()
        )
    print(f"bytes a span: {size / num_spans:.0f} in files, {beside / num_spans:.0f} in the database beside them")
    print(f"moved: {num_spans / spent:,.0f} spans a CPU second, verified")


def _search(traces: Traces, folder: Path, num_spans: int, repeats: int) -> None:
    files = [*folder.rglob("*.parquet")]

    def arrow_word() -> None:
        for file in files:
            pc.match_substring(pq.read_table(file, columns=["raw"])["raw"], "needle").to_pylist()

    def arrow_number() -> None:
        for file in files:
            pc.sum(pc.greater(pq.read_table(file, columns=["input_tokens"])["input_tokens"], 500))

    def ours(line: str) -> Callable[[], None]:
        def ask() -> None:
            search = ColdSearch(traces.cold._shelf, traces.clock.now_ns())
            with traces.index.reader().read(SCOPE) as tx:
                search.all(tx, read_filter(line))

        return ask

    floor = {"word": _cpu_s(arrow_word, repeats), "number": _cpu_s(arrow_number, repeats)}
    print(f"{'search':44} {'spans a CPU s':>14} {'plain pyarrow':>14} {'ratio':>7}")
    for title, line, kind in (
        ("a word that is nowhere", "nowhereatall", "word"),
        ("a word that one span holds", "needle", "word"),
        ("an attribute that no span has", "attributes.x.y = z", "number"),
        ("an attribute that one span has", "attributes.needle.id = n-1", "number"),
        ("what summaries tell: tokens > 100000", "tokens > 100000", "number"),
    ):
        spent = _cpu_s(ours(line), repeats)
        ratio = floor[kind] / spent
        print(f"{title:44} {num_spans / spent:>14,.0f} {num_spans / floor[kind]:>14,.0f} {ratio:>6.1f}x")
    summaries = traces.list(SCOPE, limit=200).items
    chance = random.Random(1)
    opened = _cpu_s(lambda: str(traces.get(SCOPE, chance.choice(summaries).trace_id)), repeats * 4)
    print(f"a trace by id: {opened * 1000:.1f} ms CPU")


def _cpu_s(work: Callable[[], object], repeats: int) -> float:
    work()
    found = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return median(found)


def database_of(traces: Traces) -> Database:
    """Where its spans rest."""
    return traces._database


if __name__ == "__main__":
    main()
