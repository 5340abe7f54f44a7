"""Spans: the SDK that makes them, the OTLP entry, their canonical record, store and search."""
