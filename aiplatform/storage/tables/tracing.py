"""Spans, the summaries of their traces, scores, and what the text index has yet to read."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from aiplatform.storage.tables.base import ID, tenant_table

TRACE_ID: Final = String(32)
SPAN_ID: Final = String(16)
RESOURCE_KEY: Final = String(32)
CURRENCY: Final = String(3)

spans = tenant_table(
    "spans",
    Column("trace_id", TRACE_ID, primary_key=True),
    Column("span_id", SPAN_ID, primary_key=True),
    # Days since 1970 of the start: PostgreSQL keeps a partition a day, and a partition's key must be part of the key.
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("parent_id", SPAN_ID),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("status", String(8), nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger),  # empty while the span runs
    Column("service", Text),
    Column("model", Text),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("cost", Float),
    Column("error", Text),
    Column("resource_key", RESOURCE_KEY, nullable=False),
    Column("raw", LargeBinary, nullable=False),  # opentelemetry.proto.trace.v1.Span
    Column("currency", CURRENCY),  # of the cost
    project_key=True,
    postgresql_partition_by="RANGE (day)",
)

span_resources = tenant_table(
    "span_resources",
    Column("resource_key", RESOURCE_KEY, primary_key=True),  # hash of the two values below
    Column("resource", LargeBinary, nullable=False),  # opentelemetry.proto.resource.v1.Resource
    Column("scope", LargeBinary, nullable=False),  # opentelemetry.proto.common.v1.InstrumentationScope
    project_key=True,
)

traces = tenant_table(
    "traces",
    Column("trace_id", TRACE_ID, primary_key=True),
    Column("name", Text),
    Column("status", String(8), nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger, nullable=False),
    Column("root_span_id", SPAN_ID),
    Column("has_root", Boolean, nullable=False),
    Column("num_spans", Integer, nullable=False),
    Column("num_errors", Integer, nullable=False),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("cost", Float),  # empty where currencies are mixed
    Column("input_preview", Text),
    Column("output_preview", Text),
    Column("models", Text, nullable=False),  # names between line feeds, one before and one after each
    Column("kinds", Text, nullable=False),  # likewise
    Column("service", Text),
    Column("session_id", Text),
    Column("user_id", Text),
    Column("first_day", Integer, nullable=False),
    Column("last_day", Integer, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    Column("is_settled", Boolean, nullable=False),  # no: its figures were carried forward, and are to be summed again
    Column("currency", CURRENCY),
    Column("costs", Text),  # JSON, amount by currency, where they are mixed
    Index("ix_traces_newest", "tenant_id", "project_id", "start_ns"),
    # Few traces belong to a session, and only they pay for it on the way in.
    Index(
        "ix_traces_session",
        "tenant_id",
        "project_id",
        "session_id",
        "start_ns",
        postgresql_where=text("session_id IS NOT NULL"),
        sqlite_where=text("session_id IS NOT NULL"),
    ),
    project_key=True,
)

span_logs = tenant_table(
    "span_logs",
    Column("trace_id", TRACE_ID, primary_key=True),
    Column("span_id", SPAN_ID, primary_key=True),
    Column("log_key", String(32), primary_key=True),  # hash of `raw`: a record that is sent again meets its twin
    Column("day", Integer, nullable=False),  # days since 1970 of its time
    Column("time_ns", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),  # among the records of its request, where times are equal
    Column("raw", LargeBinary, nullable=False),  # opentelemetry.proto.logs.v1.LogRecord
    project_key=True,
)

span_changes = tenant_table(
    "span_changes",
    Column("change_id", ID, primary_key=True),
    Column("created_ns", BigInteger, nullable=False),
    Column("num_spans", Integer, nullable=False),
    Column("keys", LargeBinary, nullable=False),  # 28 bytes a span: trace id, span id, day
    Index("ix_span_changes_oldest", "created_ns"),
)

span_texts = tenant_table(
    "span_texts",
    # PostgreSQL's text index; SQLite keeps its own in a second file and leaves this table empty.
    Column("trace_id", TRACE_ID, primary_key=True),
    Column("span_id", SPAN_ID, primary_key=True),
    Column("start_ns", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("words", ARRAY(Text).with_variant(Text(), "sqlite"), nullable=False),
    Index("ix_span_texts_words", "words", postgresql_using="gin"),
    project_key=True,
)

model_prices = tenant_table(
    "model_prices",
    # A tenant's own prices per million tokens; they come before the list that ships with the platform.
    Column("provider", String(64), primary_key=True),  # empty: whoever bills
    Column("model", String(200), primary_key=True),  # lower case; * stands for any end
    Column("valid_from_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("currency", CURRENCY, nullable=False),
    Column("input", Float),
    Column("output", Float),
    Column("cache_read", Float),
    Column("cache_write", Float),
    Column("principal", Text, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    project=False,
)

# Compared byte by byte, so that what begins alike stands together, whatever the server's language.
PLAIN_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")

attribute_values = tenant_table(
    "attribute_values",
    # PostgreSQL's index of attributes, first half: each value that a name has had, once. SQLite keeps its own in the
    # text index's file and leaves both tables empty.
    Column("value_id", BigInteger, primary_key=True, autoincrement=False),  # hash of project, name and value
    Column("name", PLAIN_TEXT, nullable=False),
    Column("text", PLAIN_TEXT),  # empty where only the name is indexed
    Column("number", Float),
    Index("ix_attribute_values_text", "tenant_id", "project_id", "name", "text"),
    Index("ix_attribute_values_number", "tenant_id", "project_id", "name", "number"),
    project_key=True,
)

span_attributes = tenant_table(
    "span_attributes",
    # Second half: the spans that have a value.
    Column("value_id", BigInteger, primary_key=True, autoincrement=False),
    Column("trace_id", TRACE_ID, primary_key=True),
    Column("span_id", SPAN_ID, primary_key=True),
    Index("ix_span_attributes_span", "tenant_id", "project_id", "trace_id", "span_id"),
    project_key=True,
)

resource_values = tenant_table(
    "resource_values",
    # A resource's values lead to the one value that each of its spans has of it.
    Column("value_id", BigInteger, primary_key=True, autoincrement=False),
    Column("resource_id", BigInteger, primary_key=True, autoincrement=False),
    project_key=True,
)

scores = tenant_table(
    "scores",
    Column("score_id", ID, primary_key=True),
    Column("trace_id", TRACE_ID, nullable=False),
    Column("span_id", SPAN_ID),
    Column("name", Text, nullable=False),
    Column("type", String(16), nullable=False),
    Column("number", Float),
    Column("label", Text),
    Column("source", String(16), nullable=False),
    Column("comment", Text),
    Column("principal", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Index("ix_scores_trace", "tenant_id", "project_id", "trace_id"),
    project_key=True,
)

ingest_counts = tenant_table(
    "ingest_counts",
    # What arrived, counted in the commit that keeps it.
    Column("day", Integer, primary_key=True, autoincrement=False),  # days since 1970 of the arrival
    Column("kind", String(16), primary_key=True),  # spans, known, bytes, rejected, refused, redacted, …
    Column("reason", String(40), primary_key=True),  # empty where the kind says all
    # The process that counted: two that write at once never wait for each other's rows.
    Column("writer", String(16), primary_key=True),
    Column("count", BigInteger, nullable=False),
    project_key=True,
)

trace_policies = tenant_table(
    "trace_policies",
    # An empty project: the policy of the whole tenant, for projects that have none of their own.
    Column("kind", String(16), primary_key=True),  # redaction, retention
    Column("policy", JSON, nullable=False),
    Column("secret", LargeBinary),  # what hashes of redacted values are keyed with
    Column("version", BigInteger, nullable=False),  # random: who caches policies sees by the sum that one changed
    Column("updated_ns", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    project=False,
    project_key=True,
)

trace_labels = tenant_table(
    "trace_labels",
    # What is said about a trace beside its spans. It may be said before the first span arrives.
    Column("trace_id", TRACE_ID, primary_key=True),
    Column("kind", String(16), primary_key=True),  # tag, metadata, info, feedback, expectation
    Column("key", String(250), primary_key=True),
    Column("value", Text, nullable=False),
    Index("ix_trace_labels_key", "tenant_id", "project_id", "kind", "key"),
    project_key=True,
)

cold_files = tenant_table(
    "cold_files",
    # Spans that left the database for the artifact store: one Parquet file of whole traces that began on one day.
    Column("file_id", ID, primary_key=True),
    Column("day", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("num_traces", Integer, nullable=False),
    Column("num_spans", Integer, nullable=False),
    Column("num_gone", Integer, nullable=False),  # traces in it that live no more, or in the database again
    Column("groups", JSON, nullable=False),  # of each row group: first and last start of its traces, spans
    Column("filters", LargeBinary, nullable=False),  # what of words and attributes may occur in each row group
    Column("created_ns", BigInteger, nullable=False),
    Index("ix_cold_files_day", "tenant_id", "project_id", "day"),
    project_key=True,
)

cold_traces = tenant_table(
    "cold_traces",
    # Where the spans of a trace lie that left the database; its summary, scores and labels stayed.
    Column("trace_id", TRACE_ID, primary_key=True),
    Column("file_id", ID, nullable=False),
    Column("group_no", Integer, nullable=False),
    Column("num_spans", Integer, nullable=False),
    Column("span_ids", LargeBinary, nullable=False),  # 9 bytes a span: its id, and whether it was still running
    Index("ix_cold_traces_file", "tenant_id", "project_id", "file_id"),
    project_key=True,
)

saved_searches = tenant_table(
    "saved_searches",
    # A query of traces with its time and order, under a name that the project shares.
    Column("search_id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("last", String(8)),  # a range that ends now (`24h`); else the two below, or any time
    Column("from_ns", BigInteger),
    Column("to_ns", BigInteger),
    Column("sort", String(16), nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    Index("ix_saved_searches_name", "tenant_id", "project_id", "name", unique=True),
    project_key=True,
)
