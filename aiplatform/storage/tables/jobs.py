"""Jobs that tenants run on their Ray cluster."""

from sqlalchemy import JSON, BigInteger, Column, Index, String, Text

from aiplatform.storage.tables.base import ID, tenant_table

jobs = tenant_table(
    "jobs",
    Column("job_id", String(128), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("entrypoint", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("key_id", ID, nullable=True),
    Column("key_expires_ns", BigInteger, nullable=True),
    Column("submitted_by", String(128), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("started_ns", BigInteger, nullable=True),
    Column("ended_ns", BigInteger, nullable=True),
    Index("ix_jobs_created", "tenant_id", "project_id", "created_ns"),
    Index("ix_jobs_state", "state"),
)
