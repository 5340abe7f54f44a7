"""`aip.init` in a process of its own, as an application has it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from aiplatform.core.scope import Scope
from aiplatform.tracing.service import Traces
from tests.component.tracing.conftest import SCOPE

ROOT = Path(__file__).parents[3]

APPLICATION = """
import sys
import aiplatform as aip

aip.init(project=sys.argv[1], service_name="shop")
aip.init(project=sys.argv[1])

@aip.trace(kind="agent")
def answer(question: str) -> str:
    with aip.span("look up", kind="tool", input={"q": question}) as span:
        span.set_output("found")
    return "done"

answer("why?")
"""


def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AIPLATFORM_", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**own, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_an_applications_spans_arrive_though_it_ends_at_once(server_url: str, traces: Traces) -> None:
    done = run(APPLICATION, "lab", AIPLATFORM_URL=server_url, AIPLATFORM_API_KEY="acme/lab")
    assert (done.returncode, done.stderr) == (0, "")
    scope = Scope(tenant_id="acme", project_id="lab")
    (summary,) = traces.list(scope).items
    assert (summary.name, summary.input_preview, summary.output_preview) == ("answer", "why?", "done")
    assert [(row.name, row.kind, row.depth) for row in traces.get(scope, summary.trace_id).spans] == [
        ("answer", "agent", 0),
        ("look up", "tool", 1),
    ]
    assert summary.service == "shop"


def test_a_renewed_key_file_is_used_for_the_next_export(server_url: str, traces: Traces, tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import aiplatform as aip

file = Path(sys.argv[1])
aip.init()
with aip.span("refused"):
    pass
assert aip.flush(30)
file.write_text("acme\\n")
with aip.span("accepted"):
    pass
assert aip.flush(30)
"""
    key_file = tmp_path / "key"
    key_file.write_text("acme/default/viewer")
    done = run(code, str(key_file), AIPLATFORM_URL=server_url, AIPLATFORM_KEY_FILE=str(key_file))
    assert done.returncode == 0, done.stderr
    assert [item.name for item in traces.list(SCOPE).items] == ["accepted"]


def test_a_platform_that_is_down_neither_breaks_nor_holds_up_the_application() -> None:
    code = """
import time
import aiplatform as aip

aip.init(url="http://127.0.0.1:9", key="k")
begun = time.process_time()
for _ in range(200):
    with aip.span("x", input="y"):
        pass
print("worked", flush=True)
"""
    begun = time.monotonic()
    done = run(code)
    assert done.returncode == 0
    assert done.stdout == "worked\n"
    assert time.monotonic() - begun < 60


def test_a_tracer_provider_of_the_application_is_kept(server_url: str, traces: Traces) -> None:
    code = """
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
import aiplatform as aip

own = TracerProvider(resource=Resource({"service.name": "theirs"}))
trace.set_tracer_provider(own)
aip.init()
assert trace.get_tracer_provider() is own
with trace.get_tracer("t").start_as_current_span("own"), aip.span("ours"):
    pass
"""
    done = run(code, AIPLATFORM_URL=server_url, AIPLATFORM_API_KEY="acme")
    assert (done.returncode, done.stderr) == (0, "")
    (summary,) = traces.list(SCOPE).items
    assert (summary.name, summary.num_spans, summary.service) == ("own", 2, "theirs")


def test_autotrace_turns_on_what_is_installed_and_says_what_is_not(tmp_path: Path) -> None:
    package = tmp_path / "fake_instrumentations"
    package.mkdir()
    (package / "__init__.py").write_text(
        """
on = []
class Good:
    is_instrumented_by_opentelemetry = False
    def _check_dependency_conflicts(self): return None
    def instrument(self, **options): on.append(options["tracer_provider"])
class Missing(Good):
    def _check_dependency_conflicts(self): return "needs openai >= 1"
class Broken(Good):
    def instrument(self, **options): raise RuntimeError("no")
"""
    )
    metadata = tmp_path / "fake_instrumentations-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-instrumentations\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[opentelemetry_instrumentor]\n"
        + "".join(f"fake-{name.lower()} = fake_instrumentations:{name}\n" for name in ("Good", "Missing", "Broken"))
    )
    code = """
import aiplatform as aip
found = {one.name: one for one in aip.autotrace() if one.name.startswith("fake-")}
assert [one.is_on for one in found.values()] == [False, True, False], found
assert found["fake-missing"].problem == "needs openai >= 1"
assert found["fake-broken"].problem == "RuntimeError: no"
assert found["fake-good"].package == "fake-instrumentations"
aip.autotrace()
import fake_instrumentations
assert len(fake_instrumentations.on) == 1
assert aip.autotrace(only=["fake-good"]) == [found["fake-good"]]
"""
    done = run(code, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
