"""What is said about a trace beside its spans: tags, metadata, and assessments in their sender's own form.

Locks: writes to `traces` while its index of sessions is made, on PostgreSQL some seconds for a million traces.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_0006"
down_revision = "20261124_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "trace_labels",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=250), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "trace_id", "kind", "key", name=op.f("pk_trace_labels")),
    )
    op.create_index("ix_trace_labels_key", "trace_labels", ["tenant_id", "project_id", "kind", "key"], unique=False)
    where = sa.text("session_id IS NOT NULL")
    op.create_index(
        "ix_traces_session",
        "traces",
        ["tenant_id", "project_id", "session_id", "start_ns"],
        unique=False,
        postgresql_where=where,
        sqlite_where=where,
    )
    if op.get_bind().dialect.name == "postgresql":
        _protect("trace_labels")


def downgrade() -> None:
    """Drop the table, every row with it, and the index."""
    op.drop_index("ix_traces_session", table_name="traces")
    op.drop_table("trace_labels")


def _protect(table: str) -> None:
    """A row shows itself to its own tenant's transactions, and to those that took the system's role."""
    own = "tenant_id = current_setting('aiplatform.tenant_id', true)"
    system = "current_user = 'aiplatform_system'"
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY tenant_rows ON "{table}" USING ({own}) WITH CHECK ({own})')
    op.execute(f'CREATE POLICY system_rows ON "{table}" USING ({system}) WITH CHECK ({system})')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO aiplatform_system')
