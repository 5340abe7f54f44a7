"""The same view as a link, a command and a line of Python: what pages offer for copying is real."""

from __future__ import annotations

import ast
import html
import inspect
import re
import shlex

import httpx
import pytest
import typer.main

import aiplatform
from aiplatform.cli.main import build
from aiplatform.tenancy.permissions import Role
from tests.component.ui.conftest import PROJECT, Seeded

ROW = re.compile(r'<div class="copyrow"><span class="soft">([^<]+)</span><code[^>]*>([^<]*)</code>')


@pytest.fixture
def ways(seeded: Seeded) -> dict[str, dict[str, str]]:
    """What each page offers, by path."""
    client = seeded.world.platform.client(Role.ADMIN, project=PROJECT)
    client.headers["accept"] = "text/html"
    return {path: offered(client, seeded.base + path) for path in seeded.pages}


def offered(client: httpx.Client, url: str) -> dict[str, str]:
    return {name: html.unescape(text) for name, text in ROW.findall(client.get(url).text)}


def test_every_command_is_one_that_the_command_line_knows(ways: dict[str, dict[str, str]]) -> None:
    commands = {found["CLI"] for found in ways.values() if "CLI" in found}
    assert len(commands) > 10
    for text in commands:
        program, *arguments = shlex.split(text)
        assert program == "aiplatform"
        command = typer.main.get_command(build(arguments[0]))
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        command.make_context(command.name, arguments)


def test_every_line_of_python_calls_something_that_takes_it(ways: dict[str, dict[str, str]]) -> None:
    lines = {found["Python"] for found in ways.values() if "Python" in found}
    assert len(lines) > 8
    for text in lines:
        call = ast.parse(text).body[0].value  # type: ignore[attr-defined]
        _, *names = ast.unparse(call.func).split(".")
        target: object = aiplatform
        for name in names:
            target = getattr(target, name)
        assert callable(target)
        given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        inspect.signature(target).bind(*[ast.literal_eval(argument) for argument in call.args], **given)


def test_commands_name_the_project_where_it_is_not_the_default_one(ways: dict[str, dict[str, str]]) -> None:
    assert ways["/models"]["CLI"] == f"aiplatform models list --project {PROJECT}"
    assert ways["/models"]["Python"] == f"aip.models.list()  # AIPLATFORM_PROJECT={PROJECT}"
    assert ways["/members"]["CLI"] == "aiplatform members list"


def test_a_query_is_copied_as_the_api_reads_it(seeded: Seeded) -> None:
    client = seeded.world.platform.client(Role.ADMIN, project=PROJECT)
    client.headers["accept"] = "text/html"
    found = offered(client, f"{seeded.base}/traces?q=status:error+duration%3E2s+%22cannot+open%22&sort=slowest")
    line = 'status = "error" AND duration > 2s AND "cannot open"'
    assert found["CLI"] == f"aiplatform traces list {shlex.quote(line)} --sort slowest --project {PROJECT}"
    assert found["Python"].startswith(f"aip.traces.list({line!r}, sort='slowest')")
