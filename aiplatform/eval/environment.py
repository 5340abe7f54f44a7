"""What a run's numbers may depend on beside data, model and scorers: the code and the packages around it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Final

_RECORDED_PACKAGES: Final = (
    "aiplatform",
    "ray",
    "numpy",
    "scipy",
    "pyarrow",
    "torch",
    "transformers",
    "scikit-learn",
    "sacrebleu",
)


def code_version() -> str:
    """The commit of the working directory, with `+` where files have changed since; empty outside version control."""
    git = shutil.which("git")
    if git is None:
        return os.environ.get("AIPLATFORM_CODE_VERSION", "")
    try:
        commit = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        changed = subprocess.run(
            [git, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("AIPLATFORM_CODE_VERSION", "")
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def environment() -> dict[str, str]:
    """Versions that a run's numbers may depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
