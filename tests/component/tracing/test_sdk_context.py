"""The open span goes along into threads, pools, child processes and programs, and so does the mask."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import SCOPE
from tests.component.tracing.test_ray_context import names_and_parents

ROOT = Path(__file__).parents[3]
BELOW_DRIVER = {
    "thread pool",
    "thread",
    "timer",
    "executor",
    "to thread",
    "fork process",
    "spawn process",
    "own process",
    "pool map",
    "pool apply",
    "pool imap",
    "process pool",
    "nearer",
    "program",
    "program env",
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_trace_goes_through_threads_processes_and_programs(server_url: str, traces: Traces, tmp_path: Path) -> None:
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AIPLATFORM_", "OTEL_"))}
    environment = {
        **own,
        "AIPLATFORM_URL": server_url,
        "AIPLATFORM_API_KEY": "acme",
        "AIPLATFORM_SPILL_DIR": str(tmp_path / "spill"),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("on_processes.py"))],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    trace_id = done.stdout.split()[-1]
    tree = traces.get(SCOPE, trace_id)
    assert names_and_parents(tree) == {
        ("driver", None),
        *((name, "driver") for name in BELOW_DRIVER),
        ("process pool again", "nearer"),
    }
    assert {item.name for item in traces.list(SCOPE).items} == {"driver", "outside"}
    for row in tree.spans:
        if row.name not in {"driver", "nearer"}:
            assert traces.span(SCOPE, trace_id, row.span_id).attributes["input.value"] == "post [email]"
