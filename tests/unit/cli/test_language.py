"""Help and wrong use, in both languages: every command, every option, and Typer's own words."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from aiplatform.cli.language import told

CHINESE = re.compile(r"[\u4e00-\u9fff]")
ROOT = Path(__file__).resolve().parents[3]


def in_language(language: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AIPLATFORM_", "LC_"))}
    variables |= {"LANG": f"{language}.UTF-8", "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=variables, check=False, cwd=ROOT
    )


@cache
def help_texts(language: str) -> dict[str, str]:
    """Help of every command, option and argument, by its place; the language is chosen once for a process."""
    done = in_language(language, "-m", "tests.unit.cli.test_language")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def walked(command: Any, path: str) -> Iterator[tuple[str, str]]:
    context = typer.Context(command, info_name=path)
    yield path, command.help or ""
    for param in command.get_params(context):
        yield f"{path} {param.name}", param.help or ""
    for name, inner in getattr(command, "commands", {}).items():
        yield from walked(inner, f"{path} {name}")


def test_the_tree_is_walked_to_its_leaves() -> None:
    texts = help_texts("en_US")
    assert {"aiplatform", "aiplatform traces list", "aiplatform traces list limit", "aiplatform up help"} <= set(texts)
    assert len(texts) > 200


def test_every_command_and_option_has_help_in_chinese() -> None:
    wrong = {path: text for path, text in help_texts("zh_CN").items() if not CHINESE.search(text)}
    assert wrong == {}


def test_english_help_is_english_throughout() -> None:
    wrong = {path: text for path, text in help_texts("en_US").items() if not text or CHINESE.search(text)}
    assert wrong == {}


def test_titles_and_standing_options_of_help_are_in_the_readers_language() -> None:
    chinese = in_language("zh_CN", "-m", "aiplatform", "deployments", "apply", "--help").stdout
    english = in_language("en_US", "-m", "aiplatform", "deployments", "apply", "--help").stdout
    for ours, theirs in (
        ("用法：", "Usage: "),
        ("参数", "Arguments"),
        ("选项", "Options"),
        ("[默认：1]", "[default: 1]"),
    ):
        assert ours in chinese
        assert theirs not in chinese
        assert theirs in english
    assert "显示此帮助后退出。" in chinese
    assert "命令" in in_language("zh_CN", "-m", "aiplatform", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "english", "chinese"),
    [
        (["nonsense"], "There is no command 'nonsense'.", "没有命令 'nonsense'。"),
        (["trace"], "'trace'. Did you mean 'traces'?", "没有命令 'trace'。你是否想用 'traces'？"),
        (["traces", "list", "--nonsense"], "There is no option --nonsense.", "没有选项 --nonsense。"),
        (["traces", "list", "-n", "x"], "'-n': A whole number is needed.", "'-n' 的值有误：需要一个整数。"),
        (["traces", "list", "-n", "0"], "At least 1 is needed.", "不能小于 1。"),
        (["traces", "list", "-n"], "The option '-n' needs a value.", "选项 '-n' 需要一个值。"),
        (["traces", "list", "--json=4"], "The option '--json' takes no value.", "选项 '--json' 不接受值。"),
        (["traces", "list", "a", "b"], "These arguments are too many: b.", "多余的参数：b。"),
        (["traces", "get"], "The argument 'trace_id' is missing.", "缺少参数 'trace_id'。"),
        (["keys", "create", "a", "--role", "x"], "'x' is none of 'viewer',", "'x' 不在可选值之中：'viewer',"),
        (["datasets", "create", "a", "/none"], "'/none' does not exist.", "'/none' 不存在。"),
        (["datasets", "create", "a", "/"], "'/' is a folder; a file is needed.", "'/' 是文件夹；这里需要文件。"),
    ],
)
def test_wrong_use_is_told_in_the_readers_language(arguments: list[str], english: str, chinese: str) -> None:
    for language, text in (("en_US", english), ("zh_CN", chinese)):
        done = in_language(language, "-m", "aiplatform", *arguments)
        assert done.returncode == 2
        assert text in done.stderr
        assert "Traceback" not in done.stderr


def test_a_sentence_that_is_not_known_stays_as_it_is() -> None:
    assert told("Something new is wrong.") == "Something new is wrong."


if __name__ == "__main__":
    from typer.main import get_command

    from aiplatform.cli.main import build

    sys.stdout.write(json.dumps([*walked(get_command(build("*")), "aiplatform")]))
