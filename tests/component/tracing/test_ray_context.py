"""One trace through Ray: every span has the driver's trace id and the right parent."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from aiplatform.core.errors import NotFoundError
from aiplatform.tracing.model import TraceTree
from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import SCOPE

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[3]
EXPECTED = {
    ("driver", None),
    ("task one", "driver"),
    ("leaf one", "task one"),
    ("task two", "driver"),
    ("leaf two", "task two"),
    ("item 0", "driver"),
    ("item 1", "driver"),
    ("add 2", "driver"),
    ("work a", "driver"),
    ("work b", "driver"),
    ("model answer", "driver"),
    ("outer answer", "driver"),
    ("inner answer", "outer answer"),
    ("upper", "outer answer"),
    ("chunk 0", "driver"),
    ("chunk 1", "driver"),
    ("double", "driver"),
    ("add batch", "driver"),
    ("train 3", "driver"),
}


def names_and_parents(tree: TraceTree) -> set[tuple[str, str | None]]:
    name_of = {row.span_id: row.name for row in tree.spans}
    return {(row.name, None if row.parent_id is None else name_of.get(row.parent_id, "?")) for row in tree.spans}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_trace_goes_through_tasks_actors_generators_serve_data_and_train(
    server_url: str, traces: Traces, tmp_path: Path
) -> None:
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AIPLATFORM_", "RAY_", "OTEL_"))}
    environment = {
        **own,
        "AIPLATFORM_URL": server_url,
        "AIPLATFORM_API_KEY": "acme",
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TRAIN_V2_ENABLED": "1",
        "AIPLATFORM_SPILL_DIR": str(tmp_path / "spill"),
    }
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("on_ray.py")), folder],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    trace_id = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("TRACE "))
    deadline = time.monotonic() + 30
    found: set[tuple[str, str | None]] = set()
    while found != EXPECTED and time.monotonic() < deadline:
        with suppress(NotFoundError):
            found = names_and_parents(traces.get(SCOPE, trace_id))
        time.sleep(0.1)
    assert found == EXPECTED
    outer = next(row for row in traces.get(SCOPE, trace_id).spans if row.name == "outer answer")
    assert traces.span(SCOPE, trace_id, outer.span_id).attributes["input.value"] == "hidden"
