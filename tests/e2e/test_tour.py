"""The tour from its command to its verdict: one walk on the session's platform, in a project of its own."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from aiplatform.testing.platform import RunningPlatform
from aiplatform.tour.corpus import load_passages, load_questions
from aiplatform.tour.questions import SAMPLE_QUESTIONS
from aiplatform.tour.result import fingerprint

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.timeout(900)]

PROJECT = "tour"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "docs-assistant"
VERSIONS = ["v1", "v2", "v3", "v4", "v5"]
ASSISTANT = "docs-assistant"
NAMED_PAGE, ENGLISH, CHINESE, UNANSWERABLE = SAMPLE_QUESTIONS
TEXTS = {passage.passage_id: passage.text for passage in load_passages()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """A platform whose tour is finished."""

    platform: RunningPlatform
    result: dict[str, Any]
    http: httpx.Client = field(repr=False)

    def run(self, *arguments: str, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
        return self.platform.run(*arguments, timeout_s=300.0, check=check, **{"AIPLATFORM_PROJECT": PROJECT, **more})

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """Every span of a trace with all that is known of it."""
        spans = self.get(f"/api/v1/traces/{trace_id}")["spans"]
        return [self.get(f"/api/v1/traces/{trace_id}/spans/{span['span_id']}") for span in spans]

    def asked(self, question: str) -> dict[str, Any]:
        [found] = [each for each in self.result["asked"] if each["question"] == question]
        return dict(found)

    def openai(self) -> openai.OpenAI:
        """The stock client, as any program makes it."""
        headers = {"x-aiplatform-project": PROJECT}
        return openai.OpenAI(base_url=f"{self.platform.url}/v1", api_key=self.platform.key, default_headers=headers)


@pytest.fixture(scope="module")
def walked(platform: RunningPlatform) -> Iterator[Walked]:
    platform.run("projects", "create", PROJECT)
    done = platform.run("tour", "--json", timeout_s=800.0, AIPLATFORM_PROJECT=PROJECT)
    with platform.http() as http:
        http.headers["x-aiplatform-project"] = PROJECT
        yield Walked(platform=platform, result=json.loads(done.stdout), http=http)
    platform.run("deployments", "delete", ASSISTANT, "--project", PROJECT)


def test_a_finished_tour_is_shown_again_and_not_run_again(walked: Walked) -> None:
    jobs = walked.get("/api/v1/jobs")["items"]
    lines = walked.run("tour").stdout.rstrip().splitlines()
    assert walked.get("/api/v1/jobs")["items"] == jobs
    assert sum("http" in line.split("://")[0] and "://" in line for line in lines) == 1, "one address, no more"
    assert lines[-1].startswith(f"{walked.platform.url}/")
    assert walked.result["comparison_id"] in lines[-1]
    verdict = walked.run("evaluations", "comparison", walked.result["comparison_id"], check=False).stdout
    assert next(line for line in lines[1:] if line.strip()) == verdict.splitlines()[0], "the verdict comes first"


def test_its_address_signs_a_browser_in_and_leads_to_the_comparison(walked: Walked) -> None:
    address = walked.run("tour").stdout.rstrip().splitlines()[-1]
    with httpx.Client(follow_redirects=True, trust_env=False, timeout=60) as browser:
        page = browser.get(address)
    assert page.status_code == 200
    assert walked.result["comparison_id"] in str(page.url)
    assert all(f">{name}<" in page.text or f"{name} " in page.text for name in VERSIONS)


def test_it_speaks_chinese_where_the_terminal_does(walked: Walked) -> None:
    shown = walked.run("tour", LANG="zh_CN.UTF-8", LC_ALL="").stdout
    chosen = walked.run("tour", AIPLATFORM_LOCALE="zh_CN").stdout
    for text in (shown, chosen):
        ours = "\n".join(line for line in text.splitlines() if not line.startswith(("  ?", "    ")))
        assert "导览" in ours
        assert "基线" in ours
        assert "Each step alone" not in ours


def test_every_command_that_it_prints_runs(walked: Walked) -> None:
    printed = re.findall(r"  (aiplatform \S.*)", walked.run("tour").stdout)
    assert len(printed) >= 7
    for line in printed:
        program, *arguments = shlex.split(line)
        assert program == "aiplatform"
        assert walked.run(*arguments, check=False).returncode == 0, line


def test_each_step_alone_runs_as_the_example_says(walked: Walked) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", (EXAMPLE / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    environment = walked.platform.client_environment()
    programs = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(blocks)],
        env={**environment, "AIPLATFORM_PROJECT": PROJECT, "PATH": programs},
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    cited = re.findall(r"^cites: +(\S+)$", done.stdout, re.MULTILINE)
    assert len(cited) == 2
    assert set(cited) <= {*TEXTS, "-"}
    runs = {run["name"]: run for run in walked.get("/api/v1/evaluations", limit=200)["items"]}
    for name in ("words", "deployed"):
        assert (runs[name]["status"], runs[name]["done_rows"]) == ("completed", len(load_questions()))


def test_the_data_sets_are_registered_with_hash_schema_and_rows(walked: Walked) -> None:
    assert sorted(walked.result["datasets"]) == ["docs-pairs", "docs-passages", "docs-questions"]
    found = {}
    for reference in walked.result["datasets"].values():
        name, version = reference.split("@")
        found[name] = walked.get(f"/api/v1/datasets/{name}/versions/{version}")
    assert found["docs-passages"]["num_rows"] == len(TEXTS)
    assert found["docs-questions"]["num_rows"] == len(load_questions())
    assert [column["name"] for column in found["docs-passages"]["columns"]] == [
        "passage_id",
        "language",
        "collection",
        "page",
        "url",
        "title",
        "text",
    ]
    for one in found.values():
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", one["digest"])
        assert all(column["type"] for column in one["columns"])
        assert "LicenseRef-Debian-FAQ" in one["licence"]


def test_five_versions_are_registered_with_their_lineage_and_the_champion(walked: Walked) -> None:
    result = walked.result
    assert sorted(result["versions"]) == sorted(result["runs"]) == VERSIONS
    data = {result["datasets"]["docs-passages"], result["datasets"]["docs-questions"]}
    for name, reference in result["versions"].items():
        version = _version(walked, reference)
        assert version["tags"]["version"] == name
        assert data <= set(version["lineage"]["datasets"])
        assert version["lineage"]["parent_models"] == ([result["adapter"]] if name in {"v4", "v5"} else [])
    champion = walked.platform.run("models", "get", f"{ASSISTANT}@champion", "--json", AIPLATFORM_PROJECT=PROJECT)
    assert f"{ASSISTANT}@{json.loads(champion.stdout)['version']}" == result["versions"][result["champion"]]


def test_the_adapter_leads_to_its_training_run_and_data(walked: Walked) -> None:
    lineage = _version(walked, walked.result["adapter"])["lineage"]
    assert lineage["datasets"] == [walked.result["datasets"]["docs-pairs"]]
    assert lineage["checkpoint_path"]
    run = walked.get(f"/api/v1/training-runs/{lineage['training_run_id']}")
    assert (run["state"], run["model"]) == ("succeeded", walked.result["adapter"])
    assert run["mlflow_run_id"] == lineage["mlflow_run_id"]
    assert 0 < run["metrics"]["val_hit_at_1"] <= run["metrics"]["val_mrr"] <= 1


def test_the_deployed_champion_quotes_a_passage(walked: Walked) -> None:
    for question in (ENGLISH, CHINESE):
        message = _message(walked, question)
        details = message.model_extra["aiplatform"]
        assert not details["abstained"]
        assert details["generator"] == "extractive, no LLM"
        quoted, source = _quotation(message.content)
        [cited] = details["citations"]
        assert quoted in TEXTS[cited]
        assert cited == details["retrieved"][0]
        assert source.startswith("https://")


def test_a_streamed_answer_is_the_same_answer(walked: Walked) -> None:
    with walked.openai() as client:
        asked: Any = [{"role": "user", "content": ENGLISH}]
        pieces = client.chat.completions.create(model=ASSISTANT, messages=asked, stream=True)
        told = [piece.choices[0].delta.content or "" for piece in pieces if piece.choices]
    assert "".join(told) == _message(walked, ENGLISH).content


def test_what_the_documentation_does_not_answer_is_not_answered(walked: Walked) -> None:
    message = _message(walked, UNANSWERABLE)
    assert message.model_extra["aiplatform"]["abstained"]
    assert message.model_extra["aiplatform"]["citations"] == []
    assert "“" not in message.content
    assert walked.asked(UNANSWERABLE)["abstained"]


def test_one_trace_crosses_client_door_replica_and_task(walked: Walked) -> None:
    trace_id = walked.asked(ENGLISH)["trace_id"]
    spans = walked.trace(trace_id)
    assert {span["trace_id"] for span in spans} == {trace_id}
    by_id = {span["span_id"]: span for span in spans}
    [root] = [span for span in spans if span["parent_id"] is None]
    assert root["name"] == "question"
    assert all(span["parent_id"] in by_id for span in spans if span is not root), "no span is an orphan"

    [task] = [span for span in spans if span["name"] == "read_page"]
    path, here = [], task
    while here is not root:
        path.append(here["service"])
        here = by_id[here["parent_id"]]
    crossed = list(dict.fromkeys([*path, root["service"]]))
    assert crossed == ["ray-worker", f"model {ASSISTANT}", "aiplatform-door", "tour"]
    processes = {span["resource"]["service.instance.id"] for span in spans if "service.instance.id" in span["resource"]}
    assert len(processes) >= 3


def test_the_trace_tells_messages_calls_passages_and_tokens(walked: Walked) -> None:
    spans = walked.trace(walked.asked(ENGLISH)["trace_id"])
    kinds = {kind: [span for span in spans if span["kind"] == kind] for kind in ("llm", "tool", "retriever", "agent")}
    assert all(kinds.values())
    for call in kinds["llm"]:
        assert call["input_messages"][0]["parts"][0]["text"].startswith(ENGLISH)
        assert call["output_messages"][0]["role"] == "assistant"
        assert call["usage"]["input_tokens"] > 0
        assert call["usage"]["output_tokens"] > 0
    for search in kinds["retriever"]:
        scores = [passage["score"] for passage in search["passages"]]
        assert scores
        assert scores == sorted(scores, reverse=True)
        assert all(passage["text"] == TEXTS[passage["passage_id"]] for passage in search["passages"])
    [opened] = kinds["tool"]
    assert opened["tool_call"]["name"] == "open_page"
    assert opened["tool_call"]["arguments"]["page"]
    assert opened["tool_call"]["result"]


def test_one_trace_has_a_real_error_and_goes_on_after_it(walked: Walked) -> None:
    asked = walked.asked(NAMED_PAGE)
    spans = walked.trace(asked["trace_id"])
    failed = [span for span in spans if span["status"] == "error"]
    assert {span["name"] for span in failed} == {"open_page", "read_page"}
    assert {span["error_type"] for span in failed} == {"NotFoundError"}
    assert all("howto/logging-cookbook" in span["error_message"] for span in failed)
    assert all("Traceback" in span["error_stack"] for span in failed)
    assert asked["answer"]


def test_every_row_of_every_evaluation_leads_to_its_trace(walked: Walked) -> None:
    for run_id in walked.result["runs"].values():
        first = walked.get(f"/api/v1/evaluations/{run_id}/rows", limit=200)
        rows, after = first["items"], first["next"]
        while after is not None:
            page = walked.get(f"/api/v1/evaluations/{run_id}/rows", limit=200, after=after)
            rows, after = rows + page["items"], page["next"]
        assert len(rows) == len(load_questions())
        assert not [row["row_id"] for row in rows if row["error"]]
        assert len({row["trace_id"] for row in rows}) == len(rows)
        for row in rows[:: len(rows) // 3]:
            spans = walked.get(f"/api/v1/traces/{row['trace_id']}")["spans"]
            assert "search" in {span["name"] for span in spans}


def test_the_comparison_judges_every_version_and_asks_the_gate(walked: Walked) -> None:
    found = walked.get(f"/api/v1/comparisons/{walked.result['comparison_id']}")
    runs = walked.result["runs"]
    assert [version["run_id"] for version in found["versions"] if version["is_baseline"]] == [runs["v2"]]
    others = [runs[name] for name in VERSIONS if name != "v2"]
    assert [gate["run_id"] for gate in found["gates"]] == others
    assert found["verdict"]["headline"]
    for metric in found["metrics"]:
        assert [row["run_id"] for row in metric["rows"]] == [runs["v2"], *others]
        for row in metric["rows"][1:]:
            assert row["difference_low"] <= row["difference"] <= row["difference_high"]
            assert 0 <= row["p_adjusted"] <= 1
    passed = {gate["run_id"] for gate in found["gates"] if gate["outcome"] == "pass"}
    assert set(walked.result["refused"]) == {name for name in VERSIONS if name != "v2" and runs[name] not in passed}
    promoted = found["verdict"]["promote"]
    assert runs[walked.result["champion"]] == (promoted or runs["v2"])
    assert promoted is None or promoted in passed
    languages = {(part["column"], part["value"], part["run_id"]) for part in found["slices"]}
    assert languages == {("language", language, run_id) for language in ("en", "zh") for run_id in others}


def test_the_result_is_that_of_this_data_and_code(walked: Walked) -> None:
    assert walked.result["fingerprint"] == fingerprint()
    assert set(walked.result["seconds"]) >= {"data", "embed", "train", "register", "evaluate", "compare", "deploy"}
    assert [asked["question"] for asked in walked.result["asked"]] == list(SAMPLE_QUESTIONS)


def _version(walked: Walked, reference: str) -> dict[str, Any]:
    name, number = reference.split("@")
    return dict(walked.get(f"/api/v1/models/{name}/versions/{number}"))


def _message(walked: Walked, question: str) -> Any:
    with walked.openai() as client:
        asked: Any = [{"role": "user", "content": question}]
        return client.chat.completions.create(model=ASSISTANT, messages=asked).choices[0].message


def _quotation(answer: str) -> tuple[str, str]:
    """The words that an answer quotes, and the address that it gives."""
    match = re.fullmatch(r"“(.+)”\n\n—+ .*, (\S+)", answer, re.DOTALL)
    assert match is not None, answer
    return match[1], match[2]
