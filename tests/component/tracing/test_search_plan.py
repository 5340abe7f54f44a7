"""How statements of a query are built: every table that is read is limited to tenant and project."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, text

from aiplatform.core.scope import Scope
from aiplatform.storage.tables.tracing import span_texts
from aiplatform.testing.otlp import export_request, make_span, trace_id_of
from aiplatform.tracing.query import read_filter
from aiplatform.tracing.query.parser import parse_node
from aiplatform.tracing.service import Traces
from aiplatform.tracing.store import searching
from aiplatform.tracing.store.searching import Compiler
from aiplatform.tracing.textindex.postgres import wanting_words, words_condition
from tests.component.tracing.conftest import SCOPE

LINES = [
    "attributes.x:1 OR NOT metadata.y exists",
    "span(kind:tool attributes.x:1 refund score.a > 1) under span(name:a) child of span(tag:t)",
    "score.a > 1 refund OR has:score",
]


@pytest.mark.parametrize("line", LINES)
def test_every_table_of_a_statement_is_limited_to_its_project(traces: Traces, line: str) -> None:
    node = parse_node(line)
    assert node is not None
    with traces.index.reader().read(SCOPE) as tx:
        compiler = Compiler(tx, traces.index.sql, 0)
        sql = compiler.of_trace(node)
    # Words and numbers of values lead to a project's rows through `docs`, which is limited itself.
    read = re.findall(r"\b(?:FROM|JOIN) ((?:\w+\.)?(?:spans|scores|docs|span_\w+|attribute_values)) (\w+)", sql)
    for table, alias in read:
        assert f"{alias}.tenant_id = :tenant_id AND {alias}.project_id = :project_id" in sql, table
    assert compiler.parameters["tenant_id"] == "acme"


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_the_index_of_words_is_used_by_a_tenant_whose_rows_a_policy_guards(traces: Traces) -> None:
    spans = [make_span(n, trace=n, attributes={"input.value": f"word{n} common"}) for n in range(1, 40)]
    traces.ingest(SCOPE, export_request(spans).SerializeToString())
    traces.ingest(Scope(tenant_id="rival", project_id="default"), export_request(spans[:9]).SerializeToString())
    traces.update_index()
    condition, parameters = words_condition("word7 common", "t")
    # Without tenant and project, for which so few rows are found by their key, whatever else there is.
    sql = text(f"SELECT t.trace_id FROM span_texts t WHERE {condition}")
    explain = text(f"EXPLAIN {sql}")
    with traces.index.reader().read(SCOPE) as tx:
        # A walk is cheaper here; what cannot use an index walks even where walks are forbidden.
        tx._connection.execute(text("SET LOCAL enable_seqscan = off"))

        def plan() -> str:
            return "\n".join(row[0] for row in tx._connection.execute(explain, parameters))

        with wanting_words(tx, parameters):
            assert "ix_span_texts_words" in plan()
            assert [row.trace_id for row in tx._connection.execute(sql, parameters)] == [trace_id_of(7).hex()]
            assert len(tx.execute(select(span_texts.c.trace_id)).all()) == 1, "nothing else is shown in this block"
        assert len(tx.execute(select(span_texts.c.trace_id)).all()) == 39


@pytest.mark.parametrize("most", [0, 1, 2_000])
def test_words_are_found_whether_they_are_asked_beforehand_or_not(
    traces: Traces, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(searching, "MAX_LISTED", most)
    said = {1: ("refund", "late"), 2: ("late", "order"), 3: ("refund", "order")}
    spans = [
        make_span(10 * trace + n, trace=trace, name=word, attributes={"input.value": f"{word} 退款"})
        for trace, words in said.items()
        for n, word in enumerate(words)
    ]
    traces.ingest(SCOPE, export_request(spans).SerializeToString())
    for line, wanted in {
        "(refund OR late) spans:2": {1, 2, 3},
        "NOT refund spans:2": {2},
        "(refund OR order) NOT late": {3},
        "span(refund name:refund) OR span(late name:order)": {1, 3},
        "span(refund OR late) span(name:order)": {2, 3},
        "span(NOT refund name:refund)": set(),
        "退款 OR nothing": {1, 2, 3},
        "nothing OR nowhere": set(),
    }.items():
        found = traces.list(SCOPE, read_filter(line))
        assert {int(item.trace_id[-4:], 16) for item in found.items} == wanted, line
        other = traces.list(Scope(tenant_id="rival", project_id="default"), read_filter(line))
        assert other.items == [], line
