"""Evaluation runs as MLflow runs, in a hosted MLflow, read back with what stock clients see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aiplatform.client.credentials import Credentials
from aiplatform.client.http import Client
from aiplatform.eval.mlflow_log import EXPERIMENT, RUN_TAG, MlflowLog
from aiplatform.eval.model import DataRef, EvaluationRun, MetricKind, MetricValue, ModelKind, ModelRef, RunStatus
from aiplatform.registry.mlflow_rest import MlflowRest, mlflow_of
from aiplatform.registry.mlflow_runs import MlflowRuns
from aiplatform.tenancy.permissions import Role
from tests.component.registry.conftest import HostedMlflow

HIT = MetricValue(name="hit@1", kind=MetricKind.PROPORTION, value=0.5, low=0.4, high=0.6, n=90, scored=90, failed=10)
UNKNOWN = MetricValue(name="tone/kind", kind=MetricKind.MEAN, value=None)


def evaluation(**fields: object) -> EvaluationRun:
    given = {
        "run_id": "eval-7",
        "project_id": "default",
        "name": "v4",
        "status": RunStatus.RUNNING,
        "data": DataRef(name="faq", version="3", hash="sha256:" + "ab" * 32, rows_hash="cd" * 32),
        "model": ModelRef(kind=ModelKind.REGISTERED, name="qa", version="3"),
        "seed": 11,
        "code_version": "0123abc+",
        "started_ns": 1_790_000_000_000_000_000,
        **fields,
    }
    return EvaluationRun(**given)  # type: ignore[arg-type]


@contextmanager
def mlflow_for(client: Client) -> Iterator[MlflowRest]:
    rest = mlflow_of(client.credentials)
    yield rest
    rest.close()


@contextmanager
def entry(client: Client, **options: Any) -> Iterator[MlflowLog]:
    log = MlflowLog(client, **options)
    yield log
    log.close()
    client.close()


def client_of(hosted: HostedMlflow, role: Role = Role.DEVELOPER) -> Client:
    return Client(Credentials(url=hosted.url, key=hosted.platform.key(role), project_id="default"))


def test_a_run_is_in_mlflow_with_its_intervals_and_what_it_rests_on(hosted: HostedMlflow) -> None:
    client, said = client_of(hosted), list[str]()
    with entry(client, warn=said.append) as log:
        mlflow_run_id = log.begin(evaluation())
        done = evaluation(status=RunStatus.COMPLETED, metrics=(HIT, UNKNOWN), mlflow_run_id=mlflow_run_id)
        log.end(mlflow_run_id, done)
    assert said == []

    with mlflow_for(client) as rest:
        runs = MlflowRuns(rest)
        ids = [one.experiment_id for one in runs.experiments() if one.name == EXPERIMENT]
        (found,), _ = runs.search(ids, query=f"tags.`{RUN_TAG}` = 'eval-7' and metrics.hit_at_1 >= 0.5")
        inputs = rest.get("runs/get", run_id=mlflow_run_id)["run"]["inputs"]["dataset_inputs"]
    assert (found.run_id, found.name, found.status) == (mlflow_run_id, "v4", "FINISHED")
    assert found.metrics == {
        "hit_at_1": 0.5,
        "hit_at_1.low": 0.4,
        "hit_at_1.high": 0.6,
        "hit_at_1.coverage": 0.9,
        "hit_at_1.n": 90.0,
        "tone/kind.n": 0.0,
    }
    assert (found.params["model"], found.params["model_version"], found.params["seed"]) == ("registered:qa", "3", "11")
    assert found.tags["aiplatform.data_hash"] == "sha256:" + "ab" * 32
    assert found.tags["mlflow.source.git.commit"] == "0123abc"
    assert found.tags["aiplatform.evaluation_page"].endswith("/evaluations/eval-7")
    assert [each["dataset"]["name"] for each in inputs] == ["faq"]


def test_a_run_that_goes_on_keeps_its_entry_and_a_cancelled_one_is_killed(hosted: HostedMlflow) -> None:
    client = client_of(hosted)
    with entry(client, experiment="other", warn=pytest.fail) as log:
        mlflow_run_id = log.begin(evaluation(run_id="eval-8"))
        assert log.begin(evaluation(run_id="eval-8", mlflow_run_id=mlflow_run_id)) == mlflow_run_id
        log.end(mlflow_run_id, evaluation(run_id="eval-8", status=RunStatus.CANCELLED))
    with mlflow_for(client) as rest:
        assert MlflowRuns(rest).run(mlflow_run_id).status == "KILLED"


def test_what_mlflow_refuses_is_said_and_no_more(hosted: HostedMlflow) -> None:
    said: list[str] = []
    with entry(client_of(hosted, Role.VIEWER), warn=said.append) as log:
        assert log.begin(evaluation()) == ""
        log.end("", evaluation())
    assert len(said) == 1
    assert said[0].startswith("The run is not in MLflow")
