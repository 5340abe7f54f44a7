"""Identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import InvalidError
from aiplatform.core.ids import check_slug, new_id

milliseconds = st.integers(min_value=0, max_value=2**48)


@given(milliseconds, milliseconds)
def test_ids_sort_as_their_times(first: int, second: int) -> None:
    earlier, later = sorted((first, second))
    if earlier < later:
        assert new_id("x", earlier * 1_000_000) < new_id("x", later * 1_000_000)


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id("run", 1) for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize("good", ["a", "acme", "acme-2", "a" * 40])
def test_a_dns_label_names_a_tenant(good: str) -> None:
    assert check_slug(good, "tenant") == good


@pytest.mark.parametrize("bad", ["", "A", "2x", "a-", "-a", "a_b", "a.b", "a" * 41, "a\n", "中"])
def test_anything_else_is_refused_by_name(bad: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_slug(bad, "tenant")
    assert repr(bad) in str(caught.value)
