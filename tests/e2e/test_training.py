"""The smallest training example, and what goes wrong on the way: real Ray, real MLflow, the commands of the README."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aiplatform.cli.console import ExitCode
from aiplatform.testing.platform import RunningPlatform

pytestmark = [pytest.mark.e2e, pytest.mark.ray]

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
BROKEN = """
import ray.train

def train(config):
    ray.train.report({"loss": 1.0})
    raise ValueError(f"the learning rate {config['lr']} is odd")
"""


@pytest.fixture(scope="module")
def trained(platform: RunningPlatform) -> dict[str, Any]:
    """The example, submitted as plain Ray submits it: no variable of ours on the command line."""
    ray = Path(sys.executable).with_name("ray")
    command = [str(ray), "job", "submit", "--working-dir", ".", "--", "python", "-m", "aiplatform.train", "train.yaml"]
    environment = platform.client_environment()
    done = subprocess.run(command, cwd=DIGITS, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return run_named(platform, "digits")


def run_named(platform: RunningPlatform, name: str) -> dict[str, Any]:
    [run] = [one for one in platform.run_json("training", "list") if one["name"] == name]
    assert isinstance(run, dict)
    return run


def test_digits_are_read_and_the_model_is_registered(platform: RunningPlatform, trained: dict[str, Any]) -> None:
    assert (trained["state"], trained["model"]) == ("succeeded", "digits@1")
    assert trained["metrics"]["accuracy"] > 0.95
    version = platform.run_json("models", "get", "digits@champion")
    assert (version["version"], version["loader"], version["lineage"]["training_run_id"]) == (
        1,
        "digits:Digits",
        trained["run_id"],
    )


def test_the_experiment_has_every_epoch(platform: RunningPlatform, trained: dict[str, Any]) -> None:
    [run] = platform.run_json("experiments", "runs", "digits")
    assert (run["run_id"], run["status"], run["params"]["num_workers"]) == (trained["mlflow_run_id"], "FINISHED", "2")
    series = platform.run_json("experiments", "history", run["run_id"], "accuracy", "--limit", "100")
    assert [point["step"] for point in series["points"]] == list(range(25))
    assert max(point["value"] for point in series["points"]) == pytest.approx(trained["metrics"]["accuracy"])


def test_the_registered_files_read_digits_right_away(
    platform: RunningPlatform, trained: dict[str, Any], tmp_path: Path
) -> None:
    assert trained["model"] == "digits@1"
    platform.run("models", "download", "digits@1", str(tmp_path / "model"))
    code = (
        "from pathlib import Path; from digits import Digits; from sklearn.datasets import load_digits;"
        "x, y = load_digits(return_X_y=True);"
        f"print((Digits(Path({str(tmp_path / 'model')!r})).infer({{'pixels': x}})['digit'] == y).mean())"
    )
    environment = {**os.environ, "PYTHONPATH": str(DIGITS)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert float(done.stdout) > 0.95, done.stderr


def test_an_error_of_the_users_code_is_shown_as_it_was_raised(platform: RunningPlatform, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "train.yaml").write_text("name: broken\nentrypoint: broken.py:train\nparams: {lr: -1}\n")
    done = platform.run("train", "run", str(tmp_path / "train.yaml"), check=False)
    assert done.returncode == ExitCode.FAILED
    assert "ValueError: the learning rate -1 is odd" in done.stdout
    assert "broken.py" in done.stdout
    run = run_named(platform, "broken")
    assert run["state"] == "failed"
    assert run["message"].startswith("Rank 0 of the training loop raised ValueError: the learning rate -1 is odd")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "worker: {cpus: 0.01, gpus: 1}\nnum_workers: 64",
            "64 workers need 64 GPUs together, and the whole cluster has 0",
        ),
        ("colour: red", "'colour'"),
    ],
)
def test_what_cannot_be_is_refused_at_once(platform: RunningPlatform, tmp_path: Path, change: str, words: str) -> None:
    (tmp_path / "train.yaml").write_text(f"name: digits\nentrypoint: digits:train\n{change}\n")
    before = len(platform.run_json("jobs", "list"))
    done = platform.run("train", "run", str(tmp_path / "train.yaml"), check=False)
    assert (done.returncode, words in done.stderr) == (ExitCode.WRONG_USE, True), done.stderr
    assert len(platform.run_json("jobs", "list")) == before


def test_a_job_carries_no_address_of_the_database(platform: RunningPlatform, tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text("import json, os; print('ENV', json.dumps(dict(os.environ)))")
    done = platform.run("jobs", "submit", "--working-dir", str(tmp_path), "--", "python", "show.py")
    [line] = [line for line in done.stdout.splitlines() if line.startswith("ENV ")]
    environment: dict[str, str] = json.loads(line.removeprefix("ENV "))
    assert environment["AIPLATFORM_URL"] == platform.url
    assert not any(word in value for value in environment.values() for word in ("sqlite:", "postgresql", "platform.db"))
    assert "AIPLATFORM_SETTINGS" not in environment
    assert not any(platform.key in value for value in environment.values())


def test_a_second_tenant_may_not_run_code_here(platform: RunningPlatform, tmp_path: Path) -> None:
    made = platform.run("tenants", "create", "acme")
    key = made.stdout.splitlines()[-1]
    done = platform.run("jobs", "submit", "--", "true", check=False, AIPLATFORM_API_KEY=key)
    assert done.returncode == ExitCode.NOT_PERMITTED
    assert "until the tenant has a cluster of its own" in done.stderr
    assert platform.run("models", "list", "--json", AIPLATFORM_API_KEY=key).stdout.strip() == "[]"
    assert platform.run("jobs", "list", "--json", AIPLATFORM_API_KEY=key).stdout.strip() == "[]"
