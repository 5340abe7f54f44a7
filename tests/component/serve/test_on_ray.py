"""Serving on a real Ray: one walk (`on_ray.py`), many questions about what it saw."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiplatform.runtime import head, state
from aiplatform.runtime.environment import head_environment
from aiplatform.runtime.model import ray_home
from aiplatform.runtime.ports_in_use import choose_block
from aiplatform.testing.databases import copy_sqlite

pytestmark = pytest.mark.ray

WALK_TIMEOUT_S = 280


@pytest.fixture(scope="module")
def seen(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the walk saw, on a Ray of its own that is gone afterwards."""
    folder = tmp_path_factory.mktemp("serving")
    home = ray_home(folder, short_dir=Path("/tmp"))
    ports, token = choose_block(home.mark), state.ensure_token(home)
    key_file = folder / "key"
    key_file.write_text("aip_test", encoding="utf-8")
    environment = head_environment(
        os.environ,
        home=home,
        ports=ports,
        num_cpus=2,
        bin_dir=Path(sys.executable).parent,
        url=f"http://127.0.0.1:{ports.base + 13}",
        service_key_file=key_file,
        haproxy_binary=head.haproxy_wrapper(home),
    )
    root = str(Path(__file__).parents[3])
    environment["PYTHONPATH"] = root
    try:
        head.start(home, head.start_command(home, ports, num_cpus=2, object_store_mb=80), environment)
        url = copy_sqlite(sqlite_template, folder / "platform.db")
        dashboard = f"http://127.0.0.1:{ports.dashboard}"
        places = [url, str(folder), dashboard, token, f"127.0.0.1:{ports.gcs}", str(ports.base + 14)]
        walked = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("on_ray.py")), *places],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
            timeout=WALK_TIMEOUT_S,
            check=False,
        )
        told = next((line for line in walked.stdout.splitlines() if line.startswith("SEEN ")), None)
        assert told is not None, (
            f"the walk ended with {walked.returncode}:\n{walked.stdout[-3000:]}\n{walked.stderr[-6000:]}"
        )
        yield json.loads(told.removeprefix("SEEN "))
    finally:
        head.stop(home)


def test_a_class_that_is_wanted_becomes_ready(seen: dict[str, Any]) -> None:
    assert (seen["ready"], seen["state"]) == (True, 1)


@pytest.mark.parametrize("host", ["handle", "http"])
def test_both_ways_to_a_model_answer_the_same(seen: dict[str, Any], host: str) -> None:
    assert seen[host] == {
        "whole": "> ab",
        "parts": ["> ", "a", "b"],
        "embedding": {"embeddings": [[3.0]]},
        "failure": "model.failed",
        "unknown": "model.unreachable",
    }


def test_the_replicas_own_port_answers_the_door_alone(seen: dict[str, Any]) -> None:
    refused = dict.fromkeys(("unsigned", "unsigned_stream", "foreign", "root"), 401)
    assert seen["knocks"] == {"signed": 200, **refused, "names": 404}


def test_a_replica_knows_its_project_and_nothing_of_the_control_plane(seen: dict[str, Any]) -> None:
    assert (seen["settings"], seen["project"], seen["given"]) == ("> unset", "> default", "> yes")


def test_declaring_the_platforms_applications_leaves_models_alone(seen: dict[str, Any]) -> None:
    assert seen["after_declaring"] == ["model-default.default.broken", "model-default.default.echo", "other"]
    assert seen["other"] == "here"


def test_a_new_revision_takes_over_without_a_gap(seen: dict[str, Any]) -> None:
    assert (seen["rolled"], seen["new_answer"]) == (True, "new a")
    assert seen["answers_while_rolling"] == ["answered"]


def test_what_was_killed_or_deleted_comes_back(seen: dict[str, Any]) -> None:
    assert (seen["back_after_kill"], seen["back_after_delete"]) == (True, True)


def test_a_class_that_cannot_be_made_fails_with_its_own_sentence(seen: dict[str, Any]) -> None:
    assert (seen["broken"], seen["why"]) == (True, "ValueError: the corpus is gone")


def test_the_clusters_size_is_known(seen: dict[str, Any]) -> None:
    assert seen["nodes"] == [[2.0, 0.0]]


def test_what_is_wanted_no_more_ends(seen: dict[str, Any]) -> None:
    assert seen["ended"]
