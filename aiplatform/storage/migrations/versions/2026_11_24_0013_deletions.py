"""When tenants and projects that were deleted go for good; until then a deletion can be taken back.

Locks: `tenants` and `projects`, exclusively, for a moment.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_0013"
down_revision = "20261124_0012"
branch_labels = None
depends_on = None

TABLES = ("tenants", "projects")


def upgrade() -> None:
    """Add the columns."""
    for table in TABLES:
        op.add_column(table, sa.Column("delete_after_ns", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop them: what was deleted and not yet gone is there again."""
    for table in TABLES:
        op.drop_column(table, "delete_after_ns")
