"""Remembering the running Ray in a file that only its owner can read."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from dataclasses import asdict
from pathlib import Path

from aiplatform.runtime.model import RayHome, RayState


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, all at once or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def save(home: RayHome, state: RayState) -> None:
    """Remember `state`."""
    write_private(home.state_file, json.dumps(asdict(state), indent=1))


def load(home: RayHome) -> RayState | None:
    """What is remembered; None where there is nothing, or nothing that this version understands."""
    try:
        return RayState(**json.loads(home.state_file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget(home: RayHome) -> None:
    """Remember nothing."""
    home.state_file.unlink(missing_ok=True)


def ensure_token(home: RayHome) -> str:
    """Ray's token, made where there is none."""
    try:
        token = home.token_file.read_text(encoding="utf-8").strip()
    except OSError:
        token = ""
    if not token:
        token = secrets.token_hex(32)
        write_private(home.token_file, token)
    return token
