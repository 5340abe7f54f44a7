"""Leases: which process does what only one may do."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String

from aiplatform.storage.tables.base import tenant_table

leases = tenant_table(
    "leases",
    Column("name", String(64), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    project=False,
)
