"""Data set versions, what is known of model versions beside MLflow, and the graph of descent."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Text, UniqueConstraint

from aiplatform.storage.tables.base import ID, tenant_table

dataset_versions = tenant_table(
    "dataset_versions",
    Column("dataset_id", ID, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", String(80), nullable=False),
    Column("columns", JSON, nullable=False),
    Column("num_rows", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("artifact_path", Text, nullable=False),
    Column("licence", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", String(128), nullable=False),
    UniqueConstraint("tenant_id", "project_id", "name", "version"),
    UniqueConstraint("tenant_id", "project_id", "name", "digest"),
)

model_versions = tenant_table(
    "model_versions",
    Column("version_id", ID, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("mlflow_created_ms", BigInteger, nullable=False),
    Column("loader", Text, nullable=True),
    Column("signature", JSON, nullable=True),
    Column("metrics", JSON, nullable=False),
    Column("training_run_id", ID, nullable=True),
    Column("mlflow_run_id", ID, nullable=True),
    Column("checkpoint_path", Text, nullable=True),
    Column("datasets", JSON, nullable=False),
    Column("parent_models", JSON, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", String(128), nullable=False),
    UniqueConstraint("tenant_id", "project_id", "name", "version"),
)

lineage_edges = tenant_table(
    "lineage_edges",
    Column("edge_id", ID, primary_key=True),
    Column("source_kind", String(32), nullable=False),
    Column("source_ref", String(256), nullable=False),
    Column("target_kind", String(32), nullable=False),
    Column("target_ref", String(256), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    UniqueConstraint(
        "tenant_id", "project_id", "source_kind", "source_ref", "target_kind", "target_ref", name="uq_lineage_edges"
    ),
    Index("ix_lineage_edges_target", "tenant_id", "project_id", "target_kind", "target_ref"),
)
