"""Files of rows: which are found, and that parts of a file hold every line once."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import InvalidError, NotFoundError
from aiplatform.eval import files
from aiplatform.eval.blocks import row_of
from aiplatform.eval.inputs import open_source

ROWS = [{"id": f"r{n}", "input": f"问题 {n}"} for n in range(9)]


@given(st.lists(st.text(alphabet="ab 中é", max_size=9), max_size=30), st.integers(1, 17), st.booleans())
def test_parts_of_a_file_hold_every_line_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int, ends_open: bool
) -> None:
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    path.write_text("\n".join(texts) + ("" if ends_open else "\n"), encoding="utf-8")
    ranges = files.line_ranges(path, size)
    found = [line for part in ranges for line in files.lines_of(Path(part["path"]), part["start"], part["end"])]
    assert found == [text.strip() for text in texts if text.strip()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in range(3):
        rows = ROWS[part * 3 : part * 3 + 3]
        (tmp_path / f"lines/part{part}.jsonl").parent.mkdir(exist_ok=True)
        (tmp_path / f"lines/part{part}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        (tmp_path / f"columns/a{part}").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"columns/a{part}/rows.parquet")
    return tmp_path


@pytest.mark.parametrize("where", ["lines", "lines/*.jsonl", "columns", "columns/**/*.parquet"])
def test_folders_and_patterns_are_one_set_of_rows(folder: Path, where: str) -> None:
    source = open_source(str(folder / where), client=None)  # type: ignore[arg-type]
    assert source.table is not None
    assert [row_of(record, {}).row_id for record in source.table.to_pylist()] == [row["id"] for row in ROWS]
    assert source.ref.name == Path(where).name


def test_files_of_several_kinds_or_of_none_are_told(folder: Path) -> None:
    with pytest.raises(InvalidError, match=r"jsonl, \.parquet"):
        files.find(folder)
    (folder / "notes.txt").write_text("x")
    with pytest.raises(InvalidError, match="txt"):
        files.find(folder / "notes.txt")
    with pytest.raises(NotFoundError):
        files.find(f"{folder}/nothing/*.csv")


def test_a_name_of_a_registered_data_set_is_no_path() -> None:
    assert not any(files.is_path(name) for name in ("faq", "faq@3", "python-faq@12"))
    assert all(files.is_path(name) for name in ("rows.csv", "data/rows", "*.jsonl", "./rows"))


def test_gaps_of_a_frame_are_absent_and_not_numbers() -> None:
    import pandas as pd

    for odd in ([1, None], ["a", None], [1, "a", None]):
        frame = pd.DataFrame({"input": odd, "expected": odd})
        source = open_source(frame, client=None)  # type: ignore[arg-type]
        assert source.table is not None
        assert row_of(source.table.to_pylist()[-1], {}).expected is None


def test_frames_of_other_libraries_are_taken() -> None:
    import datasets
    import polars as pl

    for given_rows in (
        pl.DataFrame(ROWS),
        datasets.Dataset.from_list(ROWS),
        datasets.Dataset.from_list(ROWS).to_iterable_dataset(),
    ):
        source = open_source(given_rows, client=None, limit=4)  # type: ignore[arg-type]
        assert source.table is not None
        assert [row_of(record, {}).row_id for record in source.table.to_pylist()] == ["r0", "r1", "r2", "r3"]
