"""How statements of a query are built: every table that is read is limited to tenant and project."""

from __future__ import annotations

import re

import pytest

from aiplatform.tracing.query.parser import parse_node
from aiplatform.tracing.service import Traces
from aiplatform.tracing.store.searching import Compiler
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
