"""Costs have a currency, and tenants can set prices of their own.

Locks: `spans` and `traces` for the moment that adding an empty column takes; no row is rewritten. On PostgreSQL the
partitions of `spans` follow their table.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_0004"
down_revision = "20261124_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("spans", sa.Column("currency", sa.String(length=3), nullable=True))
    op.add_column("traces", sa.Column("currency", sa.String(length=3), nullable=True))
    op.add_column("traces", sa.Column("costs", sa.Text(), nullable=True))
    op.create_table(
        "model_prices",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=True),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("valid_from_ns", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("input", sa.Float(), nullable=True),
        sa.Column("output", sa.Float(), nullable=True),
        sa.Column("cache_read", sa.Float(), nullable=True),
        sa.Column("cache_write", sa.Float(), nullable=True),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "provider", "model", "valid_from_ns", name=op.f("pk_model_prices")),
    )
    if op.get_bind().dialect.name == "postgresql":
        _protect("model_prices")


def downgrade() -> None:
    """Drop the table and the columns; costs stay, without their currency."""
    op.drop_table("model_prices")
    op.drop_column("traces", "costs")
    op.drop_column("traces", "currency")
    op.drop_column("spans", "currency")


def _protect(table: str) -> None:
    """A row shows itself to its own tenant's transactions, and to those that took the system's role."""
    own = "tenant_id = current_setting('aiplatform.tenant_id', true)"
    system = "current_user = 'aiplatform_system'"
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY tenant_rows ON "{table}" USING ({own}) WITH CHECK ({own})')
    op.execute(f'CREATE POLICY system_rows ON "{table}" USING ({system}) WITH CHECK ({system})')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO aiplatform_system')
