"""What a stock MLflow client does with a tracking address and a token, in a process of its own."""

import json
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


def use_everything(folder: Path) -> dict[str, object]:
    mlflow.set_experiment("contract")
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_params({"lr": 0.1})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.set_tag("kind", "test")
        file = folder / "note.txt"
        file.write_text("hello")
        mlflow.log_artifact(str(file), "notes")
    client = MlflowClient()
    run_id = run.info.run_id
    client.create_registered_model("qa")
    version = client.create_model_version("qa", source=f"{run.info.artifact_uri}/notes", run_id=run_id)
    client.set_registered_model_alias("qa", "champion", version.version)
    fetched = mlflow.artifacts.download_artifacts("models:/qa@champion", dst_path=str(folder / "model"))
    prompt = mlflow.genai.register_prompt(name="greet", template="Hi {{name}}")
    mlflow.genai.set_prompt_alias("greet", "live", prompt.version)
    return {
        "run_id": run_id,
        "params": client.get_run(run_id).data.params,
        "history": [point.value for point in client.get_metric_history(run_id, "loss")],
        "artifacts": [item.path for item in client.list_artifacts(run_id, "notes")],
        "content": Path(client.download_artifacts(run_id, "notes/note.txt")).read_text(),
        "model_files": sorted(path.name for path in Path(fetched).iterdir()),
        "aliased": client.get_model_version_by_alias("qa", "champion").version,
        "prompt": mlflow.genai.load_prompt("prompts:/greet@live").format(name="Lin"),
        "models": [model.name for model in client.search_registered_models()],
        "found": len(client.search_runs([run.info.experiment_id], "metrics.loss < 1 and params.lr = '0.1'")),
    }


def look_around(_folder: Path) -> dict[str, object]:
    client = MlflowClient()
    seen: dict[str, object] = {
        "experiments": [experiment.name for experiment in client.search_experiments()],
        "models": [model.name for model in client.search_registered_models()],
        "prompt": mlflow.genai.load_prompt("prompts:/greet@live", allow_missing=True),
    }
    run_id = sys.argv[3]
    for name, read in {
        "run": lambda: client.get_run(run_id),
        "artifacts": lambda: client.list_artifacts(run_id),
        "model": lambda: client.get_model_version("qa", "1"),
        "workspace": mlflow.list_workspaces,
    }.items():
        try:
            seen[name] = str(read())
        except MlflowException as error:
            seen[name] = type(error).__name__
    return seen


if __name__ == "__main__":
    act = {"use": use_everything, "look": look_around}[sys.argv[1]]
    print("RESULT", json.dumps(act(Path(sys.argv[2]))))
