"""What must be in the database and on disk before the first process starts: schema, first tenant, keys."""

from __future__ import annotations

import secrets
from pathlib import Path

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_
from aiplatform.gateway.installation import Installation
from aiplatform.gateway.report import Step
from aiplatform.gateway.service_key import refresh_service_key
from aiplatform.gateway.services import Services
from aiplatform.runtime.state import write_private
from aiplatform.storage.migrate import migrate, newest_revision


def prepare(here: Installation, step: Step) -> None:
    """Migrate the database, make the tenant `default` and the keys that are missing.

    Raises:
        ConfigError: The database is from a newer version, or the platform would listen beyond this machine before
            anybody has a key.
    """
    services = Services(here.settings)
    try:
        migrate(services.database)
        kind = _KINDS.get(services.database.dialect, services.database.dialect)
        step.result(N_("{kind}, schema {revision}"), kind=kind, revision=newest_revision())
        _make_keys(here, services)
    finally:
        services.close()


def sign_in_url(here: Installation) -> str:
    """The address that signs the owner's browser in, once, within a quarter of an hour."""
    services = Services(here.settings)
    try:
        code = services.tenancy.sessions.new_code(_read(here.owner_key_file) or "")
    finally:
        services.close()
    return f"{here.settings.url}/sign-in?code={code}"


_KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def _make_keys(here: Installation, services: Services) -> None:
    if not here.secret_file.exists():
        write_private(here.secret_file, secrets.token_hex(32))
    directory = services.tenancy.directory
    if not here.is_loopback and not directory.tenants():
        raise ConfigError(
            N_("The platform would listen at {host!r}, and nobody has a key yet."),
            hint=N_("Run `aiplatform up` once on 127.0.0.1: it makes the owner's key. Then choose another address."),
            reason="up.no_keys",
            host=here.settings.server.host,
        )
    made = directory.ensure_default(_read(here.owner_key_file))
    if made is not None:
        write_private(here.owner_key_file, made.text)
    refresh_service_key(services.tenancy, here.service_key_file)
    write_private(here.url_file, here.local_url if here.is_loopback else here.settings.url)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
