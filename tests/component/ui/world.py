"""A platform in process with its pages and real services, and data as a team would have them."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from aiplatform.core.scope import Scope
from aiplatform.eval.judging.service import CalibrationOrder, JudgeService
from aiplatform.eval.judging.store import CalibrationStore
from aiplatform.eval.metrics import RunState
from aiplatform.eval.model import (
    CompareOptions,
    Comparison,
    DataRef,
    EvaluationRun,
    NewRun,
    RowFile,
    RowResult,
    RowScore,
    RunStatus,
    RunUpdate,
    ScorerRef,
    ScoreState,
)
from aiplatform.eval.online.endpoints import JudgeEndpoints
from aiplatform.eval.online.model import NewRule
from aiplatform.eval.online.service import OnlineEvaluation
from aiplatform.eval.online.store import OnlineStore
from aiplatform.eval.reviewing.model import Label, NewQueue
from aiplatform.eval.reviewing.service import Reviews
from aiplatform.eval.reviewing.store import ReviewStore
from aiplatform.eval.rows import to_parquet
from aiplatform.eval.service import EvaluationService
from aiplatform.eval.store import EvaluationStore
from aiplatform.registry.datasets import Datasets
from aiplatform.registry.experiments import Experiments
from aiplatform.registry.from_traces import TraceCollector
from aiplatform.registry.lineage import LineageGraph
from aiplatform.registry.mlflow_rest import MlflowDoor
from aiplatform.registry.mlflow_runs import MlflowRuns
from aiplatform.registry.model import Lineage, NewModelVersion
from aiplatform.registry.models import Models
from aiplatform.registry.sealing import CallerSeal
from aiplatform.serve.model import DeploymentSpec, DeploymentState
from aiplatform.serve.model import Status as DeploymentStatus
from aiplatform.serve.ports import ResolvedVersion
from aiplatform.serve.service import Deployments
from aiplatform.serve.store import DeploymentStore
from aiplatform.storage.artifacts import ArtifactStore
from aiplatform.tenancy import routes as tenancy_routes
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.sign_in import build_sign_in_routes
from aiplatform.testing.asgi import PlatformUnderTest
from aiplatform.testing.ending import tied
from aiplatform.testing.models import FakeCapacity, FakeVersions
from aiplatform.testing.platform import free_port
from aiplatform.tracing.model import ScoreSource
from aiplatform.tracing.service import Traces
from aiplatform.ui.routes import Ui, build_ui
from aiplatform.ui.site import UiServices

SEAL_SECRET = "a secret that only the tests share"
SECOND_NS = 1_000_000_000
QUESTIONS = (
    "Why are default values shared between objects?",
    "How do I find the current module name?",
    "Why can't raw strings end with a backslash?",
    "如何在 Debian 中查找某个文件属于哪个软件包?",
    "How do I run a subprocess with pipes?",
    "为什么软件包会处于“保留”状态?",
    "What does 'UnicodeDecodeError' mean?",
    "How fast are exceptions?",
    "怎样安装非自由固件?",
    "Can't we get rid of the GIL?",
)


@dataclass
class World:
    """The platform, its pages and its services."""

    platform: PlatformUnderTest
    ui: Ui
    services: UiServices
    files: ArtifactStore
    deployments: DeploymentStore
    door: MlflowDoor

    def close(self) -> None:
        self.services.traces.close()
        self.door.close()


def build_world(
    platform: PlatformUnderTest, ui_holder: dict[str, Ui], folder: Path, *, mlflow_url: str = "http://127.0.0.1:9"
) -> World:
    """Services on the platform's database; its pages are attached."""
    database = platform.database
    files = ArtifactStore((folder / "artifacts").as_uri())
    lineage = LineageGraph(database)
    door = MlflowDoor(mlflow_url, CallerSeal(SEAL_SECRET))
    store = DeploymentStore(database)
    versions = FakeVersions(
        {
            "qa@3": ResolvedVersion(name="qa", version=3, loader="app:Model"),
            "qa@champion": ResolvedVersion(name="qa", version=3, loader="app:Model"),
        }
    )
    traces, datasets = Traces(database, files), Datasets(database, files)
    evaluations = EvaluationService(EvaluationStore(database), files)
    reviews = Reviews(ReviewStore(database), evaluations, files, traces)
    services = UiServices(
        tenancy=platform.tenancy,
        traces=traces,
        evaluations=evaluations,
        judges=JudgeService(CalibrationStore(database), evaluations, files, reviews),
        reviews=reviews,
        online=OnlineEvaluation(OnlineStore(database), JudgeEndpoints("", None, environment={})),
        datasets=datasets,
        models=Models(database, door, lineage),
        experiments=Experiments(door),
        lineage=lineage,
        collector=TraceCollector(traces, datasets, files, lineage),
        deployments=Deployments(store, capacity=FakeCapacity(), versions=versions),
        url="http://127.0.0.1:8000",
    )
    ui = build_ui(services)
    ui_holder["ui"] = ui
    platform.attach(
        tenancy_routes.build_routes(platform.tenancy),
        build_sign_in_routes(platform.tenancy, platform.settings, page=ui.sign_in_page),
        ui.routes,
    )
    return World(platform=platform, ui=ui, services=services, files=files, deployments=store, door=door)


def error_page_of(ui_holder: dict[str, Ui]) -> Any:
    """The error page of pages that are built after the platform."""
    return lambda scope, error: ui_holder["ui"].error_page(scope, error) if "ui" in ui_holder else None


def seed(world: World, caller: Caller, *, now_ns: int | None = None, num_traces: int = 60) -> Comparison:
    """Traces, scores, data sets, evaluation runs, a comparison and deployments in the caller's project."""
    now_ns = now_ns or time.time_ns()
    seed_traces(world, caller.scope, now_ns=now_ns, num_traces=num_traces)
    seed_dataset(world, caller)
    seed_deployments(world, caller, now_ns=now_ns)
    return seed_evaluations(world, caller)


def seed_traces(world: World, scope: Scope, *, now_ns: int, num_traces: int) -> list[str]:
    """Traces of an agent over the last day; every ninth fails."""
    chance = random.Random(7)
    trace_ids = []
    for index in range(num_traces):
        at = now_ns - int(chance.betavariate(1.2, 2.5) * 20 * 3600) * SECOND_NS - 5 * SECOND_NS
        trace_ids.append(send_trace(world, scope, index=index, start_ns=at, fails=index % 9 == 4))
    return trace_ids


def send_trace(world: World, scope: Scope, *, index: int, start_ns: int, fails: bool = False) -> str:
    """One answer of the agent through door and replica, as an exporter sends it."""
    chance = random.Random(index)
    trace_id = hashlib.sha256(f"trace {index} {scope}".encode()).digest()[:16]
    question = QUESTIONS[index % len(QUESTIONS)]
    total = 1.9 + chance.random() * 2.4
    spans: list[tuple[str, str | None, str, float, float, dict[str, Any], bool]] = [
        ("root", None, "answer_question", 0.0, total, _agent(question, index), False),
        ("door", "root", "POST /v1/chat/completions", 0.02, total - 0.03, {"http.request.method": "POST"}, False),
        ("replica", "door", "docs-assistant v4", 0.05, total - 0.06, {"openinference.span.kind": "AGENT"}, False),
        ("plan", "replica", "chat gpt-5-mini", 0.09, 0.72, _chat(question, None), False),
        ("search", "replica", "search", 0.84, 1.15, _search(question), False),
        ("embed", "search", "embed query", 0.86, 0.95, {"openinference.span.kind": "EMBEDDING"}, False),
        ("open", "replica", "open_page", 1.18, 1.18 + (0.5 if fails else 0.18), _tool(), fails),
        ("answer", "replica", "chat gpt-5-mini", 1.7, total - 0.1, _chat(question, _answer(question)), False),
    ]
    resources = {
        "client": ("root",),
        "door": ("door",),
        "replica": ("replica", "plan", "search", "open", "answer"),
        "ray task": ("embed",),
    }
    request = ExportTraceServiceRequest()
    for service, names in resources.items():
        part = ResourceSpans()
        part.resource.attributes.add(key="service.name").value.string_value = service
        inside = ScopeSpans()
        inside.scope.name = "tests"
        for key, parent, name, begin, end, attributes, is_error in spans:
            if key in names:
                inside.spans.append(_span(trace_id, key, parent, name, start_ns, begin, end, attributes, is_error))
        part.scope_spans.append(inside)
        request.resource_spans.append(part)
    world.services.traces.ingest(scope, request.SerializeToString())
    if index % 3 != 2 and not fails:
        world.services.traces.add_score(
            scope, trace_id=trace_id.hex(), name="citation", value=index % 7 != 3, source=ScoreSource.CODE,
            principal="service:scorer", comment="quotes a page that was opened", score_id=f"score-{index}",
        )  # fmt: skip
    return trace_id.hex()


def _span(
    trace_id: bytes, key: str, parent: str | None, name: str, start_ns: int, begin: float, end: float,
    attributes: dict[str, Any], is_error: bool,
) -> Span:  # fmt: skip
    span = Span(
        trace_id=trace_id,
        span_id=_span_id(key),
        parent_span_id=_span_id(parent) if parent else b"",
        name=name,
        start_time_unix_nano=start_ns + int(begin * SECOND_NS),
        end_time_unix_nano=start_ns + int(end * SECOND_NS),
    )
    for attribute, value in attributes.items():
        entry = span.attributes.add(key=attribute).value
        if isinstance(value, bool):
            entry.bool_value = value
        elif isinstance(value, int):
            entry.int_value = value
        elif isinstance(value, float):
            entry.double_value = value
        else:
            entry.string_value = str(value)
    if is_error:
        span.status.code = Status.STATUS_CODE_ERROR
        span.status.message = "faq/programming.html: no answer within 500 ms"
        event = span.events.add(name="exception", time_unix_nano=start_ns + int(end * SECOND_NS))
        event.attributes.add(key="exception.type").value.string_value = "TimeoutError"
        event.attributes.add(key="exception.message").value.string_value = span.status.message
        event.attributes.add(
            key="exception.stacktrace"
        ).value.string_value = "Traceback (most recent call last):\n  open_page"
    return span


def _span_id(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()[:8]


def _agent(question: str, index: int) -> dict[str, Any]:
    return {
        "openinference.span.kind": "AGENT",
        "input.value": question,
        "output.value": _answer(question),
        "session.id": f"s-{index // 4:04x}",
        "user.id": f"user-{index % 5}",
    }


def _answer(question: str) -> str:
    if any("\u4e00" <= character <= "\u9fff" for character in question):
        return "用 dpkg -S 加文件名即可,引用 Debian 常见问题第 8 章。"
    return "Default values are evaluated once, when the function is defined, not each time it is called. [1]"


def _chat(question: str, answer: str | None) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-5-mini",
        "llm.provider": "openai",
        "llm.token_count.prompt": 2412,
        "llm.token_count.completion": 143,
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "Answer from the passages only. Quote the page.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": question,
    }
    if answer:
        attributes["llm.output_messages.0.message.role"] = "assistant"
        attributes["llm.output_messages.0.message.content"] = answer
    return attributes


def _search(question: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {"openinference.span.kind": "RETRIEVER", "input.value": question}
    passages = (
        (
            "faq-12",
            0.81,
            "Why are default values shared between objects? It is often expected that a call creates new objects.",
        ),
        ("tut-4.9", 0.77, "Default Argument Values. The default value is evaluated only once."),
        ("faq-30", 0.52, "How do I write a function with output parameters (call by reference)?"),
        ("内部-1", 0.44, "内部文档:函数参数的默认值只计算一次。"),
    )
    for place, (key, score, text) in enumerate(passages):
        attributes[f"retrieval.documents.{place}.document.id"] = key
        attributes[f"retrieval.documents.{place}.document.score"] = score
        attributes[f"retrieval.documents.{place}.document.content"] = text
    return attributes


def _tool() -> dict[str, Any]:
    return {
        "openinference.span.kind": "TOOL",
        "tool.name": "open_page",
        "input.value": '{"page": "faq/programming.html", "note": "\\u5185\\u90e8"}',
        "output.value": '{"title": "Programming FAQ", "length": 4812}',
    }


def seed_dataset(world: World, caller: Caller) -> None:
    """The data set `python-faq`, with two versions."""
    for count in (120, 269):
        rows = [_row(index) for index in range(count)]
        table = pa.table({key: [row[key] for row in rows] for key in rows[0]})
        sink = io.BytesIO()
        pq.write_table(table, sink)
        path = f"datasets/python-faq-{count}.parquet"
        world.files.write(caller.scope, path, iter([sink.getvalue()]))
        world.services.datasets.create_version(
            caller, "python-faq", path, licence="PSF-2.0", source="python3.11-doc",
            description="Questions of the Python and Debian FAQ with the passage that answers them.",
        )  # fmt: skip


def _row(index: int) -> dict[str, Any]:
    return {
        "id": f"q{index:03d}",
        "question": f"{QUESTIONS[index % len(QUESTIONS)]} ({index})",
        "language": "zh" if index % 10 in {3, 5, 8} else "en",
        "passage": f"faq-{index}",
    }


VERSIONS = (
    ("v1", "BM25", 0.29),
    ("v2", "MiniLM", 0.57),
    ("v3", "BM25 + MiniLM", 0.47),
    ("v4", "MiniLM + adapter", 0.63),
    ("v5", "route by language", 0.68),
)


def seed_evaluations(world: World, caller: Caller, *, num_rows: int = 269) -> Comparison:
    """Five versions on the same rows, compared with the second."""
    runs = [_evaluate(world, caller, *version, num_rows=num_rows) for version in VERSIONS]
    world.services.evaluations.create(
        caller,
        NewRun(name="v6", label="longer context", data=DataRef(name="python-faq", version="2"), total_rows=num_rows),
    )
    candidates = [run.run_id for run in runs if run.name != "v2"]
    baseline = next(run.run_id for run in runs if run.name == "v2")
    options = CompareOptions(
        on="hit@1", metrics=("mrr",), gate="not worse_than(baseline, 'hit@1', 0.01) and p95_latency <= 2s"
    )
    return world.services.evaluations.compare(caller, baseline, candidates, options, name="Which version serves?")


def seed_judging(world: World, caller: Caller, run_id: str) -> None:
    """People and a scorer on the same answers, a queue that is half done, and a rule for live traces."""
    services = world.services
    rubric = "Correct: says what the passage says. 引用错误的页面算不正确。"
    labels = (Label(name="correct", value=1.0), Label(name="partly", value=0.5), Label(name="wrong", value=0.0))
    queue_id = services.reviews.create(
        caller, NewQueue(name="python-faq answers", rubric=rubric, labels=labels)
    ).queue_id
    services.reviews.fill_from_run(caller, queue_id, run_id, limit=12)
    for _ in range(5):
        item = services.reviews.next_item(caller, queue_id)
        assert item is not None
        services.reviews.label(caller, queue_id, item.item_id, "correct", comment="says so")
    page = services.evaluations.rows(caller, run_id, limit=120)
    truth = {row.row_id: bool(row.scores[0].value) == bool(n % 9) for n, row in enumerate(page.items)}
    people = {row_id: [said, said == bool(n % 13)] for n, (row_id, said) in enumerate(truth.items())}
    for seed in range(2):
        order = CalibrationOrder(run_id=run_id, scorer="hit@1", people=people, seed=seed)
        services.judges.calibrate(caller, order)
    rule = NewRule(name="live answers", query="status:ok", rate=0.25, scorers=("exact_match",))
    services.online.create(caller, rule)


def _evaluate(world: World, caller: Caller, name: str, label: str, rate: float, *, num_rows: int) -> EvaluationRun:
    chance, luck = random.Random(f"rows of {name}"), random.Random("how hard a question is")
    scorers = (ScorerRef(name="hit@1", version="1"), ScorerRef(name="mrr", version="1"))
    rows = []
    for index in range(num_rows):
        source = _row(index)
        hard = luck.random() * 0.75 + chance.random() * 0.25
        hit = hard < rate
        rank = 1 if hit else chance.randint(2, 9)
        rows.append(
            RowResult(
                row_id=source["id"],
                input={"question": source["question"]},
                expected=source["passage"],
                output=f"{label}: {_answer(source['question'])}",
                slices={"language": source["language"], "answerable": "no" if index % 4 == 1 else "yes"},
                scores=(
                    RowScore(
                        name="hit@1",
                        state=ScoreState.SCORED,
                        value=float(hit),
                        reason="" if hit else "another passage came first",
                    ),
                    RowScore(name="mrr", state=ScoreState.SCORED, value=1 / rank),
                ),
                latency_ms=80 + chance.random() * 900,
                trace_id=hashlib.sha256(f"trace {index % 60} {caller.scope}".encode()).digest()[:16].hex(),
            )
        )
    state = RunState()
    state.add(rows, ("language", "answerable"))
    service = world.services.evaluations
    run = service.create(
        caller, NewRun(name=name, label=label, primary="hit@1", scorers=scorers, slices=("language", "answerable"))
    )
    content = to_parquet(rows, [scorer.name for scorer in scorers], ("language", "answerable"))
    path = f"evaluations/{run.run_id}/rows-0.parquet"
    world.files.write(caller.scope, path, iter([content]))
    return service.update(
        caller,
        run.run_id,
        RunUpdate(
            status=RunStatus.COMPLETED,
            done_rows=num_rows,
            total_rows=num_rows,
            data=DataRef(name="python-faq", version="2", rows_hash=state.rows_digest, num_rows=num_rows),
            metrics=state.metrics(scorers),
            slice_metrics=state.slice_metrics(scorers),
            files=(RowFile(path=path, num_rows=num_rows, sha256=hashlib.sha256(content).hexdigest()),),
        ),
    )


def seed_deployments(world: World, caller: Caller, *, now_ns: int) -> None:
    """One that answers with two revisions, one that failed."""
    service = world.services.deployments
    service.apply(caller, DeploymentSpec(name="docs-assistant", target="app:Assistant", replicas=1))
    ready = service.apply(
        caller,
        DeploymentSpec(
            name="docs-assistant", target="models:/qa/3", replicas=2, description="Answers from the documentation."
        ),
    )
    world.deployments.tell(
        ready,
        DeploymentState(
            status=DeploymentStatus.READY, ready_replicas=2, seen_ns=now_ns, since_ns=now_ns - 3600 * SECOND_NS
        ),
    )
    failed = service.apply(caller, DeploymentSpec(name="reranker", target="app:Reranker"))
    world.deployments.tell(
        failed,
        DeploymentState(
            status=DeploymentStatus.FAILED,
            message="ModuleNotFoundError: No module named 'app'",
            seen_ns=now_ns,
            since_ns=now_ns,
        ),
    )


def seed_mlflow(world: World, caller: Caller, folder: Path) -> str:
    """An experiment with four runs, and a model with three versions; returns the experiment's id."""
    runs = MlflowRuns(world.door.of(caller))
    experiment_id = runs.ensure_experiment("adapter")
    now_ns = time.time_ns()
    sources: list[tuple[str, str]] = []
    for index, rate in enumerate((0.1, 0.03, 0.01, 0.003)):
        chance = random.Random(index)
        run_id = runs.start(
            experiment_id, f"adapter-{index + 1}", started_ns=now_ns - (9 - index) * 600 * SECOND_NS, tags={}
        )
        runs.log(run_id, params={"learning_rate": rate, "workers": 2, "epochs": 10})
        for step in range(60):
            loss = 2.2 * 0.94 ** (step * (1 + index / 3)) + 0.3 + chance.random() * 0.12
            runs.log(run_id, metrics={"loss": loss, "hit_at_1": 0.65 - loss * 0.06}, step=step, at_ns=now_ns)
        model = folder / f"model-{index}"
        model.mkdir()
        (model / "weights.txt").write_text("weights")
        sources.append((run_id, runs.upload(run_id, model, "model")))
        runs.finish(run_id, "FINISHED", ended_ns=now_ns - (9 - index) * 600 * SECOND_NS + 240 * SECOND_NS)
    for version, (run_id, source) in enumerate(sources[:3], 1):
        world.services.models.register(
            caller,
            NewModelVersion(
                name="qa",
                source=source,
                description="Sentence embeddings with an adapter",
                metrics={"hit@1": 0.57 + version * 0.02},
                lineage=Lineage(training_run_id=f"adapter-{version}", mlflow_run_id=run_id, datasets=("python-faq@2",)),
                alias="champion" if version == 2 else None,
            ),
        )
    return experiment_id


@contextmanager
def mlflow_process(folder: Path) -> Iterator[str]:
    """The hosted MLflow in a process of its own, reached by the seal; gives its address without the prefix."""
    port = free_port()
    program = (
        "import sys, uvicorn\n"
        "from aiplatform.registry.mlflow_app import MlflowStore, build_mlflow_app\n"
        "from aiplatform.registry.sealing import CallerSeal\n"
        "folder, port, secret = sys.argv[1:]\n"
        "store = MlflowStore(database_url=f'sqlite:///{folder}/mlflow.db', artifacts_url=f'file://{folder}/files')\n"
        "app = build_mlflow_app(store, protect=lambda inner: inner, seal=CallerSeal(secret))\n"
        "uvicorn.run(app, port=int(port), log_level='critical')\n"
    )
    command = tied([sys.executable, "-c", program, str(folder), str(port), SEAL_SECRET])
    with (
        (folder / "mlflow.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/mlflow/version", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            httpx.get(url, timeout=1.0)
        except httpx.TransportError:
            if process.poll() is not None:
                raise RuntimeError("MLflow ended; its log tells why") from None
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("MLflow did not answer")
