"""`aip.init` in a process of its own, as an application has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.fixture(autouse=True)
def spill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What cannot be sent waits in the test's own folder, not in the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "aiplatform" / "spans"


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


def test_a_platform_that_is_down_breaks_nothing_and_the_spans_wait_on_disk(spill: Path) -> None:
    code = """
import aiplatform as aip

aip.init(url="http://127.0.0.1:9", key="k")
for _ in range(200):
    with aip.span("x", input="y"):
        pass
print("worked", flush=True)
"""
    done = run(code)
    assert done.returncode == 0
    assert done.stdout == "worked\n"
    assert sum(int(file.stem.rpartition("-")[2]) for file in spill.rglob("*.spans")) == 200


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


def test_a_tracer_provider_that_the_application_sets_later_is_used_and_loses_nothing(
    server_url: str, traces: Traces
) -> None:
    code = """
from opentelemetry import trace
from opentelemetry.trace import set_tracer_provider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import aiplatform as aip

aip.init()
early = trace.get_tracer("early")
memory = InMemorySpanExporter()
own = TracerProvider(resource=Resource({"service.name": "theirs"}))
own.add_span_processor(SimpleSpanProcessor(memory))
set_tracer_provider(own)
assert trace.get_tracer_provider() is own
with aip.span("ours"), trace.get_tracer("late").start_as_current_span("late"):
    early.start_span("early").end()
assert sorted(span.name for span in memory.get_finished_spans()) == ["early", "late", "ours"]
assert aip.flush(60)
assert aip.tracing_stats().sent == 3, aip.tracing_stats()
own.shutdown()
with aip.span("after"):
    pass
"""
    done = run(code, AIPLATFORM_URL=server_url, AIPLATFORM_API_KEY="acme")
    # The processor of theirs that was shut down says so; nothing of ours does.
    assert (done.returncode, done.stderr.replace("Processor is already shutdown, ignoring call\n", "")) == (0, "")
    found = {item.name: (item.num_spans, item.service) for item in traces.list(SCOPE).items}
    assert found == {"ours": (3, "theirs"), "after": (1, "theirs")}


def test_shares_masks_and_a_parent_come_from_the_environment(server_url: str, traces: Traces) -> None:
    code = """
import aiplatform as aip

aip.init()
with aip.span("child", input="mail jo@example.com"):
    pass
"""
    header = f"00-{'a' * 32}-{'b' * 16}-01"
    base = {"AIPLATFORM_URL": server_url, "AIPLATFORM_API_KEY": "acme", "AIPLATFORM_TRACE_SAMPLE_RATIO": "0"}
    assert run(code, **base).returncode == 0
    assert run(code, **base, TRACEPARENT=header, AIPLATFORM_TRACE_MASK="email, phone").returncode == 0
    (row,) = traces.get(SCOPE, "a" * 32).spans
    assert (row.name, row.parent_id) == ("child", "b" * 16)
    assert traces.span(SCOPE, "a" * 32, row.span_id).input == "mail [email]"
    assert len(traces.list(SCOPE).items) == 1


def test_a_share_and_a_mask_can_change_while_the_application_runs(server_url: str, traces: Traces) -> None:
    code = """
import aiplatform as aip

aip.init(sample_ratio=0.0)
with aip.span("not kept"):
    pass
aip.init(sample_ratio=1.0, mask=lambda name, value: value.upper() if name == "input.value" else value)
with aip.span("kept", input="loud"):
    pass
aip.init()
with aip.span("still", input="masked"):
    pass
"""
    done = run(code, AIPLATFORM_URL=server_url, AIPLATFORM_API_KEY="acme")
    assert (done.returncode, done.stderr) == (0, "")
    assert {item.name: item.input_preview for item in traces.list(SCOPE).items} == {"kept": "LOUD", "still": "MASKED"}


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
