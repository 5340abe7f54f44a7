from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aiplatform.registry.version_changes import RowFate, changes_of, key_column

Rows = list[dict[str, Any]]
cells = st.one_of(st.none(), st.integers(0, 3), st.text(max_size=3))
rows = st.dictionaries(st.integers(0, 8).map(str), cells, max_size=8).map(
    lambda found: [{"id": key, "value": value} for key, value in found.items()]
)


@given(rows, rows)
def test_the_changes_turn_one_version_into_the_other(before: Rows, after: Rows) -> None:
    changes, same = changes_of(before, after, "id")
    known = {row["id"]: row for row in before}
    for change in changes:
        if change.fate is RowFate.REMOVED:
            del known[change.key]
        else:
            assert change.after is not None
            known[change.key] = dict(change.after)
    assert known == {row["id"]: row for row in after}
    assert same == sum(row in before for row in after)


@given(st.lists(cells, max_size=8), st.lists(cells, max_size=8))
def test_rows_without_ids_are_told_apart_by_their_content_however_often_they_occur(
    before: list[Any], after: list[Any]
) -> None:
    old, new = ([{"value": value} for value in values] for values in (before, after))
    changes, same = changes_of(old, new, "")
    added = [change.after for change in changes if change.fate is RowFate.ADDED]
    removed = [change.before for change in changes if change.fate is RowFate.REMOVED]
    kept = [*old]
    for row in removed:
        kept.remove(dict(row or {}))
    assert sorted(map(str, [*kept, *added])) == sorted(map(str, new))
    assert same == len(kept)


def test_changed_cells_are_named_and_a_new_column_is_a_change() -> None:
    before = [{"id": "a", "question": "Why?", "answer": "so"}]
    after = [{"id": "a", "question": "Why?", "answer": "because", "level": 2}]
    [change], same = changes_of(before, after, "id")
    assert (change.fate, change.columns, same) == (RowFate.CHANGED, ("answer", "level"), 0)


def test_order_is_no_change() -> None:
    before = [{"id": str(n), "value": n} for n in range(20)]
    after = random.Random(0).sample(before, 20)
    assert changes_of(before, after, "id") == ([], 20)
    assert changes_of(before, after, "") == ([], 20)


def test_the_first_column_that_names_every_row_is_the_key() -> None:
    assert key_column([{"row_id": "a", "id": 1}], [{"row_id": "b", "id": 1}]) == "row_id"
    assert key_column([{"row_id": "a", "id": 1}, {"row_id": "a", "id": 2}], [{"row_id": "b", "id": 1}]) == "id"
    assert key_column([{"id": None}], [{"id": 1}]) == ""
    assert key_column([{"text": "x"}], [{"text": "x"}]) == ""
