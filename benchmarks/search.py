"""Search over many traces: words, attributes, whole queries and a trace by id, beside a bare look-up in the same file.

    python benchmarks/search.py [--traces 50000] [--repeats 30] [--database postgresql+psycopg://…]

The floor is what the database itself takes for the rows of one key in an index, without tenants, pages or Python
objects. Times are those of the service in process, without HTTP; p50 of fresh values each time, so that no answer is
remembered. The database of `--database` must be empty.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from aiplatform.core.scope import Scope
from aiplatform.storage.database import Database
from aiplatform.testing.databases import create_schema
from aiplatform.testing.otlp import SECOND_NS, export_request, make_span, trace_id_of
from aiplatform.tracing.query import read_filter
from aiplatform.tracing.service import Traces

SPANS_A_TRACE = 8
TRACES_A_REQUEST = 100
SCOPE = Scope(tenant_id="acme", project_id="default")
WORDS = [f"{syllable}{number}" for syllable in ("re", "fund", "order", "late", "ship") for number in range(400)]
REGIONS = [f"region-{number}" for number in range(500)]


def main() -> None:
    """Fill a database, index it, and time each kind of question."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--traces", type=int, default=50_000)
    arguments.add_argument("--repeats", type=int, default=30)
    arguments.add_argument("--database", default=None)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.database or f"sqlite:///{Path(folder) / 'platform.db'}"
        create_schema(url)
        database = Database(url)
        traces = Traces(database)
        try:
            stored_s, indexed_s = fill(traces, 0, given.traces)
            num_spans = given.traces * SPANS_A_TRACE
            print(f"{num_spans} spans stored in {stored_s:.0f} s, indexed in {indexed_s:.0f} s")
            _show(traces, database, given.traces, given.repeats)
        finally:
            traces.close()
            database.close()


def fill(traces: Traces, start: int, end: int) -> tuple[float, float]:
    """Store and index the traces of some numbers; returns the seconds that each of the two took."""
    chance = random.Random(start)
    base_ns = time.time_ns() - end * SECOND_NS // 10
    began = time.perf_counter()
    for first in range(start, end, TRACES_A_REQUEST):
        spans = []
        for trace in range(first, min(first + TRACES_A_REQUEST, end)):
            for span in range(1, SPANS_A_TRACE + 1):
                attributes = {
                    "openinference.span.kind": "LLM" if span % 2 else "TOOL",
                    "http.response.status_code": 500 if chance.random() < 0.01 else 200,
                    "cloud.region": chance.choice(REGIONS),
                    "request.id": f"{trace}-{span}",
                    "queue.depth": chance.randrange(1000),
                    "input.value": " ".join(chance.choices(WORDS, k=20)),
                }
                start_ns = base_ns + trace * SECOND_NS // 10 + span
                parent = 1 if span > 1 else None
                spans.append(make_span(span, trace=trace, parent=parent, attributes=attributes, start_ns=start_ns))
        traces.ingest(SCOPE, export_request(spans).SerializeToString())
    stored = time.perf_counter()
    while traces.update_index():
        pass
    return stored - began, time.perf_counter() - stored


def questions(traces: Traces, database: Database, num_traces: int) -> dict[str, Callable[[], object]]:
    """What is asked, each time with fresh values."""
    chance = random.Random(2)

    def listing(line: Callable[[], str]) -> Callable[[], object]:
        return lambda: traces.list(SCOPE, read_filter(line()))

    def floor() -> object:
        with database.engine.connect() as connection:
            sql = text("SELECT * FROM spans WHERE tenant_id = :t AND project_id = :p AND trace_id = :id")
            key = trace_id_of(chance.randrange(num_traces)).hex()
            return connection.execute(sql, {"t": SCOPE.tenant_id, "p": SCOPE.project_id, "id": key}).fetchall()

    return {
        "floor: rows of one key": floor,
        "trace by id": lambda: traces.get(SCOPE, trace_id_of(chance.randrange(num_traces)).hex()),
        "newest 50": listing(lambda: ""),
        "one word": listing(lambda: chance.choice(WORDS)),
        "two words": listing(lambda: " ".join(chance.sample(WORDS, 2))),
        "attribute, 1 in 500 spans": listing(lambda: f"attributes.cloud.region:{chance.choice(REGIONS)}"),
        "attribute, one span": listing(lambda: f"attributes.request.id:{chance.randrange(num_traces)}-3"),
        "attribute >= 500, 1 in 100 spans": listing(lambda: "attributes.http.response.status_code >= 500"),
        "attribute, nearly every span": listing(lambda: "attributes.http.response.status_code:200"),
        "attribute in a range, 5 in 1000": listing(
            lambda: "attributes.queue.depth:{}..{}".format(*(lambda low: (low, low + 4))(chance.randrange(900)))
        ),
        "expression on an attribute": listing(lambda: f"attributes.cloud.region =~ /-{chance.randrange(10, 50)}$/"),
        "span of a kind with an attribute": listing(
            lambda: f"span(kind:tool attributes.cloud.region:{chance.choice(REGIONS)})"
        ),
        "tool under a model's span": listing(
            lambda: f"span(kind:tool attributes.cloud.region:{chance.choice(REGIONS)}) under span(kind:llm)"
        ),
        "word OR attribute": listing(
            lambda: f"{chance.choice(WORDS)} OR attributes.cloud.region:{chance.choice(REGIONS)}"
        ),
    }


def times_ms(ask: Callable[[], object], repeats: int) -> list[float]:
    """How long a question takes, the shortest first; the first one, which warms up, is left out."""
    ask()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


def _show(traces: Traces, database: Database, num_traces: int, repeats: int) -> None:
    print(f"{'':36}{'p50 ms':>10}{'p95 ms':>10}")
    for name, ask in questions(traces, database, num_traces).items():
        times = times_ms(ask, repeats)
        print(f"{name:36}{statistics.median(times):10.2f}{times[int(len(times) * 0.95)]:10.2f}")


if __name__ == "__main__":
    main()
