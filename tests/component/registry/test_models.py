"""Model versions and experiments: MLflow's and ours as one."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from aiplatform.core.errors import ConflictError, InvalidError, NotFoundError, PermissionDeniedError
from aiplatform.registry.experiments import Experiments
from aiplatform.registry.lineage import LineageGraph, Node, NodeKind
from aiplatform.registry.mlflow_models import MlflowModels
from aiplatform.registry.mlflow_runs import MlflowRuns
from aiplatform.registry.model import Lineage, NewModelVersion
from aiplatform.registry.models import Models
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Role
from tests.component.registry.conftest import HostedMlflow

TENANTS = count(1)


@pytest.fixture
def caller(hosted: HostedMlflow) -> Caller:
    """A developer of a tenant that no other test has."""
    return hosted.platform.caller(tenant=f"team-{next(TENANTS)}")


@pytest.fixture
def lineage(hosted: HostedMlflow) -> LineageGraph:
    return LineageGraph(hosted.platform.database)


@pytest.fixture
def models(hosted: HostedMlflow, lineage: LineageGraph) -> Models:
    return Models(hosted.platform.database, hosted.door, lineage)


@pytest.fixture
def runs(hosted: HostedMlflow, caller: Caller) -> MlflowRuns:
    return MlflowRuns(hosted.door.of(caller))


@pytest.fixture
def source(runs: MlflowRuns, tmp_path: Path) -> str:
    """Files of a model among the artifacts of a run of the caller's."""
    (tmp_path / "model.bin").write_bytes(b"weights")
    run_id = runs.start(runs.ensure_experiment("models"), "one", started_ns=10**18, tags={})
    return runs.upload(run_id, tmp_path, "model")


def new(source: str, name: str = "qa", **fields: Any) -> NewModelVersion:
    return NewModelVersion(name=name, source=source, **fields)


def test_a_version_is_registered_with_what_it_descends_from(
    models: Models, caller: Caller, source: str, lineage: LineageGraph
) -> None:
    made = models.register(
        caller,
        new(
            source,
            description="first",
            loader="m:Class",
            signature={"input": "text"},
            metrics={"hit@1": 0.6},
            tags={"team": "docs"},
            alias="champion",
            lineage=Lineage(training_run_id="train-1", datasets=("faq@2",), checkpoint_path="mlflow-artifacts:/c"),
        ),
    )
    assert (
        models.version(caller, "qa@champion") == made == models.version(caller, "qa") == models.version(caller, "qa@1")
    )
    assert (made.version, made.aliases, made.loader, made.metrics) == (1, ("champion",), "m:Class", {"hit@1": 0.6})
    assert (made.tags, made.created_by) == ({"team": "docs"}, caller.principal)
    node = Node(kind=NodeKind.MODEL, reference="qa@1")
    upstream = lineage.neighbours(caller, node).upstream
    assert set(upstream) == {
        Node(kind=NodeKind.TRAINING_RUN, reference="train-1"),
        Node(kind=NodeKind.DATASET, reference="faq@2"),
    }
    assert lineage.neighbours(caller, Node(kind=NodeKind.DATASET, reference="faq@2")).downstream == (node,)


def test_registering_again_with_the_same_key_makes_no_second_version(
    models: Models, caller: Caller, source: str
) -> None:
    first = models.register(caller, new(source, idempotency_key="run-1"))
    assert models.register(caller, new(source, idempotency_key="run-1", alias="champion")).version == first.version
    assert models.register(caller, new(source, idempotency_key="run-2")).version == 2
    assert [version.version for version in models.versions(caller, "qa")] == [2, 1]


def test_what_a_stock_client_registers_shows_too(hosted: HostedMlflow, models: Models, caller: Caller) -> None:
    stock = MlflowModels(hosted.door.of(caller))
    stock.ensure("stock")
    stock.create("stock", source="s3://bucket/x", description="theirs", tags={}, mlflow_run_id=None)
    [version] = models.versions(caller, "stock")
    assert (version.description, version.loader, version.lineage) == ("theirs", None, Lineage())
    assert [model.name for model in models.list(caller)] == ["stock"]


def test_a_model_deleted_and_made_anew_forgets_what_the_old_one_descended_from(
    hosted: HostedMlflow, models: Models, caller: Caller, source: str
) -> None:
    models.register(caller, new(source, loader="m:Old", lineage=Lineage(training_run_id="old")))
    hosted.door.of(caller).change("DELETE", "registered-models/delete", name="qa")
    stock = MlflowModels(hosted.door.of(caller))
    stock.ensure("qa")
    stock.create("qa", source="s3://bucket/x", description="", tags={}, mlflow_run_id=None)
    assert models.version(caller, "qa@1").lineage == Lineage()


def test_an_alias_moves_and_can_be_taken_away(models: Models, caller: Caller, source: str) -> None:
    for _ in range(2):
        models.register(caller, new(source))
    assert models.promote(caller, "qa@1", alias="champion").aliases == ("champion",)
    assert models.promote(caller, "qa@2", alias="champion", expected=1).aliases == ("champion",)
    with pytest.raises(ConflictError, match="points at version 2 now, not at 1"):
        models.promote(caller, "qa@1", alias="champion", expected=1)
    assert models.get(caller, "qa").aliases == {"champion": 2}
    models.demote(caller, "qa", alias="champion")
    models.demote(caller, "qa", alias="champion")
    with pytest.raises(NotFoundError, match="qa@champion"):
        models.version(caller, "qa@champion")


@pytest.mark.parametrize("reference", ["nothing", "nothing@1", "qa@9", "qa@champion"])
def test_an_unknown_model_is_named(models: Models, caller: Caller, source: str, reference: str) -> None:
    models.register(caller, new(source))
    with pytest.raises(NotFoundError, match=reference):
        models.version(caller, reference)


def test_wrong_names_and_foreign_sources_are_refused_before_anything_is_made(
    models: Models, caller: Caller, source: str
) -> None:
    for wrong in (
        new(source, "../qa"),
        new(source, alias="latest"),
        NewModelVersion(name="qa", source="file:///etc/passwd"),
        NewModelVersion(name="qa", source="s3://elsewhere/x"),
    ):
        with pytest.raises(InvalidError):
            models.register(caller, wrong)
    assert models.list(caller) == ()


def test_a_viewer_registers_nothing_and_another_tenant_sees_nothing(
    hosted: HostedMlflow, models: Models, caller: Caller, source: str
) -> None:
    models.register(caller, new(source, "secret"))
    with pytest.raises(PermissionDeniedError):
        models.register(hosted.platform.caller(Role.VIEWER, tenant=caller.tenant_id), new(source, "secret"))
    with pytest.raises((InvalidError, NotFoundError)):
        models.register(hosted.platform.caller(tenant="team-b"), new(source, "stolen"))
    assert models.list(hosted.platform.caller(tenant="team-b")) == ()
    with pytest.raises(NotFoundError):
        models.version(hosted.platform.caller(tenant="team-b"), "secret@1")


def test_files_go_up_and_come_back_as_they_were(hosted: HostedMlflow, caller: Caller, tmp_path: Path) -> None:
    source = tmp_path / "model"
    (source / "weights of it").mkdir(parents=True)
    (source / "config.json").write_text("{}")
    (source / "weights of it" / "a+b%.bin").write_bytes(bytes(range(256)) * 5000)
    rest = hosted.door.of(caller)
    address = rest.upload(source, "models/qa/one")
    fetched = rest.download(address, tmp_path / "fetched")
    files = {file.relative_to(fetched).as_posix(): file.read_bytes() for file in fetched.rglob("*") if file.is_file()}
    assert files == {
        "config.json": b"{}",
        "weights of it/a+b%.bin": bytes(range(256)) * 5000,
    }
    with pytest.raises(NotFoundError):
        rest.download("mlflow-artifacts:/models/qa/two", tmp_path / "nothing")


def test_an_experiment_shows_its_runs_and_their_history(hosted: HostedMlflow, caller: Caller, runs: MlflowRuns) -> None:
    experiments = Experiments(hosted.door)
    experiment_id = runs.ensure_experiment("adapter")
    assert runs.ensure_experiment("adapter") == experiment_id
    run_id = runs.start(experiment_id, "first", started_ns=10**18, tags={"kind": "test"})
    runs.log(run_id, params={"lr": 0.1, "long": "x" * 10_000})
    for step in range(40):
        runs.log(run_id, metrics={"loss": 100.0 if step == 17 else 1 / (step + 1)}, step=step, at_ns=10**18 + step)
    runs.log(run_id, metrics={"odd": float("nan")}, at_ns=10**18)
    runs.finish(run_id, "FINISHED", ended_ns=10**18 + 10**9)
    assert [experiment.name for experiment in experiments.list(caller)] == ["adapter"]
    page = experiments.runs(caller, [experiment_id], query="metrics.loss < 1 and params.lr = '0.1'")
    [run] = page.runs
    assert (run.name, run.status, run.params["lr"], len(run.params["long"])) == ("first", "FINISHED", "0.1", 6000)
    assert run.metrics["loss"] == 1 / 40
    series = experiments.history(caller, run_id, "loss", limit=10)
    assert (series.num_points, max(point.value for point in series.points)) == (40, 100.0)
    assert len(series.points) <= 10
    with pytest.raises(InvalidError):
        experiments.runs(caller, [experiment_id], query="metrics.loss <")
    with pytest.raises(NotFoundError):
        experiments.run(caller, "0" * 32)
