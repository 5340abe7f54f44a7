"""A block of rows as metrics read it: columns that turn into numbers, labels or texts once, when first asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from aiplatform.eval.statistics.exact import Floats
from aiplatform.eval.statistics.hashing import Keys, row_keys

Label = str | int | float
"""A class as data hold it; truth values are the numbers 0 and 1, as numpy sorts them."""

Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MISSING: Final = -1
"""Code of a value that is not there."""

SCORED: Final = 0
FAILED: Final = 1
NOT_APPLICABLE: Final = 2


class Column:
    """Values of one column, from Arrow or from Python."""

    def __init__(self, values: pa.Array | pa.ChunkedArray | Sequence[Any]) -> None:
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
        self._arrow: pa.Array | None = values if isinstance(values, pa.Array) else None
        self._given: Sequence[Any] | None = None if self._arrow is not None else values

    @staticmethod
    def absent(num_rows: int) -> Column:
        """A column of a block that has none of that name."""
        return Column(pa.nulls(num_rows))

    def __len__(self) -> int:
        return len(self._arrow) if self._arrow is not None else len(self._given or ())

    def slice(self, start: int, num_rows: int) -> Column:
        """Some rows of the column."""
        if self._arrow is not None:
            return Column(self._arrow.slice(start, num_rows))
        return Column(self.values[start : start + num_rows])

    def where(self, chosen: Mask) -> Column:
        """The chosen rows of the column."""
        if self._arrow is not None:
            return Column(self._arrow.filter(pa.array(chosen)))
        return Column([value for value, kept in zip(self.values, chosen, strict=True) if kept])

    @cached_property
    def values(self) -> list[Any]:
        """Every value as Python has it."""
        if self._arrow is not None:
            found: list[Any] = self._arrow.to_pylist()
            return found
        return list(self._given or ())

    @cached_property
    def is_missing(self) -> Mask:
        """Where there is no value."""
        if self._arrow is not None:
            return np.asarray(pc.is_null(self._arrow), dtype=np.bool_)
        return np.array([value is None for value in self.values], dtype=np.bool_)

    @cached_property
    def arrow(self) -> pa.Array | None:
        """The column as Arrow; None where values of several kinds stand side by side."""
        if self._arrow is not None:
            return self._arrow
        try:
            return pa.array(self.values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            return None

    @cached_property
    def labels(self) -> tuple[Codes, list[Label]]:
        """Classes: a code a row, `MISSING` where there is none, and what the codes stand for."""
        array = self.arrow
        if array is None or not _is_flat(array.type):
            return _python_labels(self.values)
        codes, distinct = _encoded(array)
        return codes, [_label(each) for each in distinct]

    @cached_property
    def names(self) -> tuple[Codes, list[str]]:
        """Groups: a code a row, `MISSING` where there is none, and their names as slices have them."""
        array = self.arrow
        if array is None or not _is_flat(array.type):
            array = pa.array([None if value is None else group_name(value) for value in self.values], pa.string())
        codes, distinct = _encoded(array)
        return codes, [group_name(each) for each in distinct]

    @cached_property
    def floats(self) -> Floats:
        """Numbers; `nan` where a value is none, or no finite number."""
        array = self.arrow
        if array is not None and pa.types.is_null(array.type):
            return np.full(len(array), np.nan)
        if array is not None and _is_numeric(array.type):
            if pa.types.is_decimal(array.type):
                array = array.cast(pa.float64())
            numbers = np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
        else:
            numbers = np.array([_number(value) for value in self.values], dtype=np.float64)
        return np.where(np.isfinite(numbers), numbers, np.nan)

    @cached_property
    def texts(self) -> list[str | None]:
        """Texts; an answer with more to it than text gives its `answer`."""
        return [as_text(value) for value in self.values]


@dataclass(frozen=True)
class Block:
    """Rows side by side, in columns."""

    columns: Mapping[str, Column]
    num_rows: int
    row_ids: Callable[[], Sequence[str]] = field(default=lambda: ())
    """Ids, where draws are keyed by row."""

    cluster: str = ""
    """Column whose equal values belong together."""

    seed: int = 0
    memo: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)
    """What one metric made of the block and another can use: the tokens of a column."""

    def where(self, chosen: Mask) -> Block:
        """The chosen rows of the block."""
        ids = self.row_ids
        return Block(
            columns={name: column.where(chosen) for name, column in self.columns.items()},
            num_rows=int(chosen.sum()),
            row_ids=lambda: [row_id for row_id, kept in zip(ids(), chosen, strict=True) if kept],
            cluster=self.cluster,
            seed=self.seed,
        )

    def column(self, name: str) -> Column:
        """The column of that name; one without values where there is none."""
        found = self.columns.get(name)
        return Column.absent(self.num_rows) if found is None else found

    @cached_property
    def clusters(self) -> tuple[Codes, list[str]] | None:
        """What belongs together: a code a row, and the names; None where rows stand for themselves."""
        if not self.cluster:
            return None
        codes, names = self.column(self.cluster).names
        if (codes == MISSING).any():
            codes, names = np.where(codes == MISSING, len(names), codes), [*names, ""]
        return codes, names

    @cached_property
    def keys(self) -> Keys:
        """What draws are keyed by: the row's id, or its cluster."""
        if self.clusters is not None:
            codes, names = self.clusters
            return row_keys(names, self.seed)[codes] if names else np.empty(0, dtype=np.uint64)
        return row_keys(self.row_ids(), self.seed)


def as_text(value: Any) -> str | None:
    """The text that a value holds; None where it holds none."""
    if isinstance(value, Mapping):
        value = value.get("answer", value.get("content"))
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | bool) else str(value)


def group_name(value: Any) -> str:
    """A slice's or a cluster's value as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _encoded(array: pa.Array) -> tuple[Codes, list[Any]]:
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    codes = np.asarray(array.indices.fill_null(MISSING).to_numpy(zero_copy_only=False), dtype=np.int64)
    return codes, array.dictionary.to_pylist()


def _label(value: Any) -> Label:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping) and "answer" in value:
        return _label(value["answer"])
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _python_labels(values: Sequence[Any]) -> tuple[Codes, list[Label]]:
    known: dict[tuple[bool, Label], int] = {}
    codes = np.full(len(values), MISSING, dtype=np.int64)
    for place, value in enumerate(values):
        if value is not None:
            label = _label(value)
            codes[place] = known.setdefault((isinstance(label, str), label), len(known))
    return codes, [label for _, label in known]


def _number(value: Any) -> float:
    try:
        return float(value) if value is not None else np.nan
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _is_flat(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(_is_numeric(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )
