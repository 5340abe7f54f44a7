"""Answers of models and judges that evaluations have paid for.

Locks: nothing; a new table.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_0015"
down_revision = "20261124_0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "evaluation_calls",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.Float(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("used_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "digest", name=op.f("pk_evaluation_calls")),
    )
    op.create_index("ix_evaluation_calls_run", "evaluation_calls", ["tenant_id", "project_id", "run_id"])
    op.create_index("ix_evaluation_calls_used", "evaluation_calls", ["used_ns"])
    if op.get_bind().dialect.name == "postgresql":
        _protect("evaluation_calls")


def downgrade() -> None:
    """Drop the table: answers would be paid for again."""
    op.drop_table("evaluation_calls")


def _protect(table: str) -> None:
    """A row shows itself to its own tenant's transactions, and to those that took the system's role."""
    own = "tenant_id = current_setting('aiplatform.tenant_id', true)"
    system = "current_user = 'aiplatform_system'"
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY tenant_rows ON "{table}" USING ({own}) WITH CHECK ({own})')
    op.execute(f'CREATE POLICY system_rows ON "{table}" USING ({system}) WITH CHECK ({system})')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO aiplatform_system')
