"""Tables of deployments: the wanted revision, what was seen of it, and every revision before."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, Integer, String, Text

from aiplatform.storage.tables.base import ID, SLUG, tenant_table

# The application's name holds tenant, project and deployment (three slugs), so that it is unique in the cluster.
_APPLICATION: Final = String(160)

deployments: Final = tenant_table(
    "deployments",
    Column("application", _APPLICATION, primary_key=True),
    Column("name", SLUG, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("revision_id", ID, nullable=False),
    Column("deployed_revision_id", ID, nullable=True),
    Column("status", String(16), nullable=False),
    Column("message", Text, nullable=True),
    Column("ready_replicas", Integer, nullable=False),
    Column("seen_ns", BigInteger, nullable=False),
    Column("since_ns", BigInteger, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
)

deployment_revisions: Final = tenant_table(
    "deployment_revisions",
    Column("application", _APPLICATION, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", SLUG, nullable=False),
    Column("revision_id", ID, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("author", String(200), nullable=False),
    Column("restored_from", Integer, nullable=True),
    Column("created_ns", BigInteger, nullable=False),
)
