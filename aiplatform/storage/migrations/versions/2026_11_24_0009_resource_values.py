"""Attributes of resources can be searched: which values each resource has.

Locks: nothing; the table is new. Spans that are indexed from now on lead to their resources; 0005 had those of 0.1.0
put down to be indexed again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_0009"
down_revision = "20261124_0008"
branch_labels = None
depends_on = None

TABLE = "resource_values"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        TABLE,
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("value_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resource_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "value_id", "resource_id", name=op.f("pk_resource_values")),
    )
    if op.get_bind().dialect.name == "postgresql":
        _protect(TABLE)


def downgrade() -> None:
    """Drop the table; it can be filled again from the spans."""
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
