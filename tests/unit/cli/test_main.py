"""The command as a person meets it: help, languages, exit codes, errors as sentences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aiplatform.cli.console import ExitCode, exit_code_of
from aiplatform.cli.main import GROUPS
from aiplatform.core import errors


def aiplatform(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AIPLATFORM_", "LC_"))}
    variables |= {"HOME": str(home), "LANG": "C.UTF-8", "COLUMNS": "120", "NO_COLOR": "1", **environment}
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        variables.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "aiplatform", *arguments], capture_output=True, text=True, env=variables, check=False
    )


def test_help_names_every_group_in_both_languages(tmp_path: Path) -> None:
    english = aiplatform("--help", home=tmp_path)
    chinese = aiplatform("--help", home=tmp_path, LANG="zh_CN.UTF-8")
    assert english.returncode == chinese.returncode == 0
    for name in GROUPS:
        assert f" {name} " in english.stdout
        assert f" {name} " in chinese.stdout
    assert "Bring the platform up" in english.stdout
    assert "启动平台" in chinese.stdout


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_has_help(group: str, tmp_path: Path) -> None:
    done = aiplatform(group, "--help", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    done = aiplatform("--version", home=tmp_path)
    assert done.stdout.strip() == "aiplatform 0.1.0"


@pytest.mark.parametrize("arguments", [["nonsense"], ["traces", "list", "--nonsense"]])
def test_wrong_use_is_told_and_exits_with_two(arguments: list[str], tmp_path: Path) -> None:
    done = aiplatform(*arguments, home=tmp_path)
    assert done.returncode == ExitCode.WRONG_USE
    assert "Traceback" not in done.stderr


def test_no_key_is_a_sentence_with_a_remedy_and_exits_with_four(tmp_path: Path) -> None:
    done = aiplatform("traces", "list", home=tmp_path, AIPLATFORM_URL="http://127.0.0.1:1")
    assert done.returncode == ExitCode.NOT_PERMITTED
    assert "No API key was found for http://127.0.0.1:1." in done.stderr
    assert "aiplatform up" in done.stderr
    assert "code client.no_key" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_platform_that_is_not_there_exits_with_one(tmp_path: Path) -> None:
    done = aiplatform("traces", "list", home=tmp_path, AIPLATFORM_URL="http://127.0.0.1:1", AIPLATFORM_API_KEY="aip_x")
    assert done.returncode == ExitCode.FAILED
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_are_shown_with_their_sources(tmp_path: Path) -> None:
    done = aiplatform(
        "config", "show", "--json", home=tmp_path, AIPLATFORM_SERVER__PORT="8123",
        AIPLATFORM_DATABASE__URL="postgresql+psycopg://u:secret@127.0.0.1/x",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout
    assert "AIPLATFORM_SERVER__PORT" in done.stdout
    json.loads(done.stdout)


def test_a_wrong_setting_exits_with_two(tmp_path: Path) -> None:
    done = aiplatform("config", "show", home=tmp_path, AIPLATFORM_SERVER__PORT="many")
    assert done.returncode == ExitCode.WRONG_USE
    assert "many" in done.stderr
    assert "AIPLATFORM_SERVER__PORT" in done.stderr


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.InvalidError, ExitCode.WRONG_USE),
        (errors.ConfigError, ExitCode.WRONG_USE),
        (errors.UnauthenticatedError, ExitCode.NOT_PERMITTED),
        (errors.PermissionDeniedError, ExitCode.NOT_PERMITTED),
        (errors.NotFoundError, ExitCode.FAILED),
        (errors.TransientError, ExitCode.FAILED),
    ],
)
def test_exit_codes_follow_the_error(kind: type[errors.AIPlatformError], code: ExitCode) -> None:
    assert exit_code_of(kind("x")) is code
