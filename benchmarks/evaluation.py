"""Metrics against the libraries that define them, and against MLflow, in one run.

    python benchmarks/evaluation.py [--full] [--only counts,rows,bleu,rouge,scorer,memory]

Rates are rows a second of this process's CPU, and the best of three rounds counts: whatever else the machine does can
only take away. Values are compared too; one that differs ends the run. The small sizes take about two minutes; `--full`
measures the sizes of the targets.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import aiplatform as aip
from aiplatform.eval.blocks import BlockEvaluator, Plan
from aiplatform.eval.calls import StoredAnswers
from aiplatform.eval.columnar import TableEvaluator
from aiplatform.eval.measures.registry import resolve
from aiplatform.eval.scorers import resolve as resolve_scorers
from aiplatform.eval.scorers import scorer

ROUNDS: Final = 3
COUNTS: Final = ("accuracy", "f1_macro")
ROUGE: Final = ("rouge1", "rouge2", "rougeL")
WORDS: Final = 40
PARTS: Final = ("counts", "rows", "bleu", "rouge", "scorer", "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many rows each part takes."""

    counts: int
    rows: int
    texts: int
    scored: int
    memory: tuple[int, int]


SMALL: Final = Sizes(counts=1_000_000, rows=300_000, texts=1_000, scored=20_000, memory=(100_000, 1_000_000))
FULL: Final = Sizes(counts=10_000_000, rows=10_000_000, texts=20_000, scored=100_000, memory=(100_000, 10_000_000))


class Nowhere:
    """Takes files of row results, and keeps their size alone."""

    size_bytes = 0

    def put(self, path: str, content: bytes) -> None:
        """Take a file."""
        self.size_bytes += len(content)

    def get(self, path: str) -> bytes | None:
        """Nothing was kept."""
        return None


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--full", action="store_true", help="the sizes of the targets")
    ask.add_argument("--only", default=",".join(PARTS))
    ask.add_argument("--child", help=argparse.SUPPRESS)
    options = ask.parse_args()
    if options.child:
        aip.evaluations.measure(options.child, COUNTS)
        print(json.dumps(_peak_mib()))
        return
    sizes = FULL if options.full else SMALL
    print(f"load of the machine: {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores")
    print(f"{'':46}{'rows/CPU s':>14}{'target':>14}  against peers")
    with tempfile.TemporaryDirectory(prefix="bench-eval-") as folder:
        for part in options.only.split(","):
            {
                "counts": counts, "rows": rows, "bleu": bleu, "rouge": rouge, "scorer": one_scorer, "memory": memory,
            }[part](sizes, Path(folder))  # fmt: skip


def counts(sizes: Sizes, folder: Path) -> None:
    """Accuracy and F1 from Parquet, no row results."""
    from sklearn import metrics

    path = _classes(folder / "classes.parquet", sizes.counts)
    rate, ours = _rate(sizes.counts, lambda: aip.evaluations.measure(path, COUNTS))

    def by_library() -> list[float]:
        table = pq.read_table(path)
        classes = pc.unique(table["expected"]).sort()
        # Given numbers, the library is some thirty times as fast as with texts.
        truths, guesses = (pc.index_in(table[name], classes).to_numpy() for name in ("expected", "output"))
        return [metrics.accuracy_score(truths, guesses), metrics.f1_score(truths, guesses, average="macro")]

    peer, theirs = _rate(sizes.counts, by_library, rounds=1)
    _same([metric.value for metric in ours.values()], theirs, exactly=True)
    peers = {"scikit-learn": peer}
    if (mlflow := _mlflow(path, min(sizes.counts, 100_000))) is not None:
        peers["mlflow.models.evaluate"] = mlflow
    _line("accuracy + F1, metrics only", rate, 2_000_000, peers)


def rows(sizes: Sizes, folder: Path) -> None:
    """The same with every row's result in Parquet."""
    path = _classes(folder / "rows.parquet", sizes.rows)
    plan = Plan(run_id="bench", model=StoredAnswers(), scorers=(), measures=resolve(COUNTS))

    def written() -> int:
        sink = Nowhere()
        evaluator, start = TableEvaluator(plan, sink), 0
        for batch in pq.ParquetFile(path).iter_batches(batch_size=1 << 17):
            evaluator.evaluate(pa.Table.from_batches([batch]), start)
            start += batch.num_rows
        return sink.size_bytes

    rate, size_bytes = _rate(sizes.rows, written)
    _line(f"the same, row results written ({size_bytes / sizes.rows:.0f} B a row)", rate, 300_000, {})


def bleu(sizes: Sizes, folder: Path) -> None:
    """BLEU of sentences of 40 words."""
    import sacrebleu

    expected, output = _texts(sizes.texts)
    data = {"expected": expected, "output": output}

    def measured() -> float | None:
        _forget_tokens()
        return aip.evaluations.measure(data, ["bleu"], draws=0)["bleu"].value

    def by_library() -> float:
        _forget_tokens()
        return float(sacrebleu.BLEU().corpus_score(output, [expected]).score)

    peer, theirs = _rate(sizes.texts, by_library)
    rate, ours = _rate(sizes.texts, measured)
    _same([ours], [theirs], exactly=True)
    _line("BLEU, 40 words", rate, 0.9 * peer, {"sacrebleu": peer})


def rouge(sizes: Sizes, folder: Path) -> None:
    """ROUGE-1, 2 and L of the same."""
    from rouge_score import rouge_scorer

    expected, output = _texts(sizes.texts)
    data = {"expected": expected, "output": output}
    rate, ours = _rate(sizes.texts, lambda: aip.evaluations.measure(data, ROUGE))
    theirs_of = rouge_scorer.RougeScorer(list(ROUGE))
    few = min(sizes.texts, 1_000)

    def by_library() -> list[Any]:
        return [theirs_of.score(e, o) for e, o in zip(expected[:few], output[:few], strict=True)]

    peer, theirs = _rate(few, by_library, rounds=1)
    if few == sizes.texts:
        means = [sum(each[name].fmeasure for each in theirs) / few for name in ROUGE]
        _same([metric.value for metric in ours.values()], means, exactly=False)
    _line("ROUGE-1, 2, L", rate, 10 * peer, {"rouge-score": peer})


def one_scorer(sizes: Sizes, folder: Path) -> None:
    """One Python scorer a row, row results written."""

    @scorer(name="short")
    def short(row: Any) -> bool:
        return len(row.output) < 20

    plan = Plan(run_id="bench", model=StoredAnswers(), scorers=resolve_scorers([short]))
    records = [{"id": str(n), "input": f"question {n}", "output": f"answer {n}"} for n in range(sizes.scored)]
    evaluator = BlockEvaluator(plan, Nowhere())

    def scored() -> None:
        for start in range(0, len(records), 4096):
            evaluator.evaluate(records[start : start + 4096])

    rate, _ = _rate(sizes.scored, scored)
    _line("one Python scorer, row results written", rate, 5_000, {})


def memory(sizes: Sizes, folder: Path) -> None:
    """The largest memory of a process of its own, few rows and many."""
    peaks = []
    for num_rows in sizes.memory:
        path = _classes(folder / f"{num_rows}.parquet", num_rows)
        done = subprocess.run([sys.executable, __file__, "--child", path], capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout.splitlines()[-1]))
        Path(path).unlink()
    few, many = sizes.memory
    print(f"{'memory, accuracy + F1':46}{few:>12,} rows {peaks[0]:.0f} MiB, {many:,} rows {peaks[1]:.0f} MiB")


def _forget_tokens() -> None:
    """Let the tokenizers of sacrebleu remember nothing of an earlier round."""
    from sacrebleu.tokenizers import tokenizer_13a, tokenizer_re

    for module in (tokenizer_13a.Tokenizer13a, tokenizer_re.TokenizerRegexp):
        module.__call__.cache_clear()


def _classes(path: Path, num_rows: int) -> str:
    """A Parquet file of ten classes, right four times in five."""
    generator = np.random.default_rng(0)
    names = np.array([f"class {n}" for n in range(10)])
    schema = pa.schema([("expected", pa.string()), ("output", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, num_rows, 1_000_000):
            size = min(1_000_000, num_rows - start)
            truths = generator.integers(0, 10, size)
            guesses = np.where(generator.random(size) < 0.8, truths, generator.integers(0, 10, size))
            columns = [pa.array(names[truths]), pa.array(names[guesses])]
            writer.write_table(pa.table(columns, schema=schema))
    return str(path)


def _texts(num_rows: int) -> tuple[list[str], list[str]]:
    generator = random.Random(0)
    vocabulary = [f"word{n}" for n in range(5_000)]
    expected = [[generator.choice(vocabulary) for _ in range(WORDS)] for _ in range(num_rows)]
    output = [[w if generator.random() < 0.7 else generator.choice(vocabulary) for w in row] for row in expected]
    return [" ".join(row) for row in expected], [" ".join(row) for row in output]


def _mlflow(path: str, num_rows: int) -> float | None:
    """Rows a CPU second of `mlflow.models.evaluate`, which draws with matplotlib; None where that is not installed."""
    try:
        import matplotlib  # type: ignore[import-not-found]  # noqa: F401
        import mlflow
        from mlflow.models import evaluate
    except ImportError:
        print("  (mlflow.models.evaluate is left out: it needs matplotlib, which is not installed here)")
        return None
    frame = pq.read_table(path).slice(0, num_rows).to_pandas()
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        return _rate(
            num_rows,
            lambda: evaluate(data=frame, targets="expected", predictions="output", model_type="classifier"),
            rounds=1,
        )[0]


def _rate(num_rows: int, work: Callable[[], Any], rounds: int = ROUNDS) -> tuple[float, Any]:
    """Rows a CPU second of the best round, and what the work gave."""
    best, found = 0.0, None
    for _ in range(rounds):
        began = time.process_time()
        found = work()
        best = max(best, num_rows / (time.process_time() - began))
    return best, found


def _same(ours: list[Any], theirs: list[Any], *, exactly: bool) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        if mine != other if exactly else abs(mine - other) > 1e-12:
            raise SystemExit(f"values differ: {mine!r}, and {other!r} by the reference")


def _line(name: str, rate: float, target: float, peers: dict[str, float]) -> None:
    met = "" if rate >= target else " MISSED"
    told = ", ".join(f"{rate / peer:,.1f} x {name} ({peer:,.0f})" for name, peer in peers.items())
    print(f"{name:46}{rate:>14,.0f}{f'>= {target:,.0f}':>14}{met}  {told}", flush=True)


def _peak_mib() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
