"""promptfoo's documented examples and openai/evals' registry, taken over; what is not is listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiplatform.core.errors import AIPlatformError, InvalidError
from aiplatform.eval import rows as row_files
from aiplatform.eval.blocks import BlockEvaluator, Plan
from aiplatform.eval.calls import StoredAnswers
from aiplatform.eval.importing import Imported, import_file
from aiplatform.eval.inputs import open_source
from aiplatform.eval.loading import load_object
from aiplatform.eval.model import RowResult
from aiplatform.eval.scorers import resolve
from aiplatform.eval.spec import load_spec
from tests.testing.row_files import MemoryFiles

GETTING_STARTED = """
# yaml-language-server: $schema=https://promptfoo.dev/config-schema.json
description: My eval
prompts:
  - 'Translate the following text to {{language}}: "{{input}}"'
providers:
  - openai:gpt-5-mini
  - id: ollama:chat:llama3.3
    label: llama
    config: {temperature: 0.5}
tests:
  - vars: {language: French, input: Hello world}
    assert:
      - type: contains
        value: Bonjour
  - vars: {language: [Spanish, German], input: 'Where is the library?'}
    assert:
      - {type: icontains, value: '{{language}}', weight: 2}
      - {type: javascript, value: 1 / (output.length + 1)}
"""

CUSTOMER_SUPPORT = """
prompts: [file://chat.json]
providers: echo
defaultTest:
  assert:
    - {type: not-contains, value: AI language model}
    - $ref: '#/assertionTemplates/short'
  options: {transform: output.trim()}
assertionTemplates:
  short: {type: word-count, value: {max: 40}}
tests: file://tests.csv
sharing: false
"""

ASSERTIONS = """
prompts: ['{{answer}}']
providers: [echo]
tests:
  - {vars: {answer: '{"a": 1}'}, assert: [{type: is-json, value: {type: object, required: [a]}}, {type: contains-json}]}
  - {vars: {answer: '{"a": 1}'}, assert: [{type: equals, value: {a: 1}}, {type: not-equals, value: '{"a": 2}'}]}
  - {vars: {answer: Paris}, assert: [{type: contains-any, value: [Paris, Rome]}, {type: starts-with, value: Par}]}
  - {vars: {answer: Paris}, assert: [{type: contains-all, value: 'Paris, Rome'}]}
  - {vars: {answer: kitten}, assert: [{type: levenshtein, value: sitting, threshold: 3}, {type: regex, value: 'k.t+'}]}
  - {vars: {answer: one two}, assert: [{type: word-count, value: 3}]}
  - {vars: {answer: I'm sorry, but}, assert: [{type: is-refusal}]}
  - vars: {answer: abc}
    threshold: 0.5
    assert: [{type: contains, value: a}, {type: contains, value: x}]
  - vars: {answer: abc}
    threshold: 0.6
    assert: [{type: contains, value: a}, {type: contains, value: x, weight: 1}]
  - vars: {answer: abc}
    assert:
      - {type: assert-set, threshold: 0.5, assert: [{type: contains, value: a}, {type: contains, value: x}]}
  - {vars: {answer: abc}, assert: [{type: contains, value: x, weight: 0}, {type: icontains, value: B}]}
  - {vars: {answer: abc}, assert: [{type: llm-rubric, value: 'is it {{answer}}?'}, {type: similar, value: abd}]}
"""


def imported(tmp_path: Path, text: str, **files: str) -> tuple[Imported, Path]:
    for name, content in files.items():
        (tmp_path / name.replace("__", ".")).write_text(content, encoding="utf-8")
    config = tmp_path / "promptfooconfig.yaml"
    config.write_text(text, encoding="utf-8")
    found = import_file(config)
    found.write(tmp_path / "out")
    return found, tmp_path / "out"


def evaluated(spec_file: Path) -> list[RowResult]:
    """The rows of a written specification whose rows bring their answers, scored by its own scorers."""
    spec = load_spec(spec_file)
    source = open_source(spec_file.parent / str(spec.data.path), client=None)  # type: ignore[arg-type]
    assert source.table is not None
    files = MemoryFiles()
    names = [each for each in spec.scorers if isinstance(each, str)]
    assert len(names) == len(spec.scorers)
    plan = Plan(run_id="eval-1", model=StoredAnswers(), scorers=resolve(names))
    BlockEvaluator(plan, files).evaluate(source.table.to_pylist())
    table = row_files.read_table([*files.files.values()])
    assert table is not None
    return row_files.to_results(table)


def notes(found: Imported) -> dict[str, str]:
    return {note.where: str(note) for note in found.notes}


def test_the_getting_started_example_becomes_one_specification_a_provider(tmp_path: Path) -> None:
    found, folder = imported(tmp_path, GETTING_STARTED)
    specs = [load_spec(file) for file in sorted(folder.glob("*.yaml"))]
    assert {spec.model.endpoint for spec in specs if spec.model} == {"gpt-5-mini", "llama3.3"}
    assert {spec.model.url for spec in specs if spec.model} == {
        "https://api.openai.com/v1",
        "http://localhost:11434/v1",
    }
    assert specs[0].scorers == ("checks", "check/contains", "check/icontains")
    rows = [dict(row) for row in found.evaluations[0].rows]
    assert [row["row_id"] for row in rows] == ["t0001", "t0002.1", "t0002.2"]
    assert rows[0]["input"] == 'Translate the following text to French: "Hello world"'
    assert rows[2]["checks"] == [{"kind": "icontains", "value": "German", "weight": 2.0}]
    assert "runs code" in notes(found)["tests[1].assert[1]"]
    assert "temperature" in notes(found)["providers[1].config"]
    assert set(notes(found)) == {"tests[1].assert[1]", "providers[1].config"}


def test_files_defaults_and_templates_are_read(tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "You help {{ name | upper }}."}, {"role": "user", "content": "{{question}}"}]
    cells = 'question,name,__expected,__expected2,__description\n"Why ""so""?",Ann,"contains: Ann",plain text,quotes\n'
    cells += "How?,Bob,not-icontains:ann,fn:output.length > 1,\n"
    found, folder = imported(tmp_path, CUSTOMER_SUPPORT, chat__json=json.dumps(chat), tests__csv=cells)
    first, second = found.evaluations[0].rows
    assert first["input"] == [
        {"role": "system", "content": "You help ANN."},
        {"role": "user", "content": 'Why "so"?'},
    ]
    assert first["expected"] == "plain text"
    assert [check["kind"] for check in first["checks"]] == ["contains", "word_count", "contains", "equals"]
    assert second["checks"][2] == {"kind": "icontains", "value": "ann", "negated": True}
    assert set(notes(found)) == {"sharing", "defaultTest.options", "tests.csv[1].assert[1]"}
    results = {
        row.row_id: {score.name: score.value for score in row.scores} for row in evaluated(next(folder.glob("*.yaml")))
    }
    assert (results["t0001"]["check/contains"], results["t0001"]["checks"]) == (0.0, 0.0)
    assert (results["t0002"]["check/icontains"], results["t0002"]["checks"]) == (1.0, 1.0)


def test_assertions_mean_what_they_mean_there(tmp_path: Path) -> None:
    found, folder = imported(tmp_path, ASSERTIONS)
    results = evaluated(next(folder.glob("*.yaml")))
    passed = [next(score.value for score in row.scores if score.name == "checks") for row in results]
    assert passed == [1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1, None]
    assert {where: note.partition(" asks")[0] for where, note in notes(found).items()} == {
        "tests[11].assert[0]": "tests[11].assert[0]: llm-rubric",
        "tests[11].assert[1]": "tests[11].assert[1]: similar",
    }
    assert found.evaluations[0].rows[11]["rubrics"][0] == {"kind": "llm-rubric", "value": "is it abc?"}


def test_nothing_is_dropped_without_a_word(tmp_path: Path) -> None:
    text = """
prompts: [{raw: '{{missing}} {% bad', label: broken}, 'file://gone.txt', 'file://code.py', {id: p, function: f}]
providers:
  - anthropic:messages:claude
  - {id: openai:embedding:ada}
  - {openai:chat:gpt-4: {config: {apiKey: x, apiHost: h}}}
tests:
  - {vars: {a: file://gone.json}, assert: [{type: nonsense}, {$ref: '#/assertionTemplates/no'}], options: {provider: x}}
  - https://docs.google.com/spreadsheets/d/1
  - {assert: [{type: equals, value: 'file://f.js'}, {type: contains, value: '{{nowhere}}', transform: output}], odd: 1}
scenarios:
  - config: [{vars: {l: a}}, {vars: {l: b}}]
    tests: [{vars: {m: 1}, assert: [{type: contains, value: '{{l}}'}]}]
redteam: {}
evaluateOptions: {maxConcurrency: 4, repeat: 3}
"""
    found, folder = imported(tmp_path, text)
    told = [str(note) for note in found.notes]
    parts = "redteam repeat anthropic embedding gone.txt code.py function gone.json nonsense 'no' provider spreadsheets"
    more = ["what a program says", "nowhere", "transform", "odd", "Keys are not copied", "'{{missing}} {% bad'"]
    for part in [*parts.split(), *more]:
        assert any(part in note for note in told), (part, told)
    rows = found.evaluations[0].rows
    assert [row["checks"][0]["value"] for row in rows[-2:]] == ["a", "b"]
    hosted = [load_spec(file) for file in folder.glob("*gpt-4*.yaml")]
    assert hosted[0].in_flight == 4
    assert hosted[0].model is not None
    assert hosted[0].model.url == "https://h/v1"
    assert "x" not in {yaml.safe_load(file.read_text()).get("key") for file in folder.glob("*.yaml")}


REGISTRY = """
test-match:
  id: test-match.s1.simple-v0
  description: Example eval that checks sampled text matches the expected output.
  metrics: [accuracy]
test-match.s1.simple-v0:
  class: evals.elsuite.basic.match:Match
  args: {samples_jsonl: test_match/samples.jsonl, num_few_shot: 1, few_shot_jsonl: test_match/few_shot.jsonl}
test-includes.s1:
  class: evals.elsuite.basic.includes:Includes
  args: {samples_jsonl: test_match/samples.jsonl, ignore_case: true}
test-fuzzy.s1:
  class: evals.elsuite.basic.fuzzy_match:FuzzyMatch
  args: {samples_jsonl: test_match/samples.jsonl}
test-json.s1:
  class: evals.elsuite.basic.json_match:JsonMatch
  args: {samples_jsonl: test_json/samples.jsonl}
joke.s1:
  class: evals.elsuite.modelgraded.classify:ModelBasedClassify
  args: {samples_jsonl: test_match/samples.jsonl, modelgraded_spec: humor, eval_type: cot_classify}
own.s1: {class: 'evals.elsuite.translate:Translate', args: {samples_jsonl: x}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    evals, data = tmp_path / "registry/evals", tmp_path / "registry/data"
    for folder in (evals, data / "test_match", data / "test_json"):
        folder.mkdir(parents=True)
    asked = [{"role": "system", "content": "Complete."}, {"role": "user", "content": "Once upon a "}]
    samples: list[dict[str, Any]] = [
        {"input": asked, "ideal": "time"},
        {"input": asked, "ideal": ["Time.", "midnight"], "output": "the time is midnight"},
        {"input": asked, "ideal": "time", "output": "time flies"},
        {"input": asked, "ideal": "x", "output": ""},
    ]
    shots = [{"sample": [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]}]
    for name, lines in (("samples", samples), ("few_shot", shots)):
        (data / f"test_match/{name}.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    pairs = [('{"b": 2, "a": 1}', '{"a": 1, "b": 2}'), ("[1]", ["[2]", "[1]"]), ("{", "{"), ("1", "2")]
    texts = [json.dumps({"input": "q", "ideal": ideal, "output": output}) for output, ideal in pairs]
    (data / "test_json/samples.jsonl").write_text("\n".join(texts))
    (evals / "test.yaml").write_text(REGISTRY)
    return evals / "test.yaml"


@pytest.mark.parametrize(
    ("name", "scorer", "values"),
    [
        ("test-match", "check/match", [None, 0.0, 1.0, 0.0]),
        ("test-includes.s1", "check/includes", [None, 1.0, 1.0, 0.0]),
        ("test-fuzzy.s1", "check/fuzzy_match", [None, 1.0, 1.0, 0.0]),
        ("test-json.s1", "check/json_match", [1.0, 1.0, 0.0, 0.0]),
    ],
)
def test_openai_evals_match_as_they_match_there(
    registry: Path, tmp_path: Path, name: str, scorer: str, values: list[float | None]
) -> None:
    found = import_file(registry, name=name)
    spec_file, _ = found.write(tmp_path / "out")
    assert load_spec(spec_file).scorers == (scorer,)
    results = evaluated(spec_file)
    assert [score.value for row in results for score in row.scores] == values
    assert "say `model`" in str(found.notes[0])


def test_few_shots_go_before_the_question(registry: Path) -> None:
    (evaluation,) = import_file(registry, name="test-match").evaluations
    assert [message["content"] for message in evaluation.rows[0]["input"]] == ["Complete.", "1+1", "2", "Once upon a "]


def test_evals_of_other_classes_are_listed(registry: Path) -> None:
    found = import_file(registry)
    told = "\n".join(str(note) for note in found.notes)
    assert [each.name for each in found.evaluations][-1] == "joke.s1"
    for part in ("humor", "eval_type", "Translate"):
        assert part in told
    with pytest.raises(InvalidError, match="no eval 'none'"):
        import_file(registry, name="none")


@pytest.mark.parametrize("text", ["a: 1", "- 1", "a: ["])
def test_files_of_no_known_tool_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(AIPlatformError):
        import_file(tmp_path / "x.yaml")


def test_the_command_writes_lists_and_fails_where_it_is_asked_to(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from aiplatform.cli.evaluations import app

    config = tmp_path / "promptfooconfig.yaml"
    config.write_text(GETTING_STARTED)
    run = CliRunner().invoke
    plain = run(app, ["import", str(config), "--to", str(tmp_path / "out")])
    assert plain.exit_code == 0
    assert "tests[1].assert[1]: javascript" in plain.output
    told = json.loads(run(app, ["import", str(config), "--to", str(tmp_path / "out"), "--json"]).output)
    assert len(told["files"]) == 4
    assert [note["where"] for note in told["notes"]] == ["providers[1].config", "tests[1].assert[1]"]
    assert run(app, ["import", str(config), "--to", str(tmp_path / "out"), "--strict"]).exit_code == 1
    assert json.loads(run(app, ["schema"]).output)["title"] == "aiplatform evaluation"


def test_the_example_says_what_the_specification_and_the_importer_take(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).parents[3] / "examples" / "evaluation"
    monkeypatch.syspath_prepend(str(folder))
    spec = load_spec(folder / "eval.yaml")
    answer = load_object(str(spec.model.function if spec.model else ""))
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert [answer(row["question"]) == row["expected"] for row in rows].count(False) == 1
    (found,) = import_file(folder / "promptfooconfig.yaml").evaluations
    assert [row["row_id"] for row in found.rows] == ["t0001", "t0002.1", "t0002.2"]
    assert import_file(folder / "promptfooconfig.yaml").notes == ()
