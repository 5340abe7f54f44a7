"""Training runs."""

from sqlalchemy import JSON, BigInteger, Column, Index, String, Text

from aiplatform.storage.tables.base import ID, tenant_table

training_runs = tenant_table(
    "training_runs",
    Column("run_id", ID, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("state", String(16), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("message", Text, nullable=False),
    Column("job_id", String(128), nullable=True),
    Column("experiment", String(128), nullable=False),
    Column("mlflow_run_id", ID, nullable=True),
    Column("datasets", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("checkpoint_path", Text, nullable=True),
    Column("model", String(256), nullable=True),
    Column("created_by", String(128), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("started_ns", BigInteger, nullable=True),
    Column("ended_ns", BigInteger, nullable=True),
    Index("ix_training_runs_created", "tenant_id", "project_id", "created_ns"),
)
