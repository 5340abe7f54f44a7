"""Judges against people, queues of what people are asked to judge, and the judging of live traces."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, String, Text

from aiplatform.storage.tables.base import ID, tenant_table

judge_calibrations = tenant_table(
    "judge_calibrations",
    Column("calibration_id", ID, primary_key=True),
    Column("identity", ID, nullable=False),  # SHA-256 of what the judge is
    Column("scorer", String(200), nullable=False),
    Column("kappa", Float),
    Column("record", JSON, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Index("ix_judge_calibrations_newest", "tenant_id", "project_id", "identity", "created_ns"),
    project_key=True,
)

review_queues = tenant_table(
    "review_queues",
    Column("queue_id", ID, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("record", JSON, nullable=False),  # rubric, labels, how many people judge an item
    Column("is_open", Boolean, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    project_key=True,
)

review_items = tenant_table(
    "review_items",
    Column("queue_id", ID, primary_key=True),
    Column("item_id", ID, primary_key=True),  # hash of the subject: the same thing is asked for once
    Column("position", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),  # trace, row, pair
    Column("subject", JSON, nullable=False),
    Column("reason", Text, nullable=False),  # why it was put in
    Column("num_labels", Integer, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Index("ix_review_items_order", "tenant_id", "project_id", "queue_id", "position"),
    project_key=True,
)

review_assignments = tenant_table(
    "review_assignments",
    # Who shall judge an item; an item that nobody was assigned is anybody's.
    Column("queue_id", ID, primary_key=True),
    Column("item_id", ID, primary_key=True),
    Column("rater", String(320), primary_key=True),
    project_key=True,
)

review_labels = tenant_table(
    "review_labels",
    Column("queue_id", ID, primary_key=True),
    Column("item_id", ID, primary_key=True),
    Column("rater", String(320), primary_key=True),
    Column("label", String(200), nullable=False),
    Column("value", Float),
    Column("comment", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    project_key=True,
)

online_rules = tenant_table(
    "online_rules",
    Column("rule_id", ID, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("record", JSON, nullable=False),  # query, rate, scorers, budget
    # Traces that arrived up to here were looked at: time of arrival, then id.
    Column("cursor_ns", BigInteger, nullable=False),
    Column("cursor_id", String(32), nullable=False),
    Column("checked_ns", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Index("ix_online_rules_enabled", "is_enabled"),
    project_key=True,
)

online_scores = tenant_table(
    "online_scores",
    # Each trace is scored once by each scorer, whichever rule asks for it.
    Column("trace_id", String(32), primary_key=True),
    Column("scorer", String(240), primary_key=True),  # name and version
    Column("rule_id", ID, nullable=False),
    Column("state", String(16), nullable=False),  # claimed, scored, failed, not_applicable
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("day", Integer, nullable=False),  # days since 1970 of the first attempt, for the budget
    Column("updated_ns", BigInteger, nullable=False),
    Index("ix_online_scores_rule", "tenant_id", "project_id", "rule_id", "day"),
    project_key=True,
)
