"""What became of a data set's rows from one version to another: joined by their id, or by their whole content."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aiplatform.core.i18n import N_

KEY_COLUMNS: Final = ("row_id", "id", "trace_id")
"""Columns that may name a row, in the order they are tried."""

Row = Mapping[str, Any]


class RowFate(StrEnum):
    """What became of a row."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


FATE_NAMES: Final = {
    RowFate.ADDED: N_("added"),
    RowFate.REMOVED: N_("removed"),
    RowFate.CHANGED: N_("changed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """One row that is not the same in both versions."""

    fate: RowFate
    key: str
    """Its id; the first digits of its content's hash where rows have none."""

    before: Row | None
    after: Row | None
    columns: tuple[str, ...] = ()
    """Columns whose values differ, of a changed row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChanges:
    """Two versions of a data set, compared."""

    before: str
    """`python-faq@1`."""

    after: str
    key: str
    """Column that names the rows; empty where the whole content does."""

    added: int
    removed: int
    changed: int
    same: int
    added_columns: tuple[str, ...]
    removed_columns: tuple[str, ...]
    items: tuple[RowChange, ...]
    """Some of them: changed rows, then added, then removed ones, in the order of the rows."""


def key_column(before: Sequence[Row], after: Sequence[Row]) -> str:
    """The column that names each row of both, by values that never repeat; empty where there is none."""
    for column in KEY_COLUMNS:
        if all(_names(rows, column) for rows in (before, after)):
            return column
    return ""


def changes_of(before: Sequence[Row], after: Sequence[Row], key: str) -> tuple[list[RowChange], int]:
    """Every row that is not the same in both, and how many are."""
    return _by_key(before, after, key) if key else _by_content(before, after)


def _names(rows: Sequence[Row], column: str) -> bool:
    values = [row.get(column) for row in rows]
    return None not in values and len({str(value) for value in values}) == len(values)


def _by_key(before: Sequence[Row], after: Sequence[Row], key: str) -> tuple[list[RowChange], int]:
    old, new = ({str(row[key]): row for row in rows} for rows in (before, after))
    changed: list[RowChange] = []
    for name, row in new.items():
        known = old.get(name)
        columns = () if known is None else _differing(known, row)
        if columns:
            changed.append(RowChange(fate=RowFate.CHANGED, key=name, before=known, after=row, columns=columns))
    added = [
        RowChange(fate=RowFate.ADDED, key=name, before=None, after=row) for name, row in new.items() if name not in old
    ]
    removed = [
        RowChange(fate=RowFate.REMOVED, key=name, before=row, after=None)
        for name, row in old.items()
        if name not in new
    ]
    same = len(new) - len(added) - len(changed)
    return [*changed, *added, *removed], same


def _by_content(before: Sequence[Row], after: Sequence[Row]) -> tuple[list[RowChange], int]:
    old, new = Counter(map(_digest, before)), Counter(map(_digest, after))
    added = [
        RowChange(fate=RowFate.ADDED, key=name[:12], before=None, after=row) for name, row in _left(after, new - old)
    ]
    removed = [
        RowChange(fate=RowFate.REMOVED, key=name[:12], before=row, after=None) for name, row in _left(before, old - new)
    ]
    return [*added, *removed], len(after) - len(added)


def _left(rows: Iterable[Row], wanted: Counter[str]) -> list[tuple[str, Row]]:
    """As many rows of each content as are wanted, in their order."""
    wanted = Counter(wanted)
    found: list[tuple[str, Row]] = []
    for row in rows:
        name = _digest(row)
        if wanted[name] > 0:
            wanted[name] -= 1
            found.append((name, row))
    return found


def _differing(before: Row, after: Row) -> tuple[str, ...]:
    names = dict.fromkeys((*before, *after))
    return tuple(name for name in names if before.get(name) != after.get(name))


def _digest(row: Row) -> str:
    text = json.dumps({name: value for name, value in row.items() if value is not None}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
