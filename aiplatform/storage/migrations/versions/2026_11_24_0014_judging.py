"""Judges against people, queues of what people are asked to judge, and the judging of live traces.

Locks: nothing; the tables are new.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261124_0014"
down_revision = "20261124_0013"
branch_labels = None
depends_on = None

TABLES = (
    "judge_calibrations",
    "review_queues",
    "review_items",
    "review_assignments",
    "review_labels",
    "online_rules",
    "online_scores",
)


def upgrade() -> None:
    """Make the tables, behind the policies of row-level security on PostgreSQL."""
    _make_calibrations()
    _make_reviews()
    _make_online()
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            _protect(table)


def downgrade() -> None:
    """Drop the tables, and everything that people have judged with them."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _make_calibrations() -> None:
    """Judges against people."""
    op.create_table(
        "judge_calibrations",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("calibration_id", sa.String(length=64), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("scorer", sa.String(length=200), nullable=False),
        sa.Column("kappa", sa.Float(), nullable=True),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "calibration_id", name=op.f("pk_judge_calibrations")),
    )
    op.create_index(
        "ix_judge_calibrations_newest", "judge_calibrations", ["tenant_id", "project_id", "identity", "created_ns"]
    )


def _make_reviews() -> None:
    """What people are asked to judge."""
    op.create_table(
        "review_queues",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("queue_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "queue_id", name=op.f("pk_review_queues")),
    )
    op.create_table(
        "review_items",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("queue_id", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("num_labels", sa.Integer(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "queue_id", "item_id", name=op.f("pk_review_items")),
    )
    op.create_index("ix_review_items_order", "review_items", ["tenant_id", "project_id", "queue_id", "position"])
    op.create_table(
        "review_assignments",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("queue_id", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=64), nullable=False),
        sa.Column("rater", sa.String(length=320), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "project_id", "queue_id", "item_id", "rater", name=op.f("pk_review_assignments")
        ),
    )
    op.create_table(
        "review_labels",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("queue_id", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=64), nullable=False),
        sa.Column("rater", sa.String(length=320), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "project_id", "queue_id", "item_id", "rater", name=op.f("pk_review_labels")
        ),
    )


def _make_online() -> None:
    """The judging of live traces."""
    op.create_table(
        "online_rules",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("cursor_ns", sa.BigInteger(), nullable=False),
        sa.Column("cursor_id", sa.String(length=32), nullable=False),
        sa.Column("checked_ns", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "rule_id", name=op.f("pk_online_rules")),
    )
    op.create_index("ix_online_rules_enabled", "online_rules", ["is_enabled"])
    op.create_table(
        "online_scores",
        sa.Column("tenant_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("scorer", sa.String(length=240), nullable=False),
        sa.Column("rule_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "project_id", "trace_id", "scorer", name=op.f("pk_online_scores")),
    )
    op.create_index("ix_online_scores_rule", "online_scores", ["tenant_id", "project_id", "rule_id", "day"])


def _protect(table: str) -> None:
    """A row shows itself to its own tenant's transactions, and to those that took the system's role."""
    own = "tenant_id = current_setting('aiplatform.tenant_id', true)"
    system = "current_user = 'aiplatform_system'"
    op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
    op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY tenant_rows ON "{table}" USING ({own}) WITH CHECK ({own})')
    op.execute(f'CREATE POLICY system_rows ON "{table}" USING ({system}) WITH CHECK ({system})')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO aiplatform_system')
