"""Spans that left the database for Parquet files in the artifact store, and answer every question from there."""
