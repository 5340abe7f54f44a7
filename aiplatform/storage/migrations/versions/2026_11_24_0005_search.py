"""The index of attributes: the values that each name has had, and the spans that have them.

Locks: nothing; the tables are new. Spans that are there already are put down as changes again, so that the worker
indexes them in the background: one read of the spans' keys, and one row for each 5,000 of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "20261124_0005"
down_revision = "20261124_0004"
branch_labels = None
depends_on = None

TABLES = ("attribute_values", "span_attributes")
SPANS_A_CHANGE = 5_000
PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables, and have what is stored indexed."""
    op.create_table(
        "attribute_values",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("value_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("text", PLAIN_TEXT, nullable=True),
        sa.Column("number", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "value_id", name=op.f("pk_attribute_values")),
    )
    for column in ("text", "number"):
        op.create_index(
            f"ix_attribute_values_{column}", "attribute_values", ["tenant_id", "project_id", "name", column]
        )
    op.create_table(
        "span_attributes",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("value_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("span_id", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "project_id", "value_id", "trace_id", "span_id", name=op.f("pk_span_attributes")
        ),
    )
    op.create_index("ix_span_attributes_span", "span_attributes", ["tenant_id", "project_id", "trace_id", "span_id"])
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            _protect(table)
        op.execute("SET LOCAL ROLE aiplatform_system")  # row-level security binds the owner too
        _index_again()
        op.execute("RESET ROLE")
    else:
        _index_again()


def downgrade() -> None:
    """Drop the tables; they can be filled again from the spans."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _index_again() -> None:
    connection = op.get_bind()
    keys = sa.text("SELECT tenant_id, project_id, trace_id, span_id, day FROM spans ORDER BY tenant_id, project_id")
    found = connection.execute(keys)
    now_ns = time.time_ns()
    changes = sa.text(
        "INSERT INTO span_changes (tenant_id, project_id, change_id, created_ns, num_spans, keys) "
        "VALUES (:tenant_id, :project_id, :change_id, :created_ns, :num_spans, :keys)"
    )
    number = 0
    for (tenant_id, project_id), rows in groupby(found, key=lambda row: (row.tenant_id, row.project_id)):
        for batch in _batches(rows):
            number += 1
            values = {
                "tenant_id": tenant_id,
                "project_id": project_id,
                "change_id": f"search-{number:012d}",
                "created_ns": now_ns + number,
                "num_spans": len(batch),
                "keys": b"".join(_key(row) for row in batch),
            }
            connection.execute(changes, values)


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, SPANS_A_CHANGE)):
        yield batch


def _key(row: Any) -> bytes:
    return bytes.fromhex(row.trace_id + row.span_id) + int(row.day).to_bytes(4, "big", signed=True)


def _protect(table: str) -> None:
    """A row shows itself to its own tenant's transactions, and to those that took the system's role."""
    own = "tenant_id = current_setting('aiplatform.tenant_id', true)"
    system = "current_user = 'aiplatform_system'"
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY tenant_rows ON "{table}" USING ({own}) WITH CHECK ({own})')
    op.execute(f'CREATE POLICY system_rows ON "{table}" USING ({system}) WITH CHECK ({system})')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO aiplatform_system')
