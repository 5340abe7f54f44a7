"""The log files of an installation: which application wrote which, their last lines, and what is added."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiplatform.runtime.model import RayHome

RAY: Final = "ray"
_TAIL_BYTES: Final = 256 * 1024
_RAY_PARTS: Final = ("gcs_server.*", "raylet.*", "dashboard*.log", "dashboard*.err", "runtime_env*.log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a log."""

    application: str
    text: str
    time: str = ""
    level: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


def log_files(home: RayHome, application: str | None = None) -> list[tuple[str, Path]]:
    """Every log file with the application that writes it, or those of one application alone."""
    found = [(file.stem, file) for file in home.logs_dir.glob("*.log") if file != home.start_log]
    found += [(_application_of(file), file) for file in (home.logs_dir / "serve").glob("replica_*.log")]
    ray_logs = home.temp_dir / "session_latest" / "logs"
    if not ray_logs.is_dir():
        ray_logs = home.logs_dir / "ray-last"
    if application == RAY:
        found += [(RAY, home.start_log)]
        found += [(RAY, file) for pattern in _RAY_PARTS for file in ray_logs.glob(pattern)]
    return sorted(pair for pair in found if application in {None, pair[0]})


def last_lines(files: list[tuple[str, Path]], count: int) -> list[Line]:
    """The last lines of all files together, by time where they tell it."""
    lines: list[Line] = []
    for application, file in files:
        lines += [parse(application, text) for text in _tail(file, count)]
    lines.sort(key=lambda line: line.time)
    return lines[-count:]


def follow(
    find_files: Callable[[], list[tuple[str, Path]]], wait: Callable[[], bool], known: dict[Path, int]
) -> Iterator[Line]:
    """Lines as they are added, new files included.

    Args:
        find_files: Finds the files again.
        wait: Waits a moment; False ends.
        known: Bytes of each file that were shown already.
    """
    while wait():
        for application, file in find_files():
            try:
                with file.open("rb") as source:
                    size = source.seek(0, 2)
                    begin = known.get(file, 0)
                    source.seek(begin if begin <= size else 0)  # a shorter file was begun anew
                    text = source.read()
            except OSError:
                continue
            whole = text.rpartition(b"\n")[0]
            known[file] = (begin if begin <= size else 0) + (len(whole) + 1 if whole else 0)
            for line in whole.decode("utf-8", "replace").splitlines():
                yield parse(application, line)


def parse(application: str, text: str) -> Line:
    """A line as what it says: JSON of the platform's or of Serve's, else plain text."""
    try:
        value = json.loads(text)
    except ValueError:
        return Line(application=application, text=text)
    if not isinstance(value, dict):
        return Line(application=application, text=text)
    time = str(value.get("time") or value.get("asctime") or "")
    return Line(
        application=application,
        text=str(value.get("message", "")),
        time=time.replace(" ", "T").replace(",", "."),
        level=str(value.get("level") or value.get("levelname") or ""),
        fields=value,
    )


def _application_of(file: Path) -> str:
    """`replica_<application>_<deployment>_<id>.log`; neither of the last two holds an underscore here."""
    return file.stem.removeprefix("replica_").rsplit("_", 2)[0]


def _tail(file: Path, count: int) -> list[str]:
    try:
        with file.open("rb") as source:
            size = source.seek(0, 2)
            source.seek(max(0, size - _TAIL_BYTES))
            lines = source.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line for line in lines[-count:] if line.strip()]
