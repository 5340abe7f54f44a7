"""Evaluations as plain Ray submits them, as the platform starts them, and what is left: real Ray, real MLflow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aiplatform.cli.console import ExitCode
from aiplatform.testing.platform import RunningPlatform

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

CODE = """
import time

def squared(text):
    return str(int(text) ** 2)

def slow(text):
    time.sleep(1.0)
    return text

def short(row):
    return len(row.output) < 4
"""
DOUBLE = """
class Double:
    def __init__(self, model_path):
        self.factor = int((model_path / "factor.txt").read_text())

    def __call__(self, text):
        return str(self.factor * int(text))
"""
SPEC = """
name: {name}
data: {{path: rows.jsonl}}
model: {model}
scorers: [exact_match, 'answers:short']
num_workers: 1
"""
REGISTER = """
import aiplatform as aip
print(aip.models.register("model", name="double", loader="double:Double").reference)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("evaluation")
    rows = [{"id": f"r{n:02}", "input": str(n), "expected": str(n * n)} for n in range(40)]
    (made / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (made / "answers.py").write_text(CODE)
    (made / "register.py").write_text(REGISTER)
    (made / "model").mkdir()
    (made / "model" / "double.py").write_text(DOUBLE)
    (made / "model" / "factor.txt").write_text("2")
    for name, model in {
        "plain": "{function: 'answers:squared', version: 'squares@1'}",
        "submitted": "{function: 'answers:squared'}",
        "slow": "{function: 'answers:slow'}",
        "registered": "{registered: 'double@1'}",
    }.items():
        (made / f"{name}.yaml").write_text(SPEC.format(name=name, model=model))
    return made


@pytest.fixture(scope="module")
def plain(platform: RunningPlatform, folder: Path) -> dict[str, Any]:
    """A run as plain Ray submits it: no variable of ours on the command line."""
    ray = Path(sys.executable).with_name("ray")
    command = [str(ray), "job", "submit", "--working-dir", ".", "--", "python", "-m", "aiplatform.eval", "plain.yaml"]
    done = subprocess.run(
        command, cwd=folder, env=platform.client_environment(), capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return run_named(platform, "plain")


def run_named(platform: RunningPlatform, name: str) -> dict[str, Any]:
    [run] = [one for one in platform.run_json("evaluations", "list")["items"] if one["name"] == name]
    found: dict[str, Any] = platform.run_json("evaluations", "get", run["run_id"])
    return found


def value(run: dict[str, Any], metric: str) -> float:
    [found] = [each["value"] for each in run["metrics"] if each["name"] == metric]
    return float(found)


def test_a_job_of_plain_ray_is_a_run_with_every_row(platform: RunningPlatform, plain: dict[str, Any]) -> None:
    assert (plain["status"], plain["done_rows"], plain["error_rows"]) == ("completed", 40, 0)
    assert (value(plain, "exact_match"), value(plain, "short")) == (1.0, 32 / 40)
    rows = platform.run_json("evaluations", "rows", plain["run_id"], "--limit", "40")
    assert len({row["trace_id"] for row in rows}) == 40


def test_the_run_is_in_mlflow_and_both_name_each_other(platform: RunningPlatform, plain: dict[str, Any]) -> None:
    [entry] = [one for one in platform.run_json("experiments", "runs", "evaluations") if one["name"] == "plain"]
    assert (entry["run_id"], entry["status"]) == (plain["mlflow_run_id"], "FINISHED")
    assert entry["tags"]["aiplatform.evaluation"] == plain["run_id"]
    assert (entry["metrics"]["exact_match"], entry["metrics"]["exact_match.n"]) == (1.0, 40.0)
    assert entry["metrics"]["exact_match.low"] == pytest.approx(plain["metrics"][0]["low"])
    assert entry["params"]["model_version"] == "squares@1"


def test_the_platform_starts_follows_and_gates_a_run(platform: RunningPlatform, folder: Path) -> None:
    options = ("--submit", "--working-dir", str(folder), "--gate", "exact_match >= 0.9 and short >= 0.9")
    done = platform.run("evaluations", "run", str(folder / "submitted.yaml"), *options, check=False)
    assert done.returncode == ExitCode.GATE_NOT_PASSED, done.stdout + done.stderr
    assert "exact_match >= 0.9" in done.stdout
    assert "short >= 0.9" in done.stdout
    assert "was submitted as a job" in done.stderr
    assert run_named(platform, "submitted")["status"] == "completed"


def test_a_run_that_the_platform_started_can_be_cancelled(platform: RunningPlatform, folder: Path) -> None:
    options = ("--submit", "--no-follow", "--working-dir", str(folder), "--json")
    started = json.loads(platform.run("evaluations", "run", str(folder / "slow.yaml"), *options).stdout)
    assert started["status"] in {"queued", "running"}
    platform.run("evaluations", "cancel", started["run_id"])
    followed = platform.run("evaluations", "get", started["run_id"], "--follow", check=False)
    assert followed.returncode == ExitCode.FAILED
    assert run_named(platform, "slow")["status"] == "cancelled"


def test_a_registered_version_is_loaded_by_the_workers(platform: RunningPlatform, folder: Path) -> None:
    environment = platform.client_environment()
    made = subprocess.run(
        [sys.executable, "register.py"], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == "double@1"
    platform.run("evaluations", "run", str(folder / "registered.yaml"), "--submit", "--working-dir", str(folder))
    run = run_named(platform, "registered")
    assert run["model"] == {"kind": "registered", "name": "double", "version": "1", "endpoint": ""}
    assert value(run, "exact_match") == 2 / 40  # 0 and 2 are the numbers whose double is their square
