"""Where files of this user lie when nobody says otherwise. Apart from the settings, whose reading loads much more."""

from __future__ import annotations

import os
from pathlib import Path


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/aiplatform`, by default `~/.local/share/aiplatform`."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "aiplatform"


def default_config_dir() -> Path:
    """`$XDG_CONFIG_HOME/aiplatform`, by default `~/.config/aiplatform`: where the owner's key lies."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "aiplatform"


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/aiplatform`, by default `~/.cache/aiplatform`: what may be lost without harm."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aiplatform"
