"""What a metric says where there is little or nothing to say, and of rows that cannot be scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import aiplatform as aip
from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.eval.measures.registry import definitions, resolve
from aiplatform.eval.model import MetricValue


def one(name: Any, expected: list[Any], output: list[Any], **more: Any) -> MetricValue:
    found = aip.evaluations.measure({"expected": expected, "output": output, **more}, [name], draws=50)
    return next(iter(found.values()))


def test_a_missing_answer_failed_and_a_missing_expectation_does_not_apply() -> None:
    for name in ("accuracy", "f1_macro", "bleu", "wer", "rougeL", "squad_f1"):
        found = one(name, ["a", "a", None], ["a", None, "a"])
        assert (found.scored, found.failed, found.not_applicable, found.coverage) == (1, 1, 1, 0.5)
    assert one("accuracy", ["a", "a", None], ["a", None, "a"]).value == 1.0


@pytest.mark.parametrize(
    "name", ["accuracy", "f1_macro", "mae", "bleu", "wer", "r2", "roc_auc", "log_loss", "spearman"]
)
def test_where_nothing_was_scored_there_is_no_value_and_a_reason(name: str) -> None:
    found = one(name, ["1", "2"], [None, None])
    assert (found.value, found.n, found.failed) == (None, 0, 2)
    assert found.details["undefined"]


def test_one_class_has_no_area_and_says_so() -> None:
    found = one("roc_auc", [1, 1], [0.2, 0.3])
    assert (found.value, found.details["undefined"]) == (None, "there are not two classes")


def test_an_output_that_is_no_number_failed() -> None:
    found = one("mae", [1.0, 2.0, 3.0], [1.5, "about two", float("nan")])
    assert (found.value, found.scored, found.failed) == (0.5, 1, 2)


def test_text_and_number_are_never_one_class() -> None:
    found = one("accuracy", [1, 2], ["1", "2"])
    assert (found.value, found.details["undefined"]) == (None, "some classes are texts and some are numbers")


def test_truth_values_are_the_classes_0_and_1() -> None:
    assert one("f1", [True, False, True], [1, 0, 0]).value == pytest.approx(2 / 3)


def test_a_class_that_only_outputs_have_counts_as_the_reference_counts_it() -> None:
    found = one("f1_macro", ["a", "b"], ["a", "z"])
    assert found.value == pytest.approx(1 / 3)


def test_binary_f1_of_three_classes_asks_for_an_average() -> None:
    found = one("f1", ["a", "b", "c"], ["a", "b", "c"])
    assert found.value is None
    assert "macro" in found.details["undefined"]


def test_per_class_numbers_carry_their_class_and_support() -> None:
    found = aip.evaluations.measure({"expected": ["a", "a", "b"], "output": ["a", "b", "b"]}, ["recall_per_class"])
    assert {name: (metric.value, metric.details["support"]) for name, metric in found.items()} == {
        "recall_per_class[a]": (0.5, 2),
        "recall_per_class[b]": (1.0, 1),
    }


def test_the_confusion_matrix_is_in_the_details() -> None:
    found = one("confusion_matrix", [2, 0, 2, 2, 0, 1], [0, 0, 2, 2, 0, 2])
    assert found.details["labels"] == [0, 1, 2]
    assert found.details["matrix"] == [[2, 0, 0], [0, 0, 1], [1, 0, 2]]


def test_bleu_tells_its_signature_and_chooses_the_closest_reference() -> None:
    found = one("bleu", [["a b c d", "a b c d e f g h"]], ["a b c d e f g"])
    assert found.details["signature"] == "nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"
    assert (found.details["output_length"], found.details["reference_length"]) == (7, 8)


def test_chinese_characters_are_tokens_where_asked_for() -> None:
    texts = ["今天天气很好"], ["今天天气不好"]
    assert one("rouge1", *texts).value == 0.0
    assert one("rouge1_cjk", *texts).value == pytest.approx(5 / 6)
    assert one("rougeL(tokenize='cjk')", ["我爱 Ray 2"], ["我爱ray"]).value == pytest.approx(2 * 1 * 0.75 / 1.75)


@pytest.mark.parametrize(
    ("name", "expected", "output", "value"),
    [
        ("exact_match", ["Ｐａｒｉｓ "], ["paris"], 1.0),
        ("strict_match", ["Paris"], ["paris"], 0.0),
        ("squad_em", ["The Eiffel Tower!"], ["eiffel tower"], 1.0),
        ("squad_f1", [["in Paris", "Paris, France"]], ["Paris"], 2 / 3),
        ("numeric_match", ["1,000"], ["It is 1000.0"], 1.0),
        ("numeric_match", ["12.5%"], ["0.125"], 1.0),
        ("numeric_match(relative=0.1)", [100], ["about 95"], 1.0),
        ("numeric_match", [100], ["about 95"], 0.0),
        ("numeric_match", [3], ["none"], 0.0),
        ("json_valid", [None], ['{"a": NaN}'], 0.0),
        ("json_valid", [None], ['[1, {"a": null}]'], 1.0),
        ("json_equal", ['{"a": 1, "b": [2]}'], ['{"b":[2.0],"a":1}'], 1.0),
        ("json_equal", [{"a": 1}], ['{"a": true}'], 0.0),
        ("json_schema(schema={'type': 'object', 'required': ['a']})", [None], ['{"a": 1}'], 1.0),
        ("json_schema(schema={'type': 'object', 'required': ['a']})", [None], ["[]"], 0.0),
        ("precision@2", [["a", "b"]], [["b", "x", "a"]], 0.5),
        ("recall@3", [["a", "b", "c"]], [["b", "x", "a"]], 2 / 3),
        ("mrr", [["a"]], [{"retrieved": [{"id": "x"}, {"id": "a"}]}], 0.5),
        ("map", [["a", "b"]], [["a", "x", "b"]], (1 + 2 / 3) / 2),
        ("ndcg", [{"a": 3, "b": 1}], [["b", "a"]], (1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3))),
    ],
)
def test_scores_of_texts_and_rankings(name: str, expected: list[Any], output: list[Any], value: float) -> None:
    assert one(name, expected, output).value == pytest.approx(value)


CALLS = [{"name": "search", "arguments": '{"q": "ray", "k": 3}'}, {"name": "open", "args": {"id": 1}}]
SPANS = [
    {
        "name": "execute_tool search",
        "attributes": {"gen_ai.tool.name": "search", "gen_ai.tool.call.arguments": '{"k":3,"q":"ray"}'},
    },
    {"type": "function", "function": {"name": "think", "arguments": "{}"}},
    {"tool": "open", "input": {"id": 2}},
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trajectory_exact", 0.0),
        ("trajectory_in_order", 0.0),
        ("trajectory_in_order(names_only=True)", 1.0),
        ("trajectory_any_order(names_only=True)", 1.0),
        ("trajectory_precision", 1 / 3),
        ("trajectory_precision(names_only=True)", 2 / 3),
        ("trajectory_recall", 0.5),
        ("trajectory_recall(names_only=True)", 1.0),
    ],
)
def test_calls_are_the_same_however_they_are_written(name: str, value: float) -> None:
    assert one(name, [CALLS], [{"tool_calls": SPANS}]).value == pytest.approx(value)


def test_order_matters_to_one_and_not_to_the_other() -> None:
    assert one("trajectory_in_order", [["a", "b"]], [["b", "a"]]).value == 0.0
    assert one("trajectory_any_order", [["a", "b"]], [["b", "a"]]).value == 1.0
    assert one("trajectory_any_order", [["a", "a"]], [["a"]]).value == 0.0


def test_usage_comes_from_columns_or_from_the_answer() -> None:
    answers = [{"answer": "x", "usage": {"prompt_tokens": 3, "completion_tokens": place}} for place in range(5)]
    found = aip.evaluations.measure(
        {"output": answers, "latency_ms": [1.0, 2.0, 3.0, 4.0, 10.0]},
        ["tokens_sum", "tokens_mean", "output_tokens_max", "latency_ms_p50", "cost_sum"],
    )
    assert {name: metric.value for name, metric in found.items()} == {
        "tokens_sum": 25.0,
        "tokens_mean": 5.0,
        "output_tokens_max": 4.0,
        "latency_ms_p50": 3.0,
        "cost_sum": None,
    }


def test_intervals_take_clusters_together_or_are_not_told() -> None:
    place = range(60)
    data = {
        "expected": [n % 2 for n in place],
        "output": [(n % 2) * (n % 5 > 0) for n in place],
        "score": [n * 7 % 60 / 60 for n in place],
        "doc": [n // 10 for n in place],
    }
    names: list[Any] = [
        "accuracy",
        "f1",
        "wer",
        "exact_match",
        aip.evaluations.metric("roc_auc", output="score", alias="auc"),
    ]
    plain = aip.evaluations.measure(data, names, draws=50)
    clustered = aip.evaluations.measure(data, names, draws=50, cluster="doc")
    assert [metric.interval for metric in plain.values()] == [
        "wilson", "poisson_bootstrap", "poisson_bootstrap", "wilson", "delong_logit",
    ]  # fmt: skip
    assert [metric.interval for metric in clustered.values()] == [
        "clustered_poisson_bootstrap", "clustered_poisson_bootstrap", "clustered_poisson_bootstrap", "clustered_t", "",
    ]  # fmt: skip
    assert [metric.value for metric in plain.values()] == [metric.value for metric in clustered.values()]
    assert clustered["auc"].details["no_interval"]


def test_columns_have_any_names() -> None:
    data = {"label": ["a", "b"], "prediction": ["a", "a"], "score": [0.2, 0.7], "truth": [0, 1]}
    found = aip.evaluations.measure(
        data,
        ["accuracy", aip.evaluations.metric("roc_auc", expected="truth", output="score", alias="auc")],
        columns={"expected": "label", "output": "prediction"},
    )
    assert {name: metric.value for name, metric in found.items()} == {"accuracy": 0.5, "auc": 1.0}


def test_a_parquet_file_is_measured_block_by_block(tmp_path: Any) -> None:
    table = pa.table(
        {"expected": ["a", "b", "a"] * 50, "output": ["a", "a", "a"] * 50, "id": [str(n) for n in range(150)]}
    )
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=40)
    found = aip.evaluations.measure(tmp_path / "rows.parquet", ["accuracy", "f1_macro", "bleu"], blocks=13)
    assert found.metrics == aip.evaluations.measure(table, ["accuracy", "f1_macro", "bleu"]).metrics
    with pytest.raises(NotFoundError):
        aip.evaluations.measure(tmp_path / "none.parquet", ["accuracy"])


@pytest.mark.parametrize(
    ("metrics", "data", "reason"),
    [
        (["acuracy"], {"expected": [1], "output": [1]}, "metric.unknown"),
        (["f1_macro(averag='macro')"], {"expected": [1], "output": [1]}, "metric.parameter"),
        (["f1(average='mean')"], {"expected": [1], "output": [1]}, "metric.parameter"),
        (["f1(__import__('os'))"], {"expected": [1], "output": [1]}, "metric.name"),
        (["accuracy", "accuracy"], {"expected": [1], "output": [1]}, "metric.repeated"),
        (["accuracy"], {"expected": [1]}, "metric.no_column"),
        (["accuracy"], {"expected": [1], "output": [1, 2]}, "metric.lengths"),
        (["accuracy"], {"expected": [], "output": []}, "evaluation.no_rows"),
        (["accuracy"], [], "evaluation.no_rows"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(metrics: list[str], data: Any, reason: str) -> None:
    with pytest.raises(InvalidError) as caught:
        aip.evaluations.measure(data, metrics)
    assert caught.value.reason == reason


def test_every_definition_can_be_made_in_each_of_its_forms() -> None:
    for definition in definitions().values():
        base = definition.name.removesuffix("@k")
        more = "(schema={})" if base == "json_schema" else "@3" if definition.name != base else ""
        names = [f"{base}{more}", *(f"{base}_{form}" for form in definition.forms)]
        assert [measure.name for measure in resolve(names)] == names
