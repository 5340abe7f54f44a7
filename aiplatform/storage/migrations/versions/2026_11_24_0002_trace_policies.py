"""What is redacted before traces are stored, and how long they are kept.

Locks: nothing; the table is new.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_0002"
down_revision = "20261124_0001"
branch_labels = None
depends_on = None

TABLE = "trace_policies"


def upgrade() -> None:
    """Make the table, behind the policies of row-level security on PostgreSQL."""
    op.create_table(
        TABLE,
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "kind", name=op.f("pk_trace_policies")),
    )
    if op.get_bind().dialect.name == "postgresql":
        _protect(TABLE)


def downgrade() -> None:
    """Drop the table, and every policy with it."""
    op.drop_table(TABLE)


def _protect(table: str) -> None:
    """A row shows itself to its own tenant's transactions, and to those that took the system's role."""
    own = "tenant_id = current_setting('aiplatform.tenant_id', true)"
    system = "current_user = 'aiplatform_system'"
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY tenant_rows ON "{table}" USING ({own}) WITH CHECK ({own})')
    op.execute(f'CREATE POLICY system_rows ON "{table}" USING ({system}) WITH CHECK ({system})')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO aiplatform_system')
