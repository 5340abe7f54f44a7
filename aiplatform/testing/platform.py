"""A whole platform for tests: brought up by its own command in a home of its own, and taken down again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from aiplatform.testing.ending import afterwards

_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPlatform:
    """A platform of a test, and how to speak to it."""

    home: Path
    """Home folder: keys under `.config/aiplatform`, data under `.local/share/aiplatform`."""

    port: int
    environment: Mapping[str, str]
    """What its commands are run with."""

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_dir(self) -> Path:
        """Its data folder."""
        return self.home / ".local" / "share" / "aiplatform"

    @property
    def key_file(self) -> Path:
        """The owner's key."""
        return self.home / ".config" / "aiplatform" / "key"

    @property
    def key(self) -> str:
        """The owner's key: a platform admin of the tenant `default`."""
        return self.key_file.read_text(encoding="utf-8").strip()

    def run(
        self, *arguments: str, timeout_s: float = 300.0, check: bool = True, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `aiplatform <arguments>`; with `check` a failure raises, its output in the message.

        Args:
            arguments: Of the command.
            timeout_s: Longest that it may take.
            check: Whether a failure raises.
            more: Further environment variables.
        """
        done = subprocess.run(
            [sys.executable, "-m", "aiplatform", *arguments],
            env={**self.environment, **more},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"aiplatform {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def run_json(self, *arguments: str, timeout_s: float = 300.0) -> Any:
        """Run a command with `--json`, and read what it prints."""
        return json.loads(self.run(*arguments, "--json", timeout_s=timeout_s).stdout)

    def http(self, *, key: str | None = None, timeout_s: float = 60.0) -> httpx.Client:
        """A plain HTTP client with a key; by default the owner's."""
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s, trust_env=False)

    def client_environment(self) -> dict[str, str]:
        """Variables with which SDK, `ray job submit` and other tools of another process find this platform."""
        return {**self.environment, **self.run_json("config", "env")}


def free_port() -> int:
    """A TCP port that nobody listens at right now, below the kernel's ephemeral range."""
    # Processes that share a suite have numbers in a row: each begins where the others are far away.
    for port in range(18_000 + os.getpid() * 389 % 1900, 20_000):
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port between 18000 and 20000")


def idle_platform(home: Path, **settings: str) -> RunningPlatform:
    """A platform that is not up yet.

    Args:
        home: An empty folder.
        settings: Further environment variables, such as `AIPLATFORM_RAY__NUM_CPUS`.
    """
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if name in _KEPT}
    environment = {**inherited, "HOME": str(home), "AIPLATFORM_SERVER__PORT": str(port), **settings}
    return RunningPlatform(home=home, port=port, environment=environment)


@contextmanager
def running_platform(home: Path, **settings: str) -> Iterator[RunningPlatform]:
    """A platform that is up inside the block, and down after it, whatever happens.

    Args:
        home: An empty folder.
        settings: Further environment variables.
    """
    platform = idle_platform(home, **settings)
    down = [sys.executable, "-m", "aiplatform", "down"]
    with afterwards(down, environment=platform.environment, folder=home):
        try:
            platform.run("up", timeout_s=420.0)
            yield platform
        finally:
            platform.run("down", check=False)
