from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiplatform.core.errors import ConfigError, InvalidError
from aiplatform.eval.calls import Endpoint, FunctionModel
from aiplatform.eval.inference_models import InferenceEndpoint
from aiplatform.eval.inputs import TraceRows
from aiplatform.eval.ordering import order_of
from aiplatform.eval.scorers import resolve
from aiplatform.eval.spec import EvalSpec, check_run_id, entrypoint, load_spec, parse_spec, spec_schema

SMALL: dict[str, Any] = {"name": "v1", "data": {"dataset": "faq@3"}, "scorers": ["hit@1"]}


def test_a_specification_becomes_an_order(tmp_path: Path) -> None:
    file = tmp_path / "eval.yaml"
    file.write_text(
        "name: v4\nlabel: MiniLM + adapter\ndata: {path: rows.jsonl, limit: 5, columns: {input: question}}\n"
        "model: {function: 'math:sqrt', version: 'qa@3'}\nscorers: [hit@1, 'math:floor']\nslices: [language]\n"
        "num_workers: 2\nin_flight: 4\n",
        encoding="utf-8",
    )
    order = order_of(load_spec(file), run_id="eval-7")
    assert (order.name, order.data, order.limit, order.run_id) == ("v4", Path("rows.jsonl"), 5, "eval-7")
    assert isinstance(order.model, FunctionModel)
    assert (order.model.version, order.model.in_flight, order.workers.num_workers) == ("qa@3", 4, 2)
    assert order.scorers[0] == "hit@1"
    assert callable(order.scorers[1])


def test_traces_and_every_kind_of_model_can_be_said() -> None:
    spec = {**SMALL, "data": {"traces": "kind:llm", "expected": "answer"}}
    assert order_of(parse_spec(spec)).data == TraceRows(query="kind:llm", expected="answer")
    inference = {"endpoint": "iris", "protocol": "inference", "url": "http://x", "input_name": "features"}
    model = order_of(parse_spec({**SMALL, "model": inference, "in_flight": 3})).model
    assert model == InferenceEndpoint(model="iris", url="http://x", input_name="features", in_flight=3)
    assert order_of(parse_spec({**SMALL, "model": {"registered": "qa@3"}})).model == "qa@3"


def test_judges_are_written_down_beside_other_scorers() -> None:
    written = {"judge": "correctness", "model": "large", "samples": 3}
    spec = parse_spec({"name": "v4", "data": {"path": "rows.jsonl"}, "scorers": ["exact_match", written]})
    assert spec.scorers == ("exact_match", written)
    plain, judge = resolve(order_of(spec).scorers)
    assert (plain.name, judge.name, judge.parameters["samples"]) == ("exact_match", "correctness", 3)
    wrong = parse_spec({"name": "v4", "data": {"path": "rows.jsonl"}, "scorers": [{"judge": "nobody"}]})
    with pytest.raises(InvalidError, match="no judge 'nobody'"):
        order_of(wrong)


def test_the_published_schema_describes_every_field() -> None:
    schema = spec_schema()
    assert schema["required"] == ["name", "data"]
    assert set(schema["properties"]) == set(EvalSpec.model_fields)
    assert "kind:llm" in schema["$defs"]["DataSpec"]["properties"]["traces"]["description"]


def test_an_endpoint_or_no_model_at_all_is_fine() -> None:
    order = order_of(parse_spec({**SMALL, "model": {"endpoint": "qa"}}))
    assert isinstance(order.model, Endpoint)
    assert order_of(parse_spec(SMALL)).model is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"scorers": []}, "specification"),
        ({"data": {}}, "data"),
        ({"data": {"dataset": "a@1", "path": "x.csv"}}, "data"),
        ({"data": {"dataset": "a@1", "expected": "relevance"}}, "data"),
        ({"model": {"endpoint": "qa", "registered": "qa@3"}}, "model"),
        ({"model": {"endpoint": "qa", "protocol": "grpc"}}, "model.protocol"),
        ({"model": {}}, "model"),
        ({"model": {"function": "not a reference"}}, "model.function"),
        ({"colour": "blue"}, "colour"),
        ({"cpus_per_worker": 0}, "cpus_per_worker"),
    ],
)
def test_mistakes_name_their_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_spec({**SMALL, **change})
    assert caught.value.fields["field"] == field


def test_no_specification_at_all_is_a_mistake_too() -> None:
    with pytest.raises(InvalidError, match="name"):
        parse_spec(None)


@pytest.mark.parametrize(("text", "kind"), [("a: [", ConfigError), ("- 1", InvalidError)])
def test_files_that_hold_none_are_told(tmp_path: Path, text: str, kind: type[Exception]) -> None:
    file = tmp_path / "eval.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(kind):
        load_spec(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_spec(tmp_path / "none.yaml")


def test_run_ids_cannot_reach_out_of_their_folder() -> None:
    assert check_run_id("eval-01jd.3k") == "eval-01jd.3k"
    for wrong in ("", "../x", "a/b", ".hidden", "x" * 65):
        with pytest.raises(InvalidError):
            check_run_id(wrong)
    assert entrypoint("eval-1") == "python -m aiplatform.eval --run eval-1"
