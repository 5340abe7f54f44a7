"""PostgreSQL's second fence: row-level security on every tenant table.

A row shows itself, and lets itself be written, where its tenant is the transaction's (`aiplatform.tenant_id`, set by
`Database`), or where the transaction has taken the role `aiplatform_system` (`SET LOCAL ROLE`, by `Database.system`).
The policies compare `current_user` rather than name the role in `TO`: a policy `TO aiplatform_system` would hold for
every member of that role at all times, because members inherit, and the fence would be open. The policies are forced,
so they bind the tables' owner too; only a superuser or a role with BYPASSRLS ignores them, which `check_role` refuses.

A query's own conditions are looked at behind the policies, unless their operators are marked as leakproof, and an
array's `@>` is not: the index of words would never be used. So the words that are looked for stand in a policy
themselves, which restricts what `tenant_rows` shows: the transaction says them by `aiplatform.words`. Without them it
shows every row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, MetaData, text

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_
from aiplatform.storage.database import SYSTEM_ROLE

TENANT_POLICY: Final = "tenant_rows"
SYSTEM_POLICY: Final = "system_rows"
WORDS_SETTING: Final = "aiplatform.words"
"""The words, with a space between each two, that a row of `span_texts` must hold to be shown."""

_FURTHER: Final = {
    "span_texts": [
        "CREATE POLICY wanted_words ON span_texts AS RESTRICTIVE FOR SELECT USING "
        f"(words @> coalesce(string_to_array(current_setting('{WORDS_SETTING}', true), ' '), '{{}}'))"
    ]
}


def protect_statements(table: str) -> list[str]:
    """The statements that put one table behind the fence."""
    own = "tenant_id = current_setting('aiplatform.tenant_id', true)"
    system = f"current_user = '{SYSTEM_ROLE}'"
    return [
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY',
        f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY',
        f'CREATE POLICY {TENANT_POLICY} ON "{table}" USING ({own}) WITH CHECK ({own})',
        f'CREATE POLICY {SYSTEM_POLICY} ON "{table}" USING ({system}) WITH CHECK ({system})',
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO {SYSTEM_ROLE}',
        *_FURTHER.get(table, ()),
    ]


def tenant_tables(metadata: MetaData) -> list[str]:
    """Names of the declared tables whose rows belong to a tenant."""
    return [table.name for table in metadata.sorted_tables if "tenant_id" in table.c]


def protect(connection: Connection, tables: Iterable[str]) -> None:
    """Put tables behind the fence; nothing on SQLite, which has no such thing."""
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        for statement in protect_statements(table):
            connection.execute(text(statement))


def check_role(connection: Connection) -> None:
    """Nothing, where the connection's role is bound by the policies and may take the system's role.

    Raises:
        ConfigError: It is a superuser, has BYPASSRLS, or may not `SET ROLE aiplatform_system`.
    """
    if connection.dialect.name != "postgresql":
        return
    name, is_free = connection.execute(
        text("SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
    ).one()
    if is_free:
        raise ConfigError(
            N_("The database role {role!r} ignores row-level security."),
            hint=N_("Connect as a role with NOSUPERUSER and NOBYPASSRLS: ALTER ROLE … NOSUPERUSER NOBYPASSRLS."),
            reason="database.role_unbound",
            role=name,
        )
    known = connection.execute(
        text("SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = :role"),
        {"role": SYSTEM_ROLE},
    ).scalar()
    if not known:
        raise ConfigError(
            N_("The database role {role!r} cannot take the role {system!r}."),
            hint=N_("As an administrator of the database: CREATE ROLE {system} NOLOGIN; GRANT {system} TO {role};"),
            reason="database.system_role",
            role=name,
            system=SYSTEM_ROLE,
        )
