"""Reading the platform's logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aiplatform.gateway.logfiles import follow, last_lines, log_files, parse
from aiplatform.runtime.model import RayHome, ray_home


@pytest.fixture
def home(tmp_path: Path) -> RayHome:
    home = ray_home(tmp_path / "data", short_dir=tmp_path)
    (home.logs_dir / "serve").mkdir(parents=True)
    return home


def _own(when: str, message: str) -> str:
    return json.dumps({"time": f"2026-01-01T00:00:{when}+00:00", "level": "INFO", "message": message}) + "\n"


def _serves(when: str, message: str) -> str:
    return json.dumps({"asctime": f"2026-01-01 00:00:{when},000", "levelname": "ERROR", "message": message}) + "\n"


def test_files_are_known_by_the_application_that_writes_them(home: RayHome) -> None:
    (home.logs_dir / "door.log").touch()
    (home.logs_dir / "serve" / "replica_door_door_1a2b.log").touch()
    (home.logs_dir / "serve" / "replica_model-default.p.qa_x_model_3c4d.log").touch()
    home.start_log.touch()
    assert [name for name, _ in log_files(home)] == ["door", "door", "model-default.p.qa_x"]
    assert [name for name, _ in log_files(home, "door")] == ["door", "door"]
    assert [file.name for _, file in log_files(home, "ray")] == ["ray-start.log"]


def test_last_lines_of_several_files_stand_in_order_of_time(home: RayHome) -> None:
    (home.logs_dir / "door.log").write_text(_own("01", "one") + _own("03", "three"))
    (home.logs_dir / "serve" / "replica_door_door_1.log").write_text(_serves("02", "two"))
    assert [line.text for line in last_lines(log_files(home), 10)] == ["one", "two", "three"]
    assert [line.text for line in last_lines(log_files(home), 1)] == ["three"]


def test_following_shows_what_is_added_in_whole_lines_and_new_files(home: RayHome) -> None:
    file = home.logs_dir / "door.log"
    file.write_text(_own("01", "old"))
    known = {file: file.stat().st_size}
    steps = iter(["half", "whole", "new", None])

    def wait() -> bool:
        step = next(steps)
        if step == "half":
            with file.open("a") as out:
                out.write('{"message": "ne')
        elif step == "whole":
            with file.open("a") as out:
                out.write('w"}\n')
        elif step == "new":
            (home.logs_dir / "worker.log").write_text("plain text\n")
        return step is not None

    assert [line.text for line in follow(lambda: log_files(home), wait, known)] == ["new", "plain text"]


@pytest.mark.parametrize("text", ["no json", "[1]", '"text"', "{"])
def test_what_is_no_object_is_shown_as_it_is(text: str) -> None:
    assert parse("door", text).text == text
