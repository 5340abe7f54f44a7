"""Files of rows: Parquet, JSONL and CSV, one or many; small ones are read whole, large ones by Ray's workers."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.core.i18n import N_
from aiplatform.eval.blocks import RECORD_COLUMN

if TYPE_CHECKING:
    import ray.data

FILE_KINDS: Final = (".parquet", ".jsonl", ".ndjson", ".csv")
STREAMED_FROM_BYTES: Final = 64 << 20
"""Size of all files together from which on they are streamed."""

RANGE_BYTES: Final = 8 << 20
"""Part of a JSONL file that one task reads."""

_PATTERN: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Files of one kind."""

    name: str
    """What the data are called: the file's name, the folder's, or the pattern."""

    paths: tuple[Path, ...]

    @property
    def kind(self) -> str:
        """Their ending, `.parquet`."""
        return self.paths[0].suffix

    @property
    def size_bytes(self) -> int:
        """Of all together."""
        return sum(path.stat().st_size for path in self.paths)

    def num_rows(self) -> int | None:
        """How many rows, where the files say it themselves."""
        if self.kind != ".parquet":
            return None
        import pyarrow.parquet as pq  # noqa: PLC0415 - one reader a kind of file

        return sum(int(pq.read_metadata(path).num_rows) for path in self.paths)

    def table(self) -> pa.Table:
        """Every row.

        Raises:
            InvalidError: A file cannot be read, or they have different columns.
        """
        tables = [_read(path) for path in self.paths]
        try:
            return pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException as error:
            raise _unreadable(self.name, error) from None

    def streamed(self) -> ray.data.Dataset:
        """A Ray data set that is read block by block; every worker has to see the files at the same paths."""
        import ray.data

        from aiplatform.eval.compute import connect  # noqa: PLC0415 - loads Ray

        connect()
        paths = [str(path.resolve()) for path in self.paths]
        if self.kind == ".parquet":
            return ray.data.read_parquet(paths)
        if self.kind == ".csv":
            return ray.data.read_csv(paths)
        ranges = [part for path in paths for part in line_ranges(Path(path))]
        return ray.data.from_items(ranges).map_batches(_range_lines, batch_size=1, batch_format="pyarrow")


def is_path(text: str) -> bool:
    """Whether a text names files rather than a registered data set."""
    return text.endswith(FILE_KINDS) or "/" in text or bool(_PATTERN & set(text))


def find(where: str | Path) -> Files:
    """The files that a path, a folder or a pattern such as `answers/*.jsonl` names, in the order of their names.

    Raises:
        NotFoundError: There are none.
        InvalidError: They are of different kinds, or of none that is read.
    """
    path = Path(where)
    if path.is_file():
        found: Sequence[Path] = [path]
    elif path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.is_file() and each.suffix in FILE_KINDS)
    else:
        # A pattern may be absolute, which `Path.glob` refuses.
        named = glob.glob(str(where), recursive=True)  # noqa: PTH207
        found = sorted(Path(each) for each in named if Path(each).is_file())
    if not found:
        raise NotFoundError(N_("There is no file {path!r}."), reason="evaluation.no_file", path=str(where))
    kinds = sorted({each.suffix for each in found})
    if len(kinds) > 1 or kinds[0] not in FILE_KINDS:
        raise InvalidError(
            N_("{path!r} names files of kind {kinds}."),
            hint=N_("Give files of one kind: {known}."),
            reason="evaluation.file_kind",
            path=str(where),
            kinds=", ".join(kinds),
            known=", ".join(FILE_KINDS),
        )
    return Files(name=path.name or str(where), paths=tuple(found))


def line_ranges(path: Path, size_bytes: int = RANGE_BYTES) -> list[dict[str, Any]]:
    """Parts of a file; a line belongs to the part that it begins in."""
    total = path.stat().st_size
    return [
        {"path": str(path), "start": start, "end": min(start + size_bytes, total)}
        for start in range(0, total, size_bytes)
    ]


def lines_of(path: Path, start: int, end: int) -> list[str]:
    """The lines that begin in a part of a file; empty ones are left out."""
    with path.open("rb") as stream:
        stream.seek(max(start - 1, 0))
        if start > 0:
            stream.readline()  # the rest of a line that began before, or the end of the one just before
        found: list[str] = []
        while stream.tell() < end:
            line = stream.readline().decode("utf-8").strip()
            if line:
                found.append(line)
        return found


def _range_lines(batch: pa.Table) -> pa.Table:
    part = batch.to_pylist()[0]
    return _lines(lines_of(Path(part["path"]), part["start"], part["end"]))


def _lines(lines: Sequence[str]) -> pa.Table:
    return pa.table({RECORD_COLUMN: pa.array(lines, pa.string())})


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq  # noqa: PLC0415 - one reader a kind of file

            return pq.read_table(path)
        if path.suffix == ".csv":
            from pyarrow import csv  # noqa: PLC0415

            return csv.read_csv(path)
        return _lines(lines_of(path, 0, path.stat().st_size))
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise _unreadable(str(path), error) from None


def _unreadable(path: str, error: Exception) -> InvalidError:
    return InvalidError(
        N_("The file {path!r} cannot be read: {problem}."), reason="evaluation.file", path=path, problem=str(error)
    )
