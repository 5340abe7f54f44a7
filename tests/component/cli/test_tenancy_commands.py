"""The commands of tenants, projects, members, keys and the audit log, against a platform on a loopback socket."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aiplatform.cli.console import ExitCode
from aiplatform.storage.database import Database
from aiplatform.tenancy.permissions import Role
from aiplatform.tenancy.routes import build_routes
from aiplatform.testing.asgi import PlatformUnderTest

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """One database is enough here: the rooms' own tests run on both."""
    return sqlite_database


@pytest.fixture
def address(platform: PlatformUnderTest) -> Iterator[str]:
    platform.attach(build_routes(platform.tenancy))
    with platform.listen() as url:
        yield url


@pytest.fixture
def command(address: str, tmp_path: Path) -> Command:
    def run(*arguments: str, key: str) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIPLATFORM_", "LC_", "XDG_"))
        }
        variables = {**kept, "HOME": str(tmp_path), "LANG": "C.UTF-8", "COLUMNS": "200", "NO_COLOR": "1"}
        variables |= {"AIPLATFORM_URL": address, "AIPLATFORM_API_KEY": key}
        arguments = (sys.executable, "-m", "aiplatform", *arguments)
        return subprocess.run(arguments, capture_output=True, text=True, env=variables, check=False)

    return run


def test_a_tenant_is_made_and_its_admin_gets_in(platform: PlatformUnderTest, command: Command) -> None:
    made = command("tenants", "create", "acme", "--name", "Acme", key=platform.key(Role.PLATFORM_ADMIN))
    assert made.returncode == 0, made.stderr
    key = made.stdout.splitlines()[-1]
    assert [one["id"] for one in json.loads(command("projects", "list", "--json", key=key).stdout)] == ["default"]
    refused = command("tenants", "list", key=key)
    assert refused.returncode == ExitCode.NOT_PERMITTED
    assert "Traceback" not in refused.stderr
    twice = command("tenants", "create", "acme", key=platform.key(Role.PLATFORM_ADMIN))
    assert (twice.returncode, "acme" in twice.stderr) == (ExitCode.FAILED, True)


SPEC = """
tenant: acme
members:
  - {email: lin@example.com, role: admin}
quotas: {concurrent_requests: 4, span_bytes_per_day: 10GiB}
"""


def test_a_tenant_is_applied_from_a_file(platform: PlatformUnderTest, command: Command, tmp_path: Path) -> None:
    admin, file = platform.key(Role.PLATFORM_ADMIN), tmp_path / "acme.yaml"
    file.write_text(SPEC)
    assert command("tenants", "diff", str(file), key=admin).returncode == ExitCode.GATE_NOT_PASSED
    applied = command("tenants", "apply", str(file), key=admin)
    assert applied.returncode == 0, applied.stderr
    assert "concurrent_requests" in applied.stdout
    key = applied.stdout.splitlines()[-1]
    assert command("tenants", "diff", str(file), key=admin).returncode == 0
    shown = command("tenants", "get", "acme", key=admin).stdout
    file.write_text(shown)
    assert command("tenants", "diff", str(file), key=admin).returncode == 0, shown
    usage = json.loads(command("tenants", "usage", "--json", key=key).stdout)
    assert {one["resource"]: one["limit"] for one in usage} == {
        "concurrent_requests": 4,
        "span_bytes_per_day": 10 * 2**30,
    }
    assert command("tenants", "suspend", "acme", key=admin).returncode == 0
    assert command("projects", "list", key=key).returncode == ExitCode.NOT_PERMITTED
    assert command("tenants", "resume", "acme", key=admin).returncode == 0
    assert command("projects", "list", key=key).returncode == 0
    file.write_text("tenant: acme\nmember: []\n")
    wrong = command("tenants", "apply", str(file), key=admin)
    assert (wrong.returncode, "member" in wrong.stderr, "Traceback" in wrong.stderr) == (
        ExitCode.WRONG_USE,
        True,
        False,
    )
    assert "TenantSpec" in command("tenants", "schema", key=admin).stdout


def test_an_admin_manages_members_projects_and_keys(platform: PlatformUnderTest, command: Command) -> None:
    admin = platform.key(Role.ADMIN)
    assert command("projects", "create", "docs", key=admin).returncode == 0
    assert command("members", "set", "lin@example.com", "--role", "viewer", key=admin).returncode == 0
    made = command(
        "keys", "create", "ci", "--role", "viewer", "--expires", "30d", "--for", "lin@example.com", key=admin
    )
    assert made.returncode == 0, made.stderr
    key = made.stdout.splitlines()[-1]
    assert command("projects", "list", key=key).returncode == 0
    shown = command("keys", "list", key=admin).stdout
    assert key[:12] in shown
    assert key not in shown
    assert command("keys", "revoke", key[:12], key=admin).returncode == 0
    assert command("projects", "list", key=key).returncode == ExitCode.NOT_PERMITTED
    assert key[:12] not in command("keys", "list", key=admin).stdout
    assert "revoked" in command("keys", "list", "--all", key=admin).stdout
    assert command("members", "remove", "lin@example.com", key=admin).returncode == 0
    assert "lin@example.com" not in command("members", "list", key=admin).stdout
    events = json.loads(command("audit", "list", "--action", "members", "--json", key=admin).stdout)
    assert events[0]["action"] == "members.remove"


def test_a_wrong_value_is_named(platform: PlatformUnderTest, command: Command) -> None:
    done = command("keys", "create", "ci", "--expires", "soon", key=platform.key(Role.ADMIN))
    assert (done.returncode, "'soon'" in done.stderr) == (ExitCode.WRONG_USE, True)
