"""How Alembic runs here: on the connection, and in the transaction, that `storage.migrate` hands over."""

from __future__ import annotations

from alembic import context

from aiplatform.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite keeps schema changes inside a transaction too; Alembic's default for it says otherwise.
    transactional_ddl=True,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
