"""Evaluation runs and comparisons of them; the rows of a run are Parquet in the artifact store."""

from sqlalchemy import JSON, BigInteger, Column, Float, Index, LargeBinary, String, Text

from aiplatform.storage.tables.base import ID, tenant_table

evaluation_runs = tenant_table(
    "evaluation_runs",
    Column("run_id", ID, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("data_label", String(200), nullable=False),
    Column("rows_hash", String(64), nullable=False),
    Column("job_id", String(128), nullable=False),
    Column("error", Text, nullable=False),
    Column("done_rows", BigInteger, nullable=False),
    Column("record", JSON, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("started_ns", BigInteger, nullable=True),
    Column("ended_ns", BigInteger, nullable=True),
    Column("seen_ns", BigInteger, nullable=False),
    Index("ix_evaluation_runs_created", "tenant_id", "project_id", "created_ns"),
    Index("ix_evaluation_runs_status", "status"),
)

comparisons = tenant_table(
    "comparisons",
    Column("comparison_id", ID, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("baseline_id", ID, nullable=False),
    Column("metric", String(200), nullable=False),
    Column("result", JSON, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Index("ix_comparisons_created", "tenant_id", "project_id", "created_ns"),
)

evaluation_calls = tenant_table(
    "evaluation_calls",
    Column("digest", String(64), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("reply", LargeBinary, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("run_id", ID, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost", Float, nullable=True),
    Column("currency", String(3), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("used_ns", BigInteger, nullable=False),
    Index("ix_evaluation_calls_run", "tenant_id", "project_id", "run_id"),
    Index("ix_evaluation_calls_used", "used_ns"),
    project_key=True,
)
