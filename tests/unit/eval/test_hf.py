"""Hugging Face's `evaluate`, the real package, in both directions and with no network."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from aiplatform.core.errors import ConfigError, InvalidError
from aiplatform.eval.hf import loading
from aiplatform.eval.hf.compatible import bleu, brier_score, compatible, mcnemar, rouge
from aiplatform.eval.hf.exported import to_hf
from aiplatform.eval.hf.metric import hf_metric
from aiplatform.eval.measures.measuring import measure

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)

SCRIPT = """
import datasets
import evaluate

class Share(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description="share", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references, of=1):
        same = [a == b for a, b in zip(predictions, references)]
        odd = {"list": [1, 2], "none": float("nan")}
        return {"share": of * sum(same) / len(same), "first": float(predictions[0]), **odd}
"""
ROWS = [{"id": f"r{n:02}", "output": n % 3, "expected": n % 2} for n in range(40)]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `evaluate` would write, were it to write."""
    import evaluate.config
    import evaluate.loading

    home = tmp_path / "hf"
    for name in ("HF_EVALUATE_CACHE", "HF_METRICS_CACHE", "HF_CACHE_HOME"):
        monkeypatch.setattr(evaluate.config, name, home / name.lower(), raising=False)
    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", str(home / "modules"), raising=False)
    return home


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "share"
    made.mkdir()
    (made / "share.py").write_text(SCRIPT)
    return made


def accuracy_of(predictions: list[Any], references: list[Any]) -> float:
    return float(np.mean([a == b for a, b in zip(predictions, references, strict=True)]))


@pytest.mark.parametrize("blocks", [1, 5, 13])
def test_a_metric_of_a_local_folder_is_computed_over_all_rows_however_they_are_split(folder: Path, blocks: int) -> None:
    wanted = hf_metric(folder, name="share", options={"of": 100})
    found = measure(ROWS, [wanted], blocks=blocks)
    right = accuracy_of([row["output"] for row in ROWS], [row["expected"] for row in ROWS])
    assert found["share[share]"].value == pytest.approx(100 * right)
    assert found["share[first]"].value == 0.0
    assert found["share[share]"].scored == 40
    details = found["share[share]"].details
    assert details["left_out"] == ["list", "none"]
    assert "does not merge" in details["gathered"]
    assert details["parameters"] == {"of": 100}


def test_rows_without_an_answer_failed_and_are_left_out(folder: Path) -> None:
    rows = [*ROWS[:3], {"id": "x", "output": None, "expected": 1}, {"id": "y", "output": 1, "expected": None}]
    found = measure(rows, [hf_metric(folder, name="share")])["share[share]"]
    assert (found.scored, found.failed, found.not_applicable) == (3, 1, 1)


def test_what_a_metric_raises_is_the_reason_and_no_number(folder: Path) -> None:
    rows = [{"id": "a", "output": "text", "expected": "text"}]
    found = measure(rows, [hf_metric(folder, name="share")])["share"]
    assert found.value is None
    assert "the metric refuses these rows" in found.details["undefined"]


def test_an_instance_is_taken_and_writes_nothing(own_home: Path) -> None:
    import datasets
    import evaluate

    class Longest(evaluate.Metric):  # type: ignore[misc]  # it has no types
        def _info(self) -> Any:
            features = datasets.Features({name: datasets.Value("string") for name in ("predictions", "references")})
            return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

        def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
            return {"longest": float(max(map(len, predictions)))}

    wanted = hf_metric(Longest(keep_in_memory=True))
    rows = [
        {"id": "a", "output": {"answer": "four"}, "expected": "x"},
        {"id": "b", "output": "seven77", "expected": "x"},
    ]
    assert {name: metric.value for name, metric in measure(rows, [wanted]).items()} == {"hf_longest": 7.0}
    assert not [file for file in own_home.rglob("*") if file.is_file()]
    assert pickle.loads(pickle.dumps(wanted)).name == "hf_longest"


def test_names_of_the_hub_need_leave_a_pin_and_a_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="downloaded and run"):
        hf_metric("accuracy")
    with pytest.raises(ConfigError, match="no revision"):
        hf_metric("accuracy", allow_hub=True)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9, which cannot be reached: no answer"):
        hf_metric("accuracy", allow_hub=True, revision="v0.4.6")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match="HF_HUB_OFFLINE is set"):
        hf_metric("accuracy", allow_hub=True, revision="v0.4.6")
    with pytest.raises(InvalidError, match="no metric of Hugging Face"):
        hf_metric(42)


def test_a_folder_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "odd.py").write_text("import no_such_module_at_all\n" + SCRIPT)
    with pytest.raises(ConfigError, match="no_such_module_at_all"):
        loading.opened(tmp_path / "odd")


def test_rouge_is_the_median_of_a_bootstrap_and_not_the_mean() -> None:
    from rouge_score import rouge_scorer

    outputs = ["the cat sat", "a dog ran far away", "birds", "the the the", "one two three four", "it is", "no one"]
    references = ["the cat sat down", "a dog ran", "fish swim", "the", "four three two one", "it", "no one at all"]
    scorer = rouge_scorer.RougeScorer(["rouge1"])
    each = [scorer.score(a, b)["rouge1"].fmeasure for a, b in zip(references, outputs, strict=True)]
    np.random.seed(3)
    state = np.random.get_state()
    found = rouge(outputs, references, "rouge1", seed=7)
    assert repr(np.random.get_state()) == repr(state)
    drawn = np.random.RandomState(7)
    means = [np.mean(np.array(each)[drawn.choice(np.arange(7), size=7)]) for _ in range(1000)]
    assert found == pytest.approx(np.percentile(means, 50), abs=1e-12)
    assert found != pytest.approx(np.mean(each), abs=1e-6)
    assert rouge(outputs, [[reference, "x"] for reference in references], "rouge1", seed=7) == pytest.approx(found)


def test_bleu_lies_between_0_and_1_and_the_shortest_reference_decides() -> None:
    import sacrebleu

    draw = random.Random(5)
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "looked", "at", "birds"]
    outputs = [" ".join(draw.choices(words, k=draw.randint(6, 12))) for _ in range(20)]
    references = [f"{output} {draw.choice(words)}" for output in outputs]
    own = sacrebleu.corpus_bleu(outputs, [references], smooth_method="none").score
    assert bleu(outputs, references) == pytest.approx(own / 100, abs=1e-12)

    output, near, short = "the cat sat on the mat today", "the cat sat on the mat today and then", "the cat sat on"
    theirs = sacrebleu.corpus_bleu([output], [[near], [short]], smooth_method="none").score / 100
    assert bleu([output], [[near, short]]) == pytest.approx(1.0)
    assert theirs == pytest.approx(np.exp(1 - 9 / 7))
    assert bleu(["nothing alike"], ["a b c d"]) == 0.0


def test_brier_and_mcnemar_as_there() -> None:
    assert brier_score([0.1, 0.9, 0.8, 0.3], [0, 0, 1, 1]) == np.float32(0.33749998)
    found = mcnemar([1, 0, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1])
    assert found == pytest.approx({"stat": 2.0, "p": 0.15729920705028513})
    assert mcnemar([1], [1], [1]) == {"stat": 0.0, "p": 1.0}


def test_compatible_metrics_are_metrics_like_any_other() -> None:
    rows = [{"id": str(n), "output": "the cat sat on it", "expected": "the cat sat on that"} for n in range(9)]
    found = measure(rows, [compatible("hf/rouge1"), compatible("bleu")], blocks=3)
    assert found["hf/rouge1"].value == pytest.approx(0.8)
    assert found["hf/bleu"].details["parameters"] == {"compat": "hf"}
    with pytest.raises(InvalidError, match="meteor"):
        compatible("meteor")


def test_numbers_stay_what_they_are() -> None:
    found = to_hf("mae").compute(predictions=[1, 2.5], references=[1, 1])
    assert found["mae"] == 0.75


@pytest.mark.parametrize("kind", ["int", "text"])
def test_our_metrics_are_metrics_of_theirs(kind: str, own_home: Path) -> None:
    import evaluate

    draw = random.Random(1)
    labels: list[Any] = [0, 1, 2] if kind == "int" else ["bird", "cat", "dog"]
    references, predictions = ([draw.choice(labels) for _ in range(200)] for _ in range(2))
    metric = to_hf("f1_macro")
    assert isinstance(metric, evaluate.Metric)
    metric.add_batch(predictions=predictions[:150], references=references[:150])
    for prediction, reference in zip(predictions[150:], references[150:], strict=True):
        metric.add(prediction=prediction, reference=reference)
    found = metric.compute()
    assert found["f1_macro"] == f1_score(references, predictions, average="macro")
    assert found["low"] < found["f1_macro"] < found["high"]
    assert not [file for file in own_home.rglob("*") if file.is_file()]


def test_texts_with_several_references_and_combined_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    import evaluate
    import sacrebleu

    outputs, references = ["the cat sat on it", "a dog"], [["the cat sat on that", "a cat"], ["a dog", "dog"]]
    found = to_hf("bleu").compute(predictions=outputs, references=references)
    streams = [list(each) for each in zip(*references, strict=True)]
    assert found["bleu"] == sacrebleu.corpus_bleu(outputs, streams).score
    both = evaluate.combine([to_hf("accuracy"), to_hf("exact_match")])
    assert both.compute(predictions=["a", "b"], references=["a", "c"])["accuracy"] == 0.5
    assert os.environ.get("HF_ENDPOINT") is None
