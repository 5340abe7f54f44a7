"""Evaluation on a real Ray: run as a program, it prints what it saw as JSON. Run by `test_on_ray.py`."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
import ray.data

from aiplatform.client.http import Client
from aiplatform.core.errors import AIPlatformError
from aiplatform.eval import api as evaluations
from aiplatform.eval.blocks import Plan
from aiplatform.eval.calls import FunctionModel
from aiplatform.eval.compute import Workers, evaluate
from aiplatform.eval.inputs import Source, open_source
from aiplatform.eval.model import DataRef, to_json
from aiplatform.eval.scorers import Row, resolve

NUM_ROWS = 130
SCORERS = ("hit@1", "mrr", "abstention")
METRICS = ("accuracy", "f1_macro", "bleu", "chrf", "wer")


class FolderSink:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def get(self, path: str) -> bytes | None:
        file = self.folder / path
        return file.read_bytes() if file.exists() else None


def records() -> list[dict[str, Any]]:
    return [
        {
            "id": f"q{n:03}",
            "input": f"question {n}",
            "expected": {"ids": ["p"]} if n % 4 else None,
            "language": "zh" if n % 3 == 0 else "en",
        }
        for n in range(NUM_ROWS)
    ]


def answer(question: str) -> dict[str, Any]:
    n = int(question.split()[1])
    if n == 7:
        raise TimeoutError("30 s")
    retrieved = [["p", "x"], ["x", "p"], ["x"]][n % 3]
    return {"retrieved": retrieved, "confidence": (n * 37 % 101) / 101}


async def answer_async(question: str) -> dict[str, Any]:
    await asyncio.sleep(0)
    return answer(question)


async def confident(row: Row) -> bool:
    return bool(row.output["confidence"] > 0.5)


def refused(question: str) -> str:
    from aiplatform.core.errors import UnauthenticatedError

    raise UnauthenticatedError("The model endpoint does not know the key.")


def slow(question: str) -> str:
    time.sleep(0.2)
    return question


BESIDE = """
def right(row):
    return row.output == row.expected
"""
TESTS = """
from beside_tests import right

def test_good(evaluation):
    rows = [{"id": str(n), "input": str(n), "expected": str(n)} for n in range(40)]
    run = evaluation(rows, lambda text: text, scorers=[right], num_workers=1, mlflow=False)
    assert run.must("right >= 0.9").metrics["right"].value == 1
    assert evaluation.find("test_good").run_id == run.run_id

def test_bad(evaluation):
    rows = [{"id": str(n), "input": str(n), "expected": str(n)} for n in range(40)]
    run = evaluation(rows, lambda text: "0", scorers=[right], name="bad one", num_workers=1, mlflow=False)
    run.must("right >= 0.9 and p95_latency <= 60s")

def test_plain():
    pass
"""
"""What somebody writes who evaluates with pytest."""


def with_pytest(folder: Path, *arguments: str) -> dict[str, Any]:
    """What pytest says of those tests."""
    (folder / "test_qa.py").write_text(TESTS)
    (folder / "beside_tests.py").write_text(BESIDE)
    printed = io.StringIO()
    options = ["-p", "aiplatform.eval.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers", "-q"]
    with contextlib.redirect_stdout(printed):
        code = pytest.main(["-c", os.devnull, "--rootdir", str(folder), *options, *arguments, str(folder)])
    return {"code": int(code), "printed": printed.getvalue()}


def from_files(folder: Path, client: Client) -> dict[str, Any]:
    """The metrics of the same rows from files of each kind, streamed by Ray's workers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from aiplatform.eval import files

    folder.mkdir()
    rows = [{"id": each["id"], "input": each["input"], "language": each["language"]} for each in records()]
    table = pa.Table.from_pylist(rows)
    for part in range(2):
        pq.write_table(table.slice(part * 65, 65), folder / f"part{part}.parquet")
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (folder / "rows.csv").write_text("id,input,language\n" + "\n".join(",".join(row.values()) for row in rows))
    before = files.STREAMED_FROM_BYTES, files.RANGE_BYTES
    files.STREAMED_FROM_BYTES, files.RANGE_BYTES = 0, 1000  # type: ignore[misc]
    seen = {}
    for name in ("*.parquet", "rows.jsonl", "rows.csv"):
        source = open_source(str(folder / name), client)
        assert source.dataset is not None
        plan = Plan(run_id="eval-files", model=FunctionModel(function=answer), scorers=resolve((confident,)))
        outcome = evaluate(source, plan, FolderSink(folder), workers=Workers(num_workers=1, batch_rows=64))
        seen[name] = [source.num_rows, outcome.rows, outcome.errors, outcome.state.rows_digest]
    files.STREAMED_FROM_BYTES, files.RANGE_BYTES = before  # type: ignore[misc]
    return seen


def comparable(state: Any) -> Any:
    refs = [each.ref for each in resolve(SCORERS)]
    timeless = [to_json(metric) for metric in state.metrics(refs) if "latency" not in metric.name]
    return [timeless, [to_json(part) for part in state.slice_metrics(refs)], state.rows_digest]


def at_blocks(blocks: int, sink: FolderSink) -> Any:
    """The same rows as a Ray data set of so many blocks, in another order each time."""
    shuffled = sorted(records(), key=lambda record: hash((record["id"], blocks)))
    dataset = ray.data.from_items(shuffled, override_num_blocks=blocks)
    plan = Plan(
        run_id=f"eval-{blocks}",
        model=FunctionModel(function=answer),
        scorers=resolve(SCORERS),
        slices=("language",),
    )
    workers = Workers(num_workers=1 + (blocks == 5), batch_rows=max(1, NUM_ROWS // blocks))
    outcome = evaluate(Source(ref=DataRef(), dataset=dataset), plan, sink, workers=workers)
    return comparable(outcome.state), len(outcome.files), outcome.errors


def failure(work: Callable[[], Any]) -> list[str]:
    try:
        work()
    except AIPlatformError as error:
        return [error.full_code, str(error)]
    return ["", "nothing failed"]


def main(folder: str) -> None:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=folder)
    sink = FolderSink(Path(folder) / "files")
    seen: dict[str, Any] = {"blocks": {blocks: at_blocks(blocks, sink) for blocks in (1, 5, 13)}}

    client = Client()
    options: dict[str, Any] = {"slices": ["language"], "client": client, "num_workers": 1, "say": lambda _: None}
    base = evaluations.run(records(), answer, scorers=[*SCORERS, confident], name="v2", label="plain", **options)
    other = evaluations.run(records(), answer_async, scorers=SCORERS, name="v3", run_id="eval-mine", **options)
    again = evaluations.run(records(), slow, scorers=SCORERS, name="v3", run_id="eval-mine", **options)
    seen["run"] = to_json(base.run)
    seen["scored"] = len([*base.rows(metric="hit@1", state="scored")])
    seen["traces"] = [row.trace_id for row in base.rows()]
    seen["failed"] = [[row.row_id, row.error] for row in base.rows(metric="hit@1", state="failed")]
    seen["headline"] = evaluations.compare(base, other, client=client).comparison.verdict.headline_text()
    seen["again"] = again.run == other.run

    def run(data: Any, model: Any, **more: Any) -> Any:
        return evaluations.run(
            data, model, scorers=["exact_match"], client=client, say=lambda _: None, num_workers=1, **more
        )

    seen["bad_key"] = failure(lambda: run(records(), refused, name="bad key", run_id="eval-bad"))
    seen["bad_key_run"] = to_json(evaluations.get("eval-bad", client=client).run)["status"]
    seen["repeated"] = failure(lambda: run([*records()[:3], records()[0]], answer, name="repeated"))
    seen["too_much"] = failure(lambda: run(records(), answer, name="too much", cpus_per_worker=64))
    seen["no_rows"] = failure(lambda: open_source([], client))

    seen["files"] = from_files(Path(folder) / "data", client)
    (Path(folder) / "tests").mkdir()
    seen["pytest"] = with_pytest(Path(folder) / "tests")
    seen["pytest_without"] = with_pytest(Path(folder) / "tests", "-m", "not evaluation")
    stored = [
        {"id": str(n), "expected": f"the cat {n % 5} sat", "output": None if n == 3 else f"the cat {n % 7} sat"}
        for n in range(90)
    ]
    measured = {
        blocks: evaluations.run(
            ray.data.from_items(stored, override_num_blocks=blocks), metrics=METRICS, name=f"{blocks}", client=client,
            say=lambda _: None, num_workers=1 + blocks % 2,
        )
        for blocks in (1, 5, 13)
    }  # fmt: skip
    here = evaluations.measure(stored, METRICS)
    seen["measured"] = {blocks: to_json(run.run)["metrics"] for blocks, run in measured.items()}
    seen["here"] = [to_json(metric) for metric in here.values()]
    seen["row_scores"] = [len([*measured[5].rows(metric=name, state="scored")]) for name in ("accuracy", "bleu")]

    cancel = threading.Timer(4.0, lambda: evaluations.cancel("eval-slow", client=client))
    cancel.start()
    many = [{"id": str(n), "input": str(n)} for n in range(2000)]
    started = time.monotonic()
    seen["cancelled"] = failure(lambda: run(many, slow, name="slow", run_id="eval-slow"))
    seen["cancelled_s"] = time.monotonic() - started
    cancel.join()
    ray.shutdown()
    sys.stdout.write(f"\n{json.dumps(seen)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
