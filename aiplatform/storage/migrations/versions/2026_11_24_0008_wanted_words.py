"""PostgreSQL's index of words is used: the words that are looked for stand in a policy of `span_texts`.

Locks: `span_texts`, exclusively, for a moment; no row is read or written. Nothing on SQLite.
"""

from __future__ import annotations

from alembic import op

revision = "20261124_0008"
down_revision = "20261124_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Restrict what a transaction sees of the table to rows that hold the words it looks for, if it does."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE POLICY wanted_words ON span_texts AS RESTRICTIVE FOR SELECT USING "
            "(words @> coalesce(string_to_array(current_setting('aiplatform.words', true), ' '), '{}'))"
        )


def downgrade() -> None:
    """Let the table be searched row by row again."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP POLICY wanted_words ON span_texts")
