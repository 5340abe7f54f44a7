"""Database engine, table definitions, migrations, tenant-scoped transactions, artifacts."""
