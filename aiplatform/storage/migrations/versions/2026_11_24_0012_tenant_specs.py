"""Specifications of tenants, what is leased of their limits, and since when a tenant is suspended.

Locks: `tenants`, exclusively, for a moment; the tables are new.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_0012"
down_revision = "20261124_0011"
branch_labels = None
depends_on = None

TABLES = ("tenant_specs", "quota_windows", "quota_holds")


def upgrade() -> None:
    """Make the tables and the column."""
    op.add_column("tenants", sa.Column("suspended_ns", sa.BigInteger(), nullable=True))
    op.create_table(
        "tenant_specs",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=True),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("quotas", sa.JSON(), nullable=False),
        sa.Column("applied_ns", sa.BigInteger(), nullable=False),
        sa.Column("applied_by", sa.String(length=320), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant_specs")),
    )
    op.create_table(
        "quota_windows",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=True),
        sa.Column("resource", sa.String(length=40), nullable=False),
        sa.Column("window_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "resource", "window_ns", name=op.f("pk_quota_windows")),
    )
    op.create_table(
        "quota_holds",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=True),
        sa.Column("resource", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "resource", "holder", name=op.f("pk_quota_holds")),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            _protect(table)


def downgrade() -> None:
    """Drop them: nothing is limited and nobody is suspended then."""
    for table in reversed(TABLES):
        op.drop_table(table)
    op.drop_column("tenants", "suspended_ns")


def _protect(table: str) -> None:
    """A row shows itself to its own tenant's transactions, and to those that took the system's role."""
    own = "tenant_id = current_setting('aiplatform.tenant_id', true)"
    system = "current_user = 'aiplatform_system'"
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY tenant_rows ON "{table}" USING ({own}) WITH CHECK ({own})')
    op.execute(f'CREATE POLICY system_rows ON "{table}" USING ({system}) WITH CHECK ({system})')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO aiplatform_system')
