"""`python -m aiplatform.storage.migrations "add a table"`: write the next revision from the declared tables.

It compares the declared tables with a scratch database at the newest revision. Read what it wrote, say what it locks,
and add what Alembic does not see: policies of a new table (`ENABLE`, `FORCE`, `CREATE POLICY`, `GRANT`), data.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from alembic import command

from aiplatform.storage.database import Database
from aiplatform.storage.migrate import configuration, migrate


def write_revision(message: str) -> None:
    """Write the next revision beside the others."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'scratch.db'}", pool_size=1)
        migrate(database)
        with database.owner() as connection:
            revision = datetime.now(UTC).strftime("%Y%m%d_%H%M")
            command.revision(configuration(connection), message, autogenerate=True, rev_id=revision)
        database.close()


if __name__ == "__main__":
    write_revision(" ".join(sys.argv[1:]))
