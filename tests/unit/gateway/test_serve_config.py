"""The one generator of Serve's configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from aiplatform.gateway.serve_config import APPLICATIONS, GRPC_VARIABLE, ServePlan, serve_config

PLAN = ServePlan(
    host="127.0.0.1",
    port=8000,
    settings_file=Path("/data/state/settings.toml"),
    logs_dir=Path("/data/logs/serve"),
    applications=APPLICATIONS,
)


def test_ray_accepts_the_configuration() -> None:
    schema = pytest.importorskip("ray.serve.schema")
    parsed = schema.ServeDeploySchema.model_validate(json.loads(json.dumps(serve_config(PLAN))))
    assert [(one.name, one.route_prefix) for one in parsed.applications] == [
        ("platform", "/"),
        ("door", "/v1"),
        ("mlflow", "/mlflow"),
        ("worker", None),
    ]
    assert (parsed.http_options.host, parsed.http_options.port) == ("127.0.0.1", 8000)


def test_every_application_takes_no_logical_cpu() -> None:
    for application in serve_config(PLAN)["applications"]:
        assert [one["ray_actor_options"] for one in application["deployments"]] == [{"num_cpus": 0.0}]


def test_processes_learn_the_settings_by_a_files_path_and_nothing_secret_is_shown() -> None:
    text = json.dumps(serve_config(PLAN))
    for application in serve_config(PLAN)["applications"]:
        assert application["runtime_env"]["env_vars"]["AIPLATFORM_SETTINGS"] == "/data/state/settings.toml"
    assert "sqlite" not in text
    assert "postgres" not in text


def test_the_door_alone_is_told_where_to_take_grpc_and_only_where_it_is_wanted() -> None:
    def told(plan: ServePlan) -> dict[str, str]:
        applications = serve_config(plan)["applications"]
        environments = {one["name"]: one["runtime_env"]["env_vars"] for one in applications}
        return {name: found[GRPC_VARIABLE] for name, found in environments.items() if GRPC_VARIABLE in found}

    assert told(PLAN) == {}
    assert told(replace(PLAN, grpc_address="127.0.0.1:20013")) == {"door": "127.0.0.1:20013"}


def test_every_import_path_names_an_application() -> None:
    ray_app = pytest.importorskip("aiplatform.gateway.ray_app")
    for application in serve_config(PLAN)["applications"]:
        module, _, name = application["import_path"].partition(":")
        assert module == ray_app.__name__
        assert getattr(ray_app, name)._bound_deployment.name == application["name"]
