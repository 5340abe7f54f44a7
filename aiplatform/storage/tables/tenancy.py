"""Tenants, projects, members, API keys, browser sessions, sign-in codes, and the audit log."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Index, String, Text

from aiplatform.storage.tables.base import ID, tenant_table

HASH = String(64)
PRINCIPAL = String(320)

tenants = tenant_table(
    "tenants",
    Column("name", String(200), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("suspended_ns", BigInteger),
    Column("delete_after_ns", BigInteger),
    project=False,
)

projects = tenant_table(
    "projects",
    Column("name", String(200), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("delete_after_ns", BigInteger),
    project=False,
    project_key=True,
)

members = tenant_table(
    "members",
    Column("email", String(254), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Index(None, "email"),
    project=False,
)

api_keys = tenant_table(
    "api_keys",
    Column("id", ID, primary_key=True),
    # Unique over all tenants: a key says by itself whose it is. Policies do not weaken a unique index.
    Column("secret_hash", HASH, nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("name", String(200), nullable=False),
    Column("owner", PRINCIPAL, nullable=False),
    Column("role", String(20), nullable=False),
    Column("scopes", JSON(none_as_null=True)),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", PRINCIPAL, nullable=False),
    Column("lifetime_ns", BigInteger),
    Column("expires_ns", BigInteger),
    Column("revoked_ns", BigInteger),
    Column("last_used_ns", BigInteger),
    project=False,
)

browser_sessions = tenant_table(
    "browser_sessions",
    Column("token_hash", HASH, primary_key=True),
    Column("key_id", ID, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Index(None, "token_hash", unique=True),
    Index(None, "expires_ns"),
    project=False,
)

sign_in_codes = tenant_table(
    "sign_in_codes",
    Column("code_hash", HASH, primary_key=True),
    Column("key_id", ID, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    Column("used_ns", BigInteger),
    Index(None, "code_hash", unique=True),
    project=False,
)

audit_events = tenant_table(
    "audit_events",
    Column("id", ID, primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("principal", PRINCIPAL, nullable=False),
    Column("action", String(100), nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("request_id", String(64)),
    Index(None, "tenant_id", "at_ns"),
    project=False,
)

tenant_specs = tenant_table(
    "tenant_specs",
    # What a platform admin applied last. Its row is locked where limits are granted, so that grants come one by one.
    Column("spec", JSON, nullable=False),
    Column("quotas", JSON, nullable=False),
    Column("applied_ns", BigInteger, nullable=False),
    Column("applied_by", PRINCIPAL, nullable=False),
    project=False,
)

quota_windows = tenant_table(
    "quota_windows",
    # How much of a minute or a day is leased to entry processes or used.
    Column("resource", String(40), primary_key=True),
    Column("window_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("granted", BigInteger, nullable=False),
    project=False,
)

quota_holds = tenant_table(
    "quota_holds",
    # What entry processes hold of what is given back; free again where it is not renewed in time.
    Column("resource", String(40), primary_key=True),
    Column("holder", ID, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
    project=False,
)
