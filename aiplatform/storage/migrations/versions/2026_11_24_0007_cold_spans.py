"""Spans that left the database for the artifact store: their files, and in which of them each trace lies.

Locks: none that a writer would wait for.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_0007"
down_revision = "20261124_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cold_files",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("file_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("num_traces", sa.Integer(), nullable=False),
        sa.Column("num_spans", sa.Integer(), nullable=False),
        sa.Column("num_gone", sa.Integer(), nullable=False),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("filters", sa.LargeBinary(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "file_id", name=op.f("pk_cold_files")),
    )
    op.create_index("ix_cold_files_day", "cold_files", ["tenant_id", "project_id", "day"], unique=False)
    op.create_table(
        "cold_traces",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("file_id", sa.String(length=64), nullable=False),
        sa.Column("group_no", sa.Integer(), nullable=False),
        sa.Column("num_spans", sa.Integer(), nullable=False),
        sa.Column("span_ids", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "trace_id", name=op.f("pk_cold_traces")),
    )
    op.create_index("ix_cold_traces_file", "cold_traces", ["tenant_id", "project_id", "file_id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        for table in ("cold_files", "cold_traces"):
            _protect(table)


def downgrade() -> None:
    """Drop the tables: what lies in files alone is found no more."""
    op.drop_table("cold_traces")
    op.drop_table("cold_files")


def _protect(table: str) -> None:
    """A row shows itself to its own tenant's transactions, and to those that took the system's role."""
    own = "tenant_id = current_setting('aiplatform.tenant_id', true)"
    system = "current_user = 'aiplatform_system'"
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY tenant_rows ON "{table}" USING ({own}) WITH CHECK ({own})')
    op.execute(f'CREATE POLICY system_rows ON "{table}" USING ({system}) WITH CHECK ({system})')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO aiplatform_system')
