from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tracing.cold.filters import join_filters, make_filter, may_hold, split_filters, tokens_needed
from aiplatform.tracing.query import parse

tokens = st.sets(st.text(max_size=12), max_size=60)


@given(st.lists(tokens, max_size=5))
def test_what_was_put_in_is_never_denied(groups: list[set[str]]) -> None:
    filters = split_filters(join_filters(make_filter(group) for group in groups))
    assert len(filters) == len(groups)
    for filter_, group in zip(filters, groups, strict=True):
        assert may_hold(filter_, group)
        assert may_hold(filter_, [])


def test_what_was_not_put_in_is_nearly_always_denied() -> None:
    filter_ = make_filter(f"in{number}" for number in range(5_000))
    wrong = sum(may_hold(filter_, [f"out{number}"]) for number in range(20_000))
    assert wrong < 100, "about 2 in 1,000"


def test_a_query_needs_what_all_of_its_answers_say() -> None:
    def needed(line: str) -> set[str]:
        node = parse(line).node
        assert node is not None
        return tokens_needed(node)

    assert needed('refund "is late"') == {"wrefund", "wis", "wlate"}
    assert needed("attributes.code = late metadata.region exists tag:x") == {
        "vattributes.code\0late", "nmetadata.region", "vtag\0x",
    }  # fmt: skip
    assert needed("attributes.code >= 500") == {"nattributes.code"}
    assert needed("attributes.code = 500") == {"nattributes.code"}
    assert needed("span(refund attributes.a:b) under span(late)") == {"wrefund", "vattributes.a\0b", "wlate"}
    assert needed("refund OR late") == needed("NOT refund") == needed("status:error") == set()
    assert needed("内部错误") == {"w内部", "w部错", "w错误"}
    assert needed("错") == set(), "only the beginning of a word is known"
