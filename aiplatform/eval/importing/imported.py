"""What an import comes to: specifications with their rows, and everything that could not be taken over."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing that could not be taken over, or only in part."""

    where: str
    """Its place in the source: `tests[2].assert[0]`."""

    text: str
    """What is the matter, a text of the catalogue."""

    fields: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.where}: {self.text.format(**self.fields)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One specification with its rows; the rows' path is filled in when they are written."""

    name: str
    spec: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Everything that one file holds."""

    evaluations: tuple[Evaluation, ...]
    notes: tuple[Note, ...] = ()

    def write(self, folder: Path) -> list[Path]:
        """Write every specification and its rows into a folder; returns the files."""
        folder.mkdir(parents=True, exist_ok=True)
        written: list[Path] = []
        for evaluation in self.evaluations:
            stem = file_name(evaluation.name)
            rows, spec = folder / f"{stem}.jsonl", folder / f"{stem}.yaml"
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in evaluation.rows)
            rows.write_text("".join(lines), encoding="utf-8")
            document = {**evaluation.spec, "data": {"path": rows.name}}
            text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
            spec.write_text(text, encoding="utf-8")
            written += [spec, rows]
        return written


def file_name(name: str) -> str:
    """A name as that of a file."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.").lower()[:80] or "eval"
