"""Writes `docs/settings.md` from the settings themselves: `python scripts/settings_page.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from aiplatform.core.settings import Section, Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Read once, from `aiplatform.toml`, then the environment, then flags; each wins over the one before. `aiplatform config
show` prints every value with its source.

| Setting | Environment | Default | Meaning |
|---|---|---|---|
"""


def rows(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(dotted name, default, meaning) of every setting."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from rows(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", shown(field), " ".join((field.description or "").split())


def shown(field: Any) -> str:
    """A default as the page shows it."""
    if field.default_factory is not None:
        return "`~/.local/share/aiplatform`"
    if field.default is None or field.default == () or isinstance(field.default, SecretStr):
        return "—"
    return f"`{field.default}`"


def page() -> str:
    """The whole page."""
    lines = (
        f"| `{name}` | `AIPLATFORM_{name.upper().replace('.', '__')}` | {default} | {meaning} |"
        for name, default, meaning in rows()
    )
    return HEAD + "\n".join(lines) + "\n"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
